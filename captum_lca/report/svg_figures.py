"""matplotlib's plots as SVG inside a page: in the page's font, colours and theme."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from captum_lca.colours import COLOURS

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
PIXELS = 1.5
"""Of a page per point of a plot: its text is then as large as the page's."""
INK = "#010203"
"""Of text and axes; no plot uses it for anything else."""
PAPER = "#ffffff"
"""Behind plots, and within hollow marks."""
LOOK: Any = {
    "axes.edgecolor": INK,
    "axes.facecolor": PAPER,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}
NAMES = ("blue", "vermilion", "green", "purple", "orange", "sky", "grey", "ink")
"""Of the style sheet's colours, in the order of :data:`~captum_lca.colours.COLOURS`."""
THEME = {
    **{c.lower(): f"var(--{name})" for c, name in zip(COLOURS, NAMES, strict=True)},
    PAPER: "var(--paper)",
}
PRESENTATION = re.compile(r"\s*([\w-]+)\s*:\s*([^;]+)")


def svg_figures(
    draw: Callable[[Any], object], size: tuple[float, float], plots: int, label: str
) -> list[Markup]:
    """Draw plots, each as an SVG element of its own.

    Colours of the palette become variables of the page's style sheet, and black its ink, so that
    they are right in light and in dark.

    Args:
        draw: Draws the plots, given their axes.
        size: Width and height of the plots together, in inches.
        plots: How many there are.
        label: What they show, for those who can't see them.
    """
    with mpl.rc_context(LOOK):
        figures = [Figure((size[0] / plots, size[1]), layout="constrained") for _ in range(plots)]
        draw([figure.subplots() for figure in figures])
        svgs = [_svg(figure, f"{label} {number}") for number, figure in enumerate(figures)]
    return [_themed(svg, label) for svg in svgs]


def _svg(figure: Figure, name: str) -> str:
    """The figure; its ids come from its content and the name, so that a page can hold many."""
    mpl.rcParams["svg.hashsalt"] = name
    text = io.StringIO()
    FigureCanvasSVG(figure)
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue()


def _themed(svg: str, label: str) -> Markup:
    root = ET.fromstring(svg)  # matplotlib's own output
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in {f"{{{SVG}}}style", f"{{{SVG}}}metadata"}:
                parent.remove(child)
    for element in root.iter():
        _restyle(element)
    del root.attrib["height"]
    width = float(root.attrib["width"].removesuffix("pt")) * PIXELS
    root.attrib.update({"width": f"{width:.0f}", "role": "img", "aria-label": label})
    ET.register_namespace("", SVG)
    ET.register_namespace("xlink", XLINK)
    return Markup(ET.tostring(root, encoding="unicode"))  # serialised, so escaped


def _restyle(element: ET.Element) -> None:
    """Style as attributes, which the page's policy allows; colours by name; no needless ids."""
    is_text = element.tag == f"{{{SVG}}}text"
    for name, value in PRESENTATION.findall(element.attrib.pop("style", "")):
        if name == "font":
            element.set("font-size", value.split("px")[0].split()[-1])
        elif name != "font-family":
            element.set(name, value.strip())
    for name in ("fill", "stroke"):
        value = element.get(name)
        if value == INK:
            element.set(name, "currentColor")
        elif value in THEME and not is_text:
            element.set(name, THEME[value])
    if element.tag == f"{{{SVG}}}g":
        element.attrib.pop("id", None)
