"""Okabe and Ito's colours, told apart by colour-blind readers; lines in the colour of the text."""

import matplotlib as mpl

BLUE, VERMILION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#7F7F7F"

COLOURS = (BLUE, VERMILION, GREEN, "#CC79A7", "#E69F00", "#56B4E9", GREY, "#000000")
"""For things in a row."""
CHOICES = {"top": BLUE, "random": GREY, "bottom": VERMILION}
"""For neurons chosen from a ranking."""


def ink() -> str:
    """The colour of text and axes, in whatever style plots are drawn: black unless it is dark."""
    return str(mpl.rcParams["text.color"])
