"""A study's results as files: numbers, ranking, probe and plots."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from captum_lca.analysis import CrossValidation, PenaltySearch, PropertyStudy
from captum_lca.files import write_aside

TOP_SHARE = 0.05
"""Share of the neurons counted by layer."""


def write_study(
    study: PropertyStudy,
    folder: Path,
    settings: dict[str, Any],
    search: PenaltySearch | CrossValidation | None = None,
) -> None:
    """Write ``results.json``, ``ranking.csv``, ``probe.safetensors`` and the plots.

    With a search also ``penalties.csv`` and ``penalties.png``.

    Args:
        study: What to write.
        folder: Where; made if it is not there, files of the same names are replaced.
        settings: What the results were made from; goes into ``results.json`` as it is.
        search: How the penalties were chosen, if they were.
    """
    folder.mkdir(parents=True, exist_ok=True)
    top = top_count(study)
    results = {"settings": settings, **study.summary(top)}
    if search is not None:
        results["penalty_search"] = search.summary()
        _write_search(search, folder)
    text = json.dumps(finite(results), indent=1, ensure_ascii=False, allow_nan=False)
    write_aside(folder / "results.json", lambda path: path.write_text(text, encoding="utf-8"))
    table = study.ranking.to_frame()
    write_aside(folder / "ranking.csv", lambda path: table.to_csv(path, index=False))
    study.probe.save(folder / "probe.safetensors")
    write_aside(folder / "layers.png", figure_of(lambda axes: study.ranking.plot(top, axes[0]), 7))
    write_aside(folder / "ablation.png", figure_of(lambda axes: _plot_ablation(study, axes), 9, 2))


def _write_search(search: PenaltySearch | CrossValidation, folder: Path) -> None:
    points = search.to_frame()
    write_aside(folder / "penalties.csv", lambda path: points.to_csv(path, index=False))
    write_aside(folder / "penalties.png", figure_of(lambda axes: search.plot(axes[0]), 6))


def top_count(study: PropertyStudy) -> int:
    """How many neurons count as the top ones: :data:`TOP_SHARE` of all."""
    return max(1, round(TOP_SHARE * len(study.ranking)))


def figure_of(
    draw: Callable[[Any], object], width: float, columns: int = 1
) -> Callable[[Path], None]:
    """A function that draws a figure into a PNG file, without touching matplotlib's state."""

    def write(path: Path) -> None:
        figure = Figure(figsize=(width, 3.6), layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure.subplots(1, columns, squeeze=False)[0])
        figure.savefig(path, dpi=150, format="png")

    return write


def _plot_ablation(study: PropertyStudy, axes: Any) -> None:
    for ax, action in zip(axes, ("keep", "remove"), strict=True):
        study.ablation.plot("mean", action, ax)
        ax.set_title(
            f"{study.property}: others at their mean"
            if action == "keep"
            else "removed ones at their mean"
        )


def finite(value: Any) -> Any:
    """The same with None for every NaN or infinity, which JSON doesn't have."""
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
