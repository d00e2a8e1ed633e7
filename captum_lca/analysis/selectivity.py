"""Is the probe reading or memorising? Its accuracy, less that on labels which say nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from torch import Tensor
from tqdm.auto import tqdm

from captum_lca.activations import Activations, ActivationStore, as_store
from captum_lca.colours import ink
from captum_lca.corpora import Corpus, Label, control_task
from captum_lca.neurons import as_neuron_ids
from captum_lca.notebook import NotebookTable
from captum_lca.plot_text import literal
from captum_lca.probes import LinearProbe, evaluate, fit_elastic_net
from captum_lca.probes.joint_scores import score_together
from captum_lca.probes.labels import Labels
from captum_lca.probes.metrics import ClassificationScores, class_names
from captum_lca.probes.rows import aligned_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ALL = "all neurons"
TASK = "task"


@dataclass(frozen=True)
class ProbeSelectivity:
    """A probe on some neurons, on the task and on control tasks."""

    name: str
    """Of the choice of neurons."""
    neurons: int
    """How many."""
    accuracy: float
    """On held-out rows of the task, in [0, 1]."""
    control_accuracies: tuple[float, ...]
    """The same for each control task."""

    @property
    def control_accuracy(self) -> float:
        """Mean over the control tasks."""
        return float(np.mean(self.control_accuracies))

    @property
    def selectivity(self) -> float:
        """Accuracy minus the mean accuracy on control tasks."""
        return self.accuracy - self.control_accuracy

    @property
    def spread(self) -> float:
        """Standard deviation over the control tasks; NaN for a single one."""
        found = self.control_accuracies
        return float(np.std(found, ddof=1)) if len(found) > 1 else float("nan")


@dataclass(frozen=True)
class Selectivity(NotebookTable):
    """What a probe knows beyond what it can memorise.

    In a control task every word type has one random label, drawn from the task's own labels: a
    probe can only get it right by remembering words.

    Source: Hewitt & Liang (2019), "Designing and Interpreting Probes with Control Tasks".
    """

    probes: tuple[ProbeSelectivity, ...]
    """All neurons first, then the choices that were given."""
    word_accuracy: float | None
    """Of guessing the label most frequent for the word in training."""
    majority_accuracy: float | None
    """Of guessing the class most frequent in training."""

    def to_frame(self) -> pd.DataFrame:
        """One row per probe.

        Returns:
            Columns ``name``, ``neurons``, ``accuracy``, ``control_accuracy``, ``selectivity``,
            ``spread``, ``controls`` (how many), ``word_accuracy``, ``majority_accuracy``.
        """
        rows = [
            {
                "name": probe.name,
                "neurons": probe.neurons,
                "accuracy": probe.accuracy,
                "control_accuracy": probe.control_accuracy,
                "selectivity": probe.selectivity,
                "spread": probe.spread,
                "controls": len(probe.control_accuracies),
                "word_accuracy": self.word_accuracy,
                "majority_accuracy": self.majority_accuracy,
            }
            for probe in self.probes
        ]
        return pd.DataFrame(rows)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Accuracy on the task and on control tasks, for each choice of neurons."""
        from matplotlib import pyplot as plt  # noqa: PLC0415  (slow to import, seldom needed)

        if ax is None:
            width = max(5.5, 3 + 1.3 * len(self.probes))
            _, ax = plt.subplots(figsize=(width, 3.5), layout="constrained")
        places = np.arange(len(self.probes))
        task = [probe.accuracy for probe in self.probes]
        control = [probe.control_accuracy for probe in self.probes]
        spread = [probe.spread for probe in self.probes]
        ax.bar(places - 0.2, task, 0.38, color="#0072B2", label="task")
        ax.bar(
            places + 0.2,
            control,
            0.38,
            yerr=spread,
            color="#D55E00",
            label="control tasks",
            capsize=4,
        )
        for value, style, name in (
            (self.word_accuracy, "--", "word identity"),
            (self.majority_accuracy, ":", "majority class"),
        ):
            if value is not None:
                ax.axhline(value, color=ink(), linewidth=1, linestyle=style, label=name)
        ax.set_xticks(
            places, [f"{literal(probe.name)}\n({probe.neurons})" for probe in self.probes]
        )
        ax.set_ylim(0, 1)
        ax.set_ylabel("accuracy")
        ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
        return ax


