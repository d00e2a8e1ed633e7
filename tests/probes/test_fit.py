"""Fitting on small problems: against scikit-learn, the optimality conditions, and by hand."""

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from probe_problems import classification, standardised, store_without, violation
from sklearn.linear_model import ElasticNet, LogisticRegression
from torch import Tensor

from captum_lca.neurons import NeuronLayout
from captum_lca.probes import LinearProbe, fit_elastic_net


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize(("l1", "l2"), [(0.02, 0.01), (0.005, 0.001), (0.0, 0.05)])
def test_classification_equals_scikit_learn(classes: int, l1: float, l2: float) -> None:
    activations, labels = classification(classes)
    probe = fit_elastic_net(activations, labels, l1=l1, l2=l2, tolerance=1e-8)
    # scikit-learn minimises C·Σ loss + l1_ratio·Σ|w| + ½(1 − l1_ratio)·Σw². For two classes it has
    # one logit instead of two: w = W1 − W0 with W1 = −W0, so Σ|W| = |w| and ΣW² = ½w².
    squares = l2 if classes == 2 else 2 * l2
    total = l1 + squares
    peer = LogisticRegression(
        C=1 / (len(labels) * total),
        l1_ratio=l1 / total,
        solver="saga",
        tol=1e-10,
        max_iter=100_000,
    )
    peer.fit(standardised(probe, activations).numpy(), labels)
    expected = torch.from_numpy(peer.coef_)
    found = probe.weight if classes > 2 else probe.weight[1:] - probe.weight[:1]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert torch.equal(found == 0, expected == 0)


@pytest.mark.parametrize(("l1", "l2"), [(0.02, 0.01), (0.1, 0.001)])
def test_regression_equals_scikit_learn(l1: float, l2: float) -> None:
    activations, _ = classification(3)
    numbers = 3 * activations[:, 0] - activations[:, 4] + 10
    probe = fit_elastic_net(activations, numbers, l1=l1, l2=l2, tolerance=1e-8)
    unit = numbers.std(correction=0)
    total = l1 + 2 * l2
    peer = ElasticNet(alpha=total, l1_ratio=l1 / total, tol=1e-12, max_iter=100_000)
    peer.fit(standardised(probe, activations).numpy(), ((numbers - numbers.mean()) / unit).numpy())
    expected = torch.from_numpy(peer.coef_) * unit
    torch.testing.assert_close(probe.weight[0], expected, atol=1e-5, rtol=0)
    assert torch.equal(probe.weight[0] == 0, expected == 0)
    torch.testing.assert_close(probe.bias, numbers.mean()[None])


def test_one_neuron_regression_by_hand() -> None:
    # Standardised, y = x: the minimum of ½(1 − w)² + 0.1·w + 0.2·w² is (1 − 0.1) / (1 + 0.4).
    activations = torch.tensor([[-3.0], [3.0]], dtype=torch.float64)
    probe = fit_elastic_net(activations, [10.0, 30.0], l1=0.1, l2=0.2, tolerance=1e-10)
    torch.testing.assert_close(probe.weight.item(), 10 * 0.9 / 1.4)
    assert probe.bias.item() == pytest.approx(20)
    assert (probe.mean.item(), probe.scale.item()) == (0, 3)


def test_two_rows_by_hand() -> None:
    # Two rows at ±1, two classes: by symmetry W = (−w, w), loss log(1 + e^(−2w)), penalty 2·l1·w,
    # so the minimum is where 2 / (1 + e^(2w)) = 2·l1.
    activations = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    probe = fit_elastic_net(activations, ["a", "b"], l1=0.1, l2=0.0, tolerance=1e-10)
    expected = math.log(1 / 0.1 - 1) / 2
    torch.testing.assert_close(
        probe.weight.flatten(), torch.tensor([-expected, expected], dtype=torch.float64)
    )
    assert probe.predict(activations) == ["a", "b"]


def test_a_penalty_beyond_the_gradient_leaves_the_class_frequencies() -> None:
    activations, labels = classification(3)
    probe = fit_elastic_net(activations, labels, l1=10.0)
    assert int(probe.weight.count_nonzero()) == 0
    shares = torch.tensor([labels.count(name) / len(labels) for name in probe.classes])
    torch.testing.assert_close(probe.bias.softmax(0).float(), shares)


