"""The choice of penalties by cross-validation."""

import json

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from test_study import planted

from captum_lca import fit_elastic_net
from captum_lca.analysis import CrossValidation, CrossValidationPoint, cross_validate_penalties
from captum_lca.analysis.held_out import sentence_folds
from captum_lca.probes import evaluate


@pytest.fixture(scope="module")
def data():
    return planted(0, rows=300)


@pytest.fixture(scope="module")
def found(data):
    return cross_validate_penalties(
        data.activations, data.labels, [2.0, 0.02, 0.002], [0.001], folds=3, progress=False
    )


def test_scores_are_those_of_the_folds(data, found):
    folds = sentence_folds(data.activations, data.labels, 3, seed=0)
    for point in found.points:
        scores = []
        for fold in folds:
            probe = fit_elastic_net(data.activations, fold.train, l1=point.l1, l2=point.l2)
            scores.append(evaluate(probe, data.activations, fold.held_out).accuracy)
        assert point.folds == pytest.approx(scores, abs=0.011)  # one word of 100
        assert point.score == pytest.approx(np.mean(point.folds))
        assert point.error == pytest.approx(np.std(point.folds, ddof=1) / 3**0.5)


def test_the_best_and_the_sparsest():
    def point(l1, score, nonzeros):
        return CrossValidationPoint(l1, 0.0, score, 0.02, (), nonzeros, nonzeros, 0.0)

    points = point(0.3, 0.87, 1), point(0.2, 0.89, 5), point(0.1, 0.90, 9), point(0.0, 0.90, 20)
    found = CrossValidation(points, "accuracy")
    assert found.l1 == 0.1  # as good as the last, with fewer weights
    assert found.sparsest.l1 == 0.2  # 0.87 is more than 0.02 below


def test_too_strong_a_penalty_is_not_chosen(found):
    assert found.points[0].nonzeros == 0
    assert found.l1 < 2
    assert found.chosen.score > 0.95
    assert found.sparsest.nonzeros <= found.chosen.nonzeros


def test_table_summary_and_plot(found):
    columns = ["l1", "l2", "score", "error", "nonzeros", "neurons", "seconds"]
    assert list(found.to_frame().columns) == columns
    summary = json.loads(json.dumps(found.summary()))
    assert (summary["method"], summary["l1"]) == ("cv", found.l1)
    assert summary["within_one_error"]["l1"] == found.sparsest.l1
    ax = found.plot(Figure().subplots())
    assert [label.get_text() for label in ax.get_xticklabels()] == ["2", "0.02", "0.002"]


def test_a_label_in_one_fold_alone_counts_as_wrong_there():
    activations = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    labels = ["rare", *(["a", "b"] * 20)][:40]
    found = cross_validate_penalties(activations, labels, [0.1], [0.01], folds=4, progress=False)
    assert all(0 <= score < 1 for score in found.points[0].folds)


def test_one_class_in_a_fold_is_said_before_the_work():
    activations = torch.randn(12, 2)
    labels = ["a"] * 11 + ["b"]
    with pytest.raises(
        ValueError, match=r"fold . of 3 can't be fitted on the others: a probe needs"
    ):
        cross_validate_penalties(activations, labels, folds=3)


def test_a_fold_without_labels():
    labels = [None] * 4 + ["a", "b"] * 4
    groups = [0] * 4 + [1] * 4 + [2] * 4
    with pytest.raises(ValueError, match=r"fold . of 3 has no labelled rows; take fewer folds"):
        cross_validate_penalties(torch.randn(12, 2), labels, folds=3, groups=groups)


@pytest.mark.parametrize(("l1s", "l2s"), [([], [0.1]), ([0.1], []), ([0.1], [-0.1])])
def test_bad_grids(l1s, l2s):
    with pytest.raises(ValueError, match=r"l[12]s (needs at least one|must be numbers)"):
        cross_validate_penalties(torch.randn(12, 2), ["a", "b"] * 6, l1s, l2s)
