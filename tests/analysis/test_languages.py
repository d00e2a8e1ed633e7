import matplotlib as mpl
import pytest
import torch
from planted import planted

from captum_lca import ActivationStore
from captum_lca.analysis import compare_languages

mpl.use("Agg")
FAST = {"l1": 0.03, "count": 3, "samples": 2, "progress": False}
HERE, THERE = (0, 3, 12), (0, 3, 6)  # of 15 neurons in three layers; two in common


def language(where, seed):
    return planted(where=[*where, *(n for n in range(15) if n not in where)], seed=seed)[:2]


def compare(*languages, **options):
    train = {f"language {n}": pair[0] for n, pair in enumerate(languages)}
    test = {f"language {n}": pair[1] for n, pair in enumerate(languages)}
    return compare_languages(train, test=test, **FAST | options)


def test_a_language_beside_itself():
    same = compare(language(HERE, 0), language(HERE, 0), l1=0.001)
    pair = same.pairs[0]
    assert pair.overlap.overlap == pair.spearman.value == pair.profiles.value == 1
    assert pair.spearman.high == pair.profiles.high == 1
    assert same.transfer().nunique().tolist() == [1, 1]
    assert same.overlaps().to_numpy().tolist() == [[1, 1], [1, 1]]


def test_two_of_three_neurons_in_common():
    found = compare(language(HERE, 0), language(THERE, 1), language(THERE, 2))
    table = found.to_frame().set_index(["first", "second"])
    near, far = ("language 1", "language 2"), ("language 0", "language 1")
    assert table.loc[near, "overlap"] == table.loc[near, "profiles"] == 1
    assert table.loc[far, "overlap"] == pytest.approx(2 / 3)
    assert table.loc[far, "profiles"] == pytest.approx(2 / 3)  # 2, 0, 1 neurons and 2, 1, 0
    assert (table["profiles_high"] <= 1).all()
    assert table.loc[far, "expected"] == pytest.approx(3 / 15)
    transfer = found.transfer()
    assert transfer.loc[near] > 0.85
    assert transfer.loc[far] < transfer.loc[near] - 0.1  # a third of the signal is elsewhere
    assert transfer.index.name == "trained in"
    assert len(found.plot().texts) == 9


def test_other_classes_are_refused_or_left_out():
    (train, labels), (test, test_labels) = language(HERE, 0)
    without = [None if label == "VERB" else label for label in labels]
    poorer = (train, without), (test, test_labels)
    with pytest.raises(ValueError, match=r"has \['VERB'\].*pass classes=\['ADJ', 'NOUN'\]"):
        compare(((train, labels), (test, test_labels)), poorer)
    found = compare(((train, labels), (test, test_labels)), poorer, classes=["ADJ", "NOUN"])
    assert found.pairs[0].overlap.overlap == 1


def test_what_cannot_be_compared():
    one = language(HERE, 0)
    with pytest.raises(ValueError, match="at least two"):
        compare(one)
    narrow = ActivationStore.from_tensor(torch.zeros(2, 3)), ["ADJ", "NOUN"]
    with pytest.raises(ValueError, match="different layouts: 3 layers with 15"):
        compare(one, (narrow, narrow))
