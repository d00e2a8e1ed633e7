"""What the ranks tell each other, seen by one process and by two."""

import subprocess
import sys

import torch

from captum_lca.distributed import gathered, rank, ranks, summed

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
