from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open

from captum_lca.tensor_files import CHECKSUM, check_sum, read_tensors, write_tensors


def texts_of(file):
    return {name: text for name, text in file.metadata().items() if name != CHECKSUM}


class TestTensors:
    TEXTS: ClassVar = {name: f'"{name}\n\x01é\U0001f600' for name in "gfedcba"}

    def test_the_same_content_gives_the_same_bytes(self, tmp_path):
        for number, texts in enumerate((self.TEXTS, dict(sorted(self.TEXTS.items())))):
            write_tensors(tmp_path / str(number), {"x": torch.ones(3), "y": torch.ones(2)}, texts)
        assert (tmp_path / "0").read_bytes() == (tmp_path / "1").read_bytes()
        with safe_open(tmp_path / "0", framework="pt") as file:
            assert texts_of(file) == self.TEXTS
            assert file.get_tensor("y").tolist() == [1, 1]

    @given(st.dictionaries(st.text(), st.text()))
    def test_any_texts(self, texts):
        with TemporaryDirectory() as folder:
            write_tensors(Path(folder) / "file", {"x": torch.arange(3.0)}, texts)
            with safe_open(Path(folder) / "file", framework="pt") as file:
                assert texts_of(file) == texts
                assert file.get_tensor("x").tolist() == [0, 1, 2]


class TestChecksum:
    @pytest.fixture
    def path(self, tmp_path):
        write_tensors(tmp_path / "file", {"x": torch.ones(3)}, {"format": "sum/1"})
        return tmp_path / "file"

    def read(self, path):
        return read_tensors(path, "sum", "sum/1", ["x"])[1]["x"]

    def test_what_was_written(self, path):
        assert self.read(path).tolist() == [1, 1, 1]

    def test_a_changed_byte(self, path):
        path.write_bytes(path.read_bytes()[:-1] + b"!")
        with pytest.raises(ValueError, match="file: changed since it was written: its checksum"):
            self.read(path)

    def test_a_truncated_file(self, path):
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(ValueError, match="file: not a sum in safetensors format"):
            self.read(path)

    @pytest.mark.parametrize(
        ("metadata", "tensor"),
        [({"a": "c"}, torch.ones(2)), ({"a": "b"}, torch.ones(2, 1)), ({"a": "b"}, torch.zeros(2))],
    )
    def test_texts_shapes_and_values_count(self, tmp_path, metadata, tensor):
        write_tensors(tmp_path / "file", {"x": torch.ones(2)}, {"a": "b"})
        with safe_open(tmp_path / "file", framework="pt") as file:
            checksum = file.metadata()[CHECKSUM]
        check_sum("file", {"a": "b", CHECKSUM: checksum}, {"x": torch.ones(2)})
        with pytest.raises(ValueError, match="checksum differs"):
            check_sum("file", {**metadata, CHECKSUM: checksum}, {"x": tensor})

    def test_a_file_of_an_earlier_version_has_none(self):
        check_sum("file", {"a": "b"}, {"x": torch.ones(2)})
