"""Text of others on a plot: names of classes, words, layers, models."""

from __future__ import annotations

import unicodedata

LONGEST = 60
"""Characters; more would leave the plot no room."""


def literal(text: str, longest: int = LONGEST) -> str:
    """A text as matplotlib shows it as it is: no formula, no control, and never left out.

    Dollars are escaped (a pair of them would be a formula, or an error), control characters
    replaced; a leading underscore would keep a line out of the legend. Cut if it is long.
    """
    short = text if len(text) <= longest else f"{text[: longest - 1]}…"
    shown = "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in ("Cc", "Cs") else c for c in short
    )
    hidden = "\N{ZERO WIDTH SPACE}" if shown.startswith("_") else ""
    return hidden + shown.replace("$", r"\$")
