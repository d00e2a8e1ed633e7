"""The page of one study: headline, ablation, layers, classes, and every neuron."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import PurePath
from typing import Any

from markupsafe import Markup

from captum_lca.analysis import LabelledActivations, PropertyStudy
from captum_lca.report.answer import Answer, answer_parts, top_count
from captum_lca.report.effects_report import IN_MODEL_BEGINS, IN_MODEL_ENDS
from captum_lca.report.headline import BASELINES, headline
from captum_lca.report.html_table import html_table
from captum_lca.report.neuron_details import ENDS, HEIGHTS, neuron_details
from captum_lca.report.neuron_rows import NeuronRows
from captum_lca.report.page import json_block, render, short
from captum_lca.report.svg_figures import svg_figures

FIGURE = (4.8, 3.2)
"""Width and height of a plot, in inches."""


def study_report(
    study: PropertyStudy,
    train: LabelledActivations | None = None,
    answers: Sequence[Answer] = (),
    progress: bool = False,
) -> str:
    """The report of a study as one HTML page that needs nothing else.

    Args:
        study: What was found.
        train: The activations that its probe was fitted on. Default: none, and the page says that
            it can't show what single neurons respond to.
        answers: To further questions.
        progress: Show a bar while single neurons are looked at.

    Returns:
        The page.

    Examples::

        >>> from captum_lca.analysis import LabelledActivations, study_property
        >>> from captum_lca.report import study_report
        >>> train = LabelledActivations(store, corpus.labels["number"])
        >>> test = LabelledActivations(test_store, test_corpus.labels["number"])
        >>> study = study_property("number", train, test, draws=2, progress=False)
        >>> study_report(study, train).startswith("<!doctype html>")
        True
    """
    rows = NeuronRows(study)
    details = neuron_details(train, rows.detailed(), progress) if train else {}
    parts = [rows.class_part(number, details) for number in rows.classes]
    top = top_count(study)
    counts = study.ranking.layer_counts(top)
    data = {
        **rows.to_json(),
        "classes": [short(name) for name in study.probe.classes],
        "shown": rows.classes,
        "rows": list(study.probe.report.class_rows) if study.probe.report else [],
        "ends": ENDS,
        "heights": len(HEIGHTS) - 1,
        "details": {neuron: detail.to_json() for neuron, detail in details.items()},
    }
    return render(
        "study.html",
        study=study,
        findings=headline(study, {answer.name: answer for answer in answers}),
        made_from=_made_from(study, train),
        ablation_plots=_ablation_plots(study),
        ablation_table=html_table(
            study.ablation.to_frame(), f"{study.ablation.metric} with neurons ablated"
        ),
        top=top,
        layers=[
            (str(layer), int(count), top * width / len(study.ranking))
            for (layer, count), width in zip(
                counts.items(), study.ranking.layout.widths, strict=True
            )
        ],
        parts=parts,
        most_cell=max((max(part.counts) for part in parts), default=0),
        neurons=rows.top(details),
        missing_details=_missing_details(train),
        answers=[(answer, *answer_parts(answer)) for answer in answers],
        massive=html_table(study.massive.to_frame(), "neurons with massive activations"),
        data=json_block(data),
        in_model=(Markup(IN_MODEL_BEGINS), Markup(IN_MODEL_ENDS)),
    )


def _ablation_plots(study: PropertyStudy) -> list[tuple[str, Markup]]:
    """Caption and plot: neurons kept, and removed."""
    baseline = study.ablation.scores[0].baseline
    captions = {
        "keep": f"Neurons kept, the others {BASELINES[baseline]}",
        "remove": f"Neurons {BASELINES[baseline]}, the others kept",
    }
    plots = []
    for action, caption in captions.items():
        plot = partial(_plot_ablation, study, baseline, action)
        plots.append((caption, svg_figures(plot, FIGURE, 1, caption)[0]))
    return plots


def _plot_ablation(study: PropertyStudy, baseline: str, action: str, axes: Any) -> None:
    study.ablation.plot(baseline, action, axes[0])


def _made_from(study: PropertyStudy, train: LabelledActivations | None) -> list[tuple[str, str]]:
    """What a reader asks first: the model, the text, the method."""
    report = study.probe.report
    found = []
    if train and "model" in train.activations.settings:
        found.append(("Model", _place(str(train.activations.settings["model"]))))
    if train and train.activations.corpus:
        found.append(("Text", _place(train.activations.corpus.source)))
    layout = study.ranking.layout
    found.append(("Neurons", f"{layout.size:,} in {len(layout.layers)} layers"))
    if report:
        found.append(("Fitted on", f"{report.rows:,} rows"))
        found.append(("Penalty", f"l1 = {report.l1:g}, l2 = {report.l2:g}"))
    found.append(("Tested on", f"{study.scores.rows:,} rows"))
    return [*found, ("Ranking", study.ranking.method.replace("_", " "))]


def _place(name: str) -> str:
    """A path without the folders that mean something on one machine only."""
    path = PurePath(name)
    return "/".join(path.parts[-2:]) if path.is_absolute() else name


def _missing_details(train: LabelledActivations | None) -> str:
    """Why the page can't show what neurons respond to; nothing if it can."""
    if train is None:
        return (
            "The activations were not at hand when this page was written, so it can't show what "
            "single neurons respond to."
        )
    if train.activations.corpus is None and train.words is None:
        return (
            "The words behind the activations were not at hand when this page was written: "
            "neurons have histograms, but no words and sentences."
        )
    return ""
