"""Putting extracted rows into a store, in memory or on disk."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor

from captum_lca.activations.shards import Shard, ShardNotes, read_shard, write_shard
from captum_lca.activations.store import ActivationStore, FileShard, MemoryShard
from captum_lca.activations.store_index import (
    CORPUS_FILE,
    DTYPES,
    INDEX_FILE,
    SHARD_NAME,
    StoreError,
    StoreIndex,
    check_shard,
)
from captum_lca.corpora import Corpus
from captum_lca.distributed import gathered, of_first, rank, ranks, same_errors
from captum_lca.files import locked, remove_unfinished, sha256_of
from captum_lca.neurons import NeuronLayout

MODEL_NAME = "model"
"""The only setting that decides nothing: the same model may be loaded from another place."""
FLOAT16_LARGEST = torch.finfo(torch.float16).max

logger = logging.getLogger(__name__)


class MemoryWriter:
    """Collects the rows of an extraction in memory: in each process all of them."""

    def __init__(self, index: StoreIndex) -> None:
        self.index = index
        self.notes: list[ShardNotes] = []
        self._parts: list[Tensor] = []

    def todo(self, bounds: Sequence[tuple[int, int]]) -> list[int]:
        """Numbers of the chunks to read: all."""
        return list(range(len(bounds)))

    def append(self, _: int, rows: Tensor, notes: ShardNotes) -> None:
        """Add the rows of the next chunk. Shape (rows, neurons), float32."""
        self.notes.append(notes)
        self._parts.append(_storable(rows, notes, self.index.dtype))

    def finish(self, corpus: Corpus) -> ActivationStore:
        """The store."""
        if any(part.dtype == torch.float32 for part in self._parts):
            self.index.dtype = "float32"
        self.index.missing = [unit for notes in self.notes for unit in notes.missing]
        dtype = DTYPES[self.index.dtype]
        parts = [part.to(dtype) for part in self._parts if len(part)]
        return ActivationStore([MemoryShard(part) for part in parts], self.index, corpus)


class FolderWriter:
    """Writes the chunks of an extraction as shards of a folder; the index says complete last.

    The ranks share out the chunks. They share the folder too, but no memory: they may be on several
    machines.
    """

    def __init__(self, index: StoreIndex, folder: Path) -> None:
        self.index = index
        self.folder = folder
        self.notes: list[ShardNotes] = []
        """Of all shards, once the store is finished."""
        self._mine: dict[int, Shard] = {}
        of_first(self._prepare)

    def _prepare(self) -> None:
        remove_unfinished(self.folder)
        if (self.folder / INDEX_FILE).exists():
            return
        for path in self.folder.iterdir():
            if SHARD_NAME.fullmatch(path.name) or path.name == CORPUS_FILE:
                path.unlink()  # nothing says what it was made from
        self.index.write(self.folder)

    def todo(self, bounds: Sequence[tuple[int, int]]) -> list[int]:
        """Numbers of the chunks for this rank to read: its share of those that are not there.

        What an earlier run wrote is verified, by each rank a share of it.

        Args:
            bounds: First unit of each chunk, and the unit behind its last.

        Raises:
            StoreError: A shard is truncated or changed.
        """
        with same_errors():
            for number in range(rank(), len(bounds), ranks()):
                shard = read_shard(self.folder, number)
                if shard and (shard.notes.first, shard.notes.stop) == bounds[number]:
                    self._mine[number] = shard
        kept = {number for part in gathered(list(self._mine)) for number in part}
        if kept and rank() == 0:
            logger.info("%s: %d of %d shards are there", self.folder, len(kept), len(bounds))
        return [number for number in range(len(bounds)) if number not in kept][rank() :: ranks()]

    def append(self, number: int, rows: Tensor, notes: ShardNotes) -> None:
        """Write the rows of a chunk as its shard. Shape (rows, neurons), float32."""
        rows = _storable(rows, notes, self.index.dtype)
        self._mine[number] = write_shard(self.folder, number, rows, notes)

    def finish(self, corpus: Corpus) -> ActivationStore:
        """Write the corpus beside the shards, mark the store complete, and open it."""
        if any(gathered(any(shard.dtype == "float32" for shard in self._mine.values()))):
            self.index.dtype = "float32"
            self._widen()
        shards = self._of_all_ranks()
        self.notes = [shard.notes for shard in shards]
        self.index.shards = [shard.entry for shard in shards]
        self.index.missing = [unit for notes in self.notes for unit in notes.missing]
        self.index.corpus_sha256 = of_first(lambda: _write_corpus(self.folder, self.index, corpus))
        self.index.complete = True
        files = [FileShard(self.folder, entry) for entry in self.index.shards]
        return ActivationStore(files, self.index, corpus, self.folder)

    def _of_all_ranks(self) -> list[Shard]:
        """In the order of the corpus."""
        parts = gathered({number: asdict(shard) for number, shard in self._mine.items()})
        told = {int(number): shard for part in parts for number, shard in part.items()}
        return [Shard.from_json(told[number]) for number in sorted(told)]

    def _widen(self) -> None:
        """Rewrite this rank's float16 shards as float32."""
        for number, shard in self._mine.items():
            if shard.dtype == "float16":
                rows = FileShard(self.folder, shard.entry).read(0, shard.entry.rows).float()
                self._mine[number] = write_shard(self.folder, number, rows, shard.notes)


