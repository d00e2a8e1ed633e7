"""How well predictions match the labels, beside what one gets without looking at activations."""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import (
    accuracy_score,
    matthews_corrcoef,
    precision_recall_fscore_support,
    r2_score,
)

from captum_lca.activations import Activations, as_store
from captum_lca.notebook import NotebookTable
from captum_lca.probes.labels import Labels, Targets, as_list, encode_labels, is_missing
from captum_lca.probes.linear_probe import LinearProbe
from captum_lca.probes.rows import aligned_labels

Unseen = Literal["error", "wrong"]


@dataclass(frozen=True)
class ClassScore:
    """How well one class is predicted."""

    name: str
    """The class."""
    precision: float
    """Of the rows predicted so, the share that are; 0 if none is predicted."""
    recall: float
    """Of the rows that are so, the share predicted; 0 if there is none."""
    f1: float
    """Harmonic mean of precision and recall."""
    support: int
    """Rows that are so."""


@dataclass(frozen=True)
class ClassificationScores(NotebookTable):
    """Scores of predicted classes, and the baselines to hold them against."""

    rows: int
    """Labelled rows that were scored."""
    accuracy: float
    """Share of rows predicted right, in [0, 1]."""
    majority_accuracy: float | None
    """Accuracy of always predicting the class most frequent in training; None if not known."""
    word_accuracy: float | None
    """Accuracy of predicting the label most frequent for the word in training, and the majority
    class for words not seen there; None if no words were given."""
    macro_f1: float
    """Mean of the F1 of all classes that occur or are predicted."""
    matthews: float
    """Matthews correlation coefficient, in [−1, 1]."""
    classes: tuple[ClassScore, ...]
    """Scores per class that occurs or is predicted, sorted by name."""

    def to_frame(self) -> pd.DataFrame:
        """One row per class: ``class``, ``precision``, ``recall``, ``f1``, ``support``."""
        columns = {
            "class": [score.name for score in self.classes],
            "precision": [score.precision for score in self.classes],
            "recall": [score.recall for score in self.classes],
            "f1": [score.f1 for score in self.classes],
            "support": [score.support for score in self.classes],
        }
        return pd.DataFrame(columns)


@dataclass(frozen=True)
class RegressionScores(NotebookTable):
    """Scores of predicted numbers, and the baseline to hold them against."""

    rows: int
    """Labelled rows that were scored."""
    pearson: float
    """Pearson correlation of predictions and labels; NaN if either is constant."""
    spearman: float
    """Spearman rank correlation; NaN if either is constant."""
    r2: float
    """1 − squared error of the predictions / squared error of the labels' own mean."""
    rmse: float
    """Root of the mean squared error, in the labels' unit."""
    mean_rmse: float | None
    """The same for always predicting the mean of the training labels; None if not known."""

    def to_frame(self) -> pd.DataFrame:
        """One row with a column per score."""
        return pd.DataFrame([vars(self)])


def evaluate(
    probe: LinearProbe,
    activations: Activations,
    labels: Labels,
    *,
    words: Sequence[str] | None = None,
    train_words: Sequence[str] | None = None,
    train_labels: Labels | None = None,
    unseen: Unseen = "error",
) -> ClassificationScores | RegressionScores:
    """Score a probe on labelled activations.

    Args:
        probe (LinearProbe): A fitted probe.
        activations (Tensor, ndarray or ActivationStore): Rows × neurons.
        labels (sequence or Tensor): One per row, as :func:`~captum_lca.fit_elastic_net` takes them.
            Integers are the names of the probe's classes if these are digits, else their positions.
        words (sequence of str, optional): The word of each row, for the word-identity baseline,
            together with ``train_words`` and ``train_labels``.
        train_words (sequence of str, optional): Words that the probe was fitted on.
        train_labels (sequence or Tensor, optional): Their labels. Default: the majority baseline
            comes from the probe's own report.
        unseen (str, optional): What to do with labels that are not among the probe's classes:
            ``error``, or count them as ``wrong`` and warn. Default: ``error``.

    Returns:
        ClassificationScores, or RegressionScores if the probe predicts numbers.

    Raises:
        ValueError: Misaligned labels, none at all, or a label unseen in training.

    Examples::

        >>> scores = evaluate(probe, test_store, test_corpus.labels["upos"])
        >>> scores.accuracy > scores.majority_accuracy
        True
    """
    store = as_store(activations)
    labels = aligned_labels(store, labels)
    if probe.is_regression:
        return score_numbers(
            [float(value) for value in probe.predict(store)], labels, train_labels=train_labels
        )
    names = class_names(labels, probe.classes)
    check_unseen(names, probe.classes, unseen)
    train_names = None if train_labels is None else class_names(train_labels, probe.classes)
    return score_classes(
        [str(name) for name in probe.predict(store)],
        names,
        majority=_majority_of(probe, train_names),
        words=None if words is None else store.align(words),
        train_words=train_words,
        train_labels=train_names,
    )


