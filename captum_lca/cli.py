"""The command line: ``captum-lca demo | extract | analyze``."""

from __future__ import annotations

import argparse
import logging
import re
import shlex
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch

from captum_lca import __version__
from captum_lca.activations import ActivationStore, extract
from captum_lca.activations.encoding import SENTENCE_POOLINGS
from captum_lca.activations.loading import load_model
from captum_lca.activations.store_index import INDEX_FILE
from captum_lca.analysis import (
    CrossValidation,
    LabelledActivations,
    PenaltySearch,
    cross_validate_penalties,
    hold_out,
    search_penalties,
    study_property,
)
from captum_lca.analysis.penalty_grid import L1S, L2S
from captum_lca.corpora import Corpus, generate_corpus, read_corpus
from captum_lca.demo_model import demo_model_folder
from captum_lca.probes.labels import encode_labels
from captum_lca.report import search_table, study_table, write_study

BAD_INPUT = 2
"""Exit status when the input is refused."""
HELD_OUT = 0.2
"""Share of the sentences to test on when no test file is given."""
DEMO_SENTENCES = {"train": 3000, "test": 1000}
"""Sentences that the demo generates."""
DEMO_PROPERTIES = ("upos", "role")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the program's name; default: those of the process.

    Returns:
        Exit status: 0, or 2 if the input was refused (with one line on standard error).
    """
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            options.run(options)
        except (ValueError, OSError) as error:
            print(f"captum-lca: error: {_one_line(error)}", file=sys.stderr)
            return BAD_INPUT
        except KeyboardInterrupt:
            print("captum-lca: stopped", file=sys.stderr)
            return 130
    return 0


class _Parser(argparse.ArgumentParser):
    """A parser that refuses in one line, like everything else here."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"captum-lca: error: {_printable(message)} (see {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="captum-lca",
        description="Find the neurons of a transformer that carry a property of language.",
    )
    parser.add_argument("--version", action="version", version=f"captum-lca {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    demo = commands.add_parser(
        "demo", help="the whole method on a small real model and a generated corpus"
    )
    demo.add_argument("--out", default="runs/demo", help="folder for the results (%(default)s)")
    _add_fit_options(demo)
    demo.set_defaults(run=_demo)

    extraction = commands.add_parser(
        "extract", help="activations of a text, as a store on disk", epilog=_FORMATS
    )
    extraction.add_argument("--corpus", required=True, help="labelled text; formats: see below")
    extraction.add_argument("--out", required=True, help="folder for the store")
    _add_property_options(extraction, required=False)
    _add_model_options(extraction, required=True)
    extraction.set_defaults(run=_extract)

    analysis = commands.add_parser(
        "analyze", help="probe, ranking and ablation of one or more properties", epilog=_FORMATS
    )
    analysis.add_argument("--train", required=True, help="labelled text, or a store")
    analysis.add_argument(
        "--test", help="labelled text, or a store (default: a fifth of the training sentences)"
    )
    analysis.add_argument("--out", required=True, help="folder for the results")
    _add_property_options(analysis, required=True)
    _add_model_options(analysis, required=False)
    _add_fit_options(analysis)
    _add_search_options(analysis)
    analysis.set_defaults(run=_analyze)
    return parser


_FORMATS = (
    "Text: *.conllu (properties upos, xpos, deprel, deprel.universal, feats.X, misc.X), *.json (a "
    "saved corpus), WORDS::LABELS (two parallel files), or columns (properties pos=1, ner=-1). "
    "With any of them: word.casing, word.length, word.suffix=ing,ly, word.set=he,she, word.regex=X."
)


def _add_property_options(parser: argparse.ArgumentParser, required: bool) -> None:
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


def _add_model_options(parser: argparse.ArgumentParser, required: bool) -> None:
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
    parser.add_argument("--max-words", type=_positive, help="read only so many words (to train on)")
    parser.add_argument(
        "--batch-tokens", type=_positive, help="tokens that go through the model at once"
    )
    parser.add_argument("--device", type=_device, default="cpu", help="cpu, cuda, … (%(default)s)")
    parser.add_argument(
        "--trust-remote-code",
        action="store_true",
        help="run code that the model's author put beside it",
    )


def _add_fit_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--l1", type=_penalty, default=1e-3, help="strength of Σ|W| (%(default)s)")
    parser.add_argument("--l2", type=_penalty, default=1e-4, help="strength of ΣW² (%(default)s)")
    parser.add_argument(
        "--draws", type=_positive, default=5, help="of random neurons (%(default)s)"
    )
    parser.add_argument(
        "--retrain", action="store_true", help="also re-train probes for the ablation (minutes)"
    )
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")


def _add_search_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--search",
        choices=("ablation", "cv"),
        help="choose --l1 and --l2 on the training text: by ablating probes, scored on a fifth of "
        "its sentences; or by accuracy in five-fold cross-validation",
    )
    for name, strengths in (("l1", L1S), ("l2", L2S)):
        parser.add_argument(
            f"--{name}-grid",
            type=_penalties,
            default=strengths,
            metavar="NUMBER,…",
            help=f"those to choose from ({','.join(f'{number:g}' for number in strengths)})",
        )


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more; found {text}")
    return number


