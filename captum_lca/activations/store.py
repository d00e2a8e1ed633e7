"""The words × neurons matrix, in memory or in a folder of memory-mapped shards."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from captum_lca.checksum import sha256_of
from captum_lca.corpora import Corpus
from captum_lca.neurons import NeuronLayout

STORE_FORMAT = "captum_lca.activations/1"
INDEX_FILE = "index.json"
CORPUS_FILE = "corpus.json"
TENSOR_NAME = "activations"
SHARD_NAME = re.compile(r"shard-\d{5}\.safetensors")
MODEL_NAME = "model"
"""The only setting that decides nothing: the same model may be loaded from another place."""
DTYPES = {"float16": torch.float16, "float32": torch.float32}

T = TypeVar("T")

logger = logging.getLogger(__name__)


class StoreError(ValueError):
    """A store on disk that can't be read: no store, incomplete, truncated or changed."""


@dataclass(frozen=True)
class ShardEntry:
    """One file of a store, as the index lists it."""

    file: str
    rows: int
    bytes: int
    sha256: str


@dataclass
class StoreIndex:
    """What ``index.json`` holds."""

    layout: NeuronLayout
    dtype: str
    """``float16`` or ``float32``."""
    units: int
    """Units of the corpus (words, or sentences) that the store was made for."""
    settings: dict[str, Any]
    """What decides the content: fingerprints of model, tokenizer and corpus, unit, pooling, window,
    dtype; and the model's name."""
    missing: list[int] = field(default_factory=list)
    """Units that have no row, because the tokenizer turned them into nothing."""
    shards: list[ShardEntry] = field(default_factory=list)
    corpus_sha256: str | None = None
    """Checksum of ``corpus.json``; None if the store carries no corpus."""
    complete: bool = False

    def write(self, folder: Path) -> None:
        """Write ``index.json``, aside and renamed."""
        content = {"format": STORE_FORMAT, **asdict(self), "layout": self.layout.to_json()}
        _write_aside(folder / INDEX_FILE, json.dumps(content, indent=1).encode())

    @classmethod
    def read(cls, folder: Path) -> StoreIndex:
        """Read ``index.json``.

        Raises:
            StoreError: There is none, or it is not one of this version.
        """
        path = folder / INDEX_FILE
        if not path.is_file():
            raise StoreError(f"{folder}: not a store of activations: it has no {INDEX_FILE}")
        try:
            content = json.loads(path.read_text("utf-8"))
            found = content.pop("format", None)
            if found != STORE_FORMAT:
                raise StoreError(f"{path}: found format {found!r}, expected {STORE_FORMAT!r}")
            content["layout"] = NeuronLayout.from_json(content["layout"])
            content["shards"] = [ShardEntry(**entry) for entry in content["shards"]]
            index = cls(**content)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            if isinstance(error, StoreError):
                raise
            raise StoreError(f"{path}: not a readable index ({error!r})") from error
        index.check(path)
        return index

    def check(self, path: Path) -> None:
        """Raise StoreError if the index names files that no store has, or an unknown dtype."""
        for entry in self.shards:
            if not SHARD_NAME.fullmatch(str(entry.file)):
                raise StoreError(f"{path}: {entry.file!r} is no name of a shard")
        if self.dtype not in list(DTYPES):
            raise StoreError(f"{path}: dtype must be one of {list(DTYPES)}; found {self.dtype!r}")


class _MemoryShard:
    """Rows held in memory, as a tensor or an array (which may itself be mapped from a file)."""

    def __init__(self, matrix: Tensor | NDArray[Any]) -> None:
        self.matrix = matrix
        self.rows = len(matrix)

    def read(self, start: int, stop: int) -> Tensor:
        block = self.matrix[start:stop]
        return block.detach() if isinstance(block, Tensor) else torch.tensor(block)


class _FileShard:
    """Rows in a safetensors file, read on demand."""

    def __init__(self, folder: Path, entry: ShardEntry) -> None:
        self.path = folder / entry.file
        self.rows = entry.rows

    def read(self, start: int, stop: int) -> Tensor:
        with safe_open(self.path, framework="pt") as file:
            rows: Tensor = file.get_slice(TENSOR_NAME)[start:stop]
        return rows


