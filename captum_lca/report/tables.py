"""Results as text, for people to read in a terminal."""

from __future__ import annotations

import textwrap

from captum_lca.analysis import CrossValidation, PenaltySearch, PropertyStudy
from captum_lca.analysis.penalty_grid import score_map
from captum_lca.probes import RegressionScores
from captum_lca.report.answer import top_count

LINE = 100
"""Characters of a printed line, for what has to be broken."""


def study_table(study: PropertyStudy) -> str:
    """The study's headline: scores, layers of the top neurons, ablation.

    Args:
        study: What is told.

    Returns:
        Some lines.

    Examples::

        >>> from captum_lca.analysis import LabelledActivations, study_property
        >>> train = LabelledActivations(store, corpus.labels["number"])
        >>> test = LabelledActivations(test_store, test_corpus.labels["number"])
        >>> study = study_property("number", train, test, draws=1, progress=False)
        >>> print(study_table(study).splitlines()[0])
        number
    """
    report = study.probe.report
    nonzeros = report.nonzeros if report else int(study.probe.weight.count_nonzero())
    top = top_count(study)
    layers = study.ranking.layer_counts(top)
    lines = [
        f"{study.property}",
        f"  {_score_line(study)}",
        f"  probe: {nonzeros:,} of {study.probe.weight.numel():,} weights are not zero, on "
        f"{int(study.probe.weight.any(0).sum()):,} of {len(study.ranking):,} neurons",
        textwrap.fill(
            f"  the top {top} neurons by layer: "
            + " ".join(f"{name}={count}" for name, count in layers.items()),
            width=LINE,
            subsequent_indent="    ",
        ),
    ]
    if len(massive := study.massive.neurons):
        named = [study.massive.layout.locate(neuron) for neuron in massive[:3].tolist()]
        lines.append(
            f"  {len(massive)} neurons with massive activations (up to "
            f"{study.massive.largest[0]:,.0f}), such as "
            + ", ".join(f"{layer}[{index}]" for layer, index in named)
        )
    return "\n".join([*lines, *_ablation_lines(study)])


def search_table(search: PenaltySearch | CrossValidation) -> str:
    """The scores of a search for penalties, from strong to weak, and its choice.

    Args:
        search: What is told.

    Returns:
        Some lines.

    Examples::

        >>> from captum_lca.analysis import cross_validate_penalties
        >>> labels = corpus.labels["number"]
        >>> search = cross_validate_penalties(
        ...     store, labels, [1e-2], [1e-4], folds=2, progress=False
        ... )
        >>> "cross-validation" in search_table(search)
        True
    """
    table = search.to_frame()
    scores = score_map(table)
    edges = [
        f"weakest {name}"
        for name, chosen in (("l1", search.l1), ("l2", search.l2))
        if table[name].nunique() > 1 and chosen == table[name].min()
    ]
    if isinstance(search, PenaltySearch):
        kind = f"ablation score (unregularised {search.metric} {search.unregularised:.3f})"
        point = search.chosen
        found = f"full {point.full:.3f}, top {point.top:.3f}, bottom {point.bottom:.3f}"
    else:
        kind = f"{search.metric} by cross-validation"
        sparsest = search.sparsest
        found = (
            f"{search.chosen.score:.3f} ± {search.chosen.error:.3f}, within one standard error "
            f"l1 = {sparsest.l1:g}, l2 = {sparsest.l2:g}"
        )
    at_edge = f"; the {' and '.join(edges)} tried" if edges else ""
    choice = f"  chosen: l1 = {search.l1:g}, l2 = {search.l2:g} ({found}){at_edge}"
    return "\n".join(
        [
            f"  {kind}:",
            f"    {'l2 / l1':>9}" + "".join(f"{l1:>9g}" for l1 in scores.columns),
            *(
                f"    {l2:>9g}" + "".join(f"{score:>9.3f}" for score in row)
                for l2, row in zip(scores.index, scores.to_numpy(), strict=True)
            ),
            textwrap.fill(choice, width=LINE, subsequent_indent="    "),
        ]
    )


def _score_line(study: PropertyStudy) -> str:
    scores = study.scores
    if isinstance(scores, RegressionScores):
        baseline = "" if scores.mean_rmse is None else f" (always the mean: {scores.mean_rmse:.3f})"
        return (
            f"Pearson {scores.pearson:.3f}, Spearman {scores.spearman:.3f}, R² {scores.r2:.3f}, "
            f"RMSE {scores.rmse:.3f}{baseline} on {scores.rows:,} test rows"
        )
    baselines = [f"majority {scores.majority_accuracy or 0:.3f}"]
    if scores.word_accuracy is not None:
        baselines.append(f"word identity {scores.word_accuracy:.3f}")
    return (
        f"accuracy {scores.accuracy:.3f} ({', '.join(baselines)}), macro-F1 {scores.macro_f1:.3f}, "
        f"Matthews {scores.matthews:.3f} on {scores.rows:,} test rows, "
        f"{len(study.probe.classes)} classes"
    )


def _ablation_lines(study: PropertyStudy) -> list[str]:
    frame = study.ablation.to_frame()
    metric = study.ablation.metric
    lines = [f"  {metric} with all neurons {study.ablation.full:.3f}; with some of them ablated:"]
    header = f"    {'':9}{'neurons':>8}{'baseline':>11}{'top':>8}{'random':>16}{'bottom':>8}"
    lines.append(header)
    for (baseline, action, neurons), rows in frame.groupby(
        ["baseline", "action", "neurons"], sort=False
    ):
        by_choice = rows.set_index("choice")
        random = f"{by_choice.score['random']:.3f} ± {by_choice.spread['random']:.3f}"
        lines.append(
            f"    {action:9}{neurons:>8}{baseline:>11}{by_choice.score['top']:>8.3f}"
            f"{random:>16}{by_choice.score['bottom']:>8.3f}"
        )
    return lines
