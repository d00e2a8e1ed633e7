"""Tables as CSV that a spreadsheet shows and doesn't run."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from captum_lca.files import write_aside

LINE_END = "\r\n"
"""As in RFC 4180; what is a line end is quoted where it is part of a text, and nothing else is."""
_FORMULA = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")
"""How a text begins that spreadsheets take for a formula, behind apostrophes of our own or not."""


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, without its index; text in it can't become a formula.

    A cell or a column's name that begins like a formula (with ``=``, ``+``, ``-``, ``@``, a tab or
    a line break) gets an apostrophe in front, as OWASP advises against CSV injection. Numbers stay
    as they are. :func:`read_csv` takes the apostrophes away again.

    Args:
        table: Of numbers and text.
        path: The file; it is written aside and renamed.

    Examples::

        >>> write_csv(ranking.to_frame().head(), Path("ranking.csv"))
        >>> len(read_csv("ranking.csv"))
        5
    """
    safe = _changed(table, _guarded)
    write_aside(path, lambda aside: safe.to_csv(aside, index=False, lineterminator=LINE_END))


def read_csv(path: str | Path) -> pd.DataFrame:
    """A table that :func:`write_csv` wrote, its text as it was.

    Only an empty cell is a missing value: the words ``None`` and ``nan`` stay words.

    Args:
        path: The file.

    Returns:
        The table.

    Examples::

        >>> write_csv(pd.DataFrame({"word": ["=1+1", "None"]}), Path("words.csv"))
        >>> Path("words.csv").read_text(encoding="utf-8").splitlines()[1]
        "'=1+1"
        >>> read_csv("words.csv")["word"].tolist()
        ['=1+1', 'None']
    """
    return _changed(pd.read_csv(path, keep_default_na=False, na_values=[""]), _unguarded)


def _changed(table: pd.DataFrame, change: Callable[[Any], Any]) -> pd.DataFrame:
    """The table with its text, that of the columns' names too, changed."""
    return pd.DataFrame(
        {
            change(name): column if is_numeric_dtype(column) else column.map(change)
            for name, column in table.items()
        }
    )


def _guarded(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell


def _unguarded(cell: Any) -> Any:
    is_guarded = isinstance(cell, str) and cell.startswith("'") and _FORMULA.match(cell)
    return cell[1:] if is_guarded else cell
