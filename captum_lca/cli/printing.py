"""What the commands say: one line, and nothing that a terminal would obey."""

from __future__ import annotations

import logging
import sys
from typing import Any

from captum_lca.distributed import rank

LONGEST_MESSAGE = 2000
"""Characters of an error's line: some errors list what there is, of which there may be much."""


def say(text: str) -> None:
    """Print results, once for all ranks; everything that the commands print goes through here."""
    if rank() == 0:
        print(printable(text))


def complain(text: str) -> None:
    """Print one line to standard error."""
    print(f"captum-lca: {printable(' '.join(text.split()))}", file=sys.stderr)


def printable(text: str) -> str:
    """The text without control characters, which a terminal would obey."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def one_line(error: BaseException) -> str:
    """An error's message without line breaks."""
    line = printable(" ".join(str(error).split())) or type(error).__name__
    return line if len(line) <= LONGEST_MESSAGE else line[: LONGEST_MESSAGE - 1] + "…"


def show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Print a warning as one line, once for all ranks; like :func:`warnings.showwarning`."""
    if rank() == 0:
        complain(f"warning: {message}")


class PrintableFormatter(logging.Formatter):
    """Log records without anything that a terminal would obey."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's text."""
        return printable(super().format(record))


def is_watched() -> bool:
    """Whether somebody may be looking at progress bars."""
    return sys.stderr.isatty()
