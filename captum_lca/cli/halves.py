"""The training and the test half of a study: texts to extract, or stores."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from captum_lca.activations import ActivationStore
from captum_lca.activations.store_index import INDEX_FILE
from captum_lca.analysis import LabelledActivations
from captum_lca.cli.extract import extracted, limited, load, read, unit_of, with_numbers
from captum_lca.corpora import Corpus
from captum_lca.probes.labels import encode_labels

HELD_OUT = 0.2
"""Share of the sentences to test on when no test file is given."""


@dataclass(frozen=True)
class Half:
    """The training or the test half of a study."""

    name: str
    corpus: Corpus
    store: ActivationStore | None
    """None: the corpus is text, still to be extracted."""

    def properties(self, options: argparse.Namespace) -> Sequence[str]:
        """Names of the properties asked for: ``pos=1`` in a file of columns is named ``pos``."""
        return self.corpus.properties if self.store is None else tuple(options.properties)


def read_halves(options: argparse.Namespace) -> tuple[Half, Half]:
    """What to train and to test on; nothing is extracted yet."""
    train = read_half("train", options.train, options)
    if options.test is not None:
        return train, read_half("test", options.test, options)
    if train.store is not None:
        raise ValueError("give --test: a store can't be split into a training and a test half")
    kept, held_out = train.corpus.split([1 - HELD_OUT, HELD_OUT], seed=options.seed)
    return Half("train", kept, None), Half("test", held_out, None)


def read_half(name: str, path: str, options: argparse.Namespace) -> Half:
    """One half, from a text or a store."""
    if not (Path(path) / INDEX_FILE).is_file():
        corpus = read(path, options)
        return Half(name, limited(corpus, options) if name == "train" else corpus, None)
    store = ActivationStore.open(path)
    if store.corpus is None:
        raise ValueError(f"{path}: the store carries no corpus, so there are no labels")
    return Half(name, with_numbers(store.corpus, options), store)


def stores_of(
    halves: Sequence[Half], names: Sequence[str], options: argparse.Namespace
) -> dict[tuple[str, str], ActivationStore]:
    """The store of each half for each unit (word, sentence) that the properties need."""
    is_text = any(half.store is None for half in halves)
    model = load(options) if is_text else None
    stores = {}
    for half in halves:
        for unit in {unit_of(half.corpus, name) for name in names}:
            folder = Path(options.out) / "activations" / f"{half.name}-{unit}s"
            store = half.store
            if store is None:
                store = extracted(half.corpus, unit, folder, options, model)
            stores[half.name, unit] = store
    return stores


def labelled(store: ActivationStore, corpus: Corpus, name: str) -> LabelledActivations:
    """A store with the labels of one property."""
    words = corpus.words if name in corpus.labels else None
    return LabelledActivations(store, corpus.labels_of(name), words)


def check_labels(train: Corpus, test: Corpus, name: str) -> None:
    """Refuse, before the long work starts, labels that nothing can be fitted to or tested on."""
    try:
        encode_labels(train.labels_of(name))
    except ValueError as error:
        raise ValueError(f"{train.source}: property {name!r}: {error}") from error
    if all(label is None for label in test.labels_of(name)):
        raise ValueError(f"{test.source}: property {name!r}: there are no labels to test on")
