import math

import numpy as np
import pytest

from captum_lca.analysis.intervals import Estimate, around, percentiles


def test_around_is_students_interval():
    # standard deviation 1; t(0.975, 2 degrees of freedom) = 4.3027 from the table
    found = around(10, [4.0, 5.0, 6.0])
    assert (found.low, found.high) == pytest.approx((10 - 4.3027, 10 + 4.3027), abs=1e-4)
    assert around(10, [4.0, math.nan, 5.0, 6.0]) == found


@pytest.mark.parametrize("replicates", [[], [1.0], [math.nan, 1.0]])
def test_too_few_replicates_have_no_interval(replicates):
    found = around(2.0, replicates)
    assert found.value == 2
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_percentiles_hold_the_middle():
    found = percentiles(0.5, np.linspace(0, 1, 1001))
    assert (found.low, found.high) == pytest.approx((0.025, 0.975))


def test_reads_well():
    assert str(Estimate(0.5, 0.25, 0.75)) == "0.500 [0.250, 0.750]"
