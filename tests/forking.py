"""Processes that start in no time: forks of one that has imported everything."""

import json
import os
import signal
import socket
import traceback

import torch

PATIENCE = 120
"""Seconds after which a process that hangs is killed."""


def forked(work):
    """Run a function in a process of its own.

    Returns:
        Its number, for :func:`ended`.
    """
    torch.set_num_threads(1)  # threads don't survive a fork
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        signal.alarm(PATIENCE)
        status = int(work() or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def ended(process):
    """Wait for a process: its exit status, or the number of its signal below zero."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def rank_processes(count, work):
    """Run ``work(rank)`` in so many processes, as torchrun would start them; their exit statuses.

    With a count of 1 it runs in a process without a group.
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
        from captum_lca.distributed import process_group

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
