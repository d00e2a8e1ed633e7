import pytest
import torch

from captum_lca import NeuronLayout, NeuronRanking
from captum_lca.analysis.neuron_choices import (
    allowed_neurons,
    matched_bottom,
    matched_random,
    top_of,
)

LAYOUT = NeuronLayout(("a", "b"), (4, 6))
ORDER = torch.tensor([5, 0, 6, 1, 7, 2, 8, 3, 9, 4])
RANKING = NeuronRanking(ORDER, torch.zeros(10), LAYOUT, "by hand")
EVERY = torch.ones(10, dtype=torch.bool)


def test_top_and_its_match_at_the_bottom():
    top = top_of(RANKING, 3, EVERY)
    assert top.tolist() == [5, 0, 6]
    assert matched_bottom(RANKING, top, EVERY).tolist() == [3, 4, 9]  # one of a, two of b


def test_random_neurons_are_of_the_same_layers():
    top = top_of(RANKING, 3, EVERY)
    drawn = [matched_random(LAYOUT, top, EVERY, seed) for seed in range(200)]
    assert all(sorted(LAYOUT.layer_numbers(ids).tolist()) == [0, 1, 1] for ids in drawn)
    assert all(len(ids.unique()) == 3 for ids in drawn)
    counts = torch.bincount(torch.cat(drawn), minlength=10)
    assert counts[:4].sum() == 200
    assert (counts[:4] - 50).abs().max() < 20
    assert (counts[4:] - 400 / 6).abs().max() < 25
    assert matched_random(LAYOUT, top, EVERY, 3).tolist() == drawn[3].tolist()


def test_neurons_left_out_are_never_chosen():
    allowed = EVERY.clone()
    allowed[[5, 9]] = False
    top = top_of(RANKING, 3, allowed)
    assert top.tolist() == [0, 6, 1]
    assert matched_bottom(RANKING, top, allowed).tolist() == [3, 2, 4]
    for seed in range(50):
        assert not set(matched_random(LAYOUT, top, allowed, seed).tolist()) & {5, 9}


def test_layers():
    assert allowed_neurons(LAYOUT, ["b"]).tolist() == [False] * 4 + [True] * 6
    assert allowed_neurons(LAYOUT, None).all()
    with pytest.raises(ValueError, match="no layer named 'c'"):
        allowed_neurons(LAYOUT, ["c"])


def test_too_many():
    with pytest.raises(ValueError, match="1 to 6 neurons; found 7"):
        top_of(RANKING, 7, allowed_neurons(LAYOUT, ["b"]))
