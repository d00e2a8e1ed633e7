"""Cutting a corpus into the runs of sentences that become the shards of a store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from captum_lca.corpora import Corpus

CHUNK_BYTES = 2**27
"""Float32 rows of a chunk, in bytes. Larger chunks sort into tighter batches."""
CHUNK_ROWS = (1024, 65_536)
"""Fewest and most rows of a chunk, however wide the layers are."""


@dataclass(frozen=True)
class Chunk:
    """A run of sentences whose rows are one shard."""

    number: int
    """Of the chunk, and of its shard."""
    sentences: list[Sequence[str]]
    """Their words."""
    first: int
    """Number of its first unit (word, or sentence) in the corpus."""
    units: int
    """How many it has."""

    @property
    def bounds(self) -> tuple[int, int]:
        """Its first unit, and the one behind its last."""
        return self.first, self.first + self.units


def chunks(corpus: Corpus, neurons: int, unit: str) -> list[Chunk]:
    """The corpus in chunks of about as many words as a shard of so many neurons should have.

    It depends on nothing else: any number of processes cuts a corpus in the same places.

    Args:
        corpus: The sentences.
        neurons: Of a row.
        unit: ``"word"`` or ``"sentence"``: what has a row.
    """
    fewest, most = CHUNK_ROWS
    target = min(max(CHUNK_BYTES // (4 * neurons), fewest), most)
    found: list[Chunk] = []
    sentences: list[Sequence[str]] = []
    words = first = 0
    for number, sentence in enumerate(corpus.sentences, start=1):
        sentences.append(sentence)
        words += len(sentence)
        if words >= target or number == len(corpus):
            units = words if unit == "word" else len(sentences)
            found.append(Chunk(len(found), sentences, first, units))
            sentences, words, first = [], 0, first + units
    return found
