"""What the commands say: one line, and nothing that a terminal would obey."""

from __future__ import annotations

import sys
from typing import Any


def printable(text: str) -> str:
    """The text without control characters, which a terminal would obey."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def one_line(error: BaseException) -> str:
    """An error's message without line breaks."""
    return printable(" ".join(str(error).split())) or type(error).__name__


def show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Print a warning as one line; stands in for :func:`warnings.showwarning`."""
    print(f"captum-lca: warning: {printable(' '.join(str(message).split()))}", file=sys.stderr)


def is_watched() -> bool:
    """Whether somebody may be looking at progress bars."""
    return sys.stderr.isatty()
