"""Extraction by several processes: the same files, whoever writes which."""

import os
import signal

import pytest
import torch
from forking import rank_processes
from tiny_models import tiny, wordpiece

from captum_lca.activations import ActivationStore, StoreError, extract
from captum_lca.corpora import Corpus
from captum_lca.files import locked

NOTHING = "\u200d"
CORPUS = Corpus(
    [["ab", "c"], [NOTHING], ["dd"], ["a", NOTHING, "b"], ["bcd", "a"], ["d", "cab"]],
    {"n": list("1234567890x")},
)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """A sentence each."""
    monkeypatch.setattr("captum_lca.activations.chunks.CHUNK_ROWS", (1, 1))


@pytest.fixture
def model():
    return tiny("bert")


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def extracted(model, folder, corpus=CORPUS, **options):
    return extract(corpus, model, wordpiece(), out=folder, progress=False, **options)


@pytest.mark.filterwarnings("ignore:the tokenizer turned")
class TestFiles:
    def test_any_number_of_ranks_writes_the_same(self, model, tmp_path):
        def work(rank):
            store = extracted(model, tmp_path / str(ranks))
            assert store.missing == [2, 5]
            assert torch.equal(store.tensor(), in_memory.tensor())
            assert torch.equal(extracted(model, None).tensor(), in_memory.tensor())

        in_memory = extracted(model, None)
        for ranks in (1, 2, 3):
            assert rank_processes(ranks, work) == [0] * ranks
            assert files(tmp_path / str(ranks)) == files(tmp_path / "1")
        assert len(list((tmp_path / "1").glob("shard-*"))) == 6

    def test_one_value_too_large_for_float16_widens_all(self, model, tmp_path):
        def enlarge(module, args, kwargs, output):
            return torch.where((kwargs["input_ids"] == 7)[..., None], 70000.0, output)

        model.embeddings.register_forward_hook(enlarge, with_kwargs=True)

        def work(rank):
            store = extracted(model, tmp_path / str(ranks), corpus, layers="embeddings")
            assert store.dtype == torch.float32

        corpus = Corpus([["ab"], ["c"], ["b"], ["d"]])  # d is read by the last rank of two
        for ranks in (1, 2):
            assert rank_processes(ranks, work) == [0] * ranks
        assert files(tmp_path / "1") == files(tmp_path / "2")
        assert ActivationStore.open(tmp_path / "2").tensor().max() == 70000

    def test_a_rank_that_dies_ends_the_others_and_any_number_goes_on(self, model, tmp_path):
        extracted(model, tmp_path / "whole")

        def work(rank):
            if rank == 1:
                calls = iter(range(4))  # three to look at the model, its second sentence
                model.embeddings.register_forward_hook(
                    lambda *_: None if next(calls) < 3 else os.kill(os.getpid(), signal.SIGKILL)
                )
            with pytest.raises(ConnectionError, match="another rank ended"):
                extracted(model, tmp_path / "cut")

        assert rank_processes(2, work) == [0, -signal.SIGKILL]
        with pytest.raises(StoreError, match="extraction stopped after 4 shards"):
            ActivationStore.open(tmp_path / "cut")
        assert rank_processes(3, lambda rank: extracted(model, tmp_path / "cut") and 0) == [0] * 3
        assert files(tmp_path / "cut") == files(tmp_path / "whole")


def test_ranks_that_differ_are_refused(model, tmp_path):
    def work(rank):
        corpus = Corpus([["a"], ["b"] if rank else ["c"]])
        with pytest.raises(StoreError, match=r"ranks \d and \d differ in corpus_fingerprint"):
            extracted(model, tmp_path / "store", corpus)

    assert rank_processes(2, work) == [0, 0]
    assert not (tmp_path / "store").exists()


def test_what_rank_0_refuses_the_others_refuse(model, tmp_path):
    def work(rank):
        error = ValueError if rank else BlockingIOError
        with pytest.raises(error, match="another run is writing here"):
            extracted(model, tmp_path, Corpus([["a"]]))

    with locked(tmp_path):
        assert rank_processes(2, work) == [0, 0]