def _device(text: str) -> str:
    try:
        torch.empty(0, device=text)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise argparse.ArgumentTypeError(f"{text!r} can't be used here: {reason}") from error
    return text


def _penalty(text: str) -> float:
    try:
        number = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a number; found {text!r}") from error
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"must be 0 or more; found {text}")
    return number


def _penalties(text: str) -> tuple[float, ...]:
    numbers = tuple(_penalty(number) for number in text.split(","))
    if len(set(numbers)) < len(numbers):
        raise argparse.ArgumentTypeError(f"must differ; found {text}")
    return numbers


def _demo(options: argparse.Namespace) -> None:
    folder = demo_model_folder()
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    files = []
    for number, (name, sentences) in enumerate(DEMO_SENTENCES.items()):
        files.append(out / f"{name}.json")
        generate_corpus(sentences, seed=options.seed + number).save(files[-1])
    command = ["analyze", "--model", str(folder), "--train", str(files[0]), "--test", str(files[1])]
    for name in DEMO_PROPERTIES:
        command += ["--property", name]
    for option in ("l1", "l2", "draws", "seed", "out"):
        command += [f"--{option}", str(getattr(options, option))]
    command += ["--retrain"] if options.retrain else []
    print(f"The demo writes two generated corpora and runs\n\n  captum-lca {shlex.join(command)}\n")
    _analyze(_parser().parse_args(command))


def _extract(options: argparse.Namespace) -> None:
    corpus = _limited(_read(options.corpus, options), options)
    model, tokenizer = _load(options)
    units = {_unit(corpus, name) for name in corpus.properties} or {"word"}
    if len(units) > 1:
        raise ValueError("a store is of words or of sentences; extract them separately")
    store = _extracted(corpus, units.pop(), Path(options.out), options, (model, tokenizer))
    print(f"{store.rows:,} rows × {store.layout.size:,} neurons in {options.out}")


def _analyze(options: argparse.Namespace) -> None:
    began = time.perf_counter()
    train, test = _halves(options)
    names = train.properties(options)
    for name in names:
        _check_labels(train.corpus, test.corpus, name)
    stores = _stores((train, test), names, options)
    out = Path(options.out)
    for name in names:
        train_half, test_half = (
            _labelled(stores[half.name, _unit(half.corpus, name)], half.corpus, name)
            for half in (train, test)
        )
        search = _searched(train_half, options)
        study = study_property(
            name,
            train_half,
            test_half,
            l1=search.l1 if search else options.l1,
            l2=search.l2 if search else options.l2,
            baselines=("mean", "zero", "retrained") if options.retrain else ("mean", "zero"),
            draws=options.draws,
            seed=options.seed,
            device=options.device,
            progress=_is_watched(),
        )
        folder = out if len(names) == 1 else out / _file_name(name)
        write_study(study, folder, _settings(options), search)
        print(_printable(study_table(study)))
        if search:
            print(search_table(search))
        print(f"  results in {folder}\n")
    print(f"done in {time.perf_counter() - began:.0f} s")


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
        "progress": _is_watched(),
    }
    if options.search == "cv":
        return cross_validate_penalties(train.activations, train.labels, **settings)
    kept, validation = hold_out(train, HELD_OUT, options.seed)
    return search_penalties(kept, validation, **settings)


def _check_labels(train: Corpus, test: Corpus, name: str) -> None:
    """Refuse, before the long work starts, labels that nothing can be fitted to or tested on."""
    try:
        encode_labels(train.labels_of(name))
    except ValueError as error:
        raise ValueError(f"{train.source}: property {name!r}: {error}") from error
    if all(label is None for label in test.labels_of(name)):
        raise ValueError(f"{test.source}: property {name!r}: there are no labels to test on")


