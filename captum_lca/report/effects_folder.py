"""What ablation does to a model, as files: numbers, table and plots."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from captum_lca.analysis import ModelEffects
from captum_lca.files import write_aside, write_text
from captum_lca.plot_text import literal
from captum_lca.report.csv_files import write_csv
from captum_lca.report.effects_report import effects_report, with_effects
from captum_lca.report.folder import REPORT_FILE, figure_of, finite


def write_effects(effects: ModelEffects, folder: Path, settings: dict[str, Any]) -> None:
    """Write ``model_ablation.json``, ``model_ablation.csv``, plots of losses, and ``report.html``.

    Where the folder holds the report of the study, the report gains a part; else one is written.

    Args:
        effects: What to write.
        folder: Where; made if it is not there, files of the same names are replaced.
        settings: What the results were made from; goes into the JSON as it is.

    Examples::

        >>> from pathlib import Path
        >>> from captum_lca.analysis import model_effects
        >>> text = test_corpus.select(range(5))
        >>> effects = model_effects(
        ...     model, tokenizer, text, text.labels["upos"], ranking, classes=["NOUN"], probe=probe,
        ...     activations=store, draws=1, resamples=50, progress=False
        ... )
        >>> write_effects(effects, Path("runs/effects"), {"seed": 0})
        >>> Path("runs/effects/report.html").is_file()
        True
    """
    folder.mkdir(parents=True, exist_ok=True)
    table = effects.to_frame()
    results = {
        "settings": settings,
        "task": effects.task,
        "at": effects.at,
        "sentences": effects.sentences,
        "predictions": effects.predictions,
        "massive_activations": effects.massive.to_frame().to_dict("records"),
        "effects": table.to_dict("records"),
    }
    text = json.dumps(finite(results), indent=1, ensure_ascii=False, allow_nan=False)
    write_text(folder / "model_ablation.json", text)
    write_csv(table, folder / "model_ablation.csv")
    targets = list(dict.fromkeys(table["target"]))

    def draw(axes: Any) -> None:
        for ax, target in zip(axes, targets, strict=True):
            effects.plot(target, ax=ax)
            ax.set_title(literal(target))

    figure = figure_of(draw, 6 * len(targets), len(targets))
    write_aside(folder / "model_ablation.png", figure)
    report = folder / REPORT_FILE
    study_page = report.read_text(encoding="utf-8") if report.is_file() else ""
    write_text(report, with_effects(study_page, effects) or effects_report(effects))
