"""``captum-lca compare``: models, a model before and after fine-tuning, or languages."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from captum_lca.analysis.centre_of_gravity import DEFAULT_SHARE
from captum_lca.cli.analyze import settings_of
from captum_lca.cli.comparisons import KINDS
from captum_lca.cli.options import Parser, penalty, share
from captum_lca.cli.printing import say
from captum_lca.cli.runs import Run, open_run
from captum_lca.files import locked, written_once
from captum_lca.report import write_comparison
from captum_lca.report.folder import REPORT_FILE


def add_options(parser: Parser) -> None:
    """Add what ``compare`` takes."""
    parser.add_argument(
        "runs", nargs="+", metavar="RUN",
        help="folder that analyze wrote for one property, or a store of extract (of which a fifth "
        "of the sentences is held out); for fine-tuning the pre-trained model first",
    )  # fmt: skip
    parser.add_argument(
        "--as", dest="kind", choices=list(KINDS),
        help="what to compare (one text and two models of one shape and tokenizer: fine-tuning; "
        "one text: models; one model: languages)",
    )  # fmt: skip
    parser.add_argument("--property", help="what to read as labels of stores")
    parser.add_argument("--out", required=True, help="folder for the results")
    parser.add_argument(
        "--share", type=share, default=DEFAULT_SHARE,
        help="of the neurons, how many count as salient (%(default)s)",
    )  # fmt: skip
    parser.add_argument("--l1", type=penalty, default=1e-3, help="strength of Σ|W| (%(default)s)")
    parser.add_argument("--l2", type=penalty, default=1e-4, help="strength of ΣW² (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")


def run(options: argparse.Namespace) -> None:
    """Compare, and write and print the results."""
    runs = [open_run(folder, options.property, options.seed) for folder in options.runs]
    kind = options.kind or kind_of(runs)
    check_comparable(runs, kind)
    found = KINDS[kind](runs, options)
    with locked(Path(options.out)), written_once():
        write_comparison(found, Path(options.out), settings_of(options))
    say(f"{runs[0].subject}: {kind}")
    for number, one in enumerate(runs, start=1):
        say(f"  {number}: {one.name}")
    say(found.tables[""].round(3).to_string(index=False))
    say(f"  {found.line}")
    say(f"  results in {options.out}: open {REPORT_FILE}")


def kind_of(runs: Sequence[Run]) -> str:
    """What runs can be compared as, by their texts and models.

    Raises:
        ValueError: They share neither the text nor the model.
    """
    if _same(run.text for run in runs):
        twins = _same((run.layout, run.tokenizer) for run in runs)
        different = len({run.model for run in runs}) == len(runs)
        return "fine-tuning" if len(runs) == 2 and twins and different else "models"
    if _same(run.model for run in runs):
        return "languages"
    raise ValueError(
        f"{_names(runs)}: neither of one text nor of one model, so there is nothing to compare"
    )


def check_comparable(runs: Sequence[Run], kind: str) -> None:
    """Raise ValueError, before the long work starts, unless runs can be compared in this way."""
    names = _names(runs)
    if len(runs) < 2:
        raise ValueError(f"a comparison needs two runs or more; found {names}")
    if kind == "fine-tuning" and len(runs) != 2:
        raise ValueError(f"fine-tuning is compared between two runs; found {len(runs)}: {names}")
    if len({run.name for run in runs}) < len(runs):
        raise ValueError(f"the runs must differ; found {names}")
    _agree(runs, "properties", [run.subject for run in runs])
    if kind == "languages":
        if not _same(run.model for run in runs):
            raise ValueError(f"{names}: languages are compared in one model; the models differ")
        shared = set.intersection(*(set(run.classes) for run in runs))
        if len(shared) < 2 and any(run.classes for run in runs):
            raise ValueError(
                f"{names}: fewer than two classes are in all of them; found {sorted(shared)}"
            )
        return
    if not _same(run.text for run in runs):
        raise ValueError(f"{names}: {kind} are compared on one text; the corpora differ")
    if kind == "fine-tuning" and not _same(run.layout for run in runs):
        raise ValueError(f"{names}: fine-tuning keeps the neurons; the layouts differ")
    _agree(runs, "classes", [run.classes for run in runs])
    if not _same((*run.train.labels, *run.test.labels) for run in runs):
        raise ValueError(f"{names}: the labels of {runs[0].subject!r} differ from run to run")


def _same(values: Any) -> bool:
    """Whether there is one value only."""
    return len(set(values)) <= 1


def _agree(runs: Sequence[Run], what: str, values: Sequence[object]) -> None:
    if not _same(values):
        other = next(number for number, value in enumerate(values) if value != values[0])
        raise ValueError(
            f"{runs[0].name} and {runs[other].name}: the {what} differ: {values[0]!r} and "
            f"{values[other]!r}"
        )


def _names(runs: Sequence[Run]) -> str:
    return ", ".join(run.name for run in runs)
