"""Checksums of files."""

from __future__ import annotations

import hashlib
from pathlib import Path

CHUNK = 2**20


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
