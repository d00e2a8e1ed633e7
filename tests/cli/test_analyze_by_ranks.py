"""``analyze`` by two ranks: one writes, one prints; and it is resumed."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest
from forking import contents, die_at_write, rank_processes

from captum_lca.cli import analyze, main


@pytest.fixture
def command(folder, tmp_path, monkeypatch, without_plots):
    monkeypatch.chdir(tmp_path)
    texts = ["--train", str(folder / "train.json"), "--test", str(folder / "test.json")]
    command = ["analyze", *texts, "--model", str(folder / "model"), "--layers", "embeddings"]
    return [*command, "--property", "number", "--draws", "1", "--answer", "minimal-set", "--out"]


def run(ranks, command, before=lambda rank: None):
    """Exit statuses of the ranks; what each printed is in ``printed RANK``."""

    def work(rank):
        with Path(f"printed {rank}").open("w", encoding="utf-8") as sys.stdout:
            before(rank)
            return main(command)

    return rank_processes(ranks, work)


def test_one_folder_one_printout(command):
    assert run(1, [*command, "alone"]) == [0]
    alone = Path("printed 0").read_text(encoding="utf-8").splitlines()
    assert run(2, [*command, "together"]) == [0, 0]
    assert Path("printed 1").read_text(encoding="utf-8") == ""
    together = Path("printed 0").read_text(encoding="utf-8").splitlines()
    assert len(together) == len(alone)
    assert set(contents(Path("alone"))) == set(contents(Path("together")))
    accuracies = [
        json.loads(Path(place, "results.json").read_text(encoding="utf-8"))["test"]["accuracy"]
        for place in ("alone", "together")
    ]
    assert accuracies[0] == pytest.approx(accuracies[1], abs=0.01)
    assert run(2, [*command, "together"]) == [0, 0]
    assert "number: complete already" in Path("printed 0").read_text(encoding="utf-8")


@pytest.mark.parametrize("dies", [0, 1])
def test_resumed_after_one_of_them_died(command, monkeypatch, dies):
    def die(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    def before(rank):
        if rank == dies == 0:
            die_at_write(20)  # among the fits
        elif rank == dies == 1:
            monkeypatch.setattr(analyze, "answers_of", die)

    assert run(2, [*command, "out"]) == [0, 0]
    Path("out").rename("whole")
    statuses = run(2, [*command, "out"], before)
    assert statuses[dies] == -signal.SIGKILL
    assert statuses[1 - dies] == 2
    assert run(2, [*command, "out"]) == [0, 0]
    assert contents(Path("out")) == contents(Path("whole"))
