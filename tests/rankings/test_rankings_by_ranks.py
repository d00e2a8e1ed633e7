"""Rankings by one, two and three ranks are the same."""

from functools import partial

import pytest
import torch
from forking import results_by_ranks

from captum_lca import rankings
from captum_lca.rankings import METHODS

ROWS = 900
GENERATOR = torch.Generator().manual_seed(0)
ACTIVATIONS = torch.randn(ROWS, 30, dtype=torch.float64, generator=GENERATOR)
ACTIVATIONS[:, 7] = 5  # constant
CLASSES = [
    f"class {number}"
    for number in (ACTIVATIONS[:, :4] + torch.randn(ROWS, 4, generator=GENERATOR)).argmax(1)
]
CLASSES[850:] = ["late"] * 50  # a class of the last rank alone
NUMBERS = (ACTIVATIONS[:, 3] + torch.randn(ROWS, generator=GENERATOR)).tolist()
EARLY = [*CLASSES[:200], *[None] * 700]  # labelled rows of the first rank alone

WAYS = {
    **{name: partial(method, ACTIVATIONS, CLASSES, seed=0) for name, method in METHODS.items()},
    "stepwise_selection": partial(
        rankings.stepwise_selection, ACTIVATIONS, CLASSES, sizes=(3, 8), progress=False
    ),
    "stepwise of few held rows": partial(
        rankings.stepwise_selection, ACTIVATIONS, CLASSES, sizes=(3,), memory=50_000, progress=False
    ),
    "anova_f of numbers": partial(rankings.anova_f, ACTIVATIONS, NUMBERS),
    "stepwise of numbers": partial(
        rankings.stepwise_selection, ACTIVATIONS, NUMBERS, sizes=(3,), progress=False
    ),
    "iou, some neurons at a time": partial(rankings.iou, ACTIVATIONS, CLASSES, memory=30_000),
    "iou, one rank's rows": partial(rankings.iou, ACTIVATIONS, EARLY),
    "gaussian, one rank's rows": partial(rankings.gaussian, ACTIVATIONS, EARLY, count=5),
    "standardised probeless": partial(rankings.probeless, ACTIVATIONS, CLASSES, standardise=True),
}


def all_ways():
    """Order and salience by every way, overall and per class."""
    found = {}
    for name, way in WAYS.items():
        ranking = way()
        tensors = (ranking.order, ranking.class_order, ranking.salience, ranking.class_salience)
        found[name] = [None if part is None else part.tolist() for part in tensors]
    return found


@pytest.fixture(scope="module")
def ranked(tmp_path_factory):
    return results_by_ranks(all_ways, tmp_path_factory.mktemp("rankings"))


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("way", WAYS)
def test_any_number_of_ranks_finds_the_same(ranked, way, count):
    *orders, salience, class_salience = ranked[1][0][way]
    for of_rank in ranked[count]:
        *their_orders, their_salience, their_class_salience = of_rank[way]
        assert their_orders == orders
        assert their_salience == pytest.approx(salience, rel=1e-7, abs=1e-9)
        for mine, theirs in zip(class_salience or [], their_class_salience or [], strict=True):
            assert theirs == pytest.approx(mine, rel=1e-7, abs=1e-9)
    assert ranked[count][0][way] == ranked[count][-1][way]  # to the last bit
