import matplotlib as mpl
import pytest
from matplotlib import colors

from captum_lca.colours import ink


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_ink_is_as_far_from_the_ground_as_can_be(style):
    from matplotlib import style as styles

    with styles.context(style):
        ground = colors.to_rgb(mpl.rcParams["figure.facecolor"])
        assert abs(sum(colors.to_rgb(ink())) - sum(ground)) == 3
