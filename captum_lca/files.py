"""Files: their checksums, writing them so that none is ever half-written, one run in a folder."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from captum_lca.distributed import of_first

CHUNK = 2**20
LOCK_FILE = ".lock"
"""Stays in a folder; what counts is whether a process holds it."""
UNFINISHED = re.compile(r".+\.[0-9a-f]{8}\.part")
"""Names of files that are being written, or were when their process died."""


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def write_aside(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under another name, then rename it: no half-written file has the final name.

    The content is on the disk before the name is: a machine that loses power keeps both or neither.

    Args:
        path: The final name; a file of that name is replaced.
        write: Writes the content to the path that it is given.

    Raises:
        OSError: With the final name: a full disk, a folder that can't be written. What is there
            of the file is removed, as it is after any other error.
    """
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        aside.touch()
        mode = aside.stat().st_mode
        write(aside)
        aside.chmod(mode)  # safetensors makes files that only their owner can read
        _to_disk(aside)
        aside.replace(path)
    except BaseException as error:
        with suppress(OSError):
            aside.unlink()
        if isinstance(error, OSError) and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    _to_disk(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write a text in UTF-8, aside."""
    write_aside(path, lambda aside: aside.write_text(text, encoding="utf-8"))


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file, aside; the same content gives the same bytes.

    Args:
        path: The final name.
        tensors: Contiguous ones, by name.
        metadata: Texts by name, for the file's header.
    """

    def write(aside: Path) -> None:
        try:
            save_file(dict(tensors), aside, metadata=dict(metadata))
            _sort_metadata(aside)
        except SafetensorError as error:  # what the system said is in its text only
            raise OSError(f"{path}: {error}") from error

    write_aside(path, write)


def remove_unfinished(folder: Path) -> None:
    """Remove what processes that died were writing into a folder (not into those inside it)."""
    for path in folder.iterdir():
        if UNFINISHED.fullmatch(path.name):
            path.unlink()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Within the context no other run that asks for it writes this folder. It is made if need be.

    Rank 0 holds the lock for all ranks.

    The lock is the system's (``flock``): it ends with the process that holds it, however that dies.
    On NFS, Linux has it from the server, for all machines; on file systems without locks, a file
    with the holder's machine and process number stands for it.

    Raises:
        BlockingIOError: Another run holds the lock.
    """
    lock = FileLock(folder / LOCK_FILE, timeout=0)

    def acquire() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout as error:
            raise BlockingIOError(
                f"{folder}: another run is writing here; wait for its end or choose another folder"
            ) from error

    of_first(acquire)
    try:
        yield
    finally:
        lock.release()


def _sort_metadata(path: Path) -> None:
    """Sort the texts in a safetensors header: they are written in another order every time."""
    with path.open("r+b") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        file.seek(8)
        file.write(text.ljust(length))


def _to_disk(path: Path) -> None:
    """Have the system put a file or a folder on the disk now."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
