import json
import logging
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from tiny_models import wordpiece

from captum_lca.activations import ActivationStore, StoreError, as_store
from captum_lca.activations.store import (
    FolderWriter,
    MemoryWriter,
    StoreIndex,
    fingerprint_model,
    fingerprint_tokenizer,
    finished_store,
)
from captum_lca.corpora import Corpus
from captum_lca.neurons import NeuronLayout

LAYOUT = NeuronLayout(("low", "high"), (2, 1))
CORPUS = Corpus([["one", "two"], ["three"], ["four", "five"]], {"upos": list("ABCDE")})
ROWS = torch.arange(12.0).reshape(4, 3)
"""Of the words but for "two", which has none."""


def new_index(**changes):
    settings = {"model_fingerprint": "m", "corpus_fingerprint": CORPUS.fingerprint, "unit": "word"}
    fields = {"layout": LAYOUT, "dtype": "float16", "units": 5, "settings": settings}
    return StoreIndex(**{**fields, "missing": [1], **changes})


def written(writer, shards=(ROWS[:3], ROWS[3:])):
    for rows in shards:
        writer.append(rows.half())
    return writer.finish(CORPUS)


@pytest.fixture
def folder(tmp_path):
    written(FolderWriter(new_index(), tmp_path / "store"))
    return tmp_path / "store"


@pytest.fixture(params=["memory", "folder"])
def store(request, tmp_path):
    if request.param == "memory":
        return written(MemoryWriter(new_index()))
    return written(FolderWriter(new_index(), tmp_path / "store"))


def change_index(folder, change):
    content = json.loads((folder / "index.json").read_text("utf-8"))
    change(content)
    (folder / "index.json").write_text(json.dumps(content), "utf-8")


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
        writer = MemoryWriter(new_index(dtype="float32", units=total, missing=[]))
        for part in matrix.split(sizes):
            writer.append(part)
        store = writer.finish(CORPUS)
        start, stop = data.draw(st.integers(0, total + 2)), data.draw(st.integers(0, total + 2))
        assert torch.equal(store.read(start, stop), matrix[start:stop])
        blocks = [block for _, block in store.blocks(data.draw(st.integers(1, 7)))]
        assert torch.equal(torch.cat(blocks), matrix)

    def test_read_equals_slicing_on_disk(self, tmp_path):
        sizes = [1, 4, 2, 1]
        writer = FolderWriter(new_index(units=8, missing=[]), tmp_path)
        matrix = torch.arange(24.0).reshape(8, 3).half()
        for part in matrix.split(sizes):
            writer.append(part)
        store = writer.finish(CORPUS)
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


