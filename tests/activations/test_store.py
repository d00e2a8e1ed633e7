import shutil

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from small_stores import CORPUS, LAYOUT, ROWS, new_index, notes_of, written

from captum_lca.activations import ActivationStore, as_store
from captum_lca.activations.store_writing import FolderWriter, MemoryWriter
from captum_lca.neurons import NeuronLayout


class TestReading:
    def test_round_trip(self, store):
        assert torch.equal(store.tensor(), ROWS.half())
        assert store.rows == len(store) == 4
        assert store.dtype == torch.float16
        assert store.layout == LAYOUT
        assert store.missing == [1]
        assert store.settings["unit"] == "word"
        assert store.corpus == CORPUS

    def test_reopening(self, folder):
        store = ActivationStore.open(str(folder))
        assert torch.equal(store.tensor(), ROWS.half())
        assert store.corpus == CORPUS
        assert store.folder == folder

    def test_across_shards(self, store):
        assert torch.equal(store.read(2, 4), ROWS[2:4].half())
        assert torch.equal(store.read(3, 4), ROWS[3:4].half())

    @pytest.mark.parametrize(("start", "stop"), [(0, 0), (3, 3), (4, 9), (3, 1)])
    def test_no_rows(self, store, start, stop):
        empty = store.read(start, stop)
        assert empty.shape == (0, 3)
        assert empty.dtype == torch.float16

    def test_the_end_may_lie_behind_the_last_row(self, store):
        assert torch.equal(store.read(2, 100), ROWS[2:].half())

    def test_blocks(self, store):
        blocks = list(store.blocks(3))
        assert [start for start, _ in blocks] == [0, 3]
        assert torch.equal(torch.cat([block for _, block in blocks]), ROWS.half())
        assert [len(block) for _, block in blocks] == [3, 1]

    def test_one_block(self, store):
        ((start, block),) = store.blocks()
        assert start == 0
        assert torch.equal(block, ROWS.half())

    def test_what_is_read_can_be_changed_without_changing_the_folder(self, folder):
        store = ActivationStore.open(folder)
        store.read(0, 3).zero_()
        assert torch.equal(store.tensor(), ROWS.half())

    def test_repr(self, folder):
        text = repr(ActivationStore.open(folder))
        assert text == f"ActivationStore(4 rows × 3 neurons, {folder})"
        in_memory = repr(ActivationStore.from_tensor(ROWS))
        assert in_memory == "ActivationStore(4 rows × 3 neurons, memory)"

    def test_a_store_that_moved(self, folder, tmp_path):
        shutil.move(folder, tmp_path / "elsewhere")
        assert torch.equal(ActivationStore.open(tmp_path / "elsewhere").tensor(), ROWS.half())

    def test_shards_are_plain_safetensors(self, folder):
        assert sorted(path.name for path in folder.iterdir()) == [
            ".lock",
            "corpus.json",
            "index.json",
            "shard-00000.safetensors",
            "shard-00001.safetensors",
        ]
        (rows,) = load_file(folder / "shard-00001.safetensors").values()
        assert torch.equal(rows, ROWS[3:].half())

    @given(st.data())
    def test_read_equals_slicing(self, data):
        sizes = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=6))
        total = sum(sizes)
        matrix = torch.arange(3.0 * total).reshape(total, 3)
        writer = MemoryWriter(new_index(dtype="float32", units=total))
        store = written(writer, [(part, notes_of(part)) for part in matrix.split(sizes)])
        start, stop = data.draw(st.integers(0, total + 2)), data.draw(st.integers(0, total + 2))
        assert torch.equal(store.read(start, stop), matrix[start:stop])
        blocks = [block for _, block in store.blocks(data.draw(st.integers(1, 7)))]
        assert torch.equal(torch.cat(blocks), matrix)

    def test_read_equals_slicing_on_disk(self, tmp_path):
        sizes = [1, 4, 2, 1]
        writer = FolderWriter(new_index(units=8), tmp_path)
        matrix = torch.arange(24.0).reshape(8, 3)
        store = written(writer, [(part, notes_of(part)) for part in matrix.split(sizes)])
        for start in range(9):
            for stop in range(start, 10):
                assert torch.equal(store.read(start, stop), matrix[start:stop])


class TestAlign:
    def test_labels_of_words_without_a_row_are_dropped(self, store):
        assert store.align(list("ABCDE")) == list("ACDE")

    def test_labels_of_rows_are_kept(self, store):
        assert store.align(list("ACDE")) == list("ACDE")

    @pytest.mark.parametrize("count", [0, 3, 6])
    def test_other_numbers_of_labels(self, store, count):
        with pytest.raises(ValueError, match=rf"misaligned: {count} labels.* 4 rows"):
            store.align(["x"] * count)


class TestFromTensor:
    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
    def test_the_matrix_itself(self, dtype):
        matrix = ROWS.to(dtype)
        store = ActivationStore.from_tensor(matrix, LAYOUT)
        assert store.dtype == dtype
        assert store.layout == LAYOUT
        assert torch.equal(store.read(1, 3), matrix[1:3])
        assert store.read(0, 4).data_ptr() == matrix.data_ptr()
        assert store.align(list("abcd")) == list("abcd")
        assert store.missing == []

    def test_an_array(self):
        store = ActivationStore.from_tensor(np.ones((2, 3), dtype=np.float32))
        assert store.layout == NeuronLayout(("layer",), (3,))
        assert store.tensor().tolist() == [[1] * 3] * 2

    @pytest.mark.parametrize(
        ("activations", "message"),
        [
            (torch.zeros(3), r"matrix of words × neurons.*found .*shape \(3,\)"),
            (torch.zeros(1, 2, 3), r"matrix of words × neurons.*found .*shape \(1, 2, 3\)"),
            (torch.zeros(2, 3).long(), r"floating.point.* found torch\.int64"),
            (np.zeros((2, 3), dtype=bool), r"floating.point.* found .*bool"),
        ],
    )
    def test_what_is_no_matrix_of_numbers(self, activations, message):
        with pytest.raises(ValueError, match=message):
            ActivationStore.from_tensor(activations)

    def test_another_width_than_the_layout(self):
        with pytest.raises(ValueError, match="the layout has 3 neurons, the activations 2"):
            ActivationStore.from_tensor(torch.zeros(4, 2), LAYOUT)

    def test_as_store(self):
        store = ActivationStore.from_tensor(ROWS)
        assert as_store(store) is store
        assert torch.equal(as_store(ROWS).tensor(), ROWS)
