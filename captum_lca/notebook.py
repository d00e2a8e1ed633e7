"""How results show themselves in notebooks: as a table of bounded size, with all text escaped."""

from __future__ import annotations

from abc import abstractmethod
from html import escape

import pandas as pd

MOST_ROWS = 20
MOST_COLUMNS = 12
LONGEST_CELL = 60
"""Characters of a cell; longer ones are cut."""


class NotebookTable:
    """A result with :meth:`to_frame`, which a notebook shows as that table.

    The table has no colours of its own, so that it suits light and dark notebooks.
    """

    @abstractmethod
    def to_frame(self) -> pd.DataFrame:
        """The result as a table."""

    def _repr_html_(self) -> str:
        frame = self.to_frame()
        with pd.option_context("display.max_colwidth", LONGEST_CELL):
            table = frame.to_html(
                index=False,
                border=0,
                escape=True,
                na_rep="–",
                float_format="{:.4g}".format,
                max_rows=MOST_ROWS,
                max_cols=MOST_COLUMNS,
                show_dimensions=True,
            )
        return f"<div><strong>{escape(type(self).__name__)}</strong>{table}</div>"
