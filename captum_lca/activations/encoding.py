"""From sentences to the model's windows, and from a word to the tokens it is read from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

Span = tuple[int, int]
"""Characters of a text, as (start, end)."""

POOLINGS = ("first", "last", "mean")
SENTENCE_POOLINGS = (*POOLINGS, "special")

LONGEST_WINDOW = 1_000_000
"""Tokenizers without a limit of their own report 10^30; nothing longer than this is a limit."""


@dataclass(frozen=True)
class Window:
    """A run of tokens that goes through the model in one piece, and the rows read from it."""

    token_ids: list[int]
    """With the model's special tokens. Length (tokens,)."""
    rows: NDArray[np.int64]
    """Row each reading adds to, counted from the first row of the chunk. Shape (readings,)."""
    positions: NDArray[np.int64]
    """Token each reading takes, as a position in the window. Shape (readings,)."""
    weights: NDArray[np.float32]
    """Share of the reading in its row; a row's shares sum to 1. Shape (readings,)."""


@dataclass(frozen=True)
class EncodedChunk:
    """Some sentences of a corpus, ready for the model."""

    windows: list[Window]
    """In the order of the text."""
    rows: int
    """Rows that the windows fill."""
    missing: list[int]
    """Units (words, or sentences) that the tokenizer turned into nothing: they have no row.
    Counted from the first unit of the chunk."""


@dataclass(frozen=True)
class _Tokens:
    """The tokens of one sentence without its special ones, each once."""

    spans: NDArray[np.int64]
    """Characters that the token covers. Shape (tokens, 2)."""
    windows: NDArray[np.int64]
    """Window in which the token is read. Shape (tokens,)."""
    positions: NDArray[np.int64]
    """Position in that window. Shape (tokens,)."""


@dataclass(frozen=True)
class _Readings:
    """Which tokens the units of one sentence are read from."""

    units: NDArray[np.int64]
    """Number of the unit in its sentence, ascending; several times if pooled from several tokens.
    Shape (readings,)."""
    windows: NDArray[np.int64]
    """Window of each token. Shape (readings,)."""
    positions: NDArray[np.int64]
    """Position in that window. Shape (readings,)."""


class SentenceEncoder:
    """Turns sentences into windows of tokens and tells which token each row is read from.

    The words of a sentence are joined by single spaces and tokenised as running text; a word's
    tokens are those whose characters overlap the word's. A sentence longer than the window is read
    in windows that overlap by half, each token once, from the window where it has most context on
    its shorter side.

    Args:
        tokenizer: A fast tokenizer of transformers.
        window: Most tokens that go through the model at once, special ones included; None: no
            limit.
        pooling: ``"first"``, ``"last"`` or ``"mean"`` of a unit's tokens; for sentences also
            ``"special"``: the first special token.
        unit: ``"word"``: one row per word; ``"sentence"``: one row per sentence.

    Raises:
        ValueError: The tokenizer is not a fast one, or the pooling is unknown for the unit.
    """

    def __init__(self, tokenizer: Any, window: int | None, pooling: str, unit: str) -> None:
        if not getattr(tokenizer, "is_fast", False):
            raise ValueError(
                f"{type(tokenizer).__name__} is not a fast tokenizer: it can't say which "
                f"characters a token covers; load one with AutoTokenizer(..., use_fast=True)"
            )
        poolings = {"word": POOLINGS, "sentence": SENTENCE_POOLINGS}
        if unit not in poolings:
            raise ValueError(f"unit must be 'word' or 'sentence'; found {unit!r}")
        if pooling not in poolings[unit]:
            raise ValueError(
                f"pooling of a {unit} must be one of {poolings[unit]}; found {pooling!r}"
            )
        self.tokenizer = tokenizer
        self.pooling = pooling
        self.unit = unit
        self.window = window
        self._content = None if window is None else window - tokenizer.num_special_tokens_to_add()
        if self._content is not None and self._content < 2:
            raise ValueError(f"a window of {window} tokens leaves no room for words")

    def encode(self, sentences: Sequence[Sequence[str]]) -> EncodedChunk:
        """Windows and rows of these sentences.

        Args:
            sentences: Words of each sentence.
        """
        texts = [" ".join(words) for words in sentences]
        windows_of = self._tokenised(texts)
        windows: list[Window] = []
        missing: list[int] = []
        unit = row = 0
        for words, text, raw in zip(sentences, texts, windows_of, strict=True):
            spans = word_spans(words) if self.unit == "word" else [(0, len(text))]
            readings = self._readings(raw, spans)
            filled, rows, counts = np.unique(
                readings.units, return_inverse=True, return_counts=True
            )
            missing += [unit + n for n in np.setdiff1d(np.arange(len(spans)), filled).tolist()]
            shares = (1 / counts[rows]).astype(np.float32)
            windows += _with_readings(raw, readings, row + rows, shares)
            unit += len(spans)
            row += len(filled)
        return EncodedChunk(windows, row, missing)

    def _tokenised(self, texts: list[str]) -> list[list[Any]]:
        """For every text its windows, as the tokenizer's own ``Encoding`` objects."""
        if not texts:
            return []
        cut = {}
        if self._content is not None:
            cut = {
                "truncation": True,
                "max_length": self.window,
                "stride": self._content // 2,
                "return_overflowing_tokens": True,
            }
        side, self.tokenizer.truncation_side = self.tokenizer.truncation_side, "right"
        try:
            encoded = self.tokenizer(texts, add_special_tokens=True, verbose=False, **cut)
        finally:
            self.tokenizer.truncation_side = side
        windows: list[list[Any]] = [[] for _ in texts]
        sample_of = encoded.get("overflow_to_sample_mapping", range(len(texts)))
        for encoding, sample in zip(encoded.encodings, sample_of, strict=True):
            windows[sample].append(encoding)
        return windows

    def _readings(self, raw: list[Any], spans: list[Span]) -> _Readings:
        """The tokens that each unit is pooled from."""
        if self.pooling == "special":
            return _first_special(raw)
        tokens = self._tokens(raw)
        numbers, units = tokens_of_spans(tokens.spans, spans)
        if self.pooling != "mean":
            read = run_edges(units, self.pooling)
            numbers, units = numbers[read], units[read]
        return _Readings(units, tokens.windows[numbers], tokens.positions[numbers])

    def _tokens(self, raw: list[Any]) -> _Tokens:
        parts = [_content_of(encoding) for encoding in raw]
        step = 0 if self._content is None else self._content - self._content // 2
        bounds = reading_bounds([len(positions) for positions, _ in parts], step)
        spans, windows, positions = [], [], []
        for number, ((at, covered), (start, stop)) in enumerate(zip(parts, bounds, strict=True)):
            spans.append(covered[start:stop])
            positions.append(at[start:stop])
            windows.append(np.full(stop - start, number))
        return _Tokens(np.concatenate(spans), np.concatenate(windows), np.concatenate(positions))


