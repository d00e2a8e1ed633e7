"""The choice of penalties by ablation."""

import dataclasses
import json

import pytest
import torch
from matplotlib.figure import Figure
from test_study import planted

from captum_lca import ActivationStore, LinearProbe, fit_elastic_net
from captum_lca.analysis import LabelledActivations, PenaltySearch, search_penalties
from captum_lca.analysis.penalty_search import UNREGULARISED_L2, PenaltyPoint, _measured
from captum_lca.probes import evaluate

GRID = {"l1s": (0.1, 0.01, 0.001), "l2s": (0.01, 0.001)}


@pytest.fixture(scope="module")
def search():
    return search_penalties(planted(0), planted(1), progress=False, **GRID)


def test_every_point_of_the_grid_in_order(search):
    found = [(point.l1, point.l2) for point in search.points]
    assert found == [(l1, l2) for l2 in (0.01, 0.001) for l1 in (0.1, 0.01, 0.001)]
    assert search.metric == "accuracy"


def test_the_score_is_the_formula_and_the_best_is_chosen(search):
    for point in search.points:
        expected = 0.5 * (point.top - point.bottom) + 0.5 * (point.full - search.unregularised)
        assert point.score == pytest.approx(expected)
    assert search.chosen.score == max(point.score for point in search.points)
    assert (search.l1, search.l2) == (search.chosen.l1, search.chosen.l2)


def test_the_planted_neurons_decide(search):
    # Six neurons carry the classes, and 12 are kept: the top ones keep what the probe knows, the
    # bottom ones leave the largest class. A third of the words is the smallest that it can have.
    chosen = search.chosen
    assert chosen.top > 0.95
    assert chosen.bottom < 0.4
    weights = {(point.l1, point.l2): point.neurons for point in search.points}
    assert weights[0.1, 0.001] <= 8 < weights[0.001, 0.001]


def test_points_are_those_of_separate_fits(search):
    train, validation = planted(0), planted(1)
    for point in search.points[::2]:
        probe = fit_elastic_net(train.activations, train.labels, l1=point.l1, l2=point.l2)
        scores = evaluate(probe, validation.activations, validation.labels)
        assert point.full == pytest.approx(scores.accuracy, abs=0.003)  # within the tolerance
        assert point.neurons == pytest.approx(int(probe.weight.any(0).sum()), abs=2)
    free = fit_elastic_net(train.activations, train.labels, l1=0, l2=UNREGULARISED_L2)
    scores = evaluate(free, validation.activations, validation.labels)
    assert search.unregularised == pytest.approx(scores.accuracy, abs=0.02)


def test_a_probe_by_hand():
    # Five neurons, one kept. The top neuron tells a from b on three rows of four, the second on
    # the other one, and the bottom neuron has no weight: its probe says a, by the bias.
    weight = torch.tensor([[-2.0, -3, 0, 0, 0], [2.0, 3, 0, 0, 0]])
    report = fit_elastic_net(torch.eye(4), ["a", "b", "b", "b"]).report
    probe = LinearProbe(
        weight,
        torch.tensor([0.1, 0.0]),
        torch.zeros(5),
        torch.ones(5),
        classes=["a", "b"],
        report=report,
    )
    activations = torch.zeros(4, 5)
    activations[:, 0] = torch.tensor([0.0, 0, 0, 2])
    activations[:, 1] = torch.tensor([-1.0, 1, 1, 0])
    activations[:, 4] = 9
    validation = LabelledActivations(ActivationStore.from_tensor(activations), ["a", "b", "b", "b"])
    found = _measured(probe, validation, count=1)
    assert (found["full"], found["top"], found["bottom"]) == (1, 0.75, 0.25)
    assert found["neurons"] == 2


def test_weights_of_the_two_parts_of_the_score():
    settings = {"l1s": [0.01], "l2s": [0.001], "progress": False}
    found = search_penalties(planted(0), planted(1), alpha=2.0, beta=0.0, **settings)
    [point] = found.points
    assert point.score == pytest.approx(2 * (point.top - point.bottom))


def test_equal_scores_go_to_the_sparser_probe():
    few = PenaltyPoint(0.1, 0.01, 0.5, 1, 1, 0, nonzeros=3, neurons=2, seconds=0)
    many = dataclasses.replace(few, l1=0.01, nonzeros=9)
    assert PenaltySearch((many, few), 1.0, "accuracy").l1 == 0.1


def test_numbers_are_predicted():
    generator = torch.Generator().manual_seed(0)
    activations = torch.randn(300, 20, generator=generator)
    data = LabelledActivations(
        ActivationStore.from_tensor(activations), (activations[:, 3] * 2 + 5).tolist()
    )
    search = search_penalties(data, data, l1s=[0.5, 0.01], l2s=[1e-3], progress=False)
    assert search.metric == "r2"
    assert search.l1 == 0.01
    assert search.chosen.top > 0.99
    assert search.chosen.bottom == pytest.approx(0, abs=1e-6)


def test_table_summary_and_plot(search):
    table = search.to_frame()
    fields = [field.name for field in dataclasses.fields(PenaltyPoint)]
    assert list(table.columns) == fields
    assert len(table) == 6
    summary = json.loads(json.dumps(search.summary()))
    assert summary["method"] == "ablation"
    assert (summary["l1"], summary["l2"]) == (search.l1, search.l2)
    assert len(summary["points"]) == 6
    ax = search.plot(Figure().subplots())
    assert sorted(text.get_text() for text in ax.texts) == sorted(
        f"{point.score:.3f}" for point in search.points
    )
    [frame] = ax.patches
    chosen = ax.get_xticklabels()[round(frame.get_x() + 0.5)].get_text()
    assert float(chosen) == search.l1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"l1s": []}, "l1s needs at least one strength"),
        ({"l2s": []}, "l2s needs at least one strength"),
        ({"l1s": [-1.0]}, "l1s must be numbers of at least 0; found -1.0"),
        ({"l2s": [-1.0]}, "l2s must be numbers of at least 0; found -1.0"),
        ({"share": 0.6}, "share must be above 0 and at most 0.5; found 0.6"),
    ],
)
def test_bad_settings(arguments, message):
    with pytest.raises(ValueError, match=message):
        search_penalties(planted(0), planted(1), **arguments)


def test_validation_needs_labels():
    validation = dataclasses.replace(planted(1), labels=[None] * 900)
    with pytest.raises(ValueError, match="validation has no labels"):
        search_penalties(planted(0), validation)