@dataclass(frozen=True)
class _Half:
    """The training or the test half of a study."""

    name: str
    corpus: Corpus
    store: ActivationStore | None
    """None: the corpus is text, still to be extracted."""

    def properties(self, options: argparse.Namespace) -> Sequence[str]:
        """Names of the properties asked for: ``pos=1`` in a file of columns is named ``pos``."""
        return self.corpus.properties if self.store is None else tuple(options.properties)


def _halves(options: argparse.Namespace) -> tuple[_Half, _Half]:
    train = _half("train", options.train, options)
    if options.test is not None:
        return train, _half("test", options.test, options)
    if train.store is not None:
        raise ValueError("give --test: a store can't be split into a training and a test half")
    kept, held_out = train.corpus.split([1 - HELD_OUT, HELD_OUT], seed=options.seed)
    return _Half("train", kept, None), _Half("test", held_out, None)


def _half(name: str, path: str, options: argparse.Namespace) -> _Half:
    if not (Path(path) / INDEX_FILE).is_file():
        corpus = _read(path, options)
        return _Half(name, _limited(corpus, options) if name == "train" else corpus, None)
    store = ActivationStore.open(path)
    if store.corpus is None:
        raise ValueError(f"{path}: the store carries no corpus, so there are no labels")
    return _Half(name, _with_numbers(store.corpus, options), store)


def _read(path: str, options: argparse.Namespace) -> Corpus:
    return _with_numbers(read_corpus(path, options.properties), options)


def _limited(corpus: Corpus, options: argparse.Namespace) -> Corpus:
    return corpus.limit(options.max_words) if options.max_words else corpus


def _with_numbers(corpus: Corpus, options: argparse.Namespace) -> Corpus:
    for name in options.numeric:
        corpus = corpus.as_numbers(name)
    return corpus


def _load(options: argparse.Namespace) -> tuple[Any, Any]:
    if options.model is None:
        raise ValueError("give --model: there is text to run through it")
    from transformers.utils import logging as transformers_logging  # noqa: PLC0415  (slow)

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    return load_model(
        options.model, device=options.device, trust_remote_code=options.trust_remote_code
    )


def _stores(
    halves: Sequence[_Half], names: Sequence[str], options: argparse.Namespace
) -> dict[tuple[str, str], ActivationStore]:
    """The store of each half for each unit (word, sentence) that the properties need."""
    is_text = any(half.store is None for half in halves)
    model = _load(options) if is_text else None
    stores = {}
    for half in halves:
        for unit in {_unit(half.corpus, name) for name in names}:
            folder = Path(options.out) / "activations" / f"{half.name}-{unit}s"
            store = half.store
            if store is None:
                store = _extracted(half.corpus, unit, folder, options, model)
            stores[half.name, unit] = store
    return stores


def _extracted(
    corpus: Corpus, unit: str, folder: Path, options: argparse.Namespace, model: Any
) -> ActivationStore:
    layers = options.layers.split(",")
    default_pooling = "last" if unit == "word" else "mean"
    return extract(
        corpus,
        *model,
        layers=layers,
        unit=unit,
        pooling=options.pooling or default_pooling,
        out=folder,
        batch_tokens=options.batch_tokens,
        progress=_is_watched(),
    )


def _unit(corpus: Corpus, name: str) -> str:
    corpus.labels_of(name)  # refuses what is not there
    return "word" if name in corpus.labels else "sentence"


def _labelled(store: ActivationStore, corpus: Corpus, name: str) -> LabelledActivations:
    words = corpus.words if name in corpus.labels else None
    return LabelledActivations(store, corpus.labels_of(name), words)


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    given = {key: value for key, value in vars(options).items() if key != "run"}
    return {"captum_lca": __version__, "torch": torch.__version__, **given}


def _printable(text: str) -> str:
    """The text without control characters, which a terminal would obey."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _one_line(error: BaseException) -> str:
    return _printable(" ".join(str(error).split())) or type(error).__name__


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"captum-lca: warning: {_printable(' '.join(str(message).split()))}", file=sys.stderr)


def _file_name(name: str) -> str:
    """The name of a property as that of a folder."""
    return re.sub(r"[^\w.-]", "_", name).lstrip(".") or "property"


def _is_watched() -> bool:
    """Whether somebody may be looking at progress bars."""
    return sys.stderr.isatty()
