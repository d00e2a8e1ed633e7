"""What ablation does to a model, as a page of its own or inside the study's."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from captum_lca.analysis import ModelEffect, ModelEffects
from captum_lca.report.headline import Finding
from captum_lca.report.html_table import html_table
from captum_lca.report.page import number, render, render_part, signed
from captum_lca.report.svg_figures import svg_figures

PLOT = (5.4, 3.6)
"""Width and height of a plot, in inches."""
AT = {
    "later": "at every token but a text's first",
    "everywhere": "at every token",
    "class": "at the tokens of the class's own words only",
}
"""Where neurons were ablated, in words."""
IN_MODEL_BEGINS, IN_MODEL_ENDS = "<!-- in the model -->", "<!-- end: in the model -->"
"""Between them stands, in the page of a study, what ablation does to the model."""


def effects_report(effects: ModelEffects) -> str:
    """What ablation does to a model as one HTML page that needs nothing else.

    Args:
        effects: What was found.

    Returns:
        The text of the page.

    Examples::

        >>> from captum_lca.analysis import model_effects
        >>> text = test_corpus.select(range(5))
        >>> effects = model_effects(
        ...     model, tokenizer, text, text.labels["upos"], ranking, classes=["NOUN"], probe=probe,
        ...     activations=store, draws=1, resamples=50, progress=False
        ... )
        >>> effects_report(effects).startswith("<!doctype html>")
        True
    """
    return render("effects.html", **_content(effects))


def with_effects(page: str, effects: ModelEffects) -> str | None:
    """The page of a study with a part on what ablation does to its model.

    Args:
        page: As :func:`~captum_lca.report.study_report` made it; a part that is there is replaced.
        effects: What was found.

    Returns:
        The page; None if it is no such page.
    """
    before, begins, rest = page.partition(IN_MODEL_BEGINS)
    _, ends, after = rest.partition(IN_MODEL_ENDS)
    if not ends:
        return None
    part = render_part("effects_part.html", **_content(effects))
    return "".join([before, begins, part, ends, after])


def _content(effects: ModelEffects) -> dict[str, Any]:
    targets = list(dict.fromkeys(effect.target for effect in effects.effects))
    return {
        "effects": effects,
        "at": AT[effects.at],
        "findings": [_finding(effects, target) for target in targets],
        "plots": [(target, _plot(effects, target)) for target in targets],
        "table": html_table(effects.to_frame(), "Every effect"),
    }


def _plot(effects: ModelEffects, target: str) -> Markup:
    def draw(axes: Any) -> None:
        effects.plot(target, ax=axes[0])

    return svg_figures(draw, PLOT, 1, f"Change of the loss by ablating neurons of {target}")[0]


def _finding(effects: ModelEffects, target: str) -> Finding:
    """Of the largest number of neurons, without massive ones if there are any."""
    losses = [e for e in effects.effects if (e.target, e.measure) == (target, "loss")]
    massive = "left out" if any(e.massive == "left out" for e in losses) else "kept"
    count = max(e.neurons for e in losses)
    found = {(e.choice, e.words): e for e in losses if (e.massive, e.neurons) == (massive, count)}
    top, random = found["top", "class"], found["random", "class"]
    others = found["top", "others"]
    return Finding(
        target,
        f"{signed(top.change)} nats",
        f"Ablating its {number(count)} most salient neurons changes the loss on its words by "
        f"{_sure(top)} from {number(top.clean)}, on other words by {_sure(others)}; ablating "
        f"{number(count)} random neurons of the same layers, by {_sure(random)}."
        + (" Neurons with massive activations are left out." if massive == "left out" else ""),
    )


def _sure(effect: ModelEffect) -> str:
    change, low, high = (
        f"{value:+.3f}".replace("-", "−") for value in (effect.change, effect.low, effect.high)
    )
    return f"{change} [{low}, {high}]"
