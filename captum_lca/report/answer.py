"""Answers to questions about a study, and how many of its neurons count as the top ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup

from captum_lca.analysis import PropertyStudy
from captum_lca.report.html_table import HtmlTable, html_table
from captum_lca.report.svg_figures import svg_figures

TOP_SHARE = 0.05
"""Share of the neurons counted by layer."""


@dataclass(frozen=True)
class Answer:
    """What one question about a study found, ready to be written and printed.

    Examples::

        >>> from captum_lca.report import Answer, write_answer
        >>> answer = Answer(
        ...     "top", "the first five", {}, {"": ranking.to_frame().head()},
        ...     lambda axes: ranking.plot(5, axes[0])
        ... )
        >>> sorted(answer.tables)
        ['']
    """

    name: str
    """Of its files."""
    line: str
    """The answer in a line."""
    summary: dict[str, Any]
    """The answer as plain values."""
    tables: dict[str, pd.DataFrame]
    """By what follows the name in the file's name; nothing for the main one."""
    draw: Callable[[Any], object]
    """Draws the plots, given their axes."""
    size: tuple[float, float] = (7, 3.6)
    """Width and height of the plots together, in inches."""
    plots: int = 1
    """How many plots there are, side by side."""

    @property
    def sentence(self) -> str:
        """The line as a sentence, for under a heading that names the question."""
        text = self.line.removeprefix(f"{self.name.replace('-', ' ')}: ")
        return f"{text[:1].upper()}{text[1:]}."


def top_count(study: PropertyStudy) -> int:
    """How many neurons count as the top ones: :data:`TOP_SHARE` of all."""
    return max(1, round(TOP_SHARE * len(study.ranking)))


def answer_parts(answer: Answer) -> tuple[list[Markup], list[HtmlTable]]:
    """The plots and the tables of an answer."""
    plots = svg_figures(answer.draw, answer.size, answer.plots, answer.line)
    tables = [html_table(table, part or answer.name) for part, table in answer.tables.items()]
    return plots, tables
