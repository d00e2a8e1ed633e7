"""Files: their checksums, writing them so that none is ever half-written, one run in a folder."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from filelock import FileLock, Timeout

from captum_lca.distributed import of_first, rank

CHUNK = 2**20
LOCK_FILE = ".lock"
"""Stays in a folder; what counts is whether a process holds it."""
UNFINISHED = re.compile(r".+\.[0-9a-f]{8}\.part")
"""Names of files that are being written, or were when their process died."""
_shared: ContextVar[bool] = ContextVar("shared", default=False)
_records: ContextVar[tuple[list[Path], ...]] = ContextVar("records", default=())


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def written_once() -> Iterator[None]:
    """Within the context all ranks have the same files to write, and rank 0 writes them."""
    token = _shared.set(True)
    try:
        yield
    finally:
        _shared.reset(token)


@contextmanager
def recorded() -> Iterator[list[Path]]:
    """Within the context the list gains the name of every file that is written."""
    paths: list[Path] = []
    token = _records.set((*_records.get(), paths))
    try:
        yield paths
    finally:
        _records.reset(token)


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
    if _shared.get() and rank() > 0:
        return
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
    _folder_to_disk(path.parent)
    for paths in _records.get():
        paths.append(path)


def write_text(path: Path, text: str) -> None:
    """Write a text in UTF-8, aside."""
    write_aside(path, lambda aside: aside.write_text(text, encoding="utf-8"))


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


def _to_disk(path: Path) -> None:
    """Have the system put a file's content on the disk now."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _folder_to_disk(folder: Path) -> None:
    """Have the system put the names in a folder on the disk now."""
    try:
        _to_disk(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # not every file system can
            raise
