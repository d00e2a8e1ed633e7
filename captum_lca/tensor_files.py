"""Writing safetensors files, and reading ours, whoever wrote the one at hand."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from captum_lca.files import write_aside
from captum_lca.json_text import parsed

CHECKSUM = "sha256"
"""Name of the checksum among the texts in a header."""

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64)
"""What our files hold; safetensors knows others, with which torch hardly computes."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file, aside; the same content gives the same bytes.

    Args:
        path: The final name.
        tensors: Contiguous ones, by name.
        metadata: Texts by name, for the file's header. A checksum joins them.
    """
    texts = {**metadata, CHECKSUM: _checksum(tensors, metadata)}

    def write(aside: Path) -> None:
        try:
            save_file(dict(tensors), aside, metadata=texts)
            _sort_metadata(aside)
        except SafetensorError as error:  # what the system said is in its text only
            raise OSError(f"{path}: {error}") from error

    write_aside(path, write)


def read_tensors(
    path: str | Path, what: str, version: str, names: Sequence[str]
) -> tuple[dict[str, str], dict[str, Tensor]]:
    """The metadata and the tensors of a file.

    Nothing is run, and what is allocated is bounded by the size of the file: safetensors refuses
    headers that claim more.

    Args:
        path: The file.
        what: What it should be, for messages: "probe".
        version: What its metadata should give as ``format``.
        names: Of the tensors.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not such a file, or is damaged.
    """
    try:
        with safe_open(Path(path), framework="pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
            if metadata.get("format") != version:
                raise ValueError(
                    f"{path}: not a {what} of this version: found format "
                    f"{metadata.get('format')!r}, expected {version!r}"
                )
            tensors = {name: file.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise ValueError(f"{path}: not a {what} in safetensors format ({error})") from error
    for name, tensor in tensors.items():
        if tensor.dtype not in DTYPES:
            raise ValueError(f"{path}: damaged {what}: {name} is {tensor.dtype}")
    check_sum(path, metadata, tensors)
    return metadata, tensors


def check_sum(path: str | Path, metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> None:
    """Raise ValueError if what was read is not what was written.

    A file that another program or an earlier version wrote carries no checksum, and passes.

    Args:
        path: The file, for the message.
        metadata: Its texts.
        tensors: All that it holds.
    """
    others = {name: text for name, text in metadata.items() if name != CHECKSUM}
    if metadata.get(CHECKSUM) not in (None, _checksum(tensors, others)):
        raise ValueError(f"{path}: changed since it was written: its checksum differs")


def class_names(metadata: dict[str, str], where: str) -> tuple[str, ...]:
    """The names of the classes in a file's metadata.

    Raises:
        ValueError: There are none, or something else than different strings.
    """
    names = parsed(metadata.get("classes", ""), f"{where}: classes")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{where}: the classes are not a list of strings")
    if len(set(names)) != len(names):
        raise ValueError(f"{where}: class names must differ")
    return tuple(names)


def bytes_of(tensor: Tensor) -> memoryview:
    """A tensor's values as bytes."""
    values = tensor.detach().cpu().contiguous().flatten()
    return memoryview(values.view(torch.uint8).numpy())


def _checksum(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """SHA-256 over texts and tensors."""
    digest = hashlib.sha256(json.dumps(sorted(metadata.items())).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(bytes_of(tensor))
    return digest.hexdigest()


def _sort_metadata(path: Path) -> None:
    """Sort the texts in a safetensors header: they are written in another order every time."""
    with path.open("r+b") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        file.seek(8)
        file.write(text.ljust(length))
