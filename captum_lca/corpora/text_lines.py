"""The one place where text files are opened: UTF-8, any line ending, errors with line numbers."""

from collections.abc import Iterator
from os import PathLike
from pathlib import Path

UTF8_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def numbered_lines(path: str | PathLike[str]) -> Iterator[tuple[int, str]]:
    """Read a UTF-8 text file line by line.

    A byte order mark and Windows line endings are accepted and removed. Only line feeds end a line:
    the other characters that Unicode counts as line breaks may be part of a word.

    Args:
        path (str or path-like): The file.

    Yields:
        Pairs of line number (from 1) and the line without its ending.

    Raises:
        ValueError: A line is not UTF-8; the message names file and line.
    """
    with Path(path).open("rb") as file:
        for number, raw in enumerate(file, start=1):
            if number == 1:
                raw = raw.removeprefix(UTF8_BYTE_ORDER_MARK)  # noqa: PLW2901
            try:
                line = raw.decode("utf-8")
            except UnicodeDecodeError as error:
                raise ValueError(
                    f"{path}:{number}: not UTF-8: byte 0x{raw[error.start]:02x} at position "
                    f"{error.start + 1} of the line; convert the file to UTF-8"
                ) from error
            yield number, line.rstrip("\r\n")
