"""What ``analyze --answer`` can be asked: a question by name, and what answers it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pandas as pd

from captum_lca.analysis import (
    correlation_clusters,
    disjoint_sets,
    focus,
    layer_distribution,
    layer_probes,
    layer_redundancy,
    neuron_responses,
    ranking_agreement,
    selectivity,
    stability,
)
from captum_lca.analysis.correlation_clusters import MOST_NEURONS
from captum_lca.cli.evidence import FOR_NUMBERS, Evidence
from captum_lca.cli.printing import is_watched
from captum_lca.plot_text import literal
from captum_lca.rankings import METHODS
from captum_lca.report import Answer
from captum_lca.report.answer import top_count

SHOWN_NEURONS = 4
"""Neurons whose words are drawn."""


def answer_minimal_set(evidence: Evidence) -> Answer:
    """How few neurons are enough."""
    found = evidence.minimal
    low, high = found.size_interval
    others = [f"{name} {size:,}" for name, size in list(found.sizes.items())[1:]]
    return Answer(
        name="minimal-set",
        line=f"minimal set: {len(found.neurons):,} of {len(evidence.study.ranking):,} neurons "
        f"({low:,} to {high:,}) are enough for {found.metric} {found.accuracy:.3f} "
        f"(all: {found.full_accuracy:.3f}); other orders need: {', '.join(others)}",
        summary={
            "neurons": found.neurons.tolist(),
            "size_interval": [low, high],
            "score": found.accuracy,
            "full": found.full_accuracy,
            "difference": asdict(found.difference),
            "delta": found.delta,
            "sizes": found.sizes,
        },
        tables={"": found.to_frame()},
        draw=lambda axes: found.plot(axes[0]),
    )


def answer_layers(evidence: Evidence) -> Answer:
    """Where the salient neurons are, and what each layer knows."""
    method = evidence.study.ranking.method
    seed = evidence.options.seed
    if method == "weight_mass":
        how: dict[str, Any] = {**evidence.penalty, "init": evidence.study.probe}
    else:
        how = {"method": METHODS[method]}
    where = layer_distribution(
        *evidence.data, evidence.study.ranking, seed=seed, progress=is_watched(), **how
    )
    probes = layer_probes(
        *evidence.data, test=evidence.held_out, device=evidence.options.device, **evidence.again
    )
    best = max(probes.layers, key=lambda layer: layer.score)
    most = max(where.shares[: len(where.layout.layers)], key=lambda share: share.neurons)
    centre = where.centres["all"]

    def draw(axes: Any) -> None:
        where.plot(ax=axes[0])
        probes.plot(axes[1])

    return Answer(
        name="layers",
        line=f"layers: centre of gravity {centre} of the depth; most salient neurons in "
        f"{most.layer} ({most.neurons}; an equal spread: {most.expected:.1f}); best alone: "
        f"{best.layer} ({probes.metric} {best.score:.3f})",
        summary={
            "count": where.count,
            "centres": {name: asdict(found) for name, found in where.centres.items()},
            "probes": probes.to_frame().to_dict("records"),
        },
        tables={"": where.to_frame(), "probes": probes.to_frame()},
        draw=draw,
        size=(12, 3.6),
        plots=2,
    )


def answer_focus(evidence: Evidence) -> Answer:
    """How focused or distributed the property is."""
    found = focus(evidence.study.probe)
    overall = found.classes[0]
    return Answer(
        name="focus",
        line=f"focus: {overall.neurons:,} neurons carry weight, {overall.half:,} of them half of "
        f"it; effective number {overall.effective:.0f}, entropy over layers "
        f"{overall.layer_entropy:.2f}",
        summary={"classes": found.to_frame().to_dict("records")},
        tables={"": found.to_frame()},
        draw=lambda axes: found.plot(axes[0]),
    )


def answer_redundancy(evidence: Evidence) -> Answer:
    """How often the property is there: disjoint sets, layers, clusters."""
    how: dict[str, Any] = {**evidence.again, "device": evidence.options.device}
    sets = disjoint_sets(*evidence.data, test=evidence.held_out, **how)
    clusters = correlation_clusters(
        *evidence.data,
        test=evidence.held_out,
        neurons=evidence.study.ranking.top(min(MOST_NEURONS, len(evidence.study.ranking))),
        draws=evidence.options.draws,
        **how,
    )
    plots: list[Callable[..., object]] = [sets.plot, clusters.plot]
    tables = {"": sets.to_frame(), "clusters": clusters.to_frame()}
    spare = "there is one layer only"
    if len(evidence.study.ranking.layout.layers) > 1:
        layers = layer_redundancy(*evidence.data, test=evidence.held_out, **how)
        plots.append(layers.plot)
        tables["layers"] = layers.to_frame()
        spare = f"{len(layers.redundant())} of {len(layers.layers)} layers can be spared one by one"

    def draw(axes: Any) -> None:
        for plot, ax in zip(plots, axes, strict=True):
            plot(ax=ax)

    return Answer(
        name="redundancy",
        line=f"redundancy: {len(sets.sets)} disjoint sets are enough alone "
        f"({', '.join(f'{len(found.neurons):,}' for found in sets.sets)} neurons); {spare}",
        summary={
            "disjoint_sets": sets.to_frame().to_dict("records"),
            "left": sets.left,
            **{part: tables[part].to_dict("records") for part in list(tables)[1:]},
        },
        tables=tables,
        draw=draw,
        size=(6 * len(plots), 3.6),
        plots=len(plots),
    )


def answer_selectivity(evidence: Evidence) -> Answer:
    """Whether the probe reads the property, or memorises words."""
    few = evidence.study.ranking.top(top_count(evidence.study))
    name = f"top {len(few)}"
    if "minimal-set" in evidence.options.answers:
        name, few = "minimal set", evidence.minimal.neurons
    found = selectivity(
        *evidence.data,
        test=evidence.held_out,
        words=evidence.train.words,
        test_words=evidence.test.words,
        neurons={name: few},
        **evidence.again,
    )
    lines = [
        f"{probe.accuracy:.3f} − {probe.control_accuracy:.3f} = {probe.selectivity:.3f} "
        f"({probe.name})"
        for probe in found.probes
    ]
    return Answer(
        name="selectivity",
        line=f"selectivity: accuracy less that on random labels of words {', '.join(lines)}",
        summary={"probes": found.to_frame().to_dict("records")},
        tables={"": found.to_frame()},
        draw=lambda axes: found.plot(axes[0]),
    )


def answer_responses(evidence: Evidence) -> Answer:
    """The words that move the most salient neuron of each class."""
    ranking = evidence.study.ranking
    chosen = {name: int(ranking.for_class(name).top(1)) for name in ranking.classes}
    chosen = chosen or {f"rank {n + 1}": i for n, i in enumerate(ranking.top(4).tolist())}
    found = {
        name: neuron_responses(evidence.train.activations, neuron, words=evidence.train.words)
        for name, neuron in chosen.items()
    }
    shown = list(found.items())[:SHOWN_NEURONS]

    def draw(axes: Any) -> None:
        for (name, responses), ax in zip(shown, axes, strict=True):
            responses.plot(ax)
            ax.set_title(f"{literal(name)}: {ax.get_title()}", fontsize="medium")

    def joined(part: str) -> pd.DataFrame:
        tables = [
            getattr(one, part).assign(**{"for": name, "neuron": one.neuron})
            for name, one in found.items()
        ]
        together: pd.DataFrame = pd.concat(tables, ignore_index=True)
        return together

    heaviest = [
        f"{name} {one.layer}[{one.index}] ({', '.join(one.words['word'].head(3))})"
        for name, one in shown
    ]
    return Answer(
        name="responses",
        line=f"responses: words that move the top neuron of {'; '.join(heaviest)}",
        summary={
            name: {
                "neuron": one.neuron,
                "layer": one.layer,
                "index": one.index,
                "words": one.words.to_dict("records"),
            }
            for name, one in found.items()
        },
        tables={"": joined("words"), "contexts": joined("contexts")},
        draw=draw,
        size=(4 * len(shown), 5.5),
        plots=len(shown),
    )


def answer_stability(evidence: Evidence) -> Answer:
    """What changes in the ranking with the sample, the seed and the penalty."""
    found = stability(*evidence.data, **evidence.again)
    lines = [f"{one.source} {one.overlap:.2f}" for one in found.sources]
    return Answer(
        name="stability",
        line=f"stability: overlap of the top {found.count} by weight mass with another "
        f"{', '.join(lines)} (chance {found.expected:.2f})",
        summary={"count": found.count, "sources": found.to_frame().to_dict("records")},
        tables={"": found.to_frame(), "neurons": found.neurons_frame()},
        draw=lambda axes: found.plot(axes[0]),
        size=(5, 3.6),
    )


def answer_rankings(evidence: Evidence) -> Answer:
    """Whether the ranking methods agree."""
    found = ranking_agreement(evidence.rankings)
    mine = evidence.study.ranking.method
    overlaps = found.matrix()[mine].drop(mine)
    lines = [f"{name} {overlap:.2f}" for name, overlap in overlaps.items()]
    return Answer(
        name="rankings",
        line=f"rankings: overlap of the top {found.count} of {mine} with {', '.join(lines)} "
        f"(chance {found.pairs[0].top.expected:.2f})",
        summary={"count": found.count, "pairs": found.to_frame().to_dict("records")},
        tables={"": found.to_frame()},
        draw=lambda axes: found.plot(ax=axes[0]),
        size=(3 + 0.7 * len(found.names), 2 + 0.7 * len(found.names)),
    )


ANSWERS: dict[str, Callable[[Evidence], Answer]] = {
    "minimal-set": answer_minimal_set,
    "layers": answer_layers,
    "focus": answer_focus,
    "redundancy": answer_redundancy,
    "selectivity": answer_selectivity,
    "responses": answer_responses,
    "stability": answer_stability,
    "rankings": answer_rankings,
}
"""Every question that can be asked of a study, by name."""
OF_WORDS = ("selectivity", "responses")
"""Those that need rows of words."""
OF_CLASSES = ("selectivity",)
"""Those that need classes."""


def check_asked(options: argparse.Namespace, name: str, unit: str, numeric: bool) -> None:
    """Refuse, before the long work starts, what can't be asked of a property.

    Args:
        options: Those of ``analyze``.
        name: Of the property.
        unit: ``word`` or ``sentence``: what it labels.
        numeric: Whether its labels are numbers to predict.

    Raises:
        ValueError: An answer that needs words or classes, or a ranking that needs classes.
    """
    if numeric and options.ranking not in FOR_NUMBERS:
        raise ValueError(
            f"property {name!r}: --ranking {options.ranking} needs classes; for numbers there "
            f"are {', '.join(FOR_NUMBERS)}"
        )
    for answer in options.answers:
        if unit != "word" and answer in OF_WORDS:
            raise ValueError(f"property {name!r}: --answer {answer} needs labels of words")
        if numeric and answer in OF_CLASSES:
            raise ValueError(f"property {name!r}: --answer {answer} needs classes, not numbers")


def answers_of(evidence: Evidence) -> list[Answer]:
    """The answers that were asked for, each once, in the order of :data:`ANSWERS`."""
    return [give(evidence) for name, give in ANSWERS.items() if name in evidence.options.answers]
