"""Weights of rows and classes: against scikit-learn, repeated rows, and by hand."""

import math

import pytest
import torch
from probe_problems import classification, loss_slope, standardised
from sklearn.linear_model import ElasticNet as SklearnElasticNet
from sklearn.linear_model import LogisticRegression

from captum_lca.probes import ElasticNet, GroupLasso, fit_elastic_net, fit_probe
from captum_lca.probes.labels import encode_labels
from captum_lca.probes.weights import row_shares

L1, L2 = 0.005, 0.002


def weights(rows: int) -> torch.Tensor:
    weight = torch.rand(rows, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    weight[::10] = 0
    return weight


def test_shares_by_hand() -> None:
    targets = encode_labels(["a", None, "b", "b", "a"])
    assert row_shares(targets).tolist() == [0.25] * 4
    assert row_shares(targets, [1, 9, 1, 2, 0]).tolist() == [0.25, 0.25, 0.5, 0]
    assert row_shares(targets, None, {"a": 3}).tolist() == [0.375, 0.125, 0.125, 0.375]
    # Each class half: a by 1 : 0, b by 1 : 3.
    assert row_shares(targets, [1, 9, 1, 3, 0], "balanced").tolist() == [0.5, 0.125, 0.375, 0]


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("form", ["rows", "classes", "balanced", "both"])
def test_weighted_classification_equals_scikit_learn(classes: int, form: str) -> None:
    activations, labels = classification(classes)
    labels = [label if row < 90 else "class 0" for row, label in enumerate(labels)]
    rows = weights(len(labels)) if form in ("rows", "both") else None
    forms = {"classes": {"class 1": 4.0}, "balanced": "balanced", "both": {"class 0": 0.5}}
    by_class = forms.get(form)
    probe = fit_elastic_net(
        activations, labels, l1=L1, l2=L2, sample_weight=rows, class_weight=by_class, tolerance=1e-9
    )
    squares = L2 if classes == 2 else 2 * L2
    share = row_shares(encode_labels(labels), rows, by_class)  # type: ignore[arg-type]
    peer = LogisticRegression(
        C=1 / (L1 + squares),
        l1_ratio=L1 / (L1 + squares),
        solver="saga",
        tol=1e-11,
        max_iter=100_000,
        class_weight=by_class,
    )
    # Its loss is a sum, ours a mean: rows are given their shares before classes get their weights.
    plain = torch.ones(len(labels), dtype=torch.float64) if rows is None else rows
    number = torch.tensor([probe.classes.index(label) for label in labels])
    if isinstance(by_class, dict):
        of_class = torch.tensor([by_class.get(name, 1.0) for name in probe.classes])
        total = (plain * of_class[number]).sum()
    else:
        total = plain.sum()  # which "balanced" leaves as it is
    fitted = standardised(probe, activations).numpy()
    peer.fit(fitted, labels, sample_weight=(plain / total).numpy())
    expected = torch.from_numpy(peer.coef_)
    found = probe.weight if classes > 2 else probe.weight[1:] - probe.weight[:1]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert torch.equal(found == 0, expected == 0)
    slope, bias_slope = loss_slope(probe, activations, labels, share)
    assert float(bias_slope.abs().max()) < 1e-8
    assert float(slope.abs().max()) <= L1 + 2 * L2 * float(probe.weight.abs().max()) + 1e-8


def test_weighted_regression_equals_scikit_learn() -> None:
    activations, _ = classification(3)
    numbers = 3 * activations[:, 0] - activations[:, 4] + activations[:, 2].square()
    rows = weights(len(numbers))
    probe = fit_elastic_net(activations, numbers, l1=L1, l2=L2, sample_weight=rows, tolerance=1e-9)
    unit = numbers.std(correction=0)
    total = L1 + 2 * L2
    peer = SklearnElasticNet(alpha=total, l1_ratio=L1 / total, tol=1e-12, max_iter=100_000)
    goal = ((numbers - numbers.mean()) / unit).numpy()
    peer.fit(standardised(probe, activations).numpy(), goal, sample_weight=rows.numpy())
    expected = torch.from_numpy(peer.coef_) * unit
    torch.testing.assert_close(probe.weight[0], expected, atol=1e-5, rtol=0)


def test_rows_of_no_weight_do_not_count_and_scale_does_not_matter() -> None:
    activations, labels = classification(3)
    rows = weights(len(labels))
    other = [label if weight else "class 2" for label, weight in zip(labels, rows, strict=True)]
    first = fit_elastic_net(activations, labels, sample_weight=rows, tolerance=1e-8)
    second = fit_elastic_net(activations, other, sample_weight=7 * rows, tolerance=1e-8)
    torch.testing.assert_close(first.weight, second.weight, atol=1e-6, rtol=0)


def test_weights_sampled_and_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    activations, labels = classification(4, rows=3000)
    rows = weights(3000)
    options = {"sample_weight": rows, "class_weight": {"class 3": 5.0}, "tolerance": 1e-7}
    exact = fit_probe(activations, labels, ElasticNet(0.01, 0.001), **options)  # type: ignore
    monkeypatch.setattr("captum_lca.probes.solver.START_ROWS", 400)
    monkeypatch.setattr("captum_lca.probes.solver.FIRST_SAMPLE", 300)
    options["memory"] = 250_000
    sampled = fit_probe(activations, labels, ElasticNet(0.01, 0.001), **options)  # type: ignore
    torch.testing.assert_close(sampled.weight, exact.weight, atol=1e-5, rtol=0)


def test_weights_work_with_the_group_penalty() -> None:
    activations, labels = classification(3)
    kept = [row for row in range(120) if row % 4]
    rows = torch.tensor([float(row % 4 > 0) for row in range(120)])
    weighted = fit_probe(activations, labels, GroupLasso(0.02), sample_weight=rows, tolerance=1e-8)
    share = torch.full((90,), 1 / 90, dtype=torch.float64)
    chosen = [labels[row] for row in kept]
    slope, _ = loss_slope(weighted, activations[kept], chosen, share)
    held = weighted.weight.any(0)
    pull = slope + 0.02 * weighted.weight / weighted.weight.norm(dim=0).clamp(min=1e-300)
    assert float(pull[:, held].abs().max()) < 1e-6
    assert float(slope[:, ~held].norm(dim=0).max()) <= 0.02 + 1e-6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample_weight": [1.0, -1.0, 1.0]}, "sample_weight must be finite and at least 0; found"),
        ({"sample_weight": [1.0, math.nan, 1.0]}, "must be finite and at least 0; found nan"),
        ({"sample_weight": [0.0] * 3}, "no labelled row has a weight above 0"),
        ({"sample_weight": [1.0] * 2}, "misaligned"),
        ({"class_weight": {"c": 1.0}}, r"class_weight names \['c'\]; the classes are"),
        ({"class_weight": {"a": math.inf}}, "class_weight must be finite"),
        ({"class_weight": "even"}, "a mapping or 'balanced'; found 'even'"),
    ],
)
def test_bad_weights_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_probe(torch.eye(3), ["a", "b", "a"], **options)  # type: ignore[arg-type]


def test_class_weights_of_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="labels are numbers to predict"):
        fit_probe(torch.eye(3), [1.0, 2.0, 3.0], class_weight="balanced")
