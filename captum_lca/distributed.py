"""torch.distributed, in one place: which rank this process is, and what the ranks tell each other.

Ranks work together only within :func:`process_group`: they then run the same program on the same
input, and each has a part of it. Everywhere else, also in a program that uses torch.distributed for
something of its own, everything here is the case of one rank, at no cost. Objects travel as JSON:
torch's own collectives of objects pickle them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")

PATIENCE = timedelta(days=7)
"""How long a rank waits for the others. One that died is noticed at once, by its connection."""


_together = False


@contextmanager
def process_group() -> Iterator[None]:
    """Within the context, the processes that ``torchrun`` (or Slurm) started work together.

    gloo carries what is on CPUs, NCCL what is on GPUs. A group that exists already is used, and
    left as it is. Does nothing in a process that was started alone.
    """
    global _together  # noqa: PLW0603  (like torch's own default group)
    exists = dist.is_initialized()
    if _together or not (exists or int(os.environ.get("WORLD_SIZE", "1")) > 1):
        yield
        return
    if not exists:
        _start()
    _together = True
    try:
        yield
    finally:
        _together = False
        if not exists:
            dist.destroy_process_group()


def _start() -> None:
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        dist.init_process_group("cpu:gloo,cuda:nccl", timeout=PATIENCE)
    else:
        dist.init_process_group("gloo", timeout=PATIENCE)


def ranks() -> int:
    """How many processes work together."""
    return dist.get_world_size() if _together else 1


def rank() -> int:
    """The number of this one, from 0."""
    return dist.get_rank() if _together else 0


@contextmanager
def alone() -> Iterator[None]:
    """Within the context this process works by itself: nothing there waits for another rank."""
    global _together  # noqa: PLW0603
    before, _together = _together, False
    try:
        yield
    finally:
        _together = before


def own_part(count: int) -> range:
    """Which of some things in a row are this rank's: about as many for each, in their order."""
    return parts(count)[rank()]


def parts(count: int) -> list[range]:
    """The same for each rank."""
    ends = [number * count // ranks() for number in range(ranks() + 1)]
    return [range(*ends_of_one) for ends_of_one in pairwise(ends)]


def summed(tensor: Tensor) -> Tensor:
    """The sum over all ranks, on every rank. What is given may be overwritten."""
    if ranks() > 1:
        tensor = tensor.contiguous()
        with _noticing_the_dead():
            dist.all_reduce(tensor)
    return tensor


def largest(tensor: Tensor) -> Tensor:
    """The largest of the ranks' values, place by place, on every rank. May overwrite its input."""
    if ranks() > 1:
        tensor = tensor.contiguous()
        with _noticing_the_dead():
            dist.all_reduce(tensor, dist.ReduceOp.MAX)
    return tensor


def of_rank_0(tensor: Tensor) -> Tensor:
    """Rank 0's tensor, on every rank. What is given may be overwritten."""
    if ranks() > 1:
        tensor = tensor.contiguous()
        with _noticing_the_dead():
            dist.broadcast(tensor, src=0)
    return tensor


def joined(tensor: Tensor) -> Tensor:
    """The ranks' tensors one under the other, in the order of the ranks, on every rank.

    Args:
        tensor: Shape (some, …); the ranks' may differ in ``some`` alone.
    """
    return torch.cat(_of_all(tensor)) if ranks() > 1 else tensor


def exchanged(for_each: Sequence[Tensor]) -> list[Tensor]:
    """What every rank has for this one.

    Args:
        for_each: One per rank, for it. They may have any shape.

    Returns:
        One per rank, from it; flattened.
    """
    if ranks() == 1:
        return [part.flatten() for part in for_each]
    sizes = gathered([part.numel() for part in for_each])
    mine = [of_rank[rank()] for of_rank in sizes]
    flat = torch.cat([part.flatten() for part in for_each])
    received = flat.new_empty(sum(mine))
    with _noticing_the_dead():
        dist.all_to_all_single(received, flat, mine, sizes[rank()])
    return list(received.split(mine))


def gathered(value: Any) -> list[Any]:
    """What each rank holds, in the order of the ranks, on every rank.

    Args:
        value: Anything that JSON can carry.

    Raises:
        ConnectionError: Another rank ended.
    """
    if ranks() == 1:
        return [value]
    mine = torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8)
    return [json.loads(bytes(part.tolist())) for part in _of_all(mine)]


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
def same_errors() -> Iterator[None]:
    """An error of one rank within the context, in the input or in a file, is raised on all of them.

    The ranks tell each other at the end: none goes on and waits for one that has stopped. What is
    within must not make them wait for each other.

    Raises:
        ValueError, OSError: This rank's own; else that of the first rank that has one.
    """
    own: ValueError | OSError | None = None
    try:
        yield
    except (ValueError, OSError) as error:
        own = error
    found = gathered(None if own is None else [isinstance(own, OSError), str(own)])
    if own is not None:
        raise own
    for is_file, message in filter(None, found):
        raise (OSError if is_file else ValueError)(message)


@contextmanager
def _noticing_the_dead() -> Iterator[None]:
    """Say so if the ranks can't talk any longer because one of them ended."""
    try:
        yield
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise ConnectionError(f"rank {rank()}: another rank ended ({reason})") from error


def _of_all(tensor: Tensor) -> list[Tensor]:
    """Each rank's tensor; they may differ in length."""
    own = torch.zeros(ranks(), dtype=torch.long)
    own[rank()] = len(tensor)
    lengths = summed(own).tolist()
    padded = tensor.new_zeros(max(lengths), *tensor.shape[1:])
    padded[: len(tensor)] = tensor
    parts = [torch.empty_like(padded) for _ in lengths]
    with _noticing_the_dead():
        dist.all_gather(parts, padded)
    return [part[:length] for part, length in zip(parts, lengths, strict=True)]
