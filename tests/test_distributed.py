"""What the ranks tell each other, seen by one process, by two and by three."""

import subprocess
import sys

import pytest
import torch
from forking import ended, forked, rank_processes

from captum_lca import fit_elastic_net
from captum_lca.distributed import (
    exchanged,
    gathered,
    joined,
    of_first,
    of_rank_0,
    own_part,
    process_group,
    rank,
    ranks,
    same_errors,
    summed,
)

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
    assert of_rank_0(torch.tensor([2.0])).item() == 2.0
    assert joined(torch.tensor([[2.0]])).tolist() == [[2.0]]
    assert [part.tolist() for part in exchanged([torch.tensor([[2.0]])])] == [[2.0]]
    assert own_part(5) == range(5)


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


def test_tensors_of_all_ranks():
    def work(number):
        column = torch.arange(6.0).view(3, 2)[:, number]  # not contiguous
        assert of_rank_0(column.clone()).tolist() == [0.0, 2.0, 4.0]
        assert summed(column).tolist() == [1.0, 5.0, 9.0]
        assert joined(torch.full((number, 2), 1.0)).tolist() == [[1.0, 1.0]]
        for_each = [torch.full((to, number), 10.0) for to in (0, 1)]
        assert [part.tolist() for part in exchanged(for_each)] == [[], [10.0] * number]

    assert rank_processes(2, work) == [0, 0]


def test_parts_are_even_and_in_order():
    def work(number):
        assert gathered(list(own_part(7))) == [[0, 1], [2, 3], [4, 5, 6]]
        assert gathered(list(own_part(2))) == [[], [0], [1]]

    assert rank_processes(3, work) == [0, 0, 0]


def test_bad_input_of_one_rank_is_an_error_on_all():
    @same_errors()
    def write(number):
        if number == 1:
            raise OSError("disk full")

    def work(number):
        with pytest.raises(OSError, match="disk full"):
            write(number)
        activations = torch.randn(99, 4, generator=torch.Generator().manual_seed(0))
        activations[90, 2] = torch.nan  # a row of the last rank
        with pytest.raises(ValueError, match="found nan at neuron 2 of layer 'layer', row 90"):
            fit_elastic_net(activations, ["a", "b", "b"] * 33)

    assert rank_processes(3, work) == [0, 0, 0]


def test_a_group_for_something_else_is_not_used(tmp_path):
    def work(number):
        where = f"file://{tmp_path / 'group'}"
        torch.distributed.init_process_group("gloo", where, rank=number, world_size=2)
        assert (rank(), ranks()) == (0, 1)
        with process_group():
            assert (rank(), ranks()) == (number, 2)
        assert torch.distributed.is_initialized()

    processes = [forked(lambda number=number: work(number)) for number in (0, 1)]
    assert [ended(process) for process in processes] == [0, 0]