@settings(max_examples=40)
@given(
    classes=st.integers(2, 6),
    rows=st.integers(12, 80),
    neurons=st.integers(12, 40),
    penalty=st.sampled_from([(0.0, 1e-2), (1e-3, 1e-4), (1e-3, 1e-2), (1e-2, 0.0), (0.1, 1e-4)]),
    dtype=st.sampled_from([torch.float16, torch.float32, torch.float64]),
)
def test_the_optimality_conditions_hold(
    classes: int, rows: int, neurons: int, penalty: tuple[float, float], dtype: torch.dtype
) -> None:
    l1, l2 = penalty
    activations, labels = classification(classes, rows, neurons, dtype)
    probe = fit_elastic_net(activations, labels, l1=l1, l2=l2, tolerance=1e-4)
    assert probe.report is not None
    assert probe.report.converged
    rounding = 1e-6 if dtype != torch.float64 else 1e-12
    assert violation(probe, activations, labels, l1, l2) <= probe.report.target + rounding
    assert int(probe.weight[:, 7].count_nonzero()) == 0  # the constant neuron


@pytest.mark.parametrize("l2", [0.0, 1e-4])
def test_separable_classes_converge(l2: float) -> None:
    activations = torch.eye(4, dtype=torch.float64)
    labels = ["a", "b", "c", "d"]  # one row each
    probe = fit_elastic_net(activations, labels, l1=1e-3, l2=l2, tolerance=1e-6)
    assert violation(probe, activations, labels, 1e-3, l2) <= 1e-6
    assert probe.predict(activations) == labels


def test_sampled_curvature_reaches_the_same_minimum(monkeypatch: pytest.MonkeyPatch) -> None:
    activations, labels = classification(4, rows=600)
    exact = fit_elastic_net(activations, labels, l1=0.01, tolerance=1e-7)
    monkeypatch.setattr("captum_lca.probes.solver.START_ROWS", 100)
    monkeypatch.setattr("captum_lca.probes.solver.FIRST_SAMPLE", 50)
    monkeypatch.setattr("captum_lca.probes.sampling.FEWEST_NEW", 2)
    monkeypatch.setattr("captum_lca.probes.solver.LARGEST_SET", 5)
    sampled = fit_elastic_net(activations, labels, l1=0.01, tolerance=1e-7)
    torch.testing.assert_close(sampled.weight, exact.weight, atol=1e-5, rtol=0)


def test_duplicated_neurons_share_their_weight() -> None:
    activations, labels = classification(3)
    probe = fit_elastic_net(activations, labels, l1=0.001, l2=0.01, tolerance=1e-8)
    torch.testing.assert_close(probe.weight[:, 8], probe.weight[:, 9])


def test_the_unit_of_a_neuron_does_not_matter() -> None:
    activations, labels = classification(3)
    plain = fit_elastic_net(activations, labels, tolerance=1e-8)
    scaled = fit_elastic_net(1000 * activations + 7, labels, tolerance=1e-8)
    torch.testing.assert_close(scaled.weight, plain.weight, atol=1e-6, rtol=0)


def test_massive_activations_in_float16_are_standardised() -> None:
    activations, labels = classification(3, rows=3000, dtype=torch.float16)
    activations[::500, 3] = 29_568
    probe = fit_elastic_net(activations, labels)
    expected = activations.double()
    torch.testing.assert_close(probe.mean.double(), expected.mean(0), rtol=1e-6, atol=1e-6)
    scale = expected.std(0, correction=0)
    scale[7] = 1
    torch.testing.assert_close(probe.scale.double(), scale, rtol=1e-6, atol=0)


