"""Processes that start in no time, because they fork; and that die where a test wants them to."""

import itertools
import json
import os
import signal
import socket
import traceback
from pathlib import Path

import torch

from captum_lca.distributed import process_group

PATIENCE = 120
"""Seconds after which a process that hangs is killed."""


def forked(work):
    """Run a function in a process of its own.

    Returns:
        Its number, for :func:`ended`.
    """
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        signal.alarm(PATIENCE)
        torch.set_num_threads(1)  # threads don't survive a fork
        status = int(work() or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def ended(process):
    """Wait for a process: its exit status, or the number of its signal below zero."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def rank_processes(count, work):
    """Run ``work(rank)`` in so many processes, as torchrun would start them: their exit statuses.

    A single one has no process group.
    """
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])

    def as_rank(rank):
        if count > 1:
            os.environ |= {
                "MASTER_ADDR": "localhost", "MASTER_PORT": port,
                "WORLD_SIZE": str(count), "RANK": str(rank), "LOCAL_RANK": str(rank),
            }  # fmt: skip
        with process_group():
            return work(rank)

    processes = [forked(lambda rank=rank: as_rank(rank)) for rank in range(count)]
    return [ended(process) for process in processes]


def results_by_ranks(work, folder):
    """What ``work()`` gives by one, two and three ranks.

    Args:
        work: Gives anything that JSON can carry.
        folder: For files.

    Returns:
        For each number of ranks, what each of them has, in their order.
    """
    found = {}
    for count in (1, 2, 3):
        files = [folder / f"{count} {rank}.json" for rank in range(count)]

        def written(rank, files=files):
            files[rank].write_text(json.dumps(work()), encoding="utf-8")

        assert rank_processes(count, written) == [0] * count
        found[count] = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    return found


def die_at_write(number, named=False, by=signal.SIGKILL):
    """Have this process get a signal at its write of this number, counted from 0.

    Args:
        number: Of the write, through the package's file layer.
        named: Whether it gets it after the file has its final name; else while the file is written
            under another one, half-way through.
        by: The signal.
    """
    rename, writes = Path.replace, itertools.count()

    def replace(aside, path):
        is_last = next(writes) == number
        if is_last and not named:
            os.truncate(aside, aside.stat().st_size // 2)
            os.kill(os.getpid(), by)
        rename(aside, path)
        if is_last:
            os.kill(os.getpid(), by)

    Path.replace = replace


def contents(folder):
    """Every file in a folder and in those inside it, by name."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
