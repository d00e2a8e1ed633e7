"""Files: their checksums, and writing them so that none is ever seen half-written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

CHUNK = 2**20


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def write_aside(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under another name, then rename it: no half-written file has the final name.

    Args:
        path: The final name; a file of that name is replaced.
        write: Writes the content to the path that it is given.
    """
    aside = path.with_name(path.name + ".part")
    write(aside)
    aside.replace(path)
