"""Scores, searches, ablation and whatever else reads activations, by one to three ranks."""

import numpy as np
import pytest
import torch
from forking import results_by_ranks

from captum_lca import NeuronLayout, fit_elastic_net
from captum_lca.ablation import Resampled, ablate_probe, layer_baselines, neuron_means
from captum_lca.activations import ActivationStore
from captum_lca.analysis import (
    LabelledActivations,
    activation_histograms,
    correlation_clusters,
    cross_validate_penalties,
    massive_activations,
    minimal_set,
    neuron_responses,
    search_penalties,
)
from captum_lca.probes import elastic_net_path, evaluate
from captum_lca.rankings import weight_mass

ROWS = 600
GENERATOR = torch.Generator().manual_seed(0)
ACTIVATIONS = torch.randn(ROWS, 16, dtype=torch.float64, generator=GENERATOR)
ACTIVATIONS[550, 11] = 3000  # massive, and of the last rank alone
STORE = ActivationStore.from_tensor(ACTIVATIONS, NeuronLayout(("low", "high"), (10, 6)))
NOISE = torch.randn(ROWS, 3, dtype=torch.float64, generator=GENERATOR)
LABELS = ["ABC"[number] for number in (ACTIVATIONS[:, :3] + NOISE).argmax(1)]
NUMBERS = (ACTIVATIONS[:, 3] + NOISE[:, 0]).tolist()
TEST = ActivationStore.from_tensor(ACTIVATIONS[400:404].repeat(30, 1) + 0.1, STORE.layout)
TEST_LABELS = LABELS[400:404] * 30
WORDS = [f"word {row % 50}" for row in range(ROWS)]
FAST = {"l1": 1e-2, "progress": False}


def everything():
    """Numbers of all kinds of results, by name."""
    probe, regression = (fit_elastic_net(STORE, y, l1=1e-2) for y in (LABELS, NUMBERS))
    ranking = weight_mass(probe)
    train = LabelledActivations(STORE, LABELS)
    tables = {
        "path": elastic_net_path(STORE, LABELS, count=3).to_frame(),
        "scores": evaluate(probe, TEST, TEST_LABELS).to_frame(),
        "numbers": evaluate(regression, STORE, NUMBERS).to_frame(),
        "cv": cross_validate_penalties(
            STORE, LABELS, [3e-2, 1e-2], [1e-3], folds=3, progress=False
        ).to_frame(),
        "search": search_penalties(
            train, LabelledActivations(TEST, TEST_LABELS), l1s=[3e-2, 1e-2], l2s=[1e-3],
            progress=False,
        ).to_frame(),
        "ablation": ablate_probe(
            probe, ranking, TEST, TEST_LABELS, baselines=("mean", "zero", "retrained"),
            counts=[4], train=(STORE, LABELS), draws=2, progress=False,
        ).to_frame(),
        "minimal set": minimal_set(
            STORE, LABELS, ranking, test=(TEST, TEST_LABELS), draws=2, **FAST
        ).to_frame(),
        "clusters": correlation_clusters(
            STORE, LABELS, test=(TEST, TEST_LABELS), thresholds=[0.5], draws=1, **FAST
        ).to_frame(),
        "massive": massive_activations(STORE).to_frame(),
        "responses": neuron_responses(STORE, 3, words=WORDS).words,
    }  # fmt: skip
    found = {
        name: table.drop(columns="seconds", errors="ignore").to_dict("list")
        for name, table in tables.items()
    }
    found["logits"] = probe.logits(TEST).tolist()
    found["predictions"] = probe.predict(TEST)
    found["histograms"] = activation_histograms(STORE, LABELS, 3).counts.tolist()
    found["baselines"] = layer_baselines(STORE, "high").tolist()
    found["means"] = neuron_means(STORE, LABELS, of="B").tolist()
    found["resampled"] = Resampled(STORE, 0, LABELS, of="B").rows.tolist()
    return found


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return results_by_ranks(everything, tmp_path_factory.mktemp("results"))


def assert_same(found, expected):
    """Equal, and numbers equal up to rounding."""
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for name in expected:
            assert_same(found[name], expected[name])
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for pair in zip(found, expected, strict=True):
            assert_same(*pair)
    elif isinstance(expected, float):
        assert np.isclose(found, expected, rtol=1e-6, atol=1e-8, equal_nan=True)
    else:
        assert found == expected


@pytest.mark.parametrize("count", [2, 3])
def test_any_number_of_ranks_finds_the_same(results, count):
    (alone,) = results[1]
    assert alone["massive"]["neuron"]
    for of_rank in results[count]:
        assert_same(of_rank, alone)
