"""What a study found, in words: how many neurons, where, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from captum_lca.analysis import PropertyStudy, centre_of_gravity
from captum_lca.probes import RegressionScores
from captum_lca.report.answer import Answer, top_count
from captum_lca.report.page import number

ENOUGH = 0.01
"""Loss of the score that is called keeping it, where no minimal set was asked for."""
BASELINES = {"mean": "held at their mean", "zero": "set to zero", "retrained": "left out"}
"""What is done to the other neurons, by the name of the baseline."""


@dataclass(frozen=True)
class Finding:
    """One part of the headline."""

    question: str
    """That it answers."""
    figure: str
    """The number to remember."""
    text: str
    """The answer in a sentence or two."""


def headline(study: PropertyStudy, answers: Mapping[str, Answer]) -> list[Finding]:
    """The findings of a study.

    Args:
        study: What was found.
        answers: To further questions, by name; they sharpen the headline.
    """
    minimal = answers.get("minimal-set")
    how_many = _minimal(study, minimal) if minimal else _kept(study)
    return [how_many, _where(study), _how_sure(study, answers)]


def _minimal(study: PropertyStudy, answer: Answer) -> Finding:
    found = answer.summary
    size, (low, high) = len(found["neurons"]), found["size_interval"]
    return Finding(
        "How many neurons?",
        f"{number(size)} of {number(len(study.ranking))}",
        f"A probe re-trained on the {number(size)} most salient neurons alone has "
        f"{_metric(study)} {number(found['score'])}, within {number(found['delta'])} of the "
        f"{number(found['full'])} of all. On these test words any number from {number(low)} to "
        f"{number(high)} may be enough"
        + (
            f"; of neurons drawn at random, {number(found['sizes']['random'])} are needed."
            if "random" in found["sizes"]
            else "."
        ),
    )


def _kept(study: PropertyStudy) -> Finding:
    ablation = study.ablation
    baseline = ablation.scores[0].baseline
    kept = [s for s in ablation.scores if (s.action, s.baseline) == ("keep", baseline)]
    top = sorted((s for s in kept if s.choice == "top"), key=lambda s: s.neurons)
    enough = [s for s in top if s.score >= ablation.full - ENOUGH]
    chosen = enough[0] if enough else top[-1]
    random = ablation.find("keep", "random", chosen.neurons, baseline)
    share = chosen.neurons / len(study.ranking)
    return Finding(
        "How many neurons?",
        f"{number(chosen.neurons)} of {number(len(study.ranking))}",
        f"With all but the {number(chosen.neurons)} most salient neurons ({100 * share:.0f} %) "
        f"{BASELINES[baseline]}, the probe {'keeps' if enough else 'has'} {_metric(study)} "
        f"{number(chosen.score)} of {number(ablation.full)}; with as many random neurons, "
        f"{number(random.score)} ± {number(random.spread)}.",
    )


def _where(study: PropertyStudy) -> Finding:
    top = top_count(study)
    counts = study.ranking.layer_counts(top)
    layer = str(counts.idxmax())
    width = study.ranking.layout.widths[study.ranking.layout.layers.index(layer)]
    expected = top * width / len(study.ranking)
    depth = centre_of_gravity(study.ranking, top).value
    return Finding(
        "Where?",
        layer,
        f"{number(int(counts[layer]))} of the {number(top)} most salient neurons sit there; an "
        f"equal spread would put {expected:.0f} in it. On average the salient neurons are at "
        f"{100 * depth:.0f} % of the model's depth (0 %: {counts.index[0]}, "
        f"100 %: {counts.index[-1]}).",
    )


def _how_sure(study: PropertyStudy, answers: Mapping[str, Answer]) -> Finding:
    scores = study.scores
    if isinstance(scores, RegressionScores):
        figure = f"R² {number(scores.r2)}"
        text = (
            f"On {number(scores.rows)} held-out rows; Pearson's correlation of predictions and "
            f"labels is {number(scores.pearson)}."
        )
    else:
        figure = f"{number(scores.accuracy)} accuracy"
        text = f"On {number(scores.rows)} held-out rows, with {len(study.probe.classes)} classes."
        baselines = [
            (scores.majority_accuracy, "always guessing the most frequent class"),
            (scores.word_accuracy, "knowing the word alone"),
        ]
        known = [f"{what} gives {number(value)}" for value, what in baselines if value is not None]
        text += f" {'; '.join(known).capitalize()}." if known else ""
    text += f" {_order(study)}"
    if "selectivity" in answers:
        probe = answers["selectivity"].summary["probes"][0]
        text += f" Selectivity, against labels that say nothing, is {number(probe['selectivity'])}."
    if "stability" in answers:
        sources = answers["stability"].summary["sources"]
        text += (
            " Of the top neurons, these shares stay the same: "
            + ", ".join(
                f"with another {source['source']} {number(source['overlap'])}" for source in sources
            )
            + "."
        )
    return Finding("How sure?", figure, text)


def _order(study: PropertyStudy) -> str:
    """Whether ablation bears the ranking out."""
    ablation = study.ablation
    cases = {(s.action, s.neurons, s.baseline) for s in ablation.scores}
    right = 0
    for action, neurons, baseline in cases:
        top, random, bottom = (
            ablation.find(action, choice, neurons, baseline)
            for choice in ("top", "random", "bottom")
        )
        sign = 1 if action == "keep" else -1
        right += (
            sign * (top.score - random.score) > random.spread
            and sign * (random.score - bottom.score) >= 0
        )
    if right == len(cases):
        return (
            "Ablation bears the ranking out: in every case top neurons matter more than random "
            "ones, by more than the spread of the draws, and these no less than bottom ones."
        )
    return (
        f"Ablation bears the ranking out in {right} of {len(cases)} cases: top neurons matter "
        "more than random ones, by more than the spread of the draws, and these no less than "
        "bottom ones."
    )


def _metric(study: PropertyStudy) -> str:
    return {"accuracy": "accuracy", "r2": "R²"}[study.ablation.metric]