@contextmanager
def store_writer(index: StoreIndex, folder: Path | None) -> Iterator[MemoryWriter | FolderWriter]:
    """What takes the rows of an extraction; within the context its folder is this run's alone.

    Raises:
        BlockingIOError: Another run writes the folder.
    """
    if folder is None:
        yield MemoryWriter(index)
        return
    with locked(folder):
        yield FolderWriter(index, folder)


def _storable(rows: Tensor, notes: ShardNotes, dtype: str) -> Tensor:
    """The rows of a chunk in the store's dtype; in float32 if they don't fit float16.

    A store has one dtype: if any chunk is float32, all others are widened in the end. What a row is
    then depends on its own chunk alone, and not on which was read first.
    """
    fits = dtype == "float16" and notes.largest <= FLOAT16_LARGEST
    return rows.to(torch.float16 if fits else torch.float32)


def finished_store(folder: Path, wanted: StoreIndex, corpus: Corpus) -> ActivationStore | None:
    """The store in a folder if it is complete and just what is wanted; None if there is work left.

    The store then carries the labels of the corpus given, which may be others than it had.

    Raises:
        StoreError: The folder holds the store of another model, corpus or setting, or the ranks
            have different ones, or a shard is truncated or changed.
    """
    _check_ranks_agree(wanted)
    if not (folder / INDEX_FILE).exists():
        return None
    found = StoreIndex.read(folder)
    if names := _differing(found, wanted):
        raise StoreError(
            f"{folder} holds a store with other settings ({names} differ); "
            f"choose another folder or delete it"
        )
    is_there = all((folder / entry.file).is_file() for entry in found.shards)
    if not (found.complete and is_there):
        return None
    with same_errors():
        for entry in found.shards[rank() :: ranks()]:
            check_shard(folder, entry, found, verify=True)
    if rank() == 0:
        logger.info("%s: complete already, nothing to extract", folder)
    if not _has_corpus(folder, found, corpus):
        with locked(folder):
            of_first(lambda: _write_corpus(folder, found, corpus))
    return ActivationStore.open(folder, verify=False)


def _check_ranks_agree(index: StoreIndex) -> None:
    """Raise StoreError if the ranks were given different models, texts or settings."""
    for number, told in enumerate(gathered([index.layout.to_json(), index.settings])):
        other = replace(index, layout=NeuronLayout.from_json(told[0]), settings=told[1])
        if names := _differing(other, index):
            raise StoreError(f"ranks {rank()} and {number} differ in {names}")


def _differing(found: StoreIndex, wanted: StoreIndex) -> str:
    """Names of the settings that differ, "layers" for the layout."""
    names = {
        key
        for key, value in wanted.settings.items()
        if key != MODEL_NAME and found.settings.get(key) != value
    }
    return ", ".join(sorted(names | ({"layers"} if found.layout != wanted.layout else set())))


def _has_corpus(folder: Path, index: StoreIndex, corpus: Corpus) -> bool:
    """Whether a store carries just this corpus, unharmed."""
    path = folder / CORPUS_FILE
    return path.is_file() and sha256_of(path) == index.corpus_sha256 and Corpus.load(path) == corpus


def _write_corpus(folder: Path, index: StoreIndex, corpus: Corpus) -> str:
    """Put the corpus beside the shards, and mark the store complete.

    Returns:
        The checksum of the corpus's file.
    """
    corpus.save(folder / CORPUS_FILE)
    index.corpus_sha256 = sha256_of(folder / CORPUS_FILE)
    index.complete = True
    index.write(folder)
    return index.corpus_sha256
