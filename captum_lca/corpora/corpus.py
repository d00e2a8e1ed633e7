"""Sentences of words, with labels for one or more properties."""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate, chain
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from captum_lca.corpora.label_checks import Label, checked_labels, is_unicode
from captum_lca.files import write_text
from captum_lca.json_text import parsed

FORMAT = "captum_lca corpus"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Corpus:
    """Sentences of words, with labels per word (or per sentence) for one or more properties.

    A property is either categorical (its labels are strings) or numeric (floats); None is an
    unlabelled word, which stays in the text and is left out of fitting. Integers become floats, and
    NaN becomes None.

    Raises:
        ValueError: There are no sentences, a sentence has no words, a property has another number
            of labels than there are words (or sentences), or mixes strings with numbers.

    Examples:
        >>> sentences = [["Dogs", "bark"], ["Stop", "!"]]
        >>> corpus = Corpus(sentences, {"upos": ["NOUN", "VERB", "VERB", None]})
        >>> len(corpus), corpus.words
        (2, ('Dogs', 'bark', 'Stop', '!'))
        >>> corpus.select([1]).labels["upos"]
        ('VERB', None)
    """

    sentences: Sequence[Sequence[str]]
    """The words of each sentence, in order; kept as a tuple of tuples."""
    labels: Mapping[str, Sequence[Label]] = field(default_factory=dict)
    """Property name to one label per word, all sentences flattened in order; kept as tuples."""
    sentence_labels: Mapping[str, Sequence[Label]] = field(default_factory=dict)
    """Property name to one label per sentence; kept as tuples."""
    source: str = "memory"
    """Where the sentences come from (a file name, "generated"), for messages."""

    def __post_init__(self) -> None:
        set_field = object.__setattr__
        set_field(self, "sentences", tuple(map(tuple, self.sentences)))
        self._check_sentences()
        both = sorted(set(self.labels) & set(self.sentence_labels))
        if both:
            raise ValueError(
                f"{self.source}: property {both[0]!r} labels both words and sentences: rename one"
            )
        for unit, name, length in (
            ("words", "labels", len(self.words)),
            ("sentences", "sentence_labels", len(self.sentences)),
        ):
            checked = {
                prop: checked_labels(self.source, prop, values, length, unit)
                for prop, values in getattr(self, name).items()
            }
            set_field(self, name, checked)

    def __len__(self) -> int:
        """Number of sentences."""
        return len(self.sentences)

    @cached_property
    def words(self) -> tuple[str, ...]:
        """All words in order, as one tuple."""
        return tuple(chain.from_iterable(self.sentences))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hexadecimal) of the words and the sentence boundaries; labels do not matter."""
        text = json.dumps(self.sentences, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8")).hexdigest()

    @property
    def properties(self) -> tuple[str, ...]:
        """Names of all properties, those of words first."""
        return (*self.labels, *self.sentence_labels)

    def labels_of(self, property: str) -> tuple[Label, ...]:  # noqa: A002
        """Labels of a property, of words or of sentences.

        Raises:
            ValueError: The corpus has no such property; the message lists those it has.
        """
        for labels in (self.labels, self.sentence_labels):
            if property in labels:
                return tuple(labels[property])
        known = ", ".join(self.properties) or "none"
        raise ValueError(f"{self.source}: no property {property!r}; it has: {known}")

    def class_counts(self, property: str) -> dict[str, int]:  # noqa: A002
        """How often each class of a categorical property occurs, in alphabetical order.

        Raises:
            ValueError: The property is unknown, or numeric.
        """
        counts = Counter(label for label in self.labels_of(property) if label is not None)
        if any(isinstance(label, float) for label in counts):
            raise ValueError(f"{self.source}: property {property!r} is numeric: it has no classes")
        return {str(label): counts[label] for label in sorted(counts, key=str)}

    def select(self, sentence_numbers: Iterable[int]) -> "Corpus":
        """The given sentences with their labels, in the given order.

        Args:
            sentence_numbers (iterable of int): Positions in ``sentences``, from 0.

        Raises:
            ValueError: No sentence is selected, or one that does not exist.
        """
        numbers = [int(number) for number in sentence_numbers]
        outside = [number for number in numbers if not 0 <= number < len(self)]
        if outside:
            raise ValueError(
                f"{self.source}: no sentence {outside[0]}: it has 0 to {len(self) - 1}"
            )
        starts = [0, *accumulate(map(len, self.sentences))]
        positions = [place for n in numbers for place in range(starts[n], starts[n + 1])]
        return Corpus(
            [self.sentences[number] for number in numbers],
            {name: [labels[p] for p in positions] for name, labels in self.labels.items()},
            {name: [labels[n] for n in numbers] for name, labels in self.sentence_labels.items()},
            self.source,
        )

    def split(self, fractions: Sequence[float], seed: int) -> list["Corpus"]:
        """Share out all sentences at random; each part keeps them in text order.

        Args:
            fractions (sequence of float): Share of the sentences for each part; they add up to 1.
            seed (int): Seed of the random choice.

        Returns:
            One corpus per fraction. Every sentence is in exactly one of them.

        Raises:
            ValueError: The fractions are not positive or do not add up to 1, or a part would be
                empty.

        Examples:
            >>> train, test = Corpus([["a"], ["b"], ["c"], ["d"]]).split([0.75, 0.25], seed=0)
            >>> len(train), len(test)
            (3, 1)
        """
        if not fractions or min(fractions) <= 0 or not math.isclose(sum(fractions), 1.0):
            raise ValueError(f"split fractions must be positive and add up to 1, found {fractions}")
        bounds = np.rint(np.cumsum(fractions) * len(self)).astype(int)
        parts = np.split(np.random.default_rng(seed).permutation(len(self)), bounds[:-1])
        for fraction, part in zip(fractions, parts, strict=True):
            if not len(part):
                raise ValueError(
                    f"{self.source}: a share of {fraction} of {len(self)} sentences is none"
                )
        return [self.select(np.sort(part)) for part in parts]

    def limit(self, words: int) -> "Corpus":
        """The leading whole sentences that together have at most this many words.

        Raises:
            ValueError: Not even the first sentence fits.
        """
        lengths = accumulate(map(len, self.sentences))
        fitting = sum(length <= words for length in lengths)
        if not fitting:
            raise ValueError(
                f"{self.source}: the first sentence has {len(self.sentences[0])} words: "
                f"it does not fit in a limit of {words}"
            )
        return self if fitting == len(self) else self.select(range(fitting))

    def with_labels(self, name: str, labels: Sequence[Label]) -> "Corpus":
        """The same sentences with one more property (or one replaced), one label per word."""
        return replace(self, labels={**self.labels, name: labels})

    def with_sentence_labels(self, name: str, labels: Sequence[Label]) -> "Corpus":
        """The same sentences with one more property (or one replaced), one label per sentence."""
        return replace(self, sentence_labels={**self.sentence_labels, name: labels})

    def derive(self, name: str, rule: Callable[[str], Label]) -> "Corpus":
        """Add a property whose labels a rule reads off each word.

        Args:
            name (str): Name of the new property.
            rule (callable): From a word to its label, or None for no label: any function, or one of
                ``suffix_rule``, ``word_set``, ``pattern``, ``casing``, ``word_length``.

        Examples:
            >>> corpus = Corpus([["We", "were", "singing"]])
            >>> corpus.derive("ing", lambda word: "ing" if word.endswith("ing") else None).labels
            {'ing': (None, None, 'ing')}
        """
        return self.with_labels(name, [rule(word) for word in self.words])

    def as_numbers(self, property: str) -> "Corpus":  # noqa: A002
        """Read the labels of a property as numbers: files hold text, regression needs floats.

        Raises:
            ValueError: A label is not a number; the message names its position.
        """
        return self._relabelled(
            property,
            [
                self._number(property, place, label)
                for place, label in enumerate(self.labels_of(property))
            ],
        )

    def cap(self, property: str, per_class: int, seed: int) -> "Corpus":  # noqa: A002
        """Keep at most this many labels of each class, chosen at random.

        The other labels become None: those words are left out of fitting, not out of the text.

        Args:
            property (str): A categorical property, of words or of sentences.
            per_class (int): Labels to keep per class, at least 1.
            seed (int): Seed of the random choice.

        Raises:
            ValueError: The property is unknown or numeric, or ``per_class`` is below 1.
        """
        if per_class < 1:
            raise ValueError(f"a cap of {per_class} labels per class leaves no labels")
        labels = self.labels_of(property)
        generator = np.random.default_rng(seed)
        kept: set[int] = set()
        for name in self.class_counts(property):
            places = np.array([place for place, label in enumerate(labels) if label == name])
            kept.update(generator.permutation(places)[:per_class].tolist())
        return self._relabelled(
            property, [label if place in kept else None for place, label in enumerate(labels)]
        )

    def balance(self, property: str, seed: int) -> "Corpus":  # noqa: A002
        """Cap every class of a property at the size of its rarest class.

        Raises:
            ValueError: The property is unknown, numeric, or has no labels.
        """
        counts = self.class_counts(property)
        if not counts:
            raise ValueError(f"{self.source}: property {property!r} has no labels to balance")
        return self.cap(property, min(counts.values()), seed)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the corpus as one UTF-8 JSON file; it is written aside and renamed."""
        content = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "source": self.source,
            "sentences": self.sentences,
            "labels": self.labels,
            "sentence_labels": self.sentence_labels,
        }
        write_text(Path(path), json.dumps(content, ensure_ascii=False))

    @classmethod
    def load(cls, path: str | PathLike[str]) -> "Corpus":
        """Read a corpus that ``save`` wrote.

        Raises:
            ValueError: The file is not a saved corpus, of another version, or damaged.
        """
        content = _read_json(Path(path))
        try:
            return cls(
                content["sentences"],
                content["labels"],
                content["sentence_labels"],
                content["source"],
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path}: damaged corpus file: {error!r}") from error
        except ValueError as error:
            raise ValueError(f"{path}: damaged corpus file: {error}") from error

    def _relabelled(self, name: str, labels: Sequence[Label]) -> "Corpus":
        if name in self.labels:
            return self.with_labels(name, labels)
        return self.with_sentence_labels(name, labels)

    def _number(self, name: str, place: int, label: Label) -> float | None:
        try:
            return None if label is None else float(label)
        except ValueError as error:
            raise ValueError(
                f"{self.source}: property {name!r}: label {place} is {label!r}, expected a number"
            ) from error

    def _check_sentences(self) -> None:
        if not self.sentences:
            raise ValueError(f"{self.source}: no sentences")
        for number, sentence in enumerate(self.sentences):
            if not sentence:
                raise ValueError(f"{self.source}: sentence {number} has no words")
        for place, word in enumerate(self.words):
            if not isinstance(word, str) or not word:
                raise ValueError(f"{self.source}: word {place} is {word!r}, expected a string")
            if not is_unicode(word):
                raise ValueError(f"{self.source}: word {place} is {word!r}, which is not Unicode")


def _read_json(path: Path) -> dict[str, Any]:
    content = parsed(path.read_bytes(), f"{path}: not a saved corpus")
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f'{path}: not a saved corpus: expected JSON with "format": "{FORMAT}"')
    if content.get("version") != FORMAT_VERSION:
        raise ValueError(
            f"{path}: corpus format version {content.get('version')}, expected {FORMAT_VERSION}"
        )
    return content
