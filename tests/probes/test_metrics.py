"""Scores against confusion tables worked out by hand."""

import math

import pytest
import torch

from captum_lca.probes import (
    ClassificationScores,
    LinearProbe,
    RegressionScores,
    evaluate,
    fit_elastic_net,
    score_classes,
    score_numbers,
    word_identity,
)


def identity_probe(classes: list[str]) -> LinearProbe:
    """Predicts the class of the largest activation."""
    count = len(classes)
    return LinearProbe(
        torch.eye(count),
        torch.zeros(count),
        torch.zeros(count),
        torch.ones(count),
        classes=classes,
    )


def test_scores_of_a_confusion_table_by_hand() -> None:
    # Right: a a a b b c; found: a a b b a c. One row has no label.
    labels = ["a", "a", "a", "b", "b", "c", None]
    scores = score_classes(["a", "a", "b", "b", "a", "c", "a"], labels, majority="b")
    assert scores.rows == 6
    assert scores.accuracy == pytest.approx(4 / 6)
    assert scores.majority_accuracy == pytest.approx(2 / 6)
    assert scores.word_accuracy is None
    frame = scores.to_frame().set_index("class")
    assert frame.loc["a"].tolist() == pytest.approx([2 / 3, 2 / 3, 2 / 3, 3])
    assert frame.loc["b"].tolist() == pytest.approx([1 / 2, 1 / 2, 1 / 2, 2])
    assert frame.loc["c"].tolist() == pytest.approx([1, 1, 1, 1])
    assert scores.macro_f1 == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    # Gorodkin's formula: (n·right − Σ tₖpₖ) / √((n² − Σp²)(n² − Σt²)), here with t = p = 3, 2, 1.
    assert scores.matthews == pytest.approx((6 * 4 - 14) / (36 - 14))


def test_a_class_never_predicted_scores_zero() -> None:
    scores = score_classes(["a", "a"], ["a", "b"])
    assert scores.to_frame().set_index("class").loc["b"].tolist() == [0, 0, 0, 1]


def test_word_identity_by_hand() -> None:
    words = ["run", "run", "run", "the", "dog", "tie", "tie"]
    labels = ["VERB", "VERB", "NOUN", "DET", None, "NOUN", "VERB"]
    guess = word_identity(words, labels)
    assert guess("run") == "VERB"
    assert guess("the") == "DET"
    assert guess("dog") == "VERB"  # no label in training: the majority class
    assert guess("unseen") == "VERB"
    assert guess("tie") == "VERB"  # one each; VERB is the more frequent of the two overall


def test_evaluate_puts_the_baselines_beside_the_accuracy() -> None:
    activations = torch.eye(3)[[0, 1, 2, 0]]
    scores = evaluate(
        identity_probe(["a", "b", "c"]),
        activations,
        ["a", "b", "b", None],
        words=["u", "v", "w", "u"],
        train_words=["u", "v", "v", "z"],
        train_labels=["a", "b", "a", "a"],
    )
    assert isinstance(scores, ClassificationScores)
    assert scores.accuracy == pytest.approx(2 / 3)
    assert scores.majority_accuracy == pytest.approx(1 / 3)  # always a
    # u and unseen w are a; v has a and b once each, and a is the more frequent overall.
    assert scores.word_accuracy == pytest.approx(1 / 3)


def test_the_majority_comes_from_the_probe_if_no_training_labels_are_given() -> None:
    activations = torch.eye(2).repeat(3, 1)
    probe = fit_elastic_net(activations, ["a", "b", "a", "b", "a", "a"])
    scores = evaluate(probe, activations[:2], ["a", "b"])
    assert isinstance(scores, ClassificationScores)
    assert scores.majority_accuracy == 0.5


@pytest.mark.parametrize(
    ("classes", "labels"),
    [(["a", "b", "c"], [0, 1, 2, -100]), (["3", "5", "7"], [3, 5, 7, -100])],
)
def test_integer_labels_are_names_or_positions(classes: list[str], labels: list[int]) -> None:
    activations = torch.eye(3)[[0, 1, 2, 0]]
    scores = evaluate(identity_probe(classes), activations, torch.tensor(labels))
    assert isinstance(scores, ClassificationScores)
    assert (scores.rows, scores.accuracy) == (3, 1)


def test_unseen_labels_are_refused_or_counted_as_wrong() -> None:
    probe, activations = identity_probe(["a", "b"]), torch.eye(2)
    with pytest.raises(ValueError, match=r"unseen in training: 'z' \(1 rows\).* \['a', 'b'\]"):
        evaluate(probe, activations, ["a", "z"])
    with pytest.warns(UserWarning, match=r"unseen in training count as errors: 'z' \(1 rows\)"):
        scores = evaluate(probe, activations, ["a", "z"], unseen="wrong")
    assert isinstance(scores, ClassificationScores)
    assert scores.accuracy == 0.5


def test_scores_of_numbers_by_hand() -> None:
    # Errors 0, 0, 1 about a mean of 2: R² = 1 − 1/2. Ranks agree, so Spearman is 1.
    labels = torch.tensor([1.0, 2.0, 3.0, math.nan])
    scores = score_numbers([1.0, 2.0, 4.0, 9.0], labels, train_labels=[1.0, 5.0])
    assert (scores.rows, scores.r2, scores.spearman) == (3, 0.5, pytest.approx(1))
    # Covariance 3/2·(1 + …): deviations (−1, 0, 1) and (−4/3, −1/3, 5/3).
    assert scores.pearson == pytest.approx(3 / math.sqrt(2 * (16 + 1 + 25) / 9))
    assert scores.rmse == pytest.approx(math.sqrt(1 / 3))
    assert scores.mean_rmse == pytest.approx(math.sqrt((4 + 1 + 0) / 3))
    assert scores.to_frame().shape == (1, 6)


def test_constant_predictions_have_no_correlation() -> None:
    scores = score_numbers([2.0, 2.0, 2.0], [1.0, 2.0, 3.0])
    assert math.isnan(scores.pearson)
    assert math.isnan(scores.spearman)
    assert scores.r2 == 0


def test_evaluate_scores_a_regression() -> None:
    activations = torch.arange(6.0)[:, None]
    probe = fit_elastic_net(activations, activations.flatten().tolist(), l1=1e-6, l2=0.0)
    scores = evaluate(probe, activations, activations.flatten())
    assert isinstance(scores, RegressionScores)
    assert scores.r2 == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a"], "misaligned: 1 labels, 2 rows"),
        ([None, None], "no labelled rows"),
        ([0.5, 1.5], r"predicts classes .* found the label 0.5"),
        ([0, 2], "class numbers must be 0 to 1; found 2"),
    ],
)
def test_bad_labels_are_refused(labels: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate(identity_probe(["a", "b"]), torch.eye(2), labels)


def test_sequences_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="misaligned: 1 predictions or words, 2 labels"):
        score_classes(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="labels must be numbers; found classes such as 'a'"):
        score_numbers([1.0, 2.0], ["a", "b"])
