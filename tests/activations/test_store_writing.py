import logging

import pytest
import torch
from small_stores import CORPUS, ROWS, new_index, written

from captum_lca.activations import ActivationStore, StoreError
from captum_lca.activations.store_writing import FolderWriter, MemoryWriter, finished_store
from captum_lca.corpora import Corpus
from captum_lca.neurons import NeuronLayout


class TestFinishedStore:
    def test_none_yet(self, tmp_path):
        assert finished_store(tmp_path, new_index(), CORPUS) is None

    def test_it_is_opened(self, folder, caplog):
        with caplog.at_level(logging.INFO, "captum_lca"):
            store = finished_store(folder, new_index(), CORPUS)
        assert torch.equal(store.tensor(), ROWS.half())
        assert "complete already, nothing to extract" in caplog.text

    def test_it_takes_the_labels_of_the_corpus_given(self, folder):
        relabelled = Corpus(CORPUS.sentences, {"case": list("abcde")})
        store = finished_store(folder, new_index(), relabelled)
        assert dict(store.corpus.labels) == {"case": tuple("abcde")}
        assert ActivationStore.open(folder).corpus == relabelled

    @pytest.mark.parametrize(
        ("changes", "named"),
        [
            ({"settings": {**new_index().settings, "unit": "sentence"}}, "unit"),
            ({"settings": {**new_index().settings, "window": 9}}, "window"),
            (
                {"settings": {**new_index().settings, "corpus_fingerprint": "other words"}},
                "corpus_fingerprint",
            ),
            ({"layout": NeuronLayout(("low", "other"), (2, 1))}, "layers"),
            (
                {"settings": {**new_index().settings, "model_fingerprint": "n", "unit": "x"}},
                "model_fingerprint, unit",
            ),
        ],
    )
    def test_other_settings(self, folder, changes, named):
        with pytest.raises(
            StoreError, match=rf"a store with other settings \({named} differ\); choose another"
        ):
            finished_store(folder, new_index(**changes), CORPUS)

    def test_the_model_may_come_from_another_place(self, folder):
        moved = {**new_index().settings, "model": "/elsewhere"}
        assert finished_store(folder, new_index(settings=moved), CORPUS)

    def test_a_damaged_index(self, folder):
        (folder / "index.json").write_text("{")
        with pytest.raises(StoreError, match=r"index\.json: not a readable index"):
            finished_store(folder, new_index(), CORPUS)

    def test_an_incomplete_one_is_made_again(self, tmp_path):
        FolderWriter(new_index(), tmp_path).append(ROWS.half())
        assert finished_store(tmp_path, new_index(), CORPUS) is None
        written(FolderWriter(new_index(), tmp_path), [ROWS])
        assert torch.equal(ActivationStore.open(tmp_path).tensor(), ROWS.half())
        assert not (tmp_path / "shard-00001.safetensors").exists()

    def test_a_damaged_one_is_refused(self, folder):
        path = folder / "shard-00000.safetensors"
        path.write_bytes(path.read_bytes()[:-1] + b"!")
        with pytest.raises(StoreError, match="changed since it was written"):
            finished_store(folder, new_index(), CORPUS)


class TestWriting:
    def test_converting_what_is_there(self, tmp_path):
        for writer in (
            MemoryWriter(new_index()),
            FolderWriter(new_index(), tmp_path),
        ):
            writer.append(ROWS[:1].half())
            writer.append(ROWS[1:2].half())
            writer.index.dtype = "float32"
            writer.convert(torch.float32)
            writer.append(ROWS[2:] + 1e5)
            store = writer.finish(CORPUS)
            assert store.dtype == torch.float32
            assert torch.equal(store.tensor(), ROWS + torch.tensor([0, 0, 1e5, 1e5])[:, None])
        assert torch.equal(ActivationStore.open(tmp_path).tensor(), store.tensor())

    def test_no_half_written_files_stay(self, folder):
        assert not list(folder.glob("*.part"))

    def test_other_files_of_the_folder_are_left_alone(self, folder):
        (folder / "notes.txt").write_text("mine")
        (folder / "shard-00000.safetensors.bak").write_text("mine")
        FolderWriter(new_index(), folder)
        assert sorted(path.name for path in folder.iterdir()) == [
            "index.json",
            "notes.txt",
            "shard-00000.safetensors.bak",
        ]
