import logging

import pytest
import torch
from small_stores import BOUNDS, CORPUS, ROWS, SHARDS, new_index, notes_of, written

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

    def test_an_incomplete_one_is_work_left(self, tmp_path):
        FolderWriter(new_index(), tmp_path).append(0, *SHARDS[0])
        assert finished_store(tmp_path, new_index(), CORPUS) is None

    def test_so_is_one_that_lacks_a_shard(self, folder):
        (folder / "shard-00001.safetensors").unlink()
        assert finished_store(folder, new_index(), CORPUS) is None

    def test_a_damaged_one_is_refused(self, folder):
        path = folder / "shard-00000.safetensors"
        path.write_bytes(path.read_bytes()[:-1] + b"!")
        with pytest.raises(StoreError, match="changed since it was written"):
            finished_store(folder, new_index(), CORPUS)


class TestWriting:
    def test_chunks_that_fit_float16_are_widened_if_one_does_not(self, tmp_path):
        large = ROWS[2:] + 1e5
        chunks = [
            (ROWS[:1] + 1e-4, notes_of(ROWS[:1], 0, [1])),
            (large, notes_of(large, 2)),
            (ROWS[1:2] + 1e-4, notes_of(ROWS[1:2], 4)),
        ]
        expected = torch.cat([(ROWS[:1] + 1e-4).half(), large, (ROWS[1:2] + 1e-4).half()])
        for writer in (MemoryWriter(new_index()), FolderWriter(new_index(), tmp_path)):
            store = written(writer, chunks)
            assert store.dtype == torch.float32
            assert torch.equal(store.tensor(), expected)
        assert torch.equal(ActivationStore.open(tmp_path).tensor(), expected)

    def test_no_half_written_files_stay(self, folder):
        assert not list(folder.glob("*.part"))

    def test_other_files_of_the_folder_are_left_alone(self, tmp_path):
        mine = {".lock", "notes.txt", "shard-00000.safetensors.bak", "index.json.part"}
        for name in mine:
            (tmp_path / name).write_text("mine")
        FolderWriter(new_index(), tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == mine | {"index.json"}

    def test_shards_that_no_index_tells_of_are_removed(self, folder):
        (folder / "index.json").unlink()
        assert FolderWriter(new_index(), folder).todo(BOUNDS) == [0, 1]
        assert {path.name for path in folder.iterdir()} == {".lock", "index.json"}


class TestResuming:
    def test_shards_that_are_there_stay(self, folder):
        before = {path: path.read_bytes() for path in folder.iterdir()}
        (folder / "index.json").unlink()
        new_index().write(folder)
        writer = FolderWriter(new_index(), folder)
        assert writer.todo(BOUNDS) == []
        assert writer.finish(CORPUS).missing == [1]
        assert {path: path.read_bytes() for path in folder.iterdir()} == before

    def test_only_what_is_missing_is_left_to_do(self, tmp_path):
        FolderWriter(new_index(), tmp_path).append(1, *SHARDS[1])
        writer = FolderWriter(new_index(), tmp_path)
        assert writer.todo(BOUNDS) == [0]
        writer.append(0, *SHARDS[0])
        assert torch.equal(writer.finish(CORPUS).tensor(), ROWS.half())

    def test_a_shard_of_other_words_is_made_again(self, folder):
        (folder / "index.json").unlink()
        new_index().write(folder)
        assert FolderWriter(new_index(), folder).todo([(0, 3), (3, 5)]) == [0, 1]

    def test_what_a_process_that_died_was_writing_is_removed(self, tmp_path):
        new_index().write(tmp_path)
        (tmp_path / "shard-00000.safetensors.0123abcd.part").write_bytes(b"half")
        FolderWriter(new_index(), tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["index.json"]
