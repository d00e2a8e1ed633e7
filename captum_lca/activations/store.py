"""The words × neurons matrix, in memory or in a folder of memory-mapped shards."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor

from captum_lca.activations.store_index import (
    CORPUS_FILE,
    SHARD_NAME,
    TENSOR_NAME,
    ShardEntry,
    StoreError,
    StoreIndex,
    check_shard,
    inside,
)
from captum_lca.corpora import Corpus
from captum_lca.distributed import own_part, rank, ranks, same_errors
from captum_lca.files import sha256_of
from captum_lca.neurons import NeuronLayout
from captum_lca.tensor_files import bytes_of

T = TypeVar("T")


class MemoryShard:
    """Rows held in memory, as a tensor or an array (which may itself be mapped from a file)."""

    def __init__(self, matrix: Tensor | NDArray[Any]) -> None:
        self.matrix = matrix
        self.rows = len(matrix)

    def read(self, start: int, stop: int) -> Tensor:
        """Rows ``start`` to ``stop``, as held. Shape (stop − start, neurons)."""
        block = self.matrix[start:stop]
        return block.detach() if isinstance(block, Tensor) else torch.tensor(block)


class FileShard:
    """Rows in a safetensors file, read on demand."""

    def __init__(self, folder: Path, entry: ShardEntry) -> None:
        self.path = folder / entry.file
        self.rows = entry.rows

    def read(self, start: int, stop: int) -> Tensor:
        """Rows ``start`` to ``stop``, as stored. Shape (stop − start, neurons)."""
        with safe_open(self.path, framework="pt") as file:
            rows: Tensor = file.get_slice(TENSOR_NAME)[start:stop]
        return rows


class ActivationStore:
    """Activations of a corpus: one row per word (or sentence), neurons in layout order.

    Made by :func:`~captum_lca.extract`, opened with :meth:`open`, or put around a matrix with
    :meth:`from_tensor`. Rows are read in blocks; nothing is loaded until it is asked for. Ranks
    that work together each open the same store, and each goes through a part of its rows.

    Examples::

        >>> store = ActivationStore.open("runs/minilm")
        >>> store.layout.size
        2688
        >>> store.read(0, 100).shape                   # float16, as stored
        torch.Size([100, 2688])
        >>> probe = fit_elastic_net(store, store.corpus.labels["upos"])
    """

    def __init__(
        self,
        shards: Sequence[MemoryShard | FileShard],
        index: StoreIndex,
        corpus: Corpus | None = None,
        folder: Path | None = None,
    ) -> None:
        self._shards = list(shards)
        self._index = index
        self.folder = folder
        """Where the store is on disk; None for one in memory."""
        self.corpus = corpus
        """The sentences and labels it was made from, if it carries them."""

    @classmethod
    def open(cls, folder: str | Path, verify: bool = True) -> ActivationStore:
        """Open a store on disk.

        Args:
            folder: The folder that :func:`~captum_lca.extract` wrote.
            verify: Compare every file with its checksum first (about a second per gigabyte). Ranks
                that work together share this.

        Raises:
            StoreError: No store, incomplete, truncated, or changed since it was written.
        """
        folder = Path(folder)
        index = StoreIndex.read(folder)
        if not index.complete:
            found = sum(1 for path in folder.iterdir() if SHARD_NAME.fullmatch(path.name))
            raise StoreError(
                f"{folder}: the store is incomplete: extraction stopped after {found} shards; "
                f"extract it again, and it goes on from there"
            )
        with same_errors():
            for entry in index.shards[rank() :: ranks()]:
                check_shard(folder, entry, index, verify)
        index.check_rows(folder)
        corpus = None
        if index.corpus_sha256 is not None:
            path = inside(folder, CORPUS_FILE)
            if not path.is_file():
                raise StoreError(f"{path}: missing; extract the store again")
            if sha256_of(path) != index.corpus_sha256:
                raise StoreError(f"{path}: changed since it was written")
            corpus = Corpus.load(path)
            if index.units not in (len(corpus.words), len(corpus)):
                raise StoreError(f"{path}: not the corpus of the {index.units} units of this store")
        shards = [FileShard(folder, entry) for entry in index.shards]
        return cls(shards, index, corpus, folder)

    @classmethod
    def from_tensor(
        cls, activations: Tensor | NDArray[Any], layout: NeuronLayout | None = None
    ) -> ActivationStore:
        """A store around a matrix in memory, without a copy.

        Args:
            activations: Shape (words, neurons), floating point.
            layout: Where the neurons sit; None: one layer, named ``layer``.

        Raises:
            ValueError: Not a floating-point matrix, or not as wide as the layout.
        """
        if activations.ndim != 2 or 0 in activations.shape:
            raise ValueError(
                f"activations must be a matrix of words × neurons, and not empty; "
                f"found shape {tuple(activations.shape)}"
            )
        shard = MemoryShard(activations)
        dtype = shard.read(0, 1).dtype
        if not dtype.is_floating_point:
            raise ValueError(f"activations must be floating point; found {activations.dtype}")
        layout = layout or NeuronLayout.single(activations.shape[1])
        if layout.size != activations.shape[1]:
            raise ValueError(
                f"the layout has {layout.size} neurons, the activations {activations.shape[1]}"
            )
        index = StoreIndex(layout, str(dtype).removeprefix("torch."), shard.rows, {})
        return cls([shard], index)

    @property
    def layout(self) -> NeuronLayout:
        """Where the neurons sit."""
        return self._index.layout

    @property
    def rows(self) -> int:
        """Number of rows: words of the corpus, less those that have none."""
        return sum(shard.rows for shard in self._shards)

    @property
    def dtype(self) -> torch.dtype:
        """As stored."""
        dtype: torch.dtype = getattr(torch, self._index.dtype)
        return dtype

    @property
    def settings(self) -> dict[str, Any]:
        """What decided the content: fingerprints, unit, pooling, window; and the model's name."""
        return self._index.settings

    @property
    def missing(self) -> list[int]:
        """Words (or sentences) without a row, because the tokenizer turned them into nothing."""
        return self._index.missing

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the rows (of a store on disk: over its checksums) and the layout."""
        digest = hashlib.sha256(json.dumps([self._index.dtype, self.layout.to_json()]).encode())
        if self.folder is None:
            for _, block in self.blocks():
                digest.update(bytes_of(block))
        for entry in self._index.shards:
            digest.update(entry.sha256.encode())
        return digest.hexdigest()

    def __len__(self) -> int:
        return self.rows

    def __repr__(self) -> str:
        where = self.folder or "memory"
        return f"ActivationStore({self.rows} rows × {self.layout.size} neurons, {where})"

    def read(self, start: int, stop: int) -> Tensor:
        """Rows ``start`` to ``stop``, as stored. Shape (stop − start, neurons)."""
        parts = []
        offset = 0
        for shard in self._shards:
            low, high = max(start - offset, 0), min(stop - offset, shard.rows)
            if low < high:
                parts.append(shard.read(low, high))
            offset += shard.rows
        if not parts:
            return torch.empty(0, self.layout.size, dtype=self.dtype)
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    @property
    def own_rows(self) -> range:
        """Numbers of the rows that this process goes through: all, or those of its rank.

        Ranks that work together (:mod:`captum_lca.distributed`) have contiguous parts of about the
        same size.
        """
        return own_part(self.rows)

    def own_of(self, rows: Tensor) -> slice:
        """Which of some rows this process goes through. ``rows``: numbers, ascending. (some,)."""
        own = torch.tensor([self.own_rows.start, self.own_rows.stop])
        return slice(*torch.searchsorted(rows, own).tolist())

    def blocks(self, rows: int = 4096) -> Iterator[tuple[int, Tensor]]:
        """Own rows in order, in blocks: (number of the first row, block as stored)."""
        own = self.own_rows
        for start in range(own.start, own.stop, rows):
            yield start, self.read(start, min(start + rows, own.stop))

    def tensor(self) -> Tensor:
        """All rows in memory, as stored. Shape (rows, neurons)."""
        return self.read(0, self.rows)

    def align(self, labels: Sequence[T]) -> list[T]:
        """Of labels for all words of the corpus (or all rows), those of this store's rows.

        Raises:
            ValueError: There are as many labels neither as words nor as rows.
        """
        if len(labels) == self.rows:
            return list(labels)
        if len(labels) != self._index.units:
            of_words = "" if self._index.units == self.rows else f", {self._index.units} words"
            raise ValueError(
                f"labels and activations are misaligned: {len(labels)} labels, "
                f"{self.rows} rows{of_words}"
            )
        gone = set(self.missing)
        return [label for number, label in enumerate(labels) if number not in gone]


Activations = ActivationStore | Tensor | NDArray[Any]
"""What every function that reads activations takes."""


def as_store(activations: Activations, layout: NeuronLayout | None = None) -> ActivationStore:
    """What was given, if it is a store; else a store around it.

    Args:
        activations: Rows × neurons.
        layout: Where the neurons of a matrix sit.

    Returns:
        A store; no data is copied.

    Raises:
        ValueError: Neither a store nor a matrix, or a layout that is not the store's own.

    Examples::

        >>> from captum_lca.activations import as_store
        >>> as_store(torch.zeros(4, 3)).layout
        NeuronLayout(layers=('layer',), widths=(3,))
    """
    if isinstance(activations, Tensor | np.ndarray):
        return ActivationStore.from_tensor(activations, layout)
    if not isinstance(activations, ActivationStore):
        raise ValueError(
            f"activations must be a tensor, an array or a store; found {type(activations).__name__}"
        )
    if layout is not None and layout != activations.layout:
        raise ValueError("a layout was given that is not the store's own")
    return activations