@pytest.mark.parametrize("form", ["array", "store", "integers", "half"])
def test_forms_of_input_give_the_same_probe(form: str) -> None:
    activations, labels = classification(3, rows=2500, dtype=torch.float32)
    activations = activations.half().float()
    expected = fit_elastic_net(activations, labels)
    given_labels: list[str] | Tensor = labels
    classes = None
    if form == "array":
        source: object = activations.numpy()
    elif form == "store":
        missing = [2 * row + 1 for row in range(len(labels))]
        given_labels = [label for label in labels for _ in range(2)]
        source = store_without(activations, NeuronLayout(("a", "b"), (5, 7)), missing)
    elif form == "integers":
        source, classes = activations, expected.classes
        given_labels = torch.tensor([expected.classes.index(label) for label in labels])
    else:
        source = activations.half()
    probe = fit_elastic_net(source, given_labels, classes=classes)  # type: ignore[arg-type]
    assert probe.classes == expected.classes
    assert torch.equal(probe.weight, expected.weight)
    assert probe.predict(source) == expected.predict(activations)  # type: ignore[arg-type]


def test_unlabelled_rows_are_left_out() -> None:
    activations, labels = classification(3)
    some: list[str | None] = [None if row % 3 == 0 else label for row, label in enumerate(labels)]
    kept = [row for row in range(len(labels)) if row % 3]
    probe = fit_elastic_net(activations, some)
    expected = fit_elastic_net(activations[kept], [labels[row] for row in kept])
    assert torch.equal(probe.weight, expected.weight)
    assert probe.report is not None
    assert probe.report.rows == len(kept)


def test_fitting_on_some_neurons_leaves_the_others_without_weight() -> None:
    activations, labels = classification(3)
    ids = [9, 0, 2]
    probe = fit_elastic_net(activations, labels, neurons=ids, tolerance=1e-8)
    expected = fit_elastic_net(activations[:, ids], labels, tolerance=1e-8)
    assert probe.layout.size == 12
    torch.testing.assert_close(probe.weight[:, ids], expected.weight)
    others = [neuron for neuron in range(12) if neuron not in ids]
    assert int(probe.weight[:, others].count_nonzero()) == 0
    assert probe.predict(activations) == expected.predict(activations[:, ids])


def test_a_warm_start_ends_at_the_same_probe() -> None:
    activations, labels = classification(3)
    first = fit_elastic_net(activations, labels, l1=0.05)
    cold = fit_elastic_net(activations, labels, l1=0.01, tolerance=1e-8)
    warm = fit_elastic_net(activations, labels, l1=0.01, tolerance=1e-8, init=first)
    torch.testing.assert_close(warm.weight, cold.weight, atol=1e-6, rtol=0)
    again = fit_elastic_net(activations, labels, l1=0.01, tolerance=1e-7, init=cold)
    assert again.report is not None
    assert again.report.iterations == 0


def test_a_warm_start_of_a_regression_is_in_the_unit_of_its_numbers() -> None:
    activations, _ = classification(3)
    numbers = 50 * activations[:, 0] + activations[:, 1] - 400
    cold = fit_elastic_net(activations, numbers, tolerance=1e-8)
    again = fit_elastic_net(activations, numbers, tolerance=1e-7, init=cold)
    assert again.report is not None
    assert again.report.iterations == 0


def test_same_seed_same_probe() -> None:
    activations, labels = classification(3, rows=500)
    first, second = (fit_elastic_net(activations, labels, seed=3) for _ in range(2))
    assert torch.equal(first.weight, second.weight)


def test_stopping_early_warns_in_words() -> None:
    activations, labels = classification(3)
    with pytest.warns(RuntimeWarning, match=r"not at its minimum: after 1 steps .* asked for"):
        probe = fit_elastic_net(activations, labels, l1=0.2, tolerance=1e-9, max_iterations=1)
    assert probe.report is not None
    assert not probe.report.converged


def test_the_report_is_about_the_probe() -> None:
    activations, labels = classification(3)
    probe = fit_elastic_net(activations, labels, l1=0.01, l2=0.002, tolerance=1e-8)
    report = probe.report
    assert report is not None
    logits = probe(activations)
    targets = torch.tensor([probe.classes.index(label) for label in labels])
    loss = torch.nn.functional.cross_entropy(logits, targets)
    penalty = 0.01 * probe.weight.abs().sum() + 0.002 * probe.weight.square().sum()
    assert report.objective == pytest.approx(float(loss + penalty))
    assert report.class_rows == tuple(labels.count(name) for name in probe.classes)
    assert report.nonzeros == int(probe.weight.count_nonzero())
    assert violation(probe, activations, labels, 0.01, 0.002) == pytest.approx(
        report.optimality, abs=1e-12
    )


