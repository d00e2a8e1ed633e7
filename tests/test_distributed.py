"""What the ranks tell each other, seen by one process and by two."""

import subprocess
import sys

import pytest
import torch
from forking import rank_processes

from captum_lca.distributed import gathered, of_first, rank, ranks, summed

TWO_RANKS = """
import torch
from captum_lca.distributed import gathered, process_group, rank, ranks, summed

with process_group():
    assert ranks() == 2
    assert summed(torch.tensor([1.0 + rank()])).item() == 3.0
    assert gathered({"rank": rank(), "text": "ü" * rank()}) == [
        {"rank": 0, "text": ""}, {"rank": 1, "text": "ü"},
    ]
assert ranks() == 1
"""


def test_one_process_is_the_case_of_one_rank():
    assert (rank(), ranks()) == (0, 1)
    assert summed(torch.tensor([2.0])).item() == 2.0
    assert gathered({"a": [1]}) == [{"a": [1]}]


def test_two_ranks_sum_and_gather(tmp_path):
    script = tmp_path / "two_ranks.py"
    script.write_text(TWO_RANKS, encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


def test_what_the_first_rank_does_alone_all_ranks_know():
    assert of_first(lambda: [1, "ü"]) == [1, "ü"]

    def work(number):
        assert of_first(lambda: f"of rank {rank()}") == "of rank 0"
        with pytest.raises(ValueError, match="rank 0: no" if number else "^no"):
            of_first(refuse)

    def refuse():
        raise ValueError("no")

    assert rank_processes(2, work) == [0, 0]


def test_a_rank_that_ended_is_noticed():
    def work(number):
        if number == 0:
            with pytest.raises(ConnectionError, match="rank 0: another rank ended"):
                summed(torch.ones(1))

    assert rank_processes(2, work) == [0, 0]
