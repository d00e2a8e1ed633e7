"""What ``compare`` finds between runs: models, languages, before and after fine-tuning."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cached_property
from itertools import permutations
from pathlib import Path
from typing import Any

import pandas as pd

from captum_lca.analysis import (
    compare_fine_tuning,
    compare_models,
    ranking_agreement,
)
from captum_lca.cli.printing import is_watched
from captum_lca.cli.runs import Run
from captum_lca.colours import COLOURS
from captum_lca.neurons import NeuronRanking
from captum_lca.probes import LinearProbe, fit_elastic_net
from captum_lca.probes.joint_scores import score_together
from captum_lca.rankings import weight_mass
from captum_lca.report import Answer


class Fitted:
    """A run with its probe, fitted with the options of ``compare``."""

    def __init__(self, name: str, run: Run, options: argparse.Namespace) -> None:
        self.name, self.run, self.options = name, run, options
        self.fit = {"l1": options.l1, "l2": options.l2, "seed": options.seed}

    @property
    def data(self) -> tuple[Any, Any]:
        """Training activations and labels."""
        return self.run.train.activations, self.run.train.labels

    @property
    def held_out(self) -> tuple[Any, Any]:
        """Test activations and labels."""
        return self.run.test.activations, self.run.test.labels

    @cached_property
    def probe(self) -> LinearProbe:
        """Of all neurons."""
        return fit_elastic_net(*self.data, **self.fit)

    @cached_property
    def ranking(self) -> NeuronRanking:
        """By weight mass."""
        return weight_mass(self.probe)

    @property
    def count(self) -> int:
        """Neurons that count as salient."""
        return salient_count(len(self.ranking), self.options)

    def score_of(self, probe: LinearProbe) -> float:
        """A probe's accuracy (R²) on this run's test rows; unseen labels count as errors."""
        return score_together([probe], *self.held_out)[0]

    def layers(self) -> pd.DataFrame:
        """``run``, ``layer``, ``depth`` (relative), ``neurons`` and ``share`` of the salient."""
        counts = self.ranking.layer_counts(self.count)
        last = max(len(counts) - 1, 1)
        return pd.DataFrame(
            {
                "run": self.name,
                "layer": counts.index,
                "depth": [place / last for place in range(len(counts))],
                "neurons": counts.to_numpy(),
                "share": counts.to_numpy() / self.count,
            }
        )


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
    """Whether languages share neurons: rankings, layers, and probes tested in other languages."""
    fitted = _fitted(runs, options)
    by_name = {one.name: one for one in fitted}
    agreement = ranking_agreement({one.name: one.ranking for one in fitted}, count=fitted[0].count)
    shares = {one.name: one.layers()["share"].to_numpy() for one in fitted}
    own = {one.name: one.score_of(one.probe) for one in fitted}
    crossed = {
        (trained.name, tested.name): tested.score_of(trained.probe)
        for trained, tested in permutations(fitted, 2)
    }
    table = agreement.to_frame()
    pairs = list(zip(table["first"], table["second"], strict=True))
    table["layer_similarity"] = [1 - abs(shares[a] - shares[b]).sum() / 2 for a, b in pairs]
    table["first_in_second"] = [crossed[a, b] for a, b in pairs]
    table["second_in_first"] = [crossed[b, a] for a, b in pairs]
    transfer = pd.DataFrame(
        [
            {"trained": a, "tested": b, "score": score}
            for (a, b), score in {**{(n, n): s for n, s in own.items()}, **crossed}.items()
        ]
    )
    profiles = pd.concat([one.layers() for one in by_name.values()], ignore_index=True)
    closest = max(table.to_dict("records"), key=lambda pair: pair["overlap"])

    def draw(axes: Any) -> None:
        agreement.plot(ax=axes[0])
        _plot_profiles(profiles, axes[1])

    return Answer(
        name="languages",
        line=f"most shared: {closest['first']} and {closest['second']}, overlap of the top "
        f"{agreement.count} {closest['overlap']:.2f} (chance {closest['expected']:.2f}); "
        f"scores at home: {', '.join(f'{name} {score:.3f}' for name, score in own.items())}",
        summary={
            "count": agreement.count,
            "pairs": table.to_dict("records"),
            "transfer": transfer.to_dict("records"),
            "layers": profiles.to_dict("records"),
        },
        tables={"": table, "transfer": transfer, "layers": profiles},
        draw=draw,
        size=(12, 4.2),
        plots=2,
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


def _fitted(runs: Sequence[Run], options: argparse.Namespace) -> list[Fitted]:
    """The runs under short names."""
    return [Fitted(name, run, options) for name, run in zip(_short_names(runs), runs, strict=True)]


def salient_count(neurons: int, options: argparse.Namespace) -> int:
    """How many neurons count as salient: ``--share`` of all."""
    share: float = options.share
    return max(1, round(share * neurons))


def _plot_profiles(profiles: pd.DataFrame, ax: Any) -> None:
    """Share of the salient neurons over relative depth, a line per run."""
    for number, (name, rows) in enumerate(profiles.groupby("run", sort=False)):
        colour = COLOURS[number % len(COLOURS)]
        ax.plot(rows["depth"], rows["share"], marker="o", color=colour, label=name)
    ax.set_xlabel("relative depth (0: first layer, 1: last)")
    ax.set_ylabel("share of the salient neurons")
    ax.legend(frameon=False)
