"""torch.distributed, in one place: which rank this process is, and what the ranks tell each other.

Without a process group everything here is the case of one rank, at no cost. Objects travel as JSON:
torch's own collectives of objects pickle them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


@contextmanager
def process_group() -> Iterator[None]:
    """Within the context, the processes that ``torchrun`` (or Slurm) started know each other.

    gloo carries what is on CPUs, NCCL what is on GPUs. Does nothing in a process that was started
    alone, or where a group exists already.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        dist.init_process_group("cpu:gloo,cuda:nccl")
    else:
        dist.init_process_group("gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def ranks() -> int:
    """How many processes work together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """The number of this one, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def summed(tensor: Tensor) -> Tensor:
    """The sum over all ranks, on every rank. The tensor itself is changed."""
    if ranks() > 1:
        dist.all_reduce(tensor)
    return tensor


def gathered(value: Any) -> list[Any]:
    """What each rank holds, in the order of the ranks, on every rank.

    Args:
        value: Anything that JSON can carry.
    """
    if ranks() == 1:
        return [value]
    mine = torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8)
    lengths = [torch.zeros(1, dtype=torch.long) for _ in range(ranks())]
    dist.all_gather(lengths, torch.tensor([len(mine)]))
    padded = torch.zeros(int(max(lengths)), dtype=torch.uint8)
    padded[: len(mine)] = mine
    parts = [torch.empty_like(padded) for _ in range(ranks())]
    dist.all_gather(parts, padded)
    return [
        json.loads(bytes(part[: int(length)].tolist()))
        for part, length in zip(parts, lengths, strict=True)
    ]
