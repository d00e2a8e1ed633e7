"""``captum-lca demo``: the whole method on a small real model and a generated corpus."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from captum_lca.cli import analyze
from captum_lca.cli.options import Parser, add_fit_options
from captum_lca.cli.printing import say
from captum_lca.corpora import generate_corpus
from captum_lca.demo_model import demo_model_folder

DEMO_SENTENCES = {"train": 3000, "test": 1000}
"""Sentences that the demo generates."""
DEMO_PROPERTIES = ("upos", "role")


def add_options(parser: Parser) -> None:
    """Add what ``demo`` takes."""
    parser.add_argument("--out", default="runs/demo", help="folder for the results (%(default)s)")
    add_fit_options(parser)


def run(options: argparse.Namespace) -> None:
    """Write two corpora, and run ``analyze`` on them."""
    folder = demo_model_folder()
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    files = []
    for number, (name, sentences) in enumerate(DEMO_SENTENCES.items()):
        files.append(out / f"{name}.json")
        generate_corpus(sentences, seed=options.seed + number).save(files[-1])
    command = ["--model", str(folder), "--train", str(files[0]), "--test", str(files[1])]
    for name in DEMO_PROPERTIES:
        command += ["--property", name]
    for option in ("l1", "l2", "draws", "seed", "out"):
        command += [f"--{option}", str(getattr(options, option))]
    command += ["--retrain"] if options.retrain else []
    shown = shlex.join(["captum-lca", "analyze", *command])
    say(f"The demo writes two generated corpora and runs\n\n  {shown}\n")
    parser = Parser()
    analyze.add_options(parser)
    analyze.run(parser.parse_args(command))
