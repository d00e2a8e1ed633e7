"""A study's results as files: numbers, ranking, probe and plots."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from captum_lca.analysis import CrossValidation, PenaltySearch, PropertyStudy
from captum_lca.files import write_aside, write_text
from captum_lca.plot_text import literal
from captum_lca.report.answer import Answer, top_count
from captum_lca.report.comparison_report import comparison_report
from captum_lca.report.csv_files import write_csv
from captum_lca.report.study_report import study_report

REPORT_FILE = "report.html"
"""The page of every folder of results."""


def write_study(
    study: PropertyStudy,
    folder: Path,
    settings: dict[str, Any],
    search: PenaltySearch | CrossValidation | None = None,
    answers: Sequence[Answer] = (),
    sources: dict[str, Any] | None = None,
    page: str | None = None,
) -> None:
    """Write ``results.json``, ``ranking.csv``, the probe, the ranking, plots and ``report.html``.

    With a search also ``penalties.csv`` and ``penalties.png``; for every answer its CSV tables and
    its plot.

    Args:
        study: What to write.
        folder: Where; made if it is not there, files of the same names are replaced.
        settings: What the results were made from; goes into ``results.json`` as it is.
        search: How the penalties were chosen, if they were.
        answers: To further questions; ``layers`` replaces the plot of that name.
        sources: The activations behind the study; goes into ``results.json`` as it is.
        page: What :func:`study_report` made, if it was given the activations to read. Default: a
            report that says nothing of what neurons respond to.

    Examples::

        >>> from captum_lca.analysis import LabelledActivations, study_property
        >>> train = LabelledActivations(store, corpus.labels["number"])
        >>> test = LabelledActivations(test_store, test_corpus.labels["number"])
        >>> study = study_property("number", train, test, draws=1, progress=False)
        >>> write_study(study, Path("runs/number"), {"seed": 0})
        >>> sorted(path.name for path in Path("runs/number").glob("*.safetensors"))
        ['probe.safetensors', 'ranking.safetensors']
    """
    folder.mkdir(parents=True, exist_ok=True)
    top = top_count(study)
    results = {"settings": settings, **(sources or {}), **study.summary(top)}
    if search is not None:
        results["penalty_search"] = search.summary()
        _write_search(search, folder)
    if answers:
        results["answers"] = {answer.name: answer.summary for answer in answers}
    text = json.dumps(finite(results), indent=1, ensure_ascii=False, allow_nan=False)
    write_text(folder / "results.json", text)
    write_csv(study.ranking.to_frame(), folder / "ranking.csv")
    study.probe.save(folder / "probe.safetensors")
    study.ranking.save(folder / "ranking.safetensors")
    write_aside(folder / "layers.png", figure_of(lambda axes: study.ranking.plot(top, axes[0]), 7))
    write_aside(folder / "ablation.png", figure_of(lambda axes: _plot_ablation(study, axes), 9, 2))
    for answer in answers:
        write_answer(answer, folder)
    write_text(folder / REPORT_FILE, page or study_report(study, answers=answers))


def write_comparison(found: Answer, folder: Path, settings: dict[str, Any]) -> None:
    """Write what a comparison of runs found: ``NAME.json``, tables, plots and ``report.html``.

    Args:
        found: What to write.
        folder: Where; made if it is not there, files of the same names are replaced.
        settings: What the results were made from; goes into the JSON as it is.

    Examples::

        >>> answer = Answer(
        ...     "models", "two models", {}, {"": ranking.to_frame().head()},
        ...     lambda axes: ranking.plot(20, axes[0])
        ... )
        >>> write_comparison(answer, Path("runs/compared"), {"seed": 0})
        >>> Path("runs/compared/models.json").is_file()
        True
    """
    folder.mkdir(parents=True, exist_ok=True)
    results = finite({"settings": settings, "comparison": found.name, **found.summary})
    text = json.dumps(results, indent=1, ensure_ascii=False, allow_nan=False)
    write_text(folder / f"{found.name}.json", text)
    write_answer(found, folder)
    runs = [str(run) for run in settings.get("runs", ())]
    write_text(folder / REPORT_FILE, comparison_report(found, runs))


def write_answer(answer: Answer, folder: Path) -> None:
    """Write the tables of an answer as CSV, and its plots as PNG.

    Args:
        answer: What to write.
        folder: Where; it is there already.

    Examples::

        >>> answer = Answer(
        ...     "models", "two models", {}, {"": ranking.to_frame().head()},
        ...     lambda axes: ranking.plot(20, axes[0])
        ... )
        >>> write_answer(answer, Path("."))
        >>> Path("models.csv").is_file(), Path("models.png").is_file()
        (True, True)
    """
    for part, table in answer.tables.items():
        write_csv(table, folder / (f"{answer.name}-{part}.csv" if part else f"{answer.name}.csv"))
    width, height = answer.size
    figure = figure_of(answer.draw, width, answer.plots, height)
    write_aside(folder / f"{answer.name}.png", figure)


def _write_search(search: PenaltySearch | CrossValidation, folder: Path) -> None:
    points = search.to_frame().drop(columns="seconds")
    write_csv(points, folder / "penalties.csv")
    write_aside(folder / "penalties.png", figure_of(lambda axes: search.plot(axes[0]), 6))


def figure_of(
    draw: Callable[[Any], object], width: float, columns: int = 1, height: float = 3.6
) -> Callable[[Path], None]:
    """A function that draws a figure into a PNG file, without touching matplotlib's state."""

    def write(path: Path) -> None:
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure.subplots(1, columns, squeeze=False)[0])
        figure.savefig(path, dpi=150, format="png")

    return write


def _plot_ablation(study: PropertyStudy, axes: Any) -> None:
    for ax, action in zip(axes, ("keep", "remove"), strict=True):
        study.ablation.plot("mean", action, ax)
        ax.set_title(
            f"{literal(study.property)}: others at their mean"
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
