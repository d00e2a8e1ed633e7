"""What a store on disk says of itself, and whether its files are what it says."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from captum_lca.files import sha256_of, write_text
from captum_lca.json_text import parsed
from captum_lca.neurons import NeuronLayout

STORE_FORMAT = "captum_lca.activations/1"
INDEX_FILE = "index.json"
CORPUS_FILE = "corpus.json"
TENSOR_NAME = "activations"
SHARD_NAME = re.compile(r"shard-\d{5,9}\.safetensors")
REMEDY = "delete it and extract again: all other shards are kept"
"""What to do about a shard that is not what it was."""
DTYPES = {"float16": torch.float16, "float32": torch.float32}


def shard_name(number: int) -> str:
    """The file of a shard."""
    return f"shard-{number:05d}.safetensors"


class StoreError(ValueError):
    """A store on disk that can't be read: no store, incomplete, truncated or changed.

    Examples::

        >>> from captum_lca import ActivationStore
        >>> ActivationStore.open("no-such-store")
        Traceback (most recent call last):
        ...
        captum_lca.activations.store_index.StoreError: no-such-store: ...
    """


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
        write_text(folder / INDEX_FILE, json.dumps(content, indent=1))

    @classmethod
    def read(cls, folder: Path) -> StoreIndex:
        """Read ``index.json``.

        Raises:
            StoreError: There is none, or it is not one of this version.
        """
        path = inside(folder, INDEX_FILE)
        if not path.is_file():
            raise StoreError(f"{folder}: not a store of activations: it has no {INDEX_FILE}")
        try:
            content = parsed(path.read_bytes(), INDEX_FILE)
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
        """Raise StoreError if the index says what that of no store can say."""
        for entry in self.shards:
            if not SHARD_NAME.fullmatch(str(entry.file)):
                raise StoreError(f"{path}: {entry.file!r} is no name of a shard")
            if not all(type(number) is int and number >= 0 for number in (entry.rows, entry.bytes)):
                raise StoreError(
                    f"{path}: {entry.file}: rows and bytes must be whole numbers from 0; "
                    f"found {entry.rows!r} and {entry.bytes!r}"
                )
        if len({entry.file for entry in self.shards}) < len(self.shards):
            raise StoreError(f"{path}: a shard is listed twice")
        if self.dtype not in list(DTYPES):
            raise StoreError(f"{path}: dtype must be one of {list(DTYPES)}; found {self.dtype!r}")
        if type(self.units) is not int or not isinstance(self.settings, dict):
            raise StoreError(f"{path}: units must be a whole number, and settings named values")
        if not isinstance(self.missing, list) or not all(
            type(unit) is int and 0 <= unit < self.units for unit in self.missing
        ):
            raise StoreError(f"{path}: missing must list units from 0 to {self.units - 1}")

    def check_rows(self, folder: Path) -> None:
        """Raise StoreError unless each unit of a complete store has a row or is missing."""
        rows = sum(entry.rows for entry in self.shards)
        if not 0 < rows == self.units - len(set(self.missing)):
            raise StoreError(
                f"{folder / INDEX_FILE}: {self.units} units, {len(self.missing)} of them without "
                f"a row, can't have {rows} rows"
            )


def inside(folder: Path, name: str) -> Path:
    """A file of a store or a study: where it is a link, that may lead no further than its folder.

    Raises:
        StoreError: The file is a link that leads out of the folder.
    """
    path = folder / name
    found = Path(os.path.realpath(path))  # where a link leads in a circle, resolve() would fail
    if path.is_symlink() and not found.is_relative_to(folder.resolve()):
        raise StoreError(f"{path}: leads out of its folder, to {found}: not read")
    return path


def check_shard(folder: Path, entry: ShardEntry, index: StoreIndex, verify: bool) -> None:
    """Raise StoreError unless a shard is there and is what the index says.

    Args:
        folder: The store.
        entry: The shard.
        index: The store's index.
        verify: Compare the whole file with its checksum, not only its size and header.
    """
    path = inside(folder, entry.file)
    if not path.is_file():
        raise StoreError(f"{path}: this shard is missing; extract the store again")
    if path.stat().st_size != entry.bytes:
        raise StoreError(
            f"{path}: truncated or changed: {path.stat().st_size} bytes, expected {entry.bytes}; "
            f"{REMEDY}"
        )
    if verify and sha256_of(path) != entry.sha256:
        raise StoreError(f"{path}: changed since it was written: its checksum differs; {REMEDY}")
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
