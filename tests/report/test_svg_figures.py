from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np

from captum_lca.colours import BLUE
from captum_lca.report.svg_figures import svg_figures


def test_plots_take_the_colours_of_the_page():
    def draw(axes):
        axes[0].plot([0, 1], [0, 1], color=BLUE)
        axes[0].axhline(0.5, color="black")
        axes[1].imshow(np.eye(2))
        axes[1].text(0, 0, "<script>", color="black")

    before = dict(mpl.rcParams)
    first, second = svg_figures(draw, (6, 3), 2, 'what "it" shows')
    assert dict(mpl.rcParams) == before
    assert 'stroke="var(--blue)"' in first
    assert 'stroke="var(--ink)"' in first
    assert 'fill="currentColor"' in first
    assert "style" not in first + second
    assert "&lt;script&gt;</text>" in second
    for svg in (first, second):
        assert ET.fromstring(svg).get("aria-label") == 'what "it" shows'


def test_the_same_plot_is_the_same_text():
    def draw(axes):
        axes[0].plot([1, 3, 2])

    assert svg_figures(draw, (3, 2), 1, "") == svg_figures(draw, (3, 2), 1, "")
