"""What a report shows of single neurons: their words, spread by class, and sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from captum_lca.activations import ActivationStore
from captum_lca.analysis import LabelledActivations, NeuronResponses, responses_of_neurons
from captum_lca.analysis.responses import (
    neuron_columns,
    places_of,
    rows_at_ends,
    standardised,
)
from captum_lca.analysis.selectivity import words_of
from captum_lca.probes.labels import Targets, encode_labels, is_missing
from captum_lca.probes.rows import aligned_labels
from captum_lca.report.page import short

WORDS = 8
"""Shown at each end."""
SENTENCES = {1: 4, -1: 2}
"""Shown above and below the mean."""
CANDIDATES = 40
"""Rows at each end that sentences are chosen from, one for each word."""
AROUND = 12
"""Words shown on either side of the one that moves the neuron."""
ENDS = 4.0
"""Standard deviations at which a histogram ends; what lies beyond is counted in its last bin."""
BINS = 24
ENOUGH_ROWS = 30
"""Of a class, for its histogram to decide how high the bars of all are."""
HEIGHTS = "0123456789abcdefghijklmnopqrstuvwxyz"
"""A histogram's bars from nothing to the highest, one character each."""
VALUES_AT_ONCE = 2**24
"""Activations held in memory; decides how many neurons are read together."""


@dataclass(frozen=True)
class Sentence:
    """Words around one that moves a neuron."""

    words: tuple[str, ...]
    """In order."""
    activations: tuple[float | None, ...]
    """In standard deviations from the neuron's mean; None for a word without a row."""
    peak: int
    """Place of the word that moves the neuron."""
    label: str | None
    """The class of that word."""


@dataclass(frozen=True)
class NeuronDetail:
    """What a neuron responds to."""

    up: tuple[tuple[str, float, int], ...]
    """Words with the highest mean activation (in standard deviations): word, mean, count."""
    down: tuple[tuple[str, float, int], ...]
    """Those with the lowest."""
    histogram: tuple[str, ...]
    """Per class :data:`BINS` characters of :data:`HEIGHTS`: the share of the class's rows in the
    bin, of the highest share of any class that is not rare. One for all rows, if there are no
    classes."""
    sentences: tuple[Sentence, ...]
    """Those with the highest activations, then those with the lowest."""

    def to_json(self) -> dict[str, Any]:
        """The same in short, with activations in tenths."""
        return {
            "up": [[short(word), round(mean * 10), count] for word, mean, count in self.up],
            "down": [[short(word), round(mean * 10), count] for word, mean, count in self.down],
            "histogram": list(self.histogram),
            "sentences": [
                [
                    [short(word) for word in one.words],
                    [None if value is None else round(value * 10) for value in one.activations],
                    one.peak,
                    None if one.label is None else short(one.label),
                ]
                for one in self.sentences
            ],
        }


def neuron_details(
    data: LabelledActivations, neurons: Sequence[int], progress: bool = False
) -> dict[int, NeuronDetail]:
    """Look at many neurons at once.

    Args:
        data: Rows of words or of sentences. Rows whose words are not known have histograms only.
        neurons: Global ids.
        progress: Show a bar of the groups of neurons done.

    Returns:
        By global id.
    """
    store = data.activations
    labels = aligned_labels(store, data.labels)
    targets = encode_labels(labels)
    size = max(1, VALUES_AT_ONCE // store.rows)
    with_words = store.settings.get("unit") != "sentence" and (
        data.words is not None or store.corpus is not None
    )
    texts = _texts(store, data.words, with_words)
    found = {}
    parts = range(0, len(neurons), size)
    for start in tqdm(parts, desc="single neurons", disable=not progress):
        some = list(neurons[start : start + size])
        columns = standardised(neuron_columns(store, torch.tensor(some))).T.contiguous()
        responses = (
            responses_of_neurons(store, some, words=data.words, count=WORDS) if with_words else ()
        )
        for number, (neuron, values) in enumerate(zip(some, columns, strict=True)):
            found[neuron] = NeuronDetail(
                up=_words(responses[number], 1) if responses else (),
                down=_words(responses[number], -1) if responses else (),
                histogram=_histogram(values, targets),
                sentences=_sentences(values, texts, labels, with_words),
            )
    return found


def _texts(
    store: ActivationStore, words: Sequence[str] | None, with_words: bool
) -> list[tuple[Sequence[str], int]]:
    """Of each row the sentence and the row's place in it; nothing if no text is known."""
    if with_words:
        return places_of(store, words_of(store, words))
    if store.corpus is None:
        return []
    return [(sentence, 0) for sentence in store.align(list(store.corpus.sentences))]


def _words(found: NeuronResponses, sign: int) -> tuple[tuple[str, float, int], ...]:
    table = found.words[found.words["sign"] == sign]
    return tuple(
        (str(word), float(mean), int(count))
        for word, mean, count in zip(
            table["word"], table["activation"], table["count"], strict=True
        )
    )


def _sentences(
    values: Tensor,
    texts: Sequence[tuple[Sequence[str], int]],
    labels: Sequence[Any],
    with_words: bool,
) -> tuple[Sentence, ...]:
    """Around the rows at both ends, each with another word (or each another sentence)."""
    if not texts:
        return ()
    rows = rows_at_ends(values.numpy(), CANDIDATES).tolist()
    found: dict[int, dict[object, Sentence]] = {1: {}, -1: {}}
    for row in rows:
        sentence, place = texts[row]
        kind = sentence[place] if with_words else row
        mine = found[1 if values[row] > 0 else -1]
        if kind not in mine:
            mine[kind] = _around(row, values, texts, labels[row], with_words)
    return tuple(
        one for sign, most in SENTENCES.items() for one in list(found[sign].values())[:most]
    )


def _around(
    row: int,
    values: Tensor,
    texts: Sequence[tuple[Sequence[str], int]],
    label: Any,
    with_words: bool,
) -> Sentence:
    sentence, place = texts[row]
    name = None if is_missing(label) else str(label)
    if not with_words:
        words = tuple(sentence[: 2 * AROUND + 1])
        return Sentence(words, (float(values[row]),) * len(words), 0, name)
    near = range(max(0, row - 2 * AROUND), min(len(texts), row + 2 * AROUND + 1))
    rows = {texts[other][1]: other for other in near if texts[other][0] is sentence}
    start = max(0, place - AROUND)
    words = tuple(sentence[start : place + AROUND + 1])
    activations = tuple(
        float(values[rows[start + n]]) if start + n in rows else None for n in range(len(words))
    )
    return Sentence(words, activations, place - start, name)


def _histogram(values: Tensor, targets: Targets) -> tuple[str, ...]:
    """Heights of a histogram per class."""
    bins = ((values[targets.rows] + ENDS) * (BINS / (2 * ENDS))).long().clamp(0, BINS - 1)
    classes = torch.zeros_like(bins) if targets.is_regression else targets.values
    count = max(1, len(targets.classes))
    rows = torch.bincount(classes * BINS + bins, minlength=count * BINS).reshape(count, BINS)
    total = rows.sum(1, keepdim=True)
    shares = rows / total.clamp(min=1)
    highest = shares[total[:, 0] >= min(ENOUGH_ROWS, int(total.max()))].max()
    heights = (shares / highest * (len(HEIGHTS) - 1)).ceil().long().clamp(max=len(HEIGHTS) - 1)
    return tuple("".join(HEIGHTS[height] for height in line) for line in heights.tolist())
