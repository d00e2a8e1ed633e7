"""One shard of a store: its file, and what the file says of itself to a run that is resumed."""

from __future__ import annotations

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
    inside,
    shard_name,
)
from captum_lca.files import sha256_of
from captum_lca.json_text import parsed
from captum_lca.tensor_files import check_sum, write_tensors

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
    """Write one shard; its header carries the notes.

    Args:
        folder: The store.
        number: Of the shard.
        rows: As they are to be stored. Shape (rows, neurons).
        notes: What the rows were made from.
    """
    path = folder / shard_name(number)
    write_tensors(path, {TENSOR_NAME: rows.contiguous()}, {NOTES: json.dumps(asdict(notes))})
    return _shard(path, rows, notes)


def read_shard(folder: Path, number: int) -> Shard | None:
    """A shard that an earlier run wrote, verified; None if there is none that carries notes.

    Raises:
        StoreError: The file is truncated, or not what it was when it was written.
    """
    path = inside(folder, shard_name(number))
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            texts = file.metadata() or {}
            if NOTES not in texts:
                return None
            rows = file.get_tensor(TENSOR_NAME)
        check_sum(path, texts, {TENSOR_NAME: rows})
        notes = ShardNotes(**parsed(texts[NOTES], path))
    except SafetensorError as error:
        raise StoreError(f"{path}: truncated or changed ({error}); {REMEDY}") from error
    except (ValueError, TypeError) as error:
        raise StoreError(f"{error}; {REMEDY}") from error
    return _shard(path, rows, notes)


def _shard(path: Path, rows: Tensor, notes: ShardNotes) -> Shard:
    entry = ShardEntry(path.name, len(rows), path.stat().st_size, sha256_of(path))
    return Shard(entry, str(rows.dtype).removeprefix("torch."), notes)
