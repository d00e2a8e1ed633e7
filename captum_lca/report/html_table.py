"""Data frames as tables of a page: bounded, with numbers that people can read and sort by."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from captum_lca.report.page import number, short

MOST_ROWS = 200
"""Rows of a data frame that a page shows; files hold all of them."""
FEW_ROWS = 12
"""Up to so many rows, nobody needs a filter."""


@dataclass(frozen=True)
class Cell:
    """One value of a table."""

    text: str
    """As it is read."""
    value: float | None
    """What it is sorted by; None for a text."""


@dataclass(frozen=True)
class HtmlTable:
    """A table as a page shows it."""

    caption: str
    """What it holds."""
    columns: tuple[tuple[str, bool], ...]
    """Name of each column, and whether it holds numbers."""
    rows: tuple[tuple[Cell, ...], ...]
    """The first :data:`MOST_ROWS`."""
    left_out: int
    """Rows that are not shown."""

    @property
    def is_long(self) -> bool:
        """Whether it is worth filtering."""
        return len(self.rows) > FEW_ROWS


def html_table(frame: pd.DataFrame, caption: str) -> HtmlTable:
    """A data frame, ready for a page.

    Args:
        frame: Any; its index is left out.
        caption: What it holds.
    """
    shown = frame.head(MOST_ROWS)
    columns = tuple(
        (short(name).replace("_", " "), pd.api.types.is_numeric_dtype(kind))
        for name, kind in frame.dtypes.items()
    )
    rows = tuple(tuple(map(_cell, row)) for row in shown.astype(object).to_numpy().tolist())
    return HtmlTable(caption, columns, rows, len(frame) - len(shown))


def _cell(value: object) -> Cell:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Cell(short("–" if value is None else value), None)
    return Cell(number(value), value if math.isfinite(value) else None)
