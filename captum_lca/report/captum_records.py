"""Attributions over tokens as records for Captum's ``visualization.visualize_text``."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import torch
from torch import Tensor


def visualization_records(
    tokens: Sequence[Sequence[str]],
    attributions: Tensor,
    logits: Tensor,
    classes: Sequence[str],
    *,
    target: str,
    labels: Sequence[str | None] | None = None,
    positions: Sequence[int] | None = None,
    deltas: Tensor | None = None,
) -> list[Any]:
    """One ``VisualizationDataRecord`` per text, to be fed to ``visualize_text`` as they are.

    A record of Captum's is about one prediction, and the probe makes one at every token: it is
    about the token in ``positions``. Tokens and names of classes are escaped, which Captum leaves
    to its caller.

    Args:
        tokens: Those of each text.
        attributions: Of each token. Shape (texts, positions), or (texts, positions, features), of
            which the features are summed; positions beyond a text's tokens are left out.
        logits: What the probe says at each position, as ``lca.forward_func`` gives it. Shape
            (texts, positions, classes).
        classes: Their names, in the order of the logits: ``probe.classes``.
        target: The class that was attributed to.
        labels: The true class at each text's position. Default: not known.
        positions: Of the predictions, one per text. Default: of the strongest attributions.
        deltas: As ``lca.compute_convergence_delta`` gives them. Shape (texts,). Default: 0.

    Returns:
        Records with the text's strongest attribution in full colour; their score is the sum.

    Raises:
        ValueError: Shapes, tokens, labels or positions that don't fit together, or no such class.

    Examples::

        >>> from captum_lca.report import visualization_records
        >>> lca = LinguisticCorrelationAnalysis.from_probe(model, "hidden", probe)
        >>> found = lca.attribute(input_ids, ranking.top(20), "VERB", mask)
        >>> texts = [tokenizer.convert_ids_to_tokens(row) for row in input_ids]
        >>> records = visualization_records(
        ...     texts, found, lca.forward_func(input_ids, mask), probe.classes, target="VERB"
        ... )
        >>> len(records) == len(texts), records[0].attr_class
        (True, 'VERB')
    """
    from captum.attr._utils.visualization import VisualizationDataRecord  # noqa: PLC0415

    values = attributions.detach().float().cpu()
    values = values.sum(-1) if values.dim() == 3 else values
    _check(tokens, values, logits, classes, target, labels, positions)
    records = []
    for text, own in enumerate(tokens):
        mine = values[text, : len(own)]
        place = int(mine.abs().argmax()) if positions is None else positions[text]
        chances = logits[text, place].detach().float().softmax(-1)
        best = int(chances.argmax())
        label = None if labels is None else labels[text]
        records.append(
            VisualizationDataRecord(
                word_attributions=mine / mine.abs().max().clamp(min=torch.finfo(mine.dtype).tiny),
                pred_prob=float(chances[best]),
                pred_class=escape(classes[best]),
                true_class="unlabelled" if label is None else escape(label),
                attr_class=escape(target),
                attr_score=float(mine.sum()),
                raw_input_ids=[escape(token) for token in own],
                convergence_score=0.0 if deltas is None else float(deltas[text]),
            )
        )
    return records


def _check(
    tokens: Sequence[Sequence[str]],
    values: Tensor,
    logits: Tensor,
    classes: Sequence[str],
    target: str,
    labels: Sequence[str | None] | None,
    positions: Sequence[int] | None,
) -> None:
    if isinstance(tokens, str) or any(isinstance(text, str) for text in tokens):
        raise ValueError("tokens must be one sequence of strings per text; found a string")
    if values.dim() != 2 or tuple(logits.shape) != (*values.shape, len(classes)):
        raise ValueError(
            f"{len(classes)} classes need attributions of shape (texts, positions) and logits of "
            f"(texts, positions, {len(classes)}); found {tuple(values.shape)} and "
            f"{tuple(logits.shape)}"
        )
    if target not in classes:
        raise ValueError(f"no class {target!r}; there are {list(classes)}")
    for name, given in (("texts", tokens), ("labels", labels), ("positions", positions)):
        if given is not None and len(given) != len(values):
            raise ValueError(f"{len(values)} texts have attributions; found {len(given)} {name}")
    for text, own in enumerate(tokens):
        if not 0 < len(own) <= values.shape[1]:
            raise ValueError(
                f"text {text} has {len(own)} tokens; expected 1 to {values.shape[1]}, as it has "
                "positions"
            )
        if positions is not None and not 0 <= positions[text] < len(own):
            raise ValueError(f"text {text} has no token {positions[text]}: it has {len(own)}")