def score_classes(
    predicted: Sequence[str],
    labels: Sequence[str | None],
    *,
    majority: str | None = None,
    words: Sequence[str] | None = None,
    train_words: Sequence[str] | None = None,
    train_labels: Sequence[str | None] | None = None,
) -> ClassificationScores:
    """Score predicted classes.

    Args:
        predicted (sequence of str): One class per row.
        labels (sequence of str or None): What is right; rows of ``None`` are left out.
        majority (str, optional): The class most frequent in training.
        words (sequence of str, optional): The word of each row.
        train_words (sequence of str, optional): Words of the training rows.
        train_labels (sequence of str or None, optional): Their labels.

    Returns:
        ClassificationScores: Its word-identity baseline needs the last three arguments.

    Raises:
        ValueError: Sequences of different length, or no labels.

    Examples::

        >>> from captum_lca.probes import score_classes
        >>> scores = score_classes(["NOUN", "VERB"], ["NOUN", "NOUN"], majority="VERB")
        >>> scores.accuracy, scores.majority_accuracy
        (0.5, 0.0)
    """
    rows = _labelled_rows(predicted, labels)
    gold = np.array([labels[row] for row in rows], dtype=str)
    found = np.array([predicted[row] for row in rows], dtype=str)
    word_accuracy = None
    if words is not None and train_words is not None and train_labels is not None:
        _check_length("words", words, labels)
        guess = word_identity(train_words, train_labels)
        word_accuracy = float(np.mean(gold == np.array([guess(words[row]) for row in rows])))
    per_class = _class_scores(gold, found)
    return ClassificationScores(
        rows=len(rows),
        accuracy=float(accuracy_score(gold, found)),
        majority_accuracy=None if majority is None else float(np.mean(gold == majority)),
        word_accuracy=word_accuracy,
        macro_f1=float(np.mean([score.f1 for score in per_class])),
        matthews=float(matthews_corrcoef(gold, found)),
        classes=per_class,
    )


def score_numbers(
    predicted: Sequence[float], labels: Labels, *, train_labels: Labels | None = None
) -> RegressionScores:
    """Score predicted numbers.

    Args:
        predicted (sequence of float): One number per row.
        labels (sequence or Tensor): What is right; rows of ``None`` or NaN are left out.
        train_labels (sequence or Tensor, optional): Labels of the training rows, for the baseline.

    Returns:
        RegressionScores

    Raises:
        ValueError: Sequences of different length, no labels, or labels that are classes.

    Examples::

        >>> from captum_lca.probes import score_numbers
        >>> score_numbers([1.0, 2.0, 3.0], [1.0, 2.0, 4.0]).rows
        3
    """
    _check_length("predictions", predicted, labels)
    targets = _numbers("labels", labels)
    gold = targets.values.numpy()
    found = np.asarray(predicted, dtype=float)[targets.rows.numpy()]
    mean_rmse = None
    if train_labels is not None:
        mean = float(_numbers("train_labels", train_labels).values.mean())
        mean_rmse = float(np.sqrt(np.mean((gold - mean) ** 2)))
    varies = bool(np.ptp(found) > 0)
    return RegressionScores(
        rows=len(gold),
        pearson=float(pearsonr(gold, found).statistic) if varies else float("nan"),
        spearman=float(spearmanr(gold, found).statistic) if varies else float("nan"),
        r2=float(r2_score(gold, found)),
        rmse=float(np.sqrt(np.mean((gold - found) ** 2))),
        mean_rmse=mean_rmse,
    )


