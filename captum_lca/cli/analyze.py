"""``captum-lca analyze``: probe, ranking and ablation of one or more properties."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import textwrap
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from captum_lca import __version__
from captum_lca.activations import ActivationStore
from captum_lca.activations.store_writing import MODEL_NAME
from captum_lca.analysis import (
    CrossValidation,
    LabelledActivations,
    PenaltySearch,
    cross_validate_penalties,
    hold_out,
    search_penalties,
    study_property,
)
from captum_lca.cli.answers import ANSWERS, answers_of, check_asked
from captum_lca.cli.evidence import Evidence, ranked
from captum_lca.cli.extract import unit_of
from captum_lca.cli.halves import HELD_OUT, Half, check_labels, labelled, read_halves, stores_of
from captum_lca.cli.options import (
    FORMATS,
    Parser,
    add_fit_options,
    add_model_options,
    add_property_options,
    add_search_options,
)
from captum_lca.cli.printing import is_watched, say
from captum_lca.cli.run_folder import run_folder
from captum_lca.neurons import NeuronRanking
from captum_lca.probes.labels import encode_labels
from captum_lca.rankings import METHODS
from captum_lca.report import search_table, study_report, study_table, write_study
from captum_lca.report.folder import REPORT_FILE
from captum_lca.report.tables import LINE


def add_options(parser: Parser) -> None:
    """Add what ``analyze`` takes."""
    parser.epilog = FORMATS
    parser.add_argument("--train", required=True, help="labelled text, or a store")
    parser.add_argument(
        "--test", help="labelled text, or a store (default: a fifth of the training sentences)"
    )
    parser.add_argument("--out", required=True, help="folder for the results")
    add_property_options(parser, required=True)
    add_model_options(parser, required=False)
    add_fit_options(parser)
    add_search_options(parser)
    parser.add_argument(
        "--ranking", choices=list(METHODS), default="weight_mass",
        help="method that orders the neurons (%(default)s: by the weights of the probe)",
    )  # fmt: skip
    parser.add_argument(
        "--answer", dest="answers", action="append", choices=list(ANSWERS), default=[],
        help="a further question to answer; repeat it for several (some take minutes)",
    )  # fmt: skip


def run(options: argparse.Namespace) -> None:
    """Study each property, and write and print the results."""
    began = time.perf_counter()
    train, test = read_halves(options)
    names = train.properties(options)
    for name in names:
        check_labels(train.corpus, test.corpus, name)
        numeric = encode_labels(train.corpus.labels_of(name)).is_regression
        check_asked(options, name, unit_of(train.corpus, name), numeric)
    out = Path(options.out)
    with run_folder(out, settings_of(options)) as folder:
        stores = stores_of((train, test), names, options)
        folder.begin(inputs_of(stores, (train, test), names))
        for name in names:
            place = out if len(names) == 1 else out / file_name(name)
            if folder.has(name, place):
                say(f"{name}: complete already, in {place}: nothing to do")
                continue
            train_half, test_half = (
                labelled(stores[half.name, unit_of(half.corpus, name)], half.corpus, name)
                for half in (train, test)
            )
            with folder.making(name, place):
                _study(name, train_half, test_half, options, place)
    say(f"done in {time.perf_counter() - began:.0f} s")


def _study(
    name: str,
    train: LabelledActivations,
    test: LabelledActivations,
    options: argparse.Namespace,
    folder: Path,
) -> None:
    """Study one property, and write and print the results."""
    search = _searched(train, options)
    chosen = search or options
    penalty = {"l1": chosen.l1, "l2": chosen.l2}
    study = study_property(
        name,
        train,
        test,
        ranking=_ranked(train, options),
        **penalty,
        baselines=("mean", "zero", "retrained") if options.retrain else ("mean", "zero"),
        draws=options.draws,
        seed=options.seed,
        device=options.device,
        progress=is_watched(),
    )
    answers = answers_of(Evidence(study, train, test, options, penalty))
    sources = sources_of(train, test, folder)
    page = study_report(study, train, answers, is_watched())
    write_study(study, folder, settings_of(options), search, answers, sources, page)
    say(study_table(study))
    if search:
        say(search_table(search))
    for answer in answers:
        say(textwrap.fill(f"  {answer.line}", LINE, subsequent_indent="    "))
    say(f"  results in {folder}: open {REPORT_FILE}\n")


def _ranked(train: LabelledActivations, options: argparse.Namespace) -> NeuronRanking | None:
    """The ranking that was asked for; None for that of the study's own probe."""
    if options.ranking == "weight_mass":
        return None
    return ranked(options.ranking, train.activations, train.labels, options.seed)


def _searched(
    train: LabelledActivations, options: argparse.Namespace
) -> PenaltySearch | CrossValidation | None:
    """The search for penalties that was asked for, on nothing but training data."""
    if options.search is None:
        return None
    settings: dict[str, Any] = {
        "l1s": options.l1_grid,
        "l2s": options.l2_grid,
        "seed": options.seed,
        "device": options.device,
        "progress": is_watched(),
    }
    if options.search == "cv":
        return cross_validate_penalties(train.activations, train.labels, **settings)
    kept, validation = hold_out(train, HELD_OUT, options.seed)
    return search_penalties(kept, validation, **settings)


def inputs_of(
    stores: Mapping[tuple[str, str], ActivationStore], halves: Sequence[Half], names: Sequence[str]
) -> dict[str, Any]:
    """What tells the activations and labels of a study from others."""
    told: dict[str, Any] = {}
    for (half_name, unit), store in sorted(stores.items()):
        told |= {
            f"{half_name} {unit}s: {key}": value
            for key, value in {**store.settings, "activations": store.fingerprint}.items()
            if key != MODEL_NAME
        }
    for half in halves:
        for name in names:
            labels = json.dumps(half.corpus.labels_of(name))
            told[f"{half.name} labels: {name}"] = hashlib.sha256(labels.encode()).hexdigest()
    return told


def sources_of(
    train: LabelledActivations, test: LabelledActivations, folder: Path
) -> dict[str, Any]:
    """Where the activations of a study are, seen from its folder."""
    stores = {"train": train.activations.folder, "test": test.activations.folder}
    return {
        "stores": {half: os.path.relpath(store, folder) for half, store in stores.items() if store}
    }


def settings_of(options: argparse.Namespace) -> dict[str, Any]:
    """What the results were made from, for ``results.json``."""
    given = {key: value for key, value in vars(options).items() if key != "run"}
    return {"captum_lca": __version__, "torch": torch.__version__, **given}


def file_name(name: str) -> str:
    """The name of a property as that of a folder."""
    return re.sub(r"[^\w.-]", "_", name).lstrip(".") or "property"
