"""Extraction killed at every write: what it left, and what the next one makes of it."""

import signal

import pytest
import torch
from forking import contents, die_at_write, ended, forked, rank_processes
from tiny_models import tiny, wordpiece

from captum_lca.activations import ActivationStore, StoreError, extract
from captum_lca.corpora import Corpus

CORPUS = Corpus([["ab", "c"], ["b", "dd"], ["a", "b"], ["d", "cab"]], {"n": list("12345678")})
WRITES = 1 + 4 + 2
"""The index, a shard per sentence, the corpus, the index."""


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """A sentence each."""
    monkeypatch.setattr("captum_lca.activations.chunks.CHUNK_ROWS", (1, 1))


@pytest.fixture(scope="module", params=["float16", "widened"])
def model(request):
    """A model; one whose activations for the third sentence are too large for float16."""
    model = tiny("bert")

    def enlarge(module, args, kwargs, output):
        is_third = (kwargs["input_ids"][:, 1:3] == torch.tensor([4, 5])).all()
        return output * 1e6 if is_third else output

    if request.param == "widened":
        model.embeddings.register_forward_hook(enlarge, with_kwargs=True)
    return model


@pytest.mark.filterwarnings("ignore:activations up to")
class TestEveryWrite:
    @pytest.mark.parametrize("named", [False, True], ids=["half-written", "named"])
    def test_the_next_extraction_ends_with_the_same_files(self, model, tmp_path, named):
        def extracted(place):
            return extract(CORPUS, model, wordpiece(), out=tmp_path / str(place), progress=False)

        def dying(number):
            die_at_write(number, named)
            extracted(number)

        widened = extracted("whole").dtype == torch.float32
        expected = contents(tmp_path / "whole")
        writes = WRITES + (3 if widened else 0)
        for number in range(writes):
            assert ended(forked(lambda number=number: dying(number))) == -signal.SIGKILL
            left = contents(tmp_path / str(number))
            done = {name for name in left if not name.endswith(".part")}
            assert done <= set(expected)
            assert len(left) - len(done) == (not named)
            if number < writes - 1 or not named:
                with pytest.raises(StoreError):
                    ActivationStore.open(tmp_path / str(number))
            extracted(number)
            assert contents(tmp_path / str(number)) == expected
        assert ended(forked(lambda: dying(writes))) == 0  # there is no further write

    def test_ranks_that_are_killed_one_after_the_other(self, model, tmp_path):
        def dying(rank):
            die_at_write(1, named=bool(turn % 2)) if rank == turn % 2 else None
            extract(CORPUS, model, wordpiece(), out=tmp_path / "cut", progress=False)

        extract(CORPUS, model, wordpiece(), out=tmp_path / "whole", progress=False)
        turn, statuses = 0, [1]
        while any(statuses):
            statuses = rank_processes(2, dying)
            turn += 1
            assert turn < 10
        assert turn > 1
        assert contents(tmp_path / "cut") == contents(tmp_path / "whole")
