"""Batches of texts for a model: of similar length, padded behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

import torch
from torch import Tensor


class Tokens(Protocol):
    """A text that goes through the model in one piece."""

    @property
    def token_ids(self) -> Sequence[int]:
        """With the model's special tokens."""


T = TypeVar("T", bound=Tokens)


def batches(texts: Sequence[T], tokens: int, pad: bool = True) -> Iterator[list[T]]:
    """The texts, longest first, in batches of at most so many tokens, padding included.

    Args:
        texts: To be shared out.
        tokens: A batch of one text may be larger.
        pad: Whether texts of several lengths may share a batch.
    """
    longest_first = sorted(texts, key=lambda text: -len(text.token_ids))
    start = 0
    while start < len(longest_first):
        longest = len(longest_first[start].token_ids)
        batch = longest_first[start : start + max(1, tokens // longest)]
        if not pad:
            batch = [text for text in batch if len(text.token_ids) == longest]
        yield batch
        start += len(batch)


def padded(batch: Sequence[Tokens], pad_id: int) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask of a batch. Shapes (texts, tokens of the longest), int64.

    Args:
        batch: Texts of any lengths.
        pad_id: Fills them up, behind.
    """
    lengths = torch.tensor([len(text.token_ids) for text in batch])
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    ids = torch.full(mask.shape, pad_id)
    ids[mask] = torch.tensor([i for text in batch for i in text.token_ids])
    return ids, mask.long()