class TestDamagedStores:
    def test_no_store(self, tmp_path):
        with pytest.raises(StoreError, match=r"not a store of activations: it has no index\.json"):
            ActivationStore.open(tmp_path)

    def test_no_folder(self, tmp_path):
        with pytest.raises(StoreError, match="nowhere: not a store of activations"):
            ActivationStore.open(tmp_path / "nowhere")

    def test_it_is_a_value_error(self):
        assert issubclass(StoreError, ValueError)

    def test_incomplete(self, tmp_path):
        writer = FolderWriter(new_index(), tmp_path)
        writer.append(ROWS.half())
        with pytest.raises(
            StoreError, match="the store is incomplete: extraction stopped after 1 shards"
        ):
            ActivationStore.open(tmp_path)

    @pytest.mark.parametrize("verify", [True, False])
    def test_truncated(self, folder, verify):
        path = folder / "shard-00001.safetensors"
        content = path.read_bytes()
        path.write_bytes(content[:-2])
        with pytest.raises(
            StoreError,
            match=rf"shard-00001.*truncated or changed: {len(content) - 2} bytes, "
            rf"expected {len(content)}",
        ):
            ActivationStore.open(folder, verify)

    def test_a_changed_byte(self, folder):
        path = folder / "shard-00000.safetensors"
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        with pytest.raises(
            StoreError, match=r"shard-00000.*changed since it was written: its check"
        ):
            ActivationStore.open(folder)

    def test_a_missing_shard(self, folder):
        (folder / "shard-00000.safetensors").unlink()
        with pytest.raises(StoreError, match=r"shard-00000\.safetensors: this shard is missing"):
            ActivationStore.open(folder)

    @pytest.mark.parametrize("name", ["../shard-00000.safetensors", "/etc/passwd", "x", "", 3])
    def test_files_outside_of_the_folder(self, folder, name):
        change_index(folder, lambda content: content["shards"][0].update(file=name))
        with pytest.raises(StoreError, match=r"index\.json: .* is no name of a shard"):
            ActivationStore.open(folder)

    @pytest.mark.parametrize("found", ["captum_lca.activations/2", "another/1", None, 1])
    def test_another_format(self, folder, found):
        change_index(folder, lambda content: content.update(format=found))
        with pytest.raises(StoreError, match=f"found format {found!r}, expected '.*activations/1'"):
            ActivationStore.open(folder)

    @pytest.mark.parametrize(
        "content",
        [b"", b"{", b"[]", b"3", b"null", b'"text"', b"\xff\xfe", b'{"format": 1'],
    )
    def test_damaged_json(self, folder, content):
        (folder / "index.json").write_bytes(content)
        with pytest.raises(StoreError, match=r"index\.json: not a readable index"):
            ActivationStore.open(folder)

    @pytest.mark.parametrize("field", ["layout", "dtype", "units", "settings", "shards"])
    def test_a_field_is_missing(self, folder, field):
        change_index(folder, lambda content: content.pop(field))
        with pytest.raises(StoreError, match=rf"not a readable index .*{field}"):
            ActivationStore.open(folder)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("layout", {"layers": ["a", "a"], "widths": [1, 1]}),
            ("layout", [1]),
            ("shards", [{"file": "shard-00000.safetensors"}]),
            ("shards", 3),
            ("surprise", 1),
        ],
    )
    def test_a_field_of_another_kind(self, folder, field, value):
        change_index(folder, lambda content: content.update({field: value}))
        with pytest.raises(StoreError, match="not a readable index"):
            ActivationStore.open(folder)

    @pytest.mark.parametrize("dtype", ["float8", "__class__", 16, ["float16"]])
    def test_an_unknown_dtype(self, folder, dtype):
        change_index(folder, lambda content: content.update(dtype=dtype))
        with pytest.raises(StoreError, match=r"dtype must be one of \['float16', 'float32'\]; fou"):
            ActivationStore.open(folder)

    def test_a_damaged_header(self, folder):
        path = folder / "shard-00000.safetensors"
        path.write_bytes(b"\xff" * 8 + path.read_bytes()[8:])
        with pytest.raises(StoreError, match=r"shard-00000.*changed since it was written \("):
            ActivationStore.open(folder, verify=False)

    @pytest.mark.parametrize("verify", [True, False])
    @pytest.mark.parametrize(
        "change",
        [
            lambda content: content["shards"][0].update(rows=2),
            lambda content: content["layout"].update(widths=[2, 2]),
            lambda content: content.update(dtype="float32"),
        ],
        ids=["rows", "width", "dtype"],
    )
    def test_an_index_that_does_not_fit_its_shards(self, folder, change, verify):
        change_index(folder, change)
        with pytest.raises(
            StoreError, match=r"shard-00000.*holds F16 of shape \[3, 3\], the index says"
        ):
            ActivationStore.open(folder, verify)

    @pytest.mark.parametrize("verify", [True, False])
    def test_the_corpus_has_changed(self, folder, verify):
        path = folder / "corpus.json"
        path.write_text(path.read_text("utf-8").replace("three", "trees"), "utf-8")
        with pytest.raises(StoreError, match=r"corpus\.json: changed since it was written"):
            ActivationStore.open(folder, verify)

    def test_the_corpus_is_gone(self, folder):
        (folder / "corpus.json").unlink()
        with pytest.raises(StoreError, match=r"corpus\.json: missing; extract the store again"):
            ActivationStore.open(folder)


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


class TestFingerprint:
    def test_the_same_for_the_same_parameters(self):
        torch.manual_seed(0)
        model, copy = torch.nn.Linear(50, 50), torch.nn.Linear(50, 50)
        assert fingerprint_model(model) != fingerprint_model(copy)
        copy.load_state_dict(model.state_dict())
        assert fingerprint_model(model) == fingerprint_model(copy)

    def test_any_one_weight_matters(self):
        model = torch.nn.Linear(100, 100)
        before = fingerprint_model(model)
        with torch.no_grad():
            model.weight[0, 1] *= 1.5
        assert fingerprint_model(model) != before

    def test_the_dtype_matters(self):
        model = torch.nn.Linear(4, 4).half()
        assert fingerprint_model(model) != fingerprint_model(model.float())

    def test_names_matter(self):
        def named(name):
            model = torch.nn.Module()
            model.register_buffer(name, torch.ones(3))
            return fingerprint_model(model)

        assert named("one") != named("other")

    @pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.bfloat16, torch.float64])
    def test_buffers_of_any_kind(self, dtype):
        model = torch.nn.Module()
        model.register_buffer("one", torch.ones((), dtype=dtype))
        model.register_buffer("none", torch.ones(0, dtype=dtype))
        assert len(fingerprint_model(model)) == 64

    def test_of_tokenizers(self):
        plain = fingerprint_tokenizer(wordpiece())
        assert fingerprint_tokenizer(wordpiece()) == plain
        assert fingerprint_tokenizer(wordpiece(special=False)) != plain

    def test_use_of_a_tokenizer_does_not_matter(self):
        tokenizer = wordpiece()
        before = fingerprint_tokenizer(tokenizer)
        tokenizer(["a b c"], truncation=True, padding="max_length", max_length=5)
        assert tokenizer.backend_tokenizer.truncation
        assert fingerprint_tokenizer(tokenizer) == before
