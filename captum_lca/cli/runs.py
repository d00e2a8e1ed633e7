"""Runs to compare: folders that ``analyze`` or ``extract`` wrote."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from captum_lca.activations import ActivationStore
from captum_lca.activations.store_index import INDEX_FILE
from captum_lca.analysis import LabelledActivations, hold_out
from captum_lca.cli.halves import HELD_OUT, labelled
from captum_lca.cli.studies import store_of, study_of
from captum_lca.neurons import NeuronLayout
from captum_lca.probes.labels import encode_labels


@dataclass(frozen=True)
class Run:
    """One property in one model on one text."""

    name: str
    """The folder, as it was given."""
    subject: str
    """The property that the labels are of."""
    train: LabelledActivations
    """To fit on."""
    test: LabelledActivations
    """To score on."""

    @property
    def layout(self) -> NeuronLayout:
        """Where the neurons sit."""
        return self.train.activations.layout

    @property
    def text(self) -> tuple[Any, ...]:
        """What tells the texts of both halves, and their rows, from others."""
        halves = (self.train.activations, self.test.activations)
        return tuple(
            half.settings.get(key) for half in halves for key in ("corpus_fingerprint", "unit")
        )

    @property
    def model(self) -> tuple[Any, ...]:
        """What tells the model, and how it was read, from others."""
        settings = self.train.activations.settings
        return (settings.get("model_fingerprint"), settings.get("pooling"), self.layout)

    @property
    def tokenizer(self) -> Any:
        """What tells the tokenizer from others."""
        return self.train.activations.settings.get("tokenizer_fingerprint")

    @property
    def classes(self) -> tuple[str, ...]:
        """Of the training labels; none for numbers to predict."""
        return encode_labels(self.train.labels).classes


def open_run(folder: str, name: str | None, seed: int) -> Run:
    """The run in a folder.

    Args:
        folder: Of ``analyze``, for one property; or of ``extract``, of which a fifth of the
            sentences is then held out.
        name: Of the property; may be None for a folder of ``analyze``.
        seed: Of the held-out sentences.

    Raises:
        ValueError: Neither kind of folder, no such property, or activations that are gone.
    """
    if (Path(folder) / INDEX_FILE).is_file():
        return _from_store(folder, name, seed)
    study = study_of(Path(folder))
    if study is None:
        raise ValueError(
            f"{folder}: neither a folder that analyze wrote for one property nor a store of extract"
        )
    if name not in (None, study.subject):
        raise ValueError(f"{folder}: a study of {study.subject!r}, not of {name!r}")
    halves = (
        _half(store_of(study, half), study.subject, study.is_numeric) for half in ("train", "test")
    )
    return Run(folder, study.subject, *halves)


def _from_store(folder: str, name: str | None, seed: int) -> Run:
    if name is None:
        raise ValueError(
            f"{folder}: give --property: a store says not which of its labels is meant"
        )
    train, test = hold_out(_half(Path(folder), name, numeric=False), HELD_OUT, seed)
    return Run(folder, name, train, test)


def _half(folder: Path, name: str, numeric: bool) -> LabelledActivations:
    """The activations in a store's folder, with their labels."""
    store = ActivationStore.open(folder)
    if store.corpus is None:
        raise ValueError(f"{folder}: the store carries no corpus, so there are no labels")
    corpus = store.corpus.as_numbers(name) if numeric else store.corpus
    return labelled(store, corpus, name)