class ActivationStore:
    """Activations of a corpus: one row per word (or sentence), neurons in layout order.

    Made by :func:`~captum_lca.extract`, opened with :meth:`open`, or put around a matrix with
    :meth:`from_tensor`. Rows are read in blocks; nothing is loaded until it is asked for.

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
        shards: Sequence[_MemoryShard | _FileShard],
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
            verify: Compare every file with its checksum first (about a second per gigabyte).

        Raises:
            StoreError: No store, incomplete, truncated, or changed since it was written.
        """
        folder = Path(folder)
        index = StoreIndex.read(folder)
        if not index.complete:
            raise StoreError(
                f"{folder}: the store is incomplete: extraction stopped after {len(index.shards)} "
                f"shards; extract it again"
            )
        for entry in index.shards:
            _check_shard(folder, entry, index, verify)
        corpus = None
        if index.corpus_sha256 is not None:
            if not (folder / CORPUS_FILE).is_file():
                raise StoreError(f"{folder / CORPUS_FILE}: missing; extract the store again")
            if sha256_of(folder / CORPUS_FILE) != index.corpus_sha256:
                raise StoreError(f"{folder / CORPUS_FILE}: changed since it was written")
            corpus = Corpus.load(folder / CORPUS_FILE)
        shards = [_FileShard(folder, entry) for entry in index.shards]
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
        shard = _MemoryShard(activations)
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

    def blocks(self, rows: int = 4096) -> Iterator[tuple[int, Tensor]]:
        """All rows in order, in blocks: (number of the first row, block as stored)."""
        for start in range(0, self.rows, rows):
            yield start, self.read(start, min(start + rows, self.rows))

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

    Raises:
        ValueError: Neither a store nor a matrix, or a layout that is not the store's own.
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
        return ActivationStore([_MemoryShard(part) for part in self._parts], self.index, corpus)


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
            self._write(number, _FileShard(self.folder, entry).read(0, entry.rows).to(dtype))

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
        _check_shard(folder, entry, found, verify=True)
    _write_corpus(folder, found, corpus)
    return ActivationStore.open(folder, verify=False)


def _write_corpus(folder: Path, index: StoreIndex, corpus: Corpus) -> None:
    """Put the corpus beside the shards and mark the store complete."""
    corpus.save(folder / CORPUS_FILE)
    index.corpus_sha256 = sha256_of(folder / CORPUS_FILE)
    index.complete = True
    index.write(folder)


def _check_shard(folder: Path, entry: ShardEntry, index: StoreIndex, verify: bool) -> None:
    path = folder / entry.file
    if not path.is_file():
        raise StoreError(f"{path}: this shard is missing; extract the store again")
    if path.stat().st_size != entry.bytes:
        raise StoreError(
            f"{path}: truncated or changed: {path.stat().st_size} bytes, expected {entry.bytes}"
        )
    if verify and sha256_of(path) != entry.sha256:
        raise StoreError(f"{path}: changed since it was written: its checksum differs")
    expected = f"F{index.dtype.removeprefix('float')} of shape {[entry.rows, index.layout.size]}"
    if (found := _header(path)) != expected:
        raise StoreError(f"{path}: holds {found}, the index says {expected}")


def _header(path: Path) -> str:
    """Type and shape of a shard's tensor, by its header alone."""
    try:
        with safe_open(path, framework="pt") as file:
            rows = file.get_slice(TENSOR_NAME)
            return f"{rows.get_dtype()} of shape {rows.get_shape()}"
    except SafetensorError as error:
        raise StoreError(f"{path}: changed since it was written ({error})") from error


def _write_aside(path: Path, content: bytes) -> None:
    aside = path.with_suffix(".part")
    aside.write_bytes(content)
    aside.replace(path)


def fingerprint_model(model: torch.nn.Module) -> str:
    """SHA-256 over names, types, shapes and values of a model's parameters and buffers."""
    digest = hashlib.sha256()
    for name, parameter in model.state_dict().items():
        digest.update(f"{name} {parameter.dtype} {tuple(parameter.shape)}".encode())
        values = parameter.detach().cpu().contiguous().flatten()
        digest.update(values.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def fingerprint_tokenizer(tokenizer: Any) -> str:
    """SHA-256 over all that decides how a fast tokenizer cuts a text of any length."""
    content = json.loads(tokenizer.backend_tokenizer.to_str())
    content.update(truncation=None, padding=None)
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