def selectivity(
    activations: Activations,
    labels: Labels,
    *,
    test: tuple[Activations, Labels],
    words: Sequence[str] | None = None,
    test_words: Sequence[str] | None = None,
    neurons: Mapping[str, Iterable[int] | Tensor] | None = None,
    controls: int = 3,
    l1: float = 1e-3,
    l2: float = 1e-4,
    seed: int = 0,
    progress: bool = True,
) -> Selectivity:
    """Measure a probe's accuracy on a property against its accuracy on control tasks.

    Args:
        activations: Rows × neurons, one row per word.
        labels: One class per row, or per word of the corpus.
        test: Held-out activations and labels. Labels unseen in training count as errors.
        words: The word of each row. Default: those of the store's corpus.
        test_words: The same of the held-out rows.
        neurons: Choices of neurons to measure besides all of them, by name; the probes are fitted
            anew on each.
        controls: How many control tasks, each with random labels of its own.
        l1: Strength of Σ|W|.
        l2: Strength of ΣW².
        seed: Of the fits and of the first control task; the others follow.
        progress: Show a bar of the fits.

    Returns:
        Accuracies and selectivity for every choice of neurons, and the baselines.

    Raises:
        ValueError: Words that are not known or not as many as the rows, labels that are numbers to
            predict, no control task, or what the fit refuses.

    Examples::

        >>> held_out = (test_store, test_corpus.labels["upos"])
        >>> found = selectivity(
        ...     store, corpus.labels["upos"], test=held_out, controls=1, progress=False
        ... )
        >>> found.probes[0].selectivity > 0
        True
    """
    if controls < 1:
        raise ValueError(f"selectivity needs at least one control task; found {controls}")
    store, held_out = as_store(activations), as_store(test[0])
    seen, unseen = words_of(store, words), words_of(held_out, test_words)
    chosen = {name: as_neuron_ids(ids, store.layout) for name, ids in (neurons or {}).items()}
    gold, test_gold = aligned_labels(store, labels), aligned_labels(held_out, test[1])
    choices: dict[str, Tensor | None] = {ALL: None, **chosen}
    options: dict[str, Any] = {"l1": l1, "l2": l2, "seed": seed}
    with tqdm(total=len(choices) * (1 + controls), disable=not progress) as bar:
        bar.set_description("selectivity")

        def fitted(task: Sequence[Label], ids: Tensor | None, **more: Any) -> LinearProbe:
            probe = fit_elastic_net(store, task, neurons=ids, **options, **more)
            bar.update()
            return probe

        tasks = {name: fitted(gold, ids) for name, ids in choices.items()}
        probe = tasks[ALL]
        if probe.is_regression:
            raise ValueError("selectivity needs classes; the labels are numbers to predict")
        train = Corpus([seen], {TASK: class_names(gold, probe.classes)})
        other = Corpus([unseen], {TASK: class_names(test_gold, probe.classes)})
        drawn = [
            (
                control_task(train, TASK, number).labels[TASK],
                control_task(other, TASK, number, reference=train).labels[TASK],
            )
            for number in range(seed, seed + controls)
        ]
        found = []
        for name, ids in choices.items():
            on_controls = [
                score_together([fitted(mine, ids, classes=probe.classes)], held_out, theirs)[0]
                for mine, theirs in drawn
            ]
            accuracy = score_together([tasks[name]], held_out, test_gold)[0]
            count = store.layout.size if ids is None else len(ids)
            found.append(ProbeSelectivity(name, count, accuracy, tuple(on_controls)))
    scores = evaluate(
        probe,
        held_out,
        test_gold,
        words=unseen,
        train_words=seen,
        train_labels=gold,
        unseen="wrong",
    )
    if not isinstance(scores, ClassificationScores):
        raise ValueError("selectivity needs classes; the labels are numbers to predict")
    return Selectivity(tuple(found), scores.word_accuracy, scores.majority_accuracy)


def words_of(store: ActivationStore, words: Sequence[str] | None = None) -> list[str]:
    """The word of each row.

    Raises:
        ValueError: None are given and the store has no words, or they are misaligned.
    """
    if words is not None:
        return store.align(words)
    if store.corpus is None or store.settings.get("unit") == "sentence":
        raise ValueError(
            "the words of the rows are not known: give words=…, or a store of words with its corpus"
        )
    return store.align(store.corpus.words)
