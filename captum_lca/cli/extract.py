"""``captum-lca extract``: activations of a text, as a store on disk."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from captum_lca.activations import ActivationStore, extract
from captum_lca.activations.loading import load_model
from captum_lca.cli.options import FORMATS, Parser, add_model_options, add_property_options
from captum_lca.cli.printing import is_watched, say
from captum_lca.corpora import Corpus, read_corpus


def add_options(parser: Parser) -> None:
    """Add what ``extract`` takes."""
    parser.epilog = FORMATS
    parser.add_argument("--corpus", required=True, help="labelled text; formats: see below")
    parser.add_argument("--out", required=True, help="folder for the store")
    add_property_options(parser, required=False)
    add_model_options(parser, required=True)


def run(options: argparse.Namespace) -> None:
    """Extract one store, and say how large it is."""
    corpus = limited(read(options.corpus, options), options)
    model, tokenizer = load(options)
    units = {unit_of(corpus, name) for name in corpus.properties} or {"word"}
    if len(units) > 1:
        raise ValueError("a store is of words or of sentences; extract them separately")
    store = extracted(corpus, units.pop(), Path(options.out), options, (model, tokenizer))
    say(f"{store.rows:,} rows × {store.layout.size:,} neurons in {options.out}")


def read(path: str, options: argparse.Namespace) -> Corpus:
    """The text at a path, with the properties asked for."""
    return with_numbers(read_corpus(path, options.properties), options)


def limited(corpus: Corpus, options: argparse.Namespace) -> Corpus:
    """The leading part of a corpus that ``--max-words`` allows."""
    return corpus.limit(options.max_words) if options.max_words else corpus


def with_numbers(corpus: Corpus, options: argparse.Namespace) -> Corpus:
    """The corpus with the labels of ``--numeric`` properties as numbers."""
    for name in options.numeric:
        corpus = corpus.as_numbers(name)
    return corpus


def load(options: argparse.Namespace) -> tuple[Any, Any]:
    """The model and tokenizer that ``--model`` names."""
    if options.model is None:
        raise ValueError("give --model: there is text to run through it")
    from transformers.utils import logging as transformers_logging  # noqa: PLC0415  (slow)

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    return load_model(
        options.model,
        device=None if options.device_map else options.device,
        device_map=options.device_map,
        trust_remote_code=options.trust_remote_code,
    )


def extracted(
    corpus: Corpus, unit: str, folder: Path, options: argparse.Namespace, model: Any
) -> ActivationStore:
    """The store of a corpus's words or sentences, as the options ask."""
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
        progress=is_watched(),
    )


def unit_of(corpus: Corpus, name: str) -> str:
    """``word`` or ``sentence``: what a property labels."""
    corpus.labels_of(name)  # refuses what is not there
    return "word" if name in corpus.labels else "sentence"