def word_identity(words: Sequence[str], labels: Sequence[str | None]) -> Callable[[str], str]:
    """The predictor that knows nothing but the word.

    Args:
        words (sequence of str): Training words.
        labels (sequence of str or None): Their labels; words of ``None`` are not learned from.

    Returns:
        Callable: From a word to its most frequent label, or to the most frequent label of all for
        a word not learned. Ties go to the label more frequent overall, then to the first by name.

    Raises:
        ValueError: Sequences of different length, or no labels.

    Examples::

        >>> from captum_lca.probes import word_identity
        >>> label_of = word_identity(["play", "play", "song"], ["VERB", "VERB", "NOUN"])
        >>> label_of("song"), label_of("unseen")
        ('NOUN', 'VERB')
    """
    _labelled_rows(words, labels)
    overall = Counter(label for label in labels if label is not None)
    by_word: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for word, label in zip(words, labels, strict=True):
        if label is not None:
            by_word[word][label] += 1

    def most_frequent(counts: Counter[str]) -> str:
        return min(counts, key=lambda label: (-counts[label], -overall[label], label))

    known = {word: most_frequent(counts) for word, counts in by_word.items()}
    majority = most_frequent(overall)
    return lambda word: known.get(word, majority)


def class_names(labels: Labels, classes: Sequence[str]) -> list[str | None]:
    """Labels in any form as names of a probe's classes; ``None`` where there is no label.

    Raises:
        ValueError: Labels that are numbers to predict, or positions beyond the classes.
    """
    values = as_list(labels)
    digits = all(name.lstrip("-").isdigit() for name in classes)
    return [None if is_missing(value) else _class_name(value, classes, digits) for value in values]


def _class_name(value: object, classes: Sequence[str], digits: bool) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, Integral):
        raise ValueError(f"the probe predicts classes {list(classes)}; found the label {value!r}")
    if digits:
        return str(int(value))
    if not 0 <= int(value) < len(classes):
        raise ValueError(f"class numbers must be 0 to {len(classes) - 1}; found {value}")
    return classes[int(value)]


def check_unseen(names: Sequence[str | None], classes: Sequence[str], unseen: Unseen) -> None:
    """Refuse, or warn of, labels that a probe can't predict.

    Raises:
        ValueError: ``unseen`` is ``error`` and there are such labels.
    """
    counts = Counter(name for name in names if name is not None and name not in set(classes))
    if not counts:
        return
    listed = ", ".join(f"{name!r} ({count} rows)" for name, count in sorted(counts.items()))
    if unseen == "error":
        raise ValueError(
            f"labels unseen in training: {listed}; the probe's classes are {list(classes)} "
            f"(unseen='wrong' counts such rows as errors)"
        )
    warnings.warn(f"labels unseen in training count as errors: {listed}", stacklevel=3)


def _majority_of(probe: LinearProbe, train_names: Sequence[str | None] | None) -> str | None:
    if train_names is not None:
        counts = Counter(name for name in train_names if name is not None)
        return min(counts, key=lambda name: (-counts[name], name))
    if probe.report is None:
        return None
    rows = probe.report.class_rows
    return probe.classes[rows.index(max(rows))]


def _class_scores(gold: NDArray[np.str_], found: NDArray[np.str_]) -> tuple[ClassScore, ...]:
    names = sorted({*gold.tolist(), *found.tolist()})
    precision, recall, f1, support = precision_recall_fscore_support(
        gold, found, labels=names, zero_division=0
    )
    return tuple(
        ClassScore(name, float(precision[i]), float(recall[i]), float(f1[i]), int(support[i]))
        for i, name in enumerate(names)
    )


def _labelled_rows(beside: Sequence[object], labels: Sequence[str | None]) -> list[int]:
    _check_length("predictions or words", beside, labels)
    rows = [row for row, label in enumerate(labels) if label is not None]
    if not rows:
        raise ValueError(f"no labelled rows: none of the {len(labels)} labels is set")
    return rows


def _check_length(what: str, found: Sequence[object], labels: Labels) -> None:
    if len(found) != len(labels):
        raise ValueError(f"misaligned: {len(found)} {what}, {len(labels)} labels")


def _numbers(what: str, labels: Labels) -> Targets:
    targets = encode_labels(labels)
    if not targets.is_regression:
        raise ValueError(f"{what} must be numbers; found classes such as {targets.classes[0]!r}")
    return targets
