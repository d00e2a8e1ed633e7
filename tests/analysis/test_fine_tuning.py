import matplotlib as mpl
import numpy as np
import pytest
import torch
from planted import planted

from captum_lca import ActivationStore
from captum_lca.analysis import compare_fine_tuning

mpl.use("Agg")
INFORMATIVE = (0, 3, 12)  # of 15 neurons in three layers: two in the first, one in the last
BEFORE = [*INFORMATIVE, *(n for n in range(15) if n not in INFORMATIVE)]


def moved(store, order):
    rows = store.read(0, store.rows)
    return ActivationStore.from_tensor(rows[:, torch.tensor(order)], store.layout)


@pytest.fixture(scope="module")
def problem():
    return planted(where=BEFORE)[:2]


def compare(problem, order, **options):
    (train, labels), (test, test_labels) = problem
    halves = moved(train, order), moved(test, order)
    return compare_fine_tuning(
        train, halves[0], labels, test=(test, halves[1], test_labels), progress=False, **options
    )


def test_a_model_beside_itself(problem):
    same = compare(problem, list(range(15)), l1=0.03, count=3, samples=3)
    assert same.shift.value == same.shift.low == same.shift.high == 0
    assert same.overlap.overlap == 1
    table = same.to_frame()
    assert table["score_before"].tolist() == table["score_after"].tolist()


def test_neurons_moved_to_the_first_layer(problem):
    order = list(range(15))
    order[1], order[12] = 12, 1  # what neuron 12 knew is now in neuron 1, of the first layer
    found = compare(problem, order, l1=0.03, count=3, samples=3)
    assert found.to_frame()["neurons_before"].tolist() == [2, 0, 1]
    assert found.to_frame()["neurons_after"].tolist() == [3, 0, 0]
    assert found.shift.value == pytest.approx(-1 / 3)  # from depths 0, 0, 1 to 0, 0, 0
    assert found.overlap.shared == 2
    assert [bar.get_height() for bar in found.plot().patches] == [2, 0, 1, 3, 0, 0]


def test_other_rows_are_refused(problem):
    (train, labels), (test, test_labels) = problem
    fewer = ActivationStore.from_tensor(train.read(0, 10), train.layout)
    with pytest.raises(ValueError, match="the same rows; found"):
        compare_fine_tuning(train, fewer, labels, test=(test, test, test_labels))


def test_whiskers_stay_within_what_can_be(problem):
    found = compare(problem, list(range(15)), l1=0.03, count=3, samples=3)
    before, after = (lines.get_segments() for lines in found.plot().collections)
    assert len(before) == len(after) == 3  # one per layer
    assert all(0 <= y <= 3 for (_, y) in np.concatenate([*before, *after]))


def test_no_whiskers_without_halves(problem):
    ax = compare(problem, list(range(15)), l1=0.03, count=3, samples=0).plot()
    assert not ax.collections
