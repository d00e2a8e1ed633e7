import pytest
from small_stores import SHARDS, change_index, new_index

from captum_lca.activations import ActivationStore, StoreError
from captum_lca.activations.store_writing import FolderWriter


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
        FolderWriter(new_index(), tmp_path).append(0, *SHARDS[0])
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
