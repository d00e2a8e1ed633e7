"""What the built-in grammar is made of: words with gold labels, and random choices."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from captum_lca.corpora.inflection import Form

Option = TypeVar("Option")


class Dice:
    """Random choices from one seed."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed).random

    def pick(self, options: Sequence[Option]) -> Option:
        """One of the options, each as likely as the others."""
        return options[int(self._random() * len(options))]

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self._random() < probability

    def branch(self, options: Sequence[tuple[float, Option]]) -> Option:
        """One of the options by weight; the weights add up to 1."""
        left = self._random()
        for weight, option in options:
            left -= weight
            if left < 0:
                return option
        return options[-1][1]


@dataclass(slots=True)
class Word:
    """A word of a sentence with its gold labels."""

    text: str
    upos: str
    role: str
    """Universal Dependencies relation to the word it depends on."""
    number: str | None = None
    tense: str | None = None
    suffix: str | None = None
    chunk: str = "O"
    """Set by ``chunked``."""


@dataclass(frozen=True)
class NounPhrase:
    """A noun phrase and what its verb agrees with."""

    words: list[Word]
    kind: str
    """What it names: a key of ``lexicon.NOUNS``."""
    number: str | None = "Sing"
    """None for "you"."""
    person: int = 3

    @property
    def third_singular(self) -> bool:
        """Whether its verb takes -s."""
        return self.person == 3 and self.number == "Sing"


def chunked(kind: str, words: list[Word]) -> list[Word]:
    """The words as one chunk: the first B-kind, the others I-kind."""
    for place, word in enumerate(words):
        word.chunk = f"{'I' if place else 'B'}-{kind}"
    return words


def from_form(form: Form, upos: str, role: str, number: str | None = None) -> Word:
    """A word from the lexicon."""
    return Word(form.text, upos, role, number, suffix=form.suffix)
