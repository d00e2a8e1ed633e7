import pytest
import torch
from probe_problems import classification

from captum_lca import fit_elastic_net
from captum_lca.ablation import ablated
from captum_lca.probes import evaluate
from captum_lca.probes.joint_scores import score_together


def test_scores_are_those_of_each_probe_alone():
    activations, labels = classification(3)
    probe = fit_elastic_net(activations, labels)
    probes = [probe, ablated(probe, [0], "mean"), ablated(probe, [0, 1], "zero")]
    expected = [evaluate(each, activations, labels).accuracy for each in probes]
    assert score_together(probes, activations, labels) == pytest.approx(expected)
    assert len(set(expected)) == 3


def test_regressions_are_scored_by_r2():
    activations, _ = classification(3)
    numbers = activations[:, 0] - activations[:, 2]
    probe = fit_elastic_net(activations, numbers)
    expected = evaluate(probe, activations, numbers).r2
    assert score_together([probe], activations, numbers) == [pytest.approx(expected)]


def test_blocks_without_a_label_are_passed_over():
    activations, labels = classification(3, rows=3000)
    sparse = [label if row < 100 or row > 2900 else None for row, label in enumerate(labels)]
    probe = fit_elastic_net(activations, labels)
    expected = evaluate(probe, activations, sparse).accuracy
    assert score_together([probe], activations, sparse) == [pytest.approx(expected)]


def test_unseen_labels_are_wrong_and_missing_ones_refused():
    activations, labels = classification(3)
    probe = fit_elastic_net(activations, labels)
    assert score_together([probe], activations, ["new"] * len(labels)) == [0]
    with pytest.raises(ValueError, match="no labelled rows"):
        score_together([probe], activations, torch.full((len(labels),), -100))
