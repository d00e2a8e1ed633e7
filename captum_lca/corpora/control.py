"""Control tasks: labels that say nothing, to measure what a probe learns by itself."""

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from itertools import accumulate

from captum_lca.corpora.corpus import Corpus
from captum_lca.corpora.label_checks import Label


def control_task(
    corpus: Corpus,
    property: str,  # noqa: A002
    seed: int,
    reference: Corpus | None = None,
) -> Corpus:
    """Replace a property's labels by random ones, the same for all occurrences of a word type.

    Each word type (as written) gets one label, drawn from the distribution of the task's labels
    over words: a probe that predicts them has memorised words. Unlabelled words stay unlabelled.

    Args:
        corpus (Corpus): The task.
        property (str): A property of words, categorical or numeric.
        seed (int): Seed of the draw.
        reference (Corpus, optional): Corpus whose label distribution is drawn from. With the same
            reference and seed a word type has the same label in every corpus: pass the training
            corpus when making the test corpus's control task. Default: None, ``corpus`` itself.

    Returns:
        The same sentences, with the control labels under the same property name.

    Raises:
        ValueError: The property is unknown, belongs to sentences, or has no labels.

    Examples:
        >>> corpus = Corpus([["so", "it", "is", "so"]], {"pos": ["ADV", "PRON", None, "SCONJ"]})
        >>> labels = control_task(corpus, "pos", seed=0).labels["pos"]
        >>> labels[0] == labels[3], labels[2]
        (True, None)

    Source: Hewitt & Liang (2019), Designing and Interpreting Probes with Control Tasks.
    """
    draw = _label_draw(reference or corpus, property, seed)
    control = {word: draw(word) for word in set(corpus.words)}
    labels = [
        None if label is None else control[word]
        for word, label in zip(corpus.words, _word_labels(corpus, property), strict=True)
    ]
    return corpus.with_labels(property, labels)


def _label_draw(corpus: Corpus, name: str, seed: int) -> Callable[[str], Label]:
    """A function from a word to a label, distributed over words as the corpus's labels are."""
    counts = Counter(label for label in _word_labels(corpus, name) if label is not None)
    if not counts:
        raise ValueError(f"{corpus.source}: property {name!r} has no labels to draw from")
    labels = sorted(counts, key=lambda label: (str(type(label)), label))
    cumulative = list(accumulate(counts[label] for label in labels))
    return lambda word: labels[bisect_right(cumulative, _uniform(seed, word) * cumulative[-1])]


def _uniform(seed: int, word: str) -> float:
    """A number in [0, 1) that depends on the seed and the word alone, not on the corpus."""
    digest = hashlib.sha256(f"{seed} {word}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _word_labels(corpus: Corpus, name: str) -> tuple[Label, ...]:
    labels = corpus.labels_of(name)
    if name not in corpus.labels:
        raise ValueError(
            f"{corpus.source}: property {name!r} belongs to sentences: "
            "control tasks label word types"
        )
    return labels
