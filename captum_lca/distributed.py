"""torch.distributed, in one place: which rank this process is, and what the ranks tell each other.

Without a process group everything here is the case of one rank, at no cost. Objects travel as JSON:
torch's own collectives of objects pickle them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")

PATIENCE = timedelta(days=7)
"""How long a rank waits for the others. One that died is noticed at once, by its connection."""


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
        dist.init_process_group("cpu:gloo,cuda:nccl", timeout=PATIENCE)
    else:
        dist.init_process_group("gloo", timeout=PATIENCE)
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
        with _noticing_the_dead():
            dist.all_reduce(tensor)
    return tensor


def gathered(value: Any) -> list[Any]:
    """What each rank holds, in the order of the ranks, on every rank.

    Args:
        value: Anything that JSON can carry.

    Raises:
        ConnectionError: Another rank ended.
    """
    if ranks() == 1:
        return [value]
    with _noticing_the_dead():
        return _gathered(value)


def of_first(work: Callable[[], T]) -> T:
    """What some work gives that rank 0 does alone, on every rank.

    Args:
        work: Gives anything that JSON can carry.

    Raises:
        ValueError: On the other ranks: the work failed, and rank 0 raises what it failed with.
    """
    if ranks() == 1:
        return work()
    outcome: dict[str, Any] = {}
    try:
        if rank() == 0:
            outcome = {"value": work()}
    except Exception as error:
        gathered({"error": str(error)})
        raise
    outcome = gathered(outcome)[0]
    if "error" in outcome:
        raise ValueError(f"rank 0: {outcome['error']}")
    value: T = outcome["value"]
    return value


@contextmanager
def _noticing_the_dead() -> Iterator[None]:
    """Say so if the ranks can't talk any longer because one of them ended."""
    try:
        yield
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise ConnectionError(f"rank {rank()}: another rank ended ({reason})") from error


def _gathered(value: Any) -> list[Any]:
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