LAYERS = NeuronLayout(("embeddings", "block 0"), (4, 8))
GOOD, LABELS = classification(3)


def spoiled(value: float) -> Tensor:
    activations = GOOD.clone()
    activations[17, 6] = value
    return activations


@pytest.mark.parametrize(
    ("activations", "labels", "options", "message"),
    [
        (GOOD, LABELS[:-1], {}, "misaligned: 119 labels, 120 rows"),
        (GOOD, ["a"] * 120, {}, "at least two classes; all 120 labelled rows are 'a'"),
        (GOOD, [None] * 120, {}, "no labelled rows: none of the 120 labels is set"),
        (GOOD, torch.full((120,), -100), {}, "no labelled rows"),
        (GOOD, torch.full((120,), math.nan), {}, "no labelled rows"),
        (GOOD, [1.5] * 120, {}, "all labelled rows have the value 1.5"),
        (GOOD, [*[1.5] * 119, math.inf], {}, "must be finite"),
        (GOOD, [*LABELS[1:], 2], {}, "all strings or all numbers; found int, str"),
        (GOOD, LABELS, {"classes": ["class 0", "class 1"]}, r"not among the classes .*class 2"),
        (GOOD, LABELS, {"l1": -1.0}, "l1 must be a number of at least 0; found -1.0"),
        (GOOD, LABELS, {"l2": math.nan}, "l2 must be a number of at least 0; found nan"),
        (spoiled(math.nan), LABELS, {}, "found nan at neuron 2 of layer 'block 0', row 17"),
        (spoiled(-math.inf), LABELS, {"neurons": [6]}, "found -inf at neuron 2 of layer 'block 0'"),
        (
            GOOD[:, 0],
            LABELS,
            {"layout": None},
            r"words × neurons, and not empty; found shape \(120,\)",
        ),
        (GOOD[:, :5], LABELS, {}, "the layout has 12 neurons, the activations 5"),
        (GOOD[:0], [], {}, r"and not empty; found shape \(0, 12\)"),
        (GOOD.long(), LABELS, {}, "must be floating point; found torch.int64"),
        ([[1.0]], ["a"], {}, "a tensor, an array or a store; found list"),
        (GOOD, LABELS, {"neurons": [12]}, "neuron ids must be 0 to 11; found"),
        (GOOD, LABELS, {"neurons": []}, "`neurons` is empty"),
        (GOOD, LABELS, {"tolerance": 0.0}, "tolerance must be positive; found 0.0"),
        (GOOD, LABELS, {"memory": 0}, "memory must be positive; found 0"),
        (GOOD, "abc", {}, "found one string"),
        (GOOD, torch.zeros(120, 2), {}, "one dimension"),
    ],
)
def test_bad_input_is_refused_in_words(
    activations: Tensor, labels: list[str], options: dict[str, float], message: str
) -> None:
    arguments = {"layout": LAYERS, **options}
    with pytest.raises(ValueError, match=message):
        fit_elastic_net(activations, labels, **arguments)  # type: ignore[arg-type]


def test_an_init_of_another_problem_is_refused() -> None:
    two, labels = classification(2)
    init = fit_elastic_net(two, labels)
    with pytest.raises(ValueError, match="init has the classes"):
        fit_elastic_net(GOOD, LABELS, init=init)
    with pytest.raises(ValueError, match="another layout"):
        fit_elastic_net(two, labels, init=init, layout=LAYERS)


def test_read_only_arrays_are_read_without_a_warning() -> None:
    array = GOOD.numpy().copy()
    array.setflags(write=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        probe = fit_elastic_net(array, LABELS)
    assert isinstance(probe, LinearProbe)
    assert np.isfinite(probe.weight.numpy()).all()


def test_constant_neurons_alone_are_no_reason_to_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        probe = fit_elastic_net(torch.ones(30, 3), ["a", "b", "c"] * 10)
    assert probe.report.converged
    assert not probe.weight.any()
