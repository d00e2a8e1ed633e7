"""Putting extracted rows into a store, in memory or on disk."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from captum_lca.activations.store import ActivationStore, FileShard, MemoryShard
from captum_lca.activations.store_index import (
    CORPUS_FILE,
    INDEX_FILE,
    SHARD_NAME,
    TENSOR_NAME,
    ShardEntry,
    StoreError,
    StoreIndex,
    check_shard,
)
from captum_lca.corpora import Corpus
from captum_lca.files import sha256_of

MODEL_NAME = "model"
"""The only setting that decides nothing: the same model may be loaded from another place."""

logger = logging.getLogger(__name__)


class MemoryWriter:
    """Collects the rows of an extraction in memory."""

    def __init__(self, index: StoreIndex) -> None:
        self.index = index
        self._parts: list[Tensor] = []

    def append(self, rows: Tensor) -> None:
        """Add rows. Shape (rows, neurons)."""
        self._parts.append(rows)

    def convert(self, dtype: torch.dtype) -> None:
        """Hold everything, what is there and what comes, in another dtype."""
        self._parts = [part.to(dtype) for part in self._parts]

    def finish(self, corpus: Corpus) -> ActivationStore:
        """The store."""
        return ActivationStore([MemoryShard(part) for part in self._parts], self.index, corpus)


class FolderWriter:
    """Writes the rows of an extraction as shards of a folder; the index says complete last."""

    def __init__(self, index: StoreIndex, folder: Path) -> None:
        self.index = index
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for stale in folder.iterdir():
            if SHARD_NAME.fullmatch(stale.name) or stale.name in (INDEX_FILE, CORPUS_FILE):
                stale.unlink()
        index.write(folder)

    def append(self, rows: Tensor) -> None:
        """Write rows as the next shard. Shape (rows, neurons)."""
        self._write(len(self.index.shards), rows)
        self.index.write(self.folder)

    def _write(self, number: int, rows: Tensor) -> None:
        path = self.folder / f"shard-{number:05d}.safetensors"
        aside = path.with_suffix(".part")
        save_file({TENSOR_NAME: rows.contiguous()}, aside)
        entry = ShardEntry(path.name, len(rows), aside.stat().st_size, sha256_of(aside))
        aside.replace(path)
        self.index.shards[number : number + 1] = [entry]

    def convert(self, dtype: torch.dtype) -> None:
        """Rewrite the shards that are there in another dtype."""
        for number, entry in enumerate(self.index.shards):
            self._write(number, FileShard(self.folder, entry).read(0, entry.rows).to(dtype))

    def finish(self, corpus: Corpus) -> ActivationStore:
        """Write the corpus beside the shards, mark the store complete, and open it."""
        _write_corpus(self.folder, self.index, corpus)
        return ActivationStore.open(self.folder, verify=False)


def finished_store(folder: Path, wanted: StoreIndex, corpus: Corpus) -> ActivationStore | None:
    """The store in a folder if it is complete and just what is wanted; None if there is none.

    The store then carries the labels of the corpus given, which may be others than it had.

    Raises:
        StoreError: The folder holds the store of another model, corpus or setting.
    """
    if not (folder / INDEX_FILE).exists():
        return None
    found = StoreIndex.read(folder)
    differing = {
        key
        for key, value in wanted.settings.items()
        if key != MODEL_NAME and found.settings.get(key) != value
    }
    if found.layout != wanted.layout:
        differing.add("layers")
    if differing:
        raise StoreError(
            f"{folder} holds a store with other settings ({', '.join(sorted(differing))} differ); "
            f"choose another folder or delete it"
        )
    if not found.complete:
        return None
    logger.info("%s: complete already, nothing to extract", folder)
    for entry in found.shards:
        check_shard(folder, entry, found, verify=True)
    _write_corpus(folder, found, corpus)
    return ActivationStore.open(folder, verify=False)


def _write_corpus(folder: Path, index: StoreIndex, corpus: Corpus) -> None:
    """Put the corpus beside the shards and mark the store complete."""
    corpus.save(folder / CORPUS_FILE)
    index.corpus_sha256 = sha256_of(folder / CORPUS_FILE)
    index.complete = True
    index.write(folder)
