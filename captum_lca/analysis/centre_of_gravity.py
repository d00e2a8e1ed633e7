"""How deep in the network the salient neurons sit, on average."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from torch import Tensor

from captum_lca.analysis.intervals import Estimate, around
from captum_lca.neurons import NeuronRanking

DEFAULT_SHARE = 0.05
"""Of the neurons, how many count as salient unless a number is given."""


def centre_of_gravity(
    ranking: NeuronRanking,
    count: int | None = None,
    *,
    resampled: Sequence[NeuronRanking] = (),
) -> Estimate:
    """Mean relative depth of the salient neurons: 0 in the first layer, 1 in the last.

    Args:
        ranking: An order over all neurons, for all classes or for one.
        count: How many neurons count as salient. Default: 5 % of all.
        resampled: The same ranking from random halves of the sentences, as
            :func:`~captum_lca.analysis.rank_half_samples` gives them.

    Returns:
        The depth, with an interval over sentences if there are two halves or more. NaN if no
        neuron is salient.

    Examples::

        >>> 0 <= centre_of_gravity(ranking, 100).value <= 1
        True
    """
    count = checked_count(ranking, count)
    sure = around(_depth(ranking, count), [_depth(half, count) for half in resampled])
    return replace(sure, low=float(np.maximum(sure.low, 0)), high=float(np.minimum(sure.high, 1)))


def centre_shift(
    before: NeuronRanking,
    after: NeuronRanking,
    count: int | None = None,
    *,
    before_resampled: Sequence[NeuronRanking] = (),
    after_resampled: Sequence[NeuronRanking] = (),
) -> Estimate:
    """By how much the centre of gravity moves from one ranking to another.

    Args:
        before: For instance of a pre-trained model.
        after: For instance of the same model fine-tuned, from the same sentences.
        count: How many neurons count as salient, in each. Default: 5 % of all.
        before_resampled: The first ranking from halves of the sentences.
        after_resampled: The second ranking from the same halves, in the same order.

    Returns:
        Depth after − depth before, which is negative if it moved towards the input.

    Raises:
        ValueError: Not as many halves of the one as of the other.

    Examples::

        >>> from captum_lca.analysis import centre_shift
        >>> centre_shift(ranking, ranking).value
        0.0
    """
    if len(before_resampled) != len(after_resampled):
        raise ValueError(
            f"a shift needs the same halves of both; found {len(before_resampled)} and "
            f"{len(after_resampled)}"
        )
    pairs = [(before, after), *zip(before_resampled, after_resampled, strict=True)]
    shift, *replicates = [_shift(*pair, count) for pair in pairs]
    return around(shift, replicates)


def salient_neurons(ranking: NeuronRanking, count: int) -> Tensor:
    """The top ``count`` neurons, less those that share the least salience of all.

    Neurons that a sparse probe gives no weight have an order that means nothing.

    Returns:
        Global ids, most salient first.
    """
    top = ranking.top(count)
    return top[ranking.salience[top] > ranking.salience.min()]


def checked_count(ranking: NeuronRanking, count: int | None) -> int:
    """How many neurons count as salient; default: 5 % of all.

    Raises:
        ValueError: Not 1 to all of them.
    """
    if count is None:
        return max(1, round(DEFAULT_SHARE * len(ranking)))
    if not 1 <= count <= len(ranking):
        raise ValueError(f"count must be 1 to {len(ranking)}; found {count}")
    return count


def _shift(before: NeuronRanking, after: NeuronRanking, count: int | None) -> float:
    counts = [checked_count(ranking, count) for ranking in (before, after)]
    return _depth(after, counts[1]) - _depth(before, counts[0])


def _depth(ranking: NeuronRanking, count: int) -> float:
    numbers = ranking.layout.layer_numbers(salient_neurons(ranking, count))
    return float(numbers.double().mean()) / max(len(ranking.layout.layers) - 1, 1)
