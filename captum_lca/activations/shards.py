"""One shard of a store: its file, and what the file says of itself to a run that is resumed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from captum_lca.activations.store_index import (
    REMEDY,
    TENSOR_NAME,
    ShardEntry,
    StoreError,
    shard_name,
)
from captum_lca.files import sha256_of, write_tensors
from captum_lca.json_text import parsed

NOTES = "notes"
"""Name of the notes in a shard's header."""


@dataclass(frozen=True)
class ShardNotes:
    """What the rows of a shard were made from."""

    first: int
    """First unit of the corpus that the shard covers."""
    stop: int
    """The unit behind the last one."""
    missing: list[int]
    """Those of them that have no row."""
    largest: float
    """Largest magnitude among the activations, before they were stored."""
    neuron: int
    """Global id of a neuron that it was found in."""


@dataclass(frozen=True)
class Shard:
    """A shard that is complete."""

    entry: ShardEntry
    """As the index will list it."""
    dtype: str
    """``float16`` or ``float32``."""
    notes: ShardNotes
    """What its rows were made from."""

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Shard:
        """The shard that became these values by :func:`dataclasses.asdict`."""
        entry, notes = ShardEntry(**content["entry"]), ShardNotes(**content["notes"])
        return cls(entry, content["dtype"], notes)


def write_shard(folder: Path, number: int, rows: Tensor, notes: ShardNotes) -> Shard:
    """Write one shard; its header carries the notes and a checksum of the rows.

    Args:
        folder: The store.
        number: Of the shard.
        rows: As they are to be stored. Shape (rows, neurons).
        notes: What the rows were made from.
    """
    path = folder / shard_name(number)
    rows = rows.contiguous()
    told = {"rows_sha256": _checksum(rows), **asdict(notes)}
    write_tensors(path, {TENSOR_NAME: rows}, {NOTES: json.dumps(told)})
    return _shard(path, rows, notes)


def read_shard(folder: Path, number: int) -> Shard | None:
    """A shard that an earlier run wrote, verified; None if there is none that carries notes.

    Raises:
        StoreError: The file is truncated, or not what it was when it was written.
    """
    path = folder / shard_name(number)
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            told = parsed((file.metadata() or {}).get(NOTES, "{}"), NOTES)
            rows = file.get_tensor(TENSOR_NAME)
        if not told:
            return None
        checksum, notes = told.pop("rows_sha256"), ShardNotes(**told)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{path}: truncated or changed ({error!r}); {REMEDY}") from error
    if _checksum(rows) != checksum:
        raise StoreError(f"{path}: changed since it was written; {REMEDY}")
    return _shard(path, rows, notes)


def _shard(path: Path, rows: Tensor, notes: ShardNotes) -> Shard:
    entry = ShardEntry(path.name, len(rows), path.stat().st_size, sha256_of(path))
    return Shard(entry, str(rows.dtype).removeprefix("torch."), notes)


def _checksum(rows: Tensor) -> str:
    return hashlib.sha256(rows.numpy().data).hexdigest()
