"""Stepwise selection: neurons in the order in which they survive a search for the best few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from tqdm.auto import tqdm

from captum_lca.activations import Activations, as_store
from captum_lca.neurons import NeuronLayout, NeuronRanking
from captum_lca.probes.fit import DEFAULT_MEMORY
from captum_lca.probes.formulation import formulate
from captum_lca.probes.labels import Labels, Targets, encode_labels
from captum_lca.probes.rows import LabelledRows, aligned_labels, standardised_rows
from captum_lca.rankings.active_set import ActiveObjective, ActiveSet
from captum_lca.rankings.elimination import rises, shrink
from captum_lca.rankings.growth import GrowthPass, neurons_to_add
from captum_lca.rankings.weight_mass import turns_between_layers

SIZES = (10, 20, 50, 100, 200)
"""Numbers of neurons that are searched for, unless others are asked for."""
DEFAULT_L2 = 1e-4
"""Strength of ΣW² in the refits: that of :func:`~captum_lca.probes.fit_probe`."""
OVERSHOOT = 2.0
"""A size is approached from this many times the neurons that it still lacks."""
FIRST_STEP = 4
"""Neurons that the first step adds."""
GROWTH = 1.0
"""Neurons that a later step adds, as a share of those in."""
EXCHANGED = 0.3
"""Share of the newcomers that one exchange tries to replace."""
WORTHWHILE = 0.01
"""Exchanges go on while each lowers the objective by this share."""
COLUMN_MEMORY = 1 / 4
"""Share of the memory allowed that the activations of the neurons in may take."""


def stepwise_selection(
    activations: Activations,
    labels: Labels,
    *,
    sizes: Sequence[int] = SIZES,
    l2: float = DEFAULT_L2,
    classes: Sequence[str] | None = None,
    layout: NeuronLayout | None = None,
    memory: int = DEFAULT_MEMORY,
    progress: bool = True,
    seed: int = 0,
) -> NeuronRanking:
    """Rank neurons by a search for the few on which a probe does best.

    For each size in turn, smallest first, and always with the neurons of the sizes before in:

    1. Add the neurons whose gradient of the loss (norm over classes, each in units of its mean
       curvature) is largest given those in, refit the probe, and repeat, in growing steps, past
       the size: to twice as many newcomers as it takes.
    2. Take away the newcomers whose removal raises the loss least (optimal-brain-surgeon scores
       from each class's Hessian), refit, and repeat, down to the size.
    3. Exchange some newcomers in the same two steps, while the loss falls.

    The newcomers are ranked by going on with step 2 until none is left: those that survive longest
    come first. So the top k are good at every k, and best where k is one of the sizes. Neurons
    never chosen follow by the norm of their gradient at the end; constant ones come last, and ties
    take turns between the layers. Neurons that repeat chosen ones have hardly any gradient left:
    the ranking says which neurons to take together, not all that carry the property.

    The activations are gone through twice for every addition; everything else works on the chosen
    neurons' columns, which are held in memory. Of ranks that work together each has a part of the
    rows, and of these columns; gradients and Hessians are summed. Second derivatives are measured
    on a sample of rows.

    Source: group orthogonal matching pursuit (Lozano, Swirszcz & Abe 2011) and optimal brain
    surgeon (Hassibi & Stork 1993).

    Args:
        activations (Tensor, ndarray or ActivationStore): Rows × neurons.
        labels (sequence or Tensor): One per row, in the form that
            :func:`~captum_lca.probes.fit_probe` takes: classes, or numbers to predict.
        sizes (sequence of int, optional): Numbers of neurons to search for; those above the number
            of neurons count as all. The time grows with the largest one. Default: 10, 20, 50, 100,
            200.
        l2 (float, optional): Strength of ΣW² in the probes that are refitted. Default: 1e-4.
        classes (sequence of str, optional): Names of the classes. Default: those that occur.
        layout (NeuronLayout, optional): Where the neurons of a matrix sit. Default: one layer.
        memory (int, optional): Bytes that activations may take. Up to a quarter holds the chosen
            neurons' columns; if those would take more, the refits (not the gradients) see an even
            sample of the rows. The rest holds all activations, standardised, or, if they take
            more, nothing: they are then read again in every pass. Default: 1 GiB.
        progress (bool, optional): Show a bar of the sizes done.
        seed (int, optional): Seed of the samples of rows. Default: 0.

    Returns:
        NeuronRanking: Salience is 1/place for chosen neurons; for the others, the norm of their
        gradient in units that leave it below. Per class, the chosen neurons of all sizes together
        come first, by how much the loss rises if that class alone does without them (their
        salience), the others by the size of their gradient for that class, scaled likewise.

    Raises:
        ValueError: No sizes, or one below 1; a negative l2; or what
            :func:`~captum_lca.probes.fit_probe` refuses.

    Examples::

        >>> ranking = rankings.stepwise_selection(
        ...     store, corpus.labels["upos"], sizes=(5, 10), progress=False)
        >>> ranking.top(10).shape                       # global ids
        torch.Size([10])
        >>> ranking.for_class("NOUN").method
        'stepwise_selection'
    """
    _check(sizes, l2, memory)
    store = as_store(activations, layout)
    targets = encode_labels(aligned_labels(store, labels), classes)
    wanted = sorted({min(size, store.layout.size) for size in sizes})
    source = LabelledRows(store, targets.rows, device=torch.device("cpu"))
    search = _Search.over(source, targets, _widest(wanted), l2=l2, memory=memory, seed=seed)
    order: list[int] = []
    active = search.objective.empty(source.like)
    for size in tqdm(wanted, desc="stepwise selection", disable=not progress):
        active, newcomers = search.reach(size, active)
        order += newcomers
    return _ranking(active, torch.tensor(order, dtype=torch.long), search, targets, store.layout)


@dataclass(frozen=True)
class _Search:
    """The steps of the search over one set of rows."""

    objective: ActiveObjective
    growth: GrowthPass

    @classmethod
    def over(
        cls,
        source: LabelledRows,
        targets: Targets,
        widest: int,
        *,
        l2: float,
        memory: int,
        seed: int,
    ) -> _Search:
        """Read the rows, and choose those that are held for the refits.

        Args:
            source: The labelled rows.
            targets: What to predict there.
            widest: Most columns of an active set.
            l2: Strength of ΣW².
            memory: Bytes that activations may take.
            seed: Seed of the samples.
        """
        generator = torch.Generator().manual_seed(seed)
        room = int(COLUMN_MEMORY * memory)
        most = max(1, room // (widest * source.like.element_size()))
        held = _even_sample(len(targets.rows), most, generator)
        mine = held[(held >= source.own.start) & (held < source.own.stop)] - source.own.start
        rows, _ = standardised_rows(source, memory - room)
        loss = formulate(targets).loss(source.like).select(source.own)
        objective = ActiveObjective(loss.select(mine), l2, len(mine), generator)
        return cls(objective, GrowthPass(rows, loss, len(targets.rows), mine))

    def reach(self, size: int, start: ActiveSet) -> tuple[ActiveSet, list[int]]:
        """Find the best neurons to add to those in.

        Args:
            size: How many there shall be in the end (fewer, if no more are of use).
            start: Those in; they stay.

        Returns:
            The set, in the order of the ranking; and the newcomers' global ids, most salient first.
        """
        fixed = len(start)
        active = self.grow(start, fixed + round(OVERSHOOT * (size - fixed)))
        active, _ = shrink(active, size, self.objective, fixed)
        active = self.exchange(active, fixed)
        _, gone = shrink(active, fixed, self.objective, fixed)
        return active, gone[::-1]

    def grow(self, active: ActiveSet, size: int) -> ActiveSet:
        """Add neurons up to a size, in growing steps; fewer, if no more are of use."""
        while len(active) < size:
            step = max(FIRST_STEP, int(GROWTH * len(active)))
            larger = self.added(active, min(step, size - len(active)))
            if len(larger) == len(active):
                break
            active = larger
        return active

    def added(self, active: ActiveSet, count: int) -> ActiveSet:
        """Add neurons at once, and refit."""
        sample = self.objective.sample(active)
        gradient, sampled = self.growth.gradient(active, sample.rows)
        neurons = neurons_to_add(active, count, gradient, sampled, sample)
        if not len(neurons):
            return active
        larger = active.with_neurons(neurons, self.growth.columns(neurons))
        return self.objective.refit(larger, self.objective.hessians(larger))

    def exchange(self, active: ActiveSet, fixed: int) -> ActiveSet:
        """Replace newcomers by other neurons, while that is worthwhile."""
        size = len(active)
        count = max(1, int(EXCHANGED * (size - fixed)))
        while True:
            rival, _ = shrink(self.added(active, count), size, self.objective, fixed)
            if rival.objective > (1 - WORTHWHILE) * active.objective:
                return min(active, rival, key=lambda found: found.objective)
            active = rival


def _check(sizes: Sequence[int], l2: float, memory: int) -> None:
    if not len(sizes) or min(sizes) < 1:
        raise ValueError(f"sizes must be numbers of neurons from 1 on; found {list(sizes)}")
    if not 0 <= l2 < float("inf"):
        raise ValueError(f"l2 must be a number of at least 0; found {l2}")
    if not memory > 0:
        raise ValueError(f"memory must be positive; found {memory}")


def _widest(sizes: Sequence[int]) -> int:
    """Most columns that an active set has on the way to any of the sizes."""
    steps = pairwise((0, *sizes))
    return 1 + max(fixed + round(OVERSHOOT * (size - fixed)) for fixed, size in steps)


def _even_sample(rows: int, count: int, generator: torch.Generator) -> Tensor:
    """Numbers of the rows to hold, ascending: all of them if there is room."""
    if count >= rows:
        return torch.arange(rows)
    return torch.randperm(rows, generator=generator)[:count].sort().values


def _ranking(
    active: ActiveSet, chosen: Tensor, search: _Search, targets: Targets, layout: NeuronLayout
) -> NeuronRanking:
    gradient, _ = search.growth.gradient(active, torch.empty(0, dtype=torch.long))
    places = torch.arange(1, len(chosen) + 1).to(gradient)
    order, salience = _chosen_first(chosen, 1 / places, gradient.norm(dim=0), layout)
    if targets.is_regression:
        return NeuronRanking(order, salience, layout, "stepwise_selection")
    hessians = search.objective.hessians(active)
    rise = rises(active.weight, torch.cholesky_inverse(torch.linalg.cholesky(hessians)))
    per_output = [
        _chosen_first(active.neurons, *parts, layout)
        for parts in zip(rise, gradient.abs(), strict=True)
    ]
    of_classes = per_output * (len(targets.classes) // len(per_output))  # two share one output
    class_order, class_salience = map(torch.stack, zip(*of_classes, strict=True))
    return NeuronRanking(
        order, salience, layout, "stepwise_selection", targets.classes, class_order, class_salience
    )


def _chosen_first(
    chosen: Tensor, scores: Tensor, others: Tensor, layout: NeuronLayout
) -> tuple[Tensor, Tensor]:
    """Order and salience of all neurons.

    Args:
        chosen: Global ids. Shape (k,).
        scores: Their salience. Shape (k,).
        others: Scores of all neurons, of which those of the others count. Shape (neurons,).
        layout: Where the neurons sit, for the order of ties.
    """
    rest = others.index_fill(0, chosen, 0)
    below = scores.min() / 2 if len(scores) else 1
    salience = rest / rest.max().clamp_min(torch.finfo(rest.dtype).tiny) * below
    salience[chosen] = scores
    ties = turns_between_layers(layout)
    key = salience.index_put((chosen,), scores + 1)
    return ties[key[ties].argsort(descending=True, stable=True)], salience
