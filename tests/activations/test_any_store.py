"""Whatever an index or a shard says: the rows as they were, or a StoreError."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_stores import ROWS, new_index, written
from tiny_models import expected_word_rows, tiny, wordpiece

from captum_lca.activations import ActivationStore, StoreError, extract
from captum_lca.activations.shards import ShardNotes
from captum_lca.activations.store_writing import FolderWriter
from captum_lca.corpora import Corpus

values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**13) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("any")
    written(FolderWriter(new_index(), folder))
    return folder


def rows_or_refused(folder):
    try:
        return ActivationStore.open(folder).tensor()
    except StoreError as error:
        return str(error)


def assert_unharmed_or_refused(folder):
    found = rows_or_refused(folder)
    assert isinstance(found, str) or torch.equal(found, ROWS.half())


@given(st.data())
def test_any_value_in_the_index(folder, data):
    path = folder / "index.json"
    original = path.read_bytes()
    content = json.loads(original)
    part = data.draw(st.sampled_from([content, content["layout"], *content["shards"]]))
    key = data.draw(st.sampled_from(sorted(part)))
    part[key] = data.draw(values)
    try:
        path.write_text(json.dumps(content), "utf-8")
        assert_unharmed_or_refused(folder)
    finally:
        path.write_bytes(original)


@given(st.data())
def test_any_change_of_a_file(folder, data):
    path = folder / data.draw(st.sampled_from(sorted(p.name for p in folder.glob("*.[js]*"))))
    original = path.read_bytes()
    place = data.draw(st.integers(0, len(original)))
    behind = data.draw(st.integers(place, len(original)))
    try:
        path.write_bytes(original[:place] + data.draw(st.binary(max_size=9)) + original[behind:])
        assert_unharmed_or_refused(folder)
    finally:
        path.write_bytes(original)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=6).filter(any), st.data())
def test_slices_on_disk_are_those_of_the_tensor(sizes, data):
    total = sum(sizes)
    matrix = torch.arange(3.0 * total).reshape(total, 3)
    first = 0
    with TemporaryDirectory() as folder:
        writer = FolderWriter(new_index(units=total), Path(folder))
        for number, part in enumerate(matrix.split(sizes)):
            writer.append(number, part, ShardNotes(first, first + len(part), [], 100.0, 0))
            first += len(part)
        writer.finish(Corpus([["w"] * total]))
        store = ActivationStore.open(folder)
        start, stop = (data.draw(st.integers(0, total + 2)) for _ in range(2))
        assert torch.equal(store.read(start, stop), matrix[start:stop].half())


MODEL, TOKENIZER = tiny("bert"), wordpiece()
plain_words = st.text("abcd", min_size=1, max_size=7)


@given(
    st.lists(st.lists(plain_words, min_size=1, max_size=5), min_size=1, max_size=4),
    st.sampled_from(["first", "last", "mean"]),
    st.integers(1, 60),
)
def test_rows_are_those_of_a_slow_reference(sentences, pooling, batch_tokens):
    """Each sentence alone through transformers, each word's tokens by going through characters."""
    corpus = Corpus(sentences)
    store = extract(
        corpus, MODEL, TOKENIZER, pooling=pooling, batch_tokens=batch_tokens,
        dtype=torch.float32, progress=False,
    )  # fmt: skip
    expected = expected_word_rows(MODEL, TOKENIZER, corpus, pooling)
    torch.testing.assert_close(store.tensor(), expected, atol=1e-4, rtol=1e-4)
