"""Whether languages share neurons: one multilingual model, and a corpus in each language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm.auto import tqdm

from captum_lca.activations import Activations, as_store
from captum_lca.analysis.agreement import spearman
from captum_lca.analysis.centre_of_gravity import checked_count, salient_neurons
from captum_lca.analysis.half_samples import rank_half_samples
from captum_lca.analysis.intervals import Estimate, around
from captum_lca.analysis.overlap import Overlap, top_overlap
from captum_lca.analysis.score_axis import score_name
from captum_lca.neurons import NeuronRanking
from captum_lca.notebook import NotebookTable
from captum_lca.plot_text import literal
from captum_lca.probes import LinearProbe, evaluate, fit_elastic_net
from captum_lca.probes.labels import Labels, encode_labels
from captum_lca.probes.metrics import ClassificationScores
from captum_lca.probes.rows import aligned_labels
from captum_lca.rankings import weight_mass

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LabelledRows = tuple[Activations, Labels]


@dataclass(frozen=True)
class LanguagePair:
    """What two languages share. Intervals are over halves of the sentences of both."""

    first: str
    """A language."""
    second: str
    """Another one."""
    overlap: Overlap
    """Of the top neurons, against chance."""
    spearman: Estimate
    """Rank correlation of the salience of the neurons that either ranking gives any."""
    profiles: Estimate
    """Share of the salient neurons that sit in the same layers, Σ min(p, q) over the layers'
    shares p and q: 1 for the same profile, 0 for no layer in common."""


@dataclass(frozen=True)
class LanguageComparison(NotebookTable):
    """One property in several languages, in one model.

    Source: Durrani, Dalvi & Sajjad (2023), neurons across languages.
    """

    rankings: dict[str, NeuronRanking]
    """By weight mass, of each language."""
    count: int
    """How many neurons count as salient in each."""
    pairs: tuple[LanguagePair, ...]
    """Every pair of languages."""
    metric: str
    """``accuracy`` or ``r2``."""
    scores: NDArray[np.float64]
    """Held-out score of the probe of each language (row) in each language (column), in the order
    of ``rankings``. Shape (languages, languages)."""

    def to_frame(self) -> pd.DataFrame:
        """One row per pair of languages.

        Returns:
            Columns ``first``, ``second``, ``overlap``, ``expected`` (by chance), ``chance_low``,
            ``chance_high``, ``p_value``, ``spearman``, ``spearman_low``, ``spearman_high``,
            ``profiles``, ``profiles_low``, ``profiles_high``.
        """
        columns = ["first", "second", "overlap", "expected", "chance_low", "chance_high", "p_value"]
        ends = ("", "_low", "_high")
        columns += [name + end for name in ("spearman", "profiles") for end in ends]
        return pd.DataFrame([_row(pair) for pair in self.pairs], columns=columns)

    def transfer(self) -> pd.DataFrame:
        """Scores of the probe trained in one language (row) and tested in another (column)."""
        names = list(self.rankings)
        index = pd.Index(names, name="trained in")
        return pd.DataFrame(self.scores, index=index, columns=pd.Index(names, name="tested in"))

    def overlaps(self) -> pd.DataFrame:
        """Share of the top neurons that two languages have in common; rows and columns alike."""
        names = list(self.rankings)
        table = pd.DataFrame(np.eye(len(names)), index=names, columns=names)
        for pair in self.pairs:
            for row, column in ((pair.first, pair.second), (pair.second, pair.first)):
                table.loc[row, column] = pair.overlap.overlap
        return table

    def plot(self, ax: Axes | None = None) -> Axes:
        """The matrix of transfer: trained in a row's language, tested in a column's."""
        from matplotlib import pyplot as plt  # noqa: PLC0415  (slow to import, seldom needed)

        names = list(self.rankings)
        if ax is None:
            side = 2 + 0.8 * len(names)
            _, ax = plt.subplots(figsize=(side + 0.8, side), layout="constrained")
        low, high = min(0.0, float(self.scores.min())), 1.0
        image = ax.imshow(self.scores, vmin=low, vmax=high, cmap="cividis")
        for row, column in np.ndindex(self.scores.shape):
            score = self.scores[row, column]
            colour = "black" if score > low + 0.55 * (high - low) else "white"
            ax.text(column, row, f"{score:.2f}", ha="center", va="center", color=colour)
        ax.set_xticks(
            range(len(names)),
            [literal(name) for name in names],
            rotation=30,
            ha="right",
            rotation_mode="anchor",
        )
        ax.set_yticks(range(len(names)), [literal(name) for name in names])
        ax.set_xlabel("tested in")
        ax.set_ylabel("trained in")
        label = score_name(self.metric)
        ax.figure.colorbar(image, ax=ax, label=label, shrink=0.8)
        return ax


def compare_languages(
    languages: Mapping[str, LabelledRows],
    *,
    test: Mapping[str, LabelledRows],
    classes: Sequence[str] | None = None,
    count: int | None = None,
    l1: float = 1e-3,
    l2: float = 1e-4,
    samples: int = 10,
    seed: int = 0,
    progress: bool = True,
) -> LanguageComparison:
    """Compare the neurons that carry a property in several languages of one model.

    Every probe is tested in every language. It standardises by the mean and scale of the language
    that it was trained in: a language whose activations lie elsewhere costs it accuracy too.

    Args:
        languages: Activations and labels by language, of one model.
        test: Held-out activations and labels by the same names.
        classes: Read other labels as none. Default: all classes, which must be the same in every
            language.
        count: How many neurons count as salient. Default: 5 % of all.
        l1: Strength of Σ|W|.
        l2: Strength of ΣW².
        samples: Halves of the sentences to rank again, for the intervals.
        seed: Of the halves and of the fits.
        progress: Show a bar of the languages done.

    Returns:
        What each pair of languages shares, and the matrix of transfer.

    Raises:
        ValueError: Fewer than two languages, other names in the test, activations of other layers,
            classes that differ, or what the fits refuse.

    Examples::

        >>> from captum_lca.analysis import compare_languages
        >>> train = store, corpus.labels["number"]
        >>> held_out = test_store, test_corpus.labels["number"]
        >>> found = compare_languages(
        ...     {"English": train, "the same": train},
        ...     test={"English": held_out, "the same": held_out}, samples=0, progress=False,
        ... )
        >>> found.pairs[0].overlap.overlap
        1.0
        >>> found.transfer().shape
        (2, 2)
    """
    if len(languages) < 2 or list(languages) != list(test):
        raise ValueError(
            f"languages and test need the same names, at least two; found {list(languages)} and "
            f"{list(test)}"
        )
    _check_same_neurons({**languages, **{f"{name} (test)": rows for name, rows in test.items()}})
    train = {name: _kept(*rows, classes) for name, rows in languages.items()}
    held_out = {name: _kept(*rows, classes) for name, rows in test.items()}
    _check_same_classes(train)
    fit: dict[str, Any] = {"l1": l1, "l2": l2, "seed": seed}
    found = {}
    for name in tqdm(train, desc="languages", disable=not progress):
        probe = fit_elastic_net(*train[name], **fit)
        options: dict[str, Any] = {"samples": samples, "init": probe, "progress": False, **fit}
        halves = rank_half_samples(*train[name], **options) if samples else ()
        found[name] = _Language(probe, weight_mass(probe), halves)
    size = checked_count(next(iter(found.values())).ranking, count)
    scores = [[_score(one.probe, rows) for rows in held_out.values()] for one in found.values()]
    return LanguageComparison(
        rankings={name: one.ranking for name, one in found.items()},
        count=size,
        pairs=tuple(
            _pair(first, found[first], second, found[second], size)
            for first, second in combinations(found, 2)
        ),
        metric="r2" if next(iter(found.values())).probe.is_regression else "accuracy",
        scores=np.array(scores),
    )


class _Language(NamedTuple):
    """What is found in one language."""

    probe: LinearProbe
    ranking: NeuronRanking
    halves: tuple[NeuronRanking, ...]


def _pair(first: str, one: _Language, second: str, other: _Language, count: int) -> LanguagePair:
    halves = list(zip(one.halves, other.halves, strict=True))
    return LanguagePair(
        first=first,
        second=second,
        overlap=top_overlap(one.ranking, other.ranking, count),
        spearman=around(spearman(one.ranking, other.ranking), [spearman(*pair) for pair in halves]),
        profiles=around(
            _same_layers(one.ranking, other.ranking, count),
            [_same_layers(*pair, count) for pair in halves],
        ),
    )


def _same_layers(a: NeuronRanking, b: NeuronRanking, count: int) -> float:
    profiles = []
    for ranking in (a, b):
        numbers = ranking.layout.layer_numbers(salient_neurons(ranking, count)).numpy()
        counts = np.bincount(numbers, minlength=len(ranking.layout.layers))
        profiles.append(counts / max(counts.sum(), 1))
    return float(np.minimum(*profiles).sum())


def _kept(
    activations: Activations, labels: Labels, classes: Sequence[str] | None
) -> tuple[Activations, list[Any]]:
    """The labels by row, with None for all that are not of the classes wanted."""
    values = aligned_labels(as_store(activations), labels)
    if classes is None:
        return activations, values
    return activations, [value if value in set(classes) else None for value in values]


def _score(probe: LinearProbe, rows: LabelledRows) -> float:
    scores = evaluate(probe, *rows, unseen="wrong")
    return scores.accuracy if isinstance(scores, ClassificationScores) else scores.r2


def _check_same_neurons(languages: Mapping[str, LabelledRows]) -> None:
    (first, start), *others = ((name, as_store(rows[0])) for name, rows in languages.items())
    for name, store in others:
        if store.layout != start.layout:
            raise ValueError(
                f"languages are compared in one model; {first!r} and {name!r} have different "
                f"layouts: {len(start.layout.layers)} layers with {start.layout.size} neurons "
                f"and {len(store.layout.layers)} with {store.layout.size}"
            )


def _check_same_classes(languages: Mapping[str, LabelledRows]) -> None:
    found = {name: encode_labels(rows[1]).classes for name, rows in languages.items()}
    shared = sorted(set.intersection(*(set(classes) for classes in found.values())))
    for name, classes in found.items():
        if only := sorted(set(classes) - set(shared)):
            missing = [other for other in found if not set(only) <= set(found[other])]
            raise ValueError(
                f"the classes differ: {name!r} has {only}, which {missing} lack; to compare the "
                f"shared ones, pass classes={shared}"
            )


def _row(pair: LanguagePair) -> list[Any]:
    chance = pair.overlap
    numbers = [*asdict(pair.spearman).values(), *asdict(pair.profiles).values()]
    overlap = [chance.overlap, chance.expected, *chance.interval, chance.p_value]
    return [pair.first, pair.second, *overlap, *numbers]
