"""JSON that anybody may have written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def parsed(text: str | bytes, where: str | Path) -> Any:
    """What a JSON text says.

    Args:
        text: As text, or as bytes in UTF-8.
        where: How the message begins: the file that it comes from, and what that should be.

    Raises:
        ValueError: The text is not UTF-8 or not JSON, or nested more deeply than Python can follow.
    """
    try:
        return json.loads(text if isinstance(text, str) else text.decode("utf-8"))
    except RecursionError:
        raise ValueError(f"{where}: not JSON that can be read: nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"{where}: not JSON: {error}") from error