def model_window(tokenizer: Any, model: nn.Module) -> int | None:
    """The most tokens that the model takes at once, special ones included; None: no limit known.

    The smaller of what the tokenizer says and how many positions the model has.
    """
    positions = getattr(getattr(model, "config", None), "max_position_embeddings", None)
    limits = [
        getattr(tokenizer, "model_max_length", None),
        positions and positions - _positions_before_text(model),
    ]
    known = [int(limit) for limit in limits if limit is not None and 0 < limit < LONGEST_WINDOW]
    return min(known, default=None)


def _positions_before_text(model: nn.Module) -> int:
    """Models of the RoBERTa family number positions from behind their padding index."""
    behind = [
        table.padding_idx + 1
        for name, table in model.named_modules()
        if name.endswith("position_embeddings")
        and isinstance(table, nn.Embedding)
        and table.padding_idx is not None
    ]
    return max(behind, default=0)


def word_spans(words: Sequence[str]) -> list[Span]:
    """Characters of each word in the words joined by single spaces."""
    spans = []
    start = 0
    for word in words:
        spans.append((start, start + len(word)))
        start += len(word) + 1
    return spans


def tokens_of_spans(
    tokens: NDArray[np.int64], spans: Sequence[Span]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The tokens that share a character with each span.

    Args:
        tokens: Characters each token covers, in order of their starts. Shape (tokens, 2).
        spans: Disjoint, in order.

    Returns:
        Numbers of tokens, and of the spans that they touch, by span. Both of shape (touches,).
    """
    starts, ends = np.array(spans, dtype=np.int64).reshape(-1, 2).T
    first = np.searchsorted(ends, tokens[:, 0], side="right")
    stop = np.searchsorted(starts, tokens[:, 1], side="left")
    touched = np.maximum(stop - first, 0)  # a token of nothing but space touches no word
    touched[tokens[:, 0] == tokens[:, 1]] = 0
    token_numbers = np.repeat(np.arange(len(tokens)), touched)
    offsets = np.arange(touched.sum()) - np.repeat(np.cumsum(touched) - touched, touched)
    span_numbers = np.repeat(first, touched) + offsets
    order = np.argsort(span_numbers, kind="stable")
    return token_numbers[order], span_numbers[order]


def run_edges(numbers: NDArray[np.int64], side: str) -> NDArray[np.bool_]:
    """Which entries are the first, or the last, of a run of equal numbers. The same shape.

    Args:
        numbers: Shape (entries,).
        side: ``"first"`` or ``"last"``.
    """
    is_edge = np.ones(len(numbers), dtype=bool)
    changes = numbers[1:] != numbers[:-1]
    if side == "first":
        is_edge[1:] = changes
    else:
        is_edge[:-1] = changes
    return is_edge


def reading_bounds(lengths: Sequence[int], step: int) -> list[Span]:
    """Which tokens of each overlapping window are read there, so that each is read once.

    The boundary between two windows is the middle of their overlap.

    Args:
        lengths: Tokens of each window, special ones left out.
        step: Tokens from the start of one window to the start of the next.

    Returns:
        For each window the (start, stop) of its tokens that are read in it.
    """
    bounds = []
    start = 0
    for number, length in enumerate(lengths):
        is_last = number == len(lengths) - 1
        stop = length if is_last else step + (length - step + 1) // 2
        bounds.append((start, stop))
        start = stop - step
    return bounds


def _content_of(encoding: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions and character spans of the tokens that are not special."""
    special = np.array(encoding.special_tokens_mask, dtype=bool)
    positions = np.flatnonzero(~special)
    return positions, np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2)[positions]


def _first_special(raw: list[Any]) -> _Readings:
    special = np.flatnonzero(np.array(raw[0].special_tokens_mask)) if raw else np.array([], int)
    if not len(special):
        raise ValueError("pooling 'special' needs a tokenizer that adds special tokens; none found")
    first = np.zeros(1, dtype=np.int64)
    return _Readings(first, first, special[:1])


def _with_readings(
    raw: list[Any],
    readings: _Readings,
    rows: NDArray[np.int64],
    shares: NDArray[np.float32],
) -> list[Window]:
    """The windows of one sentence with what is read from each of them."""
    if len(raw) == 1 and len(rows):
        return [Window(raw[0].ids, rows, readings.positions, shares)]
    return [
        Window(encoding.ids, rows[mine], readings.positions[mine], shares[mine])
        for number, encoding in enumerate(raw)
        if (mine := readings.windows == number).any()
    ]
