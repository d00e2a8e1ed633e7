"""What ``compare`` finds between runs: models, languages, before and after fine-tuning."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from captum_lca.activations import Activations
from captum_lca.analysis import (
    LabelledActivations,
    compare_fine_tuning,
    compare_languages,
    compare_models,
)
from captum_lca.cli.printing import is_watched
from captum_lca.cli.runs import Run
from captum_lca.probes.labels import Labels
from captum_lca.report import Answer


def models(runs: Sequence[Run], options: argparse.Namespace) -> Answer:
    """How models differ: minimal sets, layers on one axis of relative depth, focus."""
    names = _short_names(runs)
    found = compare_models(
        {name: run.train.activations for name, run in zip(names, runs, strict=True)},
        runs[0].train.labels,
        test=(
            {name: run.test.activations for name, run in zip(names, runs, strict=True)},
            runs[0].test.labels,
        ),
        share=options.share,
        l1=options.l1,
        l2=options.l2,
        seed=options.seed,
        progress=is_watched(),
    )
    fewest = min(found.models, key=lambda model: len(model.minimal.neurons))
    lowest = min(found.models, key=lambda model: model.centre.value)
    return Answer(
        name="models",
        line=f"fewest neurons are enough in {fewest.name} ({len(fewest.minimal.neurons):,}); "
        f"salient neurons sit lowest in {lowest.name} (centre {lowest.centre} of the depth)",
        summary={
            "models": found.to_frame().to_dict("records"),
            "layers": found.layers().to_dict("records"),
        },
        tables={"": found.to_frame(), "layers": found.layers()},
        draw=lambda axes: found.plot(axes[0]),
        size=(7, 4.2),
    )


def languages(runs: Sequence[Run], options: argparse.Namespace) -> Answer:
    """Whether languages share neurons, over the classes that all of them have."""
    names = _short_names(runs)
    shared = sorted(set.intersection(*(set(run.classes) for run in runs)))
    found = compare_languages(
        {name: _rows(run.train) for name, run in zip(names, runs, strict=True)},
        test={name: _rows(run.test) for name, run in zip(names, runs, strict=True)},
        classes=shared or None,
        count=salient_count(runs[0].layout.size, options),
        l1=options.l1,
        l2=options.l2,
        seed=options.seed,
        progress=is_watched(),
    )
    closest = max(found.pairs, key=lambda pair: pair.overlap.overlap)
    transfer = found.transfer()
    own = zip(names, found.scores.diagonal().tolist(), strict=True)
    return Answer(
        name="languages",
        line=f"most shared: {closest.first} and {closest.second}, overlap of the top "
        f"{found.count} {closest.overlap.overlap:.2f} (chance {closest.overlap.expected:.2f}); "
        f"{found.metric} at home: {', '.join(f'{name} {score:.3f}' for name, score in own)}",
        summary={
            "classes": shared,
            "count": found.count,
            "metric": found.metric,
            "pairs": found.to_frame().to_dict("records"),
            "transfer": transfer.to_dict("index"),
        },
        tables={"": found.to_frame(), "transfer": transfer.reset_index()},
        draw=lambda axes: found.plot(axes[0]),
        size=(2.8 + 0.8 * len(names), 2 + 0.8 * len(names)),
    )


def fine_tuning(runs: Sequence[Run], options: argparse.Namespace) -> Answer:
    """What fine-tuning does: the pre-trained model first, the fine-tuned one second."""
    before, after = runs
    found = compare_fine_tuning(
        before.train.activations,
        after.train.activations,
        before.train.labels,
        test=(before.test.activations, after.test.activations, before.test.labels),
        count=salient_count(before.layout.size, options),
        l1=options.l1,
        l2=options.l2,
        seed=options.seed,
        progress=is_watched(),
    )
    overlap = found.overlap
    full = [probes.full for probes in (found.probes_before, found.probes_after)]
    metric = found.probes_before.metric
    return Answer(
        name="fine-tuning",
        line=f"shift of the centre of gravity {found.shift} of the depth; overlap of the top "
        f"{found.count} {overlap.overlap:.2f} (chance {overlap.expected:.2f}); {metric} "
        f"{full[0]} before, {full[1]} after",
        summary={
            "count": found.count,
            "shift": asdict(found.shift),
            "overlap": asdict(overlap),
            "metric": metric,
            "before": asdict(full[0]),
            "after": asdict(full[1]),
            "layers": found.to_frame().to_dict("records"),
        },
        tables={"": found.to_frame()},
        draw=lambda axes: found.plot(axes[0]),
    )


KINDS: dict[str, Callable[[Sequence[Run], argparse.Namespace], Answer]] = {
    "models": models,
    "fine-tuning": fine_tuning,
    "languages": languages,
}
"""Every way to compare runs, by name."""


def _short_names(runs: Sequence[Run]) -> list[str]:
    """The names of the runs' folders, or whole paths where these are not unique."""
    names = [Path(run.name).name for run in runs]
    return names if len(set(names)) == len(names) else [run.name for run in runs]


def _rows(half: LabelledActivations) -> tuple[Activations, Labels]:
    return half.activations, half.labels


def salient_count(neurons: int, options: argparse.Namespace) -> int:
    """How many neurons count as salient: ``--share`` of all."""
    share: float = options.share
    return max(1, round(share * neurons))
