"""What goes wrong around a command: one line, an exit status, and nothing complete is lost."""

import json
import os
import resource
import signal
import sys
from pathlib import Path

import pytest
from forking import contents, die_at_write, ended, forked

from captum_lca import generate_corpus
from captum_lca.activations import extraction
from captum_lca.cli import main
from captum_lca.files import locked

NOBODY = 65534
"""A user who may write nowhere."""


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr("captum_lca.activations.chunks.CHUNK_ROWS", (1, 100))


@pytest.fixture
def command(folder, tmp_path, monkeypatch):
    """An extraction into ``out``, beside one in ``whole`` that went well."""
    monkeypatch.chdir(tmp_path)
    generate_corpus(40, seed=0).save(tmp_path / "corpus.json")
    command = ["extract", "--corpus", str(tmp_path / "corpus.json")]
    command += ["--model", str(folder / "model"), "--layers", "embeddings", "--out"]
    assert main([*command, "whole"]) == 0
    return [*command, "out"]


def run(command, before=lambda: None):
    """Run a command in a process of its own: its exit status, and what it says as errors."""

    def work():
        with Path("said.txt").open("w", encoding="utf-8") as sys.stderr:
            before()
            return main(command)

    status = ended(forked(work))
    return status, Path("said.txt").read_text(encoding="utf-8")


def check_refused(outcome, message):
    status, said = outcome
    assert status == 2
    assert said.count("\n") == 1
    assert said.startswith("captum-lca: error: ")
    assert message in said


def check_it_goes_on(command):
    """Nothing is half-written; what is there is what belongs there; the next run does the rest."""
    whole, left = contents(Path("whole")), contents(Path("out"))
    for name, content in left.items():
        assert content == whole[name] or name == "index.json"
    assert main(command) == 0
    assert contents(Path("out")) == whole


def test_a_full_disk(command):
    largest = max(map(len, contents(Path("whole")).values()))

    def fill():
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest - 1, largest - 1))

    outcome = run(command, fill)
    check_refused(outcome, "File too large")
    assert len(list(Path("out").glob("shard-*"))) < len(list(Path("whole").glob("shard-*")))
    check_it_goes_on(command)


def test_a_read_only_folder(command, monkeypatch):
    Path("out").mkdir(mode=0o555)
    look = extraction.finished_store

    def drop_privileges(*arguments):
        if os.getuid() == 0:
            os.setuid(NOBODY)
        return look(*arguments)

    def before():
        monkeypatch.setattr(extraction, "finished_store", drop_privileges)

    Path().chmod(0o755)
    check_refused(run(command, before), "Permission denied: ")
    Path("out").chmod(0o755)
    check_it_goes_on(command)


def test_a_complete_store_in_a_read_only_folder_is_opened(command, monkeypatch, capsys):
    monkeypatch.setattr("captum_lca.activations.store_writing.locked", lambda _: 1 / 0)
    assert main([*command[:-1], "whole"]) == 0


def test_another_run_in_the_same_folder(command):
    with locked(Path("out")):
        check_refused(run(command), "out: another run is writing here; wait for its end")
    check_it_goes_on(command)


@pytest.mark.parametrize("change", [lambda old: old[:-1], lambda old: old[:-1] + b"!"])
def test_a_truncated_or_altered_shard(command, change):
    assert main(command) == 0
    shard = Path("out/shard-00001.safetensors")
    shard.write_bytes(change(shard.read_bytes()))
    check_refused(run(command), f"{shard}: ")
    compare = ["compare", "out", "whole", "--property", "upos", "--out", "results"]
    check_refused(run(compare), f"{shard}: ")
    shard.unlink()
    check_it_goes_on(command)


def test_an_index_of_a_newer_format(command):
    assert main(command) == 0
    index = Path("out/index.json")
    newer = json.loads(index.read_text()) | {"format": "captum_lca.activations/2"}
    index.write_text(json.dumps(newer))
    check_refused(run(command), "found format 'captum_lca.activations/2', expected")
    assert json.loads(index.read_text()) == newer


@pytest.mark.parametrize("write", [0, 2, 5])
def test_ctrl_c(command, write):
    outcome = run(command, lambda: die_at_write(write, by=signal.SIGINT))
    assert outcome == (130, "captum-lca: stopped; what is complete stays\n")
    check_it_goes_on(command)


@pytest.mark.usefixtures("without_plots")
def test_ctrl_c_in_analyze(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    texts = ["--train", str(folder / "train.json"), "--test", str(folder / "test.json")]
    command = ["analyze", *texts, "--property", "number", "--model", str(folder / "model")]
    command += ["--layers", "embeddings", "--draws", "1", "--out", "out"]
    assert run(command)[0] == 0
    Path("out").rename("whole")
    status, said = run(command, lambda: die_at_write(20, by=signal.SIGINT))
    assert (status, said) == (130, "captum-lca: stopped; what is complete stays\n")
    assert not list(Path("out").rglob("*.part"))
    assert run(command)[0] == 0
    assert contents(Path("out")) == contents(Path("whole"))
    status, said = run([*command, "--l1", "0.5"])
    check_refused((status, said[said.index("captum-lca") :]), "(l1: 0.001 there, 0.5 here)")
