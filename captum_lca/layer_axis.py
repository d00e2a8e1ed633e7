"""The axis of a plot that has a place for every layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from captum_lca.plot_text import literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LABELS = 16
LONGEST_NAME = 18


def label_layers(ax: Axes, layers: Sequence[str]) -> None:
    """Name the places 0, 1, … of the horizontal axis after layers, as far as there is room.

    Args:
        ax: Where to.
        layers: Names, in the order of the model.
    """
    step = -(-len(layers) // MOST_LABELS)
    ax.set_xticks(range(0, len(layers), step), [shortened(name) for name in layers[::step]])
    if len(layers) > MOST_LABELS // 2:
        ax.tick_params(axis="x", labelrotation=90)
    else:
        for label in ax.get_xticklabels():
            label.set(rotation=30, ha="right", rotation_mode="anchor")


def shortened(layer: str) -> str:
    """The end of a name that is too long to write on an axis."""
    return literal(layer if len(layer) <= LONGEST_NAME else "…" + layer[-LONGEST_NAME:])
