"""``analyze`` killed: at every write, and at any moment; and what its next run makes of that."""

import os
import random
import shutil
import signal
import time

import pytest
from forking import contents, die_at_write, ended, forked

from captum_lca import generate_corpus
from captum_lca.cli import main

SEARCH = ("--search", "ablation", "--l1-grid", "0.1,0.01", "--l2-grid", "1e-3")
FILES = ("results.json", "ranking.csv", "probe.safetensors", "ranking.safetensors", "penalties.csv")


@pytest.fixture(scope="module")
def command(folder):
    """Of one property on a few sentences."""
    for name, seed, sentences in (("some", 0, 40), ("few", 1, 20)):
        generate_corpus(sentences, seed=seed).save(folder / f"{name}.json")
    texts = ["--train", str(folder / "some.json"), "--test", str(folder / "few.json")]
    model = ["--model", str(folder / "model"), "--layers", "embeddings", "--draws", "1"]
    return ["analyze", "--out", "out", "--property", "number", *texts, *model]


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr("captum_lca.activations.chunks.CHUNK_ROWS", (1, 150))


def run(place, *arguments):
    """Run a command in a process of its own, in a folder; its number."""

    def work():
        place.mkdir(exist_ok=True)
        os.chdir(place)
        return main(list(map(str, arguments)))

    return forked(work)


def dying(place, command, number, named):
    def work():
        place.mkdir()
        os.chdir(place)
        die_at_write(number, named)
        return main(command)

    return ended(forked(work))


@pytest.mark.usefixtures("without_plots")
@pytest.mark.parametrize(
    "named",
    [
        pytest.param(False, id="half-written"),
        pytest.param(True, id="named", marks=pytest.mark.slow),  # as half-way through the next one
    ],
)
def test_killed_at_every_write(command, tmp_path, named):
    command = [*command, *SEARCH]
    assert ended(run(tmp_path / "whole", *command)) == 0
    expected = contents(tmp_path / "whole")
    assert {f"out/{name}" for name in FILES} <= set(expected)
    number, status = 0, -signal.SIGKILL
    while status == -signal.SIGKILL:
        place = tmp_path / str(number)
        status = dying(place, command, number, named)
        half = [name for name in contents(place) if name.endswith(".part")]
        assert len(half) == (status != 0 and not named)
        assert ended(run(place, *command)) == 0
        assert contents(place) == expected
        shutil.rmtree(place)
        number += 1
    assert status == 0
    assert number > 20  # shards of two stores, fits, results


@pytest.mark.parametrize("kills", [6, pytest.param(60, marks=pytest.mark.slow)])
def test_killed_at_random_moments(command, tmp_path, kills):
    """Until it ends by itself; with its pictures, and further answers."""
    command = [*command, "--answer", "minimal-set", "--answer", "stability", "--ranking", "anova_f"]
    began = time.monotonic()
    assert ended(run(tmp_path / "whole", *command)) == 0
    seconds = time.monotonic() - began
    moments = random.Random(kills)
    killed = 0
    for number in range(kills):
        process = run(tmp_path / "cut", *command)
        time.sleep(moments.uniform(0, seconds / (1 if number % 3 else 4)))
        os.kill(process, signal.SIGKILL)
        killed += ended(process) == -signal.SIGKILL
        if killed and contents(tmp_path / "cut") == contents(tmp_path / "whole"):
            shutil.rmtree(tmp_path / "cut")
    assert killed > kills / 3
    assert ended(run(tmp_path / "cut", *command)) == 0
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")
