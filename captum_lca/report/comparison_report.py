"""What a comparison of runs found, as a page."""

from __future__ import annotations

from collections.abc import Sequence

from captum_lca.report.answer import Answer, answer_parts
from captum_lca.report.page import render

QUESTIONS = {
    "models": "How do these models differ?",
    "languages": "Do these languages share neurons?",
    "fine-tuning": "What did fine-tuning move?",
}
"""What each kind of comparison asks."""


def comparison_report(found: Answer, runs: Sequence[str] = ()) -> str:
    """What a comparison found as one HTML page that needs nothing else.

    Args:
        found: Its name is that of a kind of comparison.
        runs: Names of what was compared.

    Returns:
        The text of the page.

    Examples::

        >>> from captum_lca.report import Answer
        >>> answer = Answer(
        ...     "models", "two models", {}, {"": ranking.to_frame().head()},
        ...     lambda axes: ranking.plot(20, axes[0])
        ... )
        >>> comparison_report(answer, ["one", "another"]).startswith("<!doctype html>")
        True
    """
    plots, tables = answer_parts(found)
    return render(
        "comparison.html",
        found=found,
        question=QUESTIONS.get(found.name, found.name),
        runs=list(runs),
        plots=plots,
        tables=tables,
    )
