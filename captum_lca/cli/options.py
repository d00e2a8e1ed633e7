"""Types of arguments, and the groups of options that commands share."""

from __future__ import annotations

import argparse
from typing import NoReturn

import torch

from captum_lca.activations.encoding import SENTENCE_POOLINGS
from captum_lca.analysis.penalty_grid import L1S, L2S
from captum_lca.cli.printing import printable

BAD_INPUT = 2
"""Exit status when the input is refused."""
STOPPED = 130
"""Exit status after Ctrl-C."""
FORMATS = (
    "Text: *.conllu (properties upos, xpos, deprel, deprel.universal, feats.X, misc.X), *.json (a "
    "saved corpus), WORDS::LABELS (two parallel files), or columns (properties pos=1, ner=-1). "
    "With any of them: word.casing, word.length, word.suffix=ing,ly, word.set=he,she, word.regex=X."
)


class Parser(argparse.ArgumentParser):
    """A parser that refuses in one line, like everything else here."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line, and exit with status 2."""
        self.exit(BAD_INPUT, f"captum-lca: error: {printable(message)} (see {self.prog} --help)\n")


def add_property_options(parser: argparse.ArgumentParser, required: bool) -> None:
    """``--property`` and ``--numeric``."""
    parser.add_argument(
        "--property",
        dest="properties",
        action="append",
        default=[],
        required=required,
        metavar="NAME",
        help="what to read as labels; repeat it for several",
    )
    parser.add_argument(
        "--numeric",
        action="append",
        default=[],
        metavar="NAME",
        help="a property of --property whose labels are numbers to predict",
    )


def add_model_options(parser: argparse.ArgumentParser, required: bool) -> None:
    """The model, its layers, and how it is run."""
    parser.add_argument(
        "--model", required=required, help="folder, .gguf file or hub name of a transformers model"
    )
    parser.add_argument(
        "--layers",
        default="hidden",
        help="hidden (embeddings and blocks), mlp, or module names with wildcards, separated by "
        "commas (%(default)s)",
    )
    parser.add_argument(
        "--pooling",
        choices=SENTENCE_POOLINGS,
        help="how tokens become a row (last; for labels of sentences: mean)",
    )
    parser.add_argument("--max-words", type=positive, help="read only so many words (to train on)")
    parser.add_argument(
        "--batch-tokens", type=positive, help="tokens that go through the model at once"
    )
    parser.add_argument("--device", type=device, default="cpu", help="cpu, cuda, … (%(default)s)")
    parser.add_argument(
        "--device-map",
        metavar="auto",
        help="how accelerate spreads a model that is too large for one device: auto, balanced, …",
    )
    parser.add_argument(
        "--trust-remote-code",
        action="store_true",
        help="run code that the model's author put beside it",
    )


def add_fit_options(parser: argparse.ArgumentParser) -> None:
    """Penalties, random draws, seed."""
    parser.add_argument("--l1", type=penalty, default=1e-3, help="strength of Σ|W| (%(default)s)")
    parser.add_argument("--l2", type=penalty, default=1e-4, help="strength of ΣW² (%(default)s)")
    parser.add_argument("--draws", type=positive, default=5, help="of random neurons (%(default)s)")
    parser.add_argument(
        "--retrain", action="store_true", help="also re-train probes for the ablation (minutes)"
    )
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")


def add_search_options(parser: argparse.ArgumentParser) -> None:
    """Choosing penalties on the training text."""
    parser.add_argument(
        "--search",
        choices=("ablation", "cv"),
        help="choose --l1 and --l2 on the training text: by ablating probes, scored on a fifth of "
        "its sentences; or by accuracy in five-fold cross-validation",
    )
    for name, strengths in (("l1", L1S), ("l2", L2S)):
        parser.add_argument(
            f"--{name}-grid",
            type=penalties,
            default=strengths,
            metavar="NUMBER,…",
            help=f"those to choose from ({','.join(f'{number:g}' for number in strengths)})",
        )


def positive(text: str) -> int:
    """A whole number from 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more; found {text}")
    return number


def device(text: str) -> str:
    """A device of torch that can be used here."""
    try:
        torch.empty(0, device=text)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise argparse.ArgumentTypeError(f"{text!r} can't be used here: {reason}") from error
    return text


def penalty(text: str) -> float:
    """A number from 0."""
    try:
        number = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a number; found {text!r}") from error
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"must be 0 or more; found {text}")
    return number


def share(text: str) -> float:
    """A number above 0, up to 1."""
    number = penalty(text)
    if not 0 < number <= 1:
        raise argparse.ArgumentTypeError(f"must be above 0, and 1 at most; found {text}")
    return number


def penalties(text: str) -> tuple[float, ...]:
    """Different numbers from 0, separated by commas."""
    numbers = tuple(penalty(number) for number in text.split(","))
    if len(set(numbers)) < len(numbers):
        raise argparse.ArgumentTypeError(f"must differ; found {text}")
    return numbers
