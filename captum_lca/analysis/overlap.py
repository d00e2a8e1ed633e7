"""Overlap of two choices of neurons, against what chance would give."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import pandas as pd
from scipy.stats import hypergeom
from torch import Tensor

from captum_lca.neurons import NeuronLayout, NeuronRanking, as_neuron_ids
from captum_lca.notebook import NotebookTable

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Overlap(NotebookTable):
    """How many neurons two choices share, beside what two random choices of their sizes would.

    The neurons that random choices share follow the hypergeometric distribution.
    """

    sizes: tuple[int, int]
    """Neurons in the first choice and in the second."""
    neurons: int
    """Neurons that there are to choose from."""
    shared: int
    """Neurons in both choices."""
    overlap: float
    """The shared ones as a share of the smaller choice, in [0, 1]; NaN if that one is empty."""
    expected: float
    """The same for random choices, on average."""
    interval: tuple[float, float]
    """The same for random choices, in the middle 95 % of cases."""
    p_value: float
    """Chance that random choices share as many neurons, or more."""

    def to_frame(self) -> pd.DataFrame:
        """One row: ``first`` and ``second`` (sizes), ``neurons``, ``shared``, ``overlap``,
        ``expected``, ``low`` and ``high`` (the interval), ``p_value``.
        """  # noqa: D205
        values = asdict(self)
        (first, second), (low, high) = values.pop("sizes"), values.pop("interval")
        sizes = {"first": first, "second": second}
        chance = {"low": low, "high": high, "p_value": values.pop("p_value")}
        return pd.DataFrame([sizes | values | chance])


def set_overlap(first: Tensor, second: Tensor, neurons: int) -> Overlap:
    """Overlap of two sets of neurons.

    Args:
        first: Global ids, each once. Shape (any,), integer.
        second: The same, of the other set; the two may differ in size.
        neurons: How many neurons both were chosen from.

    Returns:
        The overlap, and what chance would give.

    Raises:
        ValueError: An empty set, an id that is given twice or is not below ``neurons``.

    Examples::

        >>> found = set_overlap(torch.tensor([0, 1, 2, 3]), torch.tensor([2, 3, 4, 5]), neurons=16)
        >>> found.overlap, found.expected
        (0.5, 0.25)
    """
    return _compared(_checked(first, neurons), _checked(second, neurons), neurons)


def _compared(first: list[int], second: list[int], neurons: int) -> Overlap:
    sizes = len(first), len(second)
    larger, smaller = max(sizes), min(sizes)
    shared = len(set(first) & set(second))
    whole = smaller or float("nan")
    chance = hypergeom(neurons, larger, smaller)
    low, high = chance.interval(CONFIDENCE)
    return Overlap(
        sizes=sizes,
        neurons=neurons,
        shared=shared,
        overlap=shared / whole,
        expected=larger / neurons if smaller else whole,
        interval=(float(low) / whole, float(high) / whole),
        p_value=float(chance.sf(shared - 1)),
    )


def top_overlap(a: NeuronRanking, b: NeuronRanking, count: int) -> Overlap:
    """Overlap of the ``count`` most salient neurons of two rankings of the same neurons.

    Neurons without salience are left out: their order means nothing, and methods that break their
    ties in the same way would seem to agree.

    Args:
        a: A ranking.
        b: Another one: of another method, property, corpus or seed.
        count: How many of each; fewer of a ranking that gives fewer any salience.

    Returns:
        The overlap, and what chance would give; NaN if a ranking gives no neuron any salience.

    Raises:
        ValueError: The rankings are not of the same neurons, or don't have so many.

    Examples::

        >>> noun, verb = ranking.for_class("NOUN"), ranking.for_class("VERB")
        >>> top_overlap(noun, noun, 50).overlap
        1.0
        >>> top_overlap(noun, verb, 50).overlap < 1
        True
    """
    check_same_neurons({"the first": a, "the second": b})
    if not 1 <= count <= len(a):
        raise ValueError(f"can compare the top 1 to {len(a)} neurons; found {count}")
    first, second = (top_salient(ranking, count).tolist() for ranking in (a, b))
    return _compared(first, second, len(a))


def top_salient(ranking: NeuronRanking, count: int) -> Tensor:
    """The ``count`` most salient neurons that have any salience. Global ids, shape (≤ count,)."""
    top = ranking.top(count)
    return top[ranking.salience[top] != 0]


def check_same_neurons(rankings: dict[str, NeuronRanking]) -> None:
    """Raise ValueError unless all rankings have the same layout; names the first that differs."""
    (first, start), *others = rankings.items()
    for name, ranking in others:
        if ranking.layout != start.layout:
            raise ValueError(
                f"the rankings are not of the same neurons: {first} has layers "
                f"{_described(start.layout)}, {name} {_described(ranking.layout)}"
            )


def _checked(ids: Iterable[int] | Tensor, neurons: int) -> list[int]:
    chosen: list[int] = as_neuron_ids(ids, NeuronLayout.single(neurons)).tolist()
    if not chosen:
        raise ValueError("an overlap needs at least one neuron on either side; found none")
    return chosen


def _described(layout: NeuronLayout) -> str:
    return f"{layout.layers[0]}…{layout.layers[-1]} ({layout.size} neurons)"
