from dataclasses import dataclass

import numpy as np
import pytest
import torch

from captum_lca.kept import kept, kept_in
from captum_lca.tensor_files import read_tensors, write_tensors


@dataclass(frozen=True)
class Settings:
    strength: float


class Step:
    """Adds up; counts how often it is taken."""

    def __init__(self):
        self.taken = 0

    def __call__(self, **origin):
        return kept(origin, lambda: self.make(origin), self.save, self.load)

    def make(self, origin):
        self.taken += 1
        return torch.tensor([float(len(str(origin)))])

    @staticmethod
    def save(result, path):
        write_tensors(path, {"result": result}, {"format": "sum/1"})

    @staticmethod
    def load(path):
        return read_tensors(path, "sum", "sum/1", ["result"])[1]["result"]


@pytest.fixture
def step():
    return Step()


def test_nothing_is_kept_outside_of_the_context(step):
    for _ in range(2):
        step(a=1)
    assert step.taken == 2


def test_a_step_is_taken_once_even_by_another_run(step, tmp_path):
    results = []
    for _ in range(2):
        with kept_in(tmp_path / "kept"):
            results += [step(a=1), step(a=1)]
    assert step.taken == 1
    assert len(set(map(float, results))) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 2),
        (1, 1.5),
        (1, "1"),
        (None, False),
        (["a", None], ["a", "None"]),
        (torch.tensor([1.0]), torch.tensor([2.0])),
        (torch.tensor([1.0]), torch.tensor([1.0]).double()),
        (torch.zeros(2, 1), torch.zeros(1, 2)),
        (np.array(["a", "b"]), np.array(["a", "c"])),
        ([np.int64(1)], [np.int64(2)]),
        (Settings(1), Settings(2)),
        (torch.device("cpu"), torch.device("meta")),
    ],
)
def test_another_input_is_another_step(step, tmp_path, one, other):
    with kept_in(tmp_path):
        for value in (one, other, one, other):
            step(a=value)
    assert step.taken == 2


def test_what_can_not_be_told_apart_is_refused(step, tmp_path):
    with kept_in(tmp_path), pytest.raises(TypeError, match="nothing can be kept by generator"):
        step(a=(n for n in range(3)))


@pytest.mark.parametrize(
    "change", [lambda content: content[:-1], lambda content: content[:-1] + b"!"]
)
def test_what_was_changed_is_named(step, tmp_path, change):
    with kept_in(tmp_path):
        step(a=1)
        (path,) = tmp_path.iterdir()
        path.write_bytes(change(path.read_bytes()))
        with pytest.raises(
            ValueError, match=rf"{path.name}: .*(changed|incomplete).*; delete it and run"
        ):
            step(a=1)
        path.unlink()
        step(a=1)
    assert step.taken == 2


def test_what_a_process_that_died_was_writing_is_removed(tmp_path):
    (tmp_path / "x.safetensors.0123abcd.part").touch()
    with kept_in(tmp_path):
        assert not list(tmp_path.iterdir())
