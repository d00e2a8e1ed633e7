"""Whatever is in a file: a corpus that holds together, or a ValueError that names the file."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from captum_lca.corpora import (
    Corpus,
    read_columns,
    read_conllu,
    read_sentence_labels,
    read_sentences,
    read_tagged,
)

Read = Callable[[Path], Corpus]
READERS: dict[str, Read] = {
    "conllu": lambda path: read_conllu(path, ["upos", "feats.Number"]),
    "columns": lambda path: read_columns(path, {"pos": 1, "ner": -1}),
    "tabs": lambda path: read_columns(path, {"pos": 1}, separator="\t"),
    "sentences": read_sentences,
    "tagged": lambda path: read_tagged(path, path),
    "sentence labels": lambda path: read_sentence_labels(path, path),
    "saved": Corpus.load,
}
SAVED = '{"format": "captum_lca corpus", "version": 1, "source": "s", "sentences": [["a", "b"]], '
PIECES = [
    *("\n", "\r\n", "\n\n", "\t", " ", "  ", "\r", "\x00", "\u2028", "\x85", "\ufeff", "\x1c"),
    *("1\t", "2\t", "1-2\t", "1.1\t", "0\t", "#", "# x = y\n", "-DOCSTART- -X- O\n", "_"),
    *("1\ta\ta\tX\t_\tNumber=Sing|=|x\t0\troot\t_\t_\n", "a X\n", "b\tY\tZ\n", "word", "🙂"),
    *("e\u0301", "\u200d", "שלום", "=1+1", "$x$", "<b>", "|", "=", "[", "{", SAVED),
    *('"labels": {"p": ["X", null]}, "sentence_labels": {}}', '"labels": {}, "x": [[{}]]}'),
]
pieces = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12)
contents = st.binary(max_size=40) | pieces.map("".join).map(str.encode)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any")


def read_or_refused(read: Read, path: Path) -> Corpus | str:
    """The corpus in a file, or what the error says."""
    try:
        return read(path)
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("name", READERS)
@given(contents)
@example(b"")
@example(b"\xef\xbb\xbf")
@example(SAVED.encode() + b'"labels": {"p": ["\\ud800", null]}, "sentence_labels": {}}')
def test_a_corpus_or_an_error_that_names_the_file(folder: Path, name: str, content: bytes) -> None:
    path = folder / "file"
    path.write_bytes(content)
    found = read_or_refused(READERS[name], path)
    if isinstance(found, str):
        assert str(path) in found
        return
    assert all(found.sentences)
    assert all(len(labels) == len(found.words) for labels in found.labels.values())
    assert all(len(labels) == len(found) for labels in found.sentence_labels.values())
    found.save(folder / "again.json")
    assert Corpus.load(folder / "again.json") == found


words = st.text(min_size=1, max_size=5).map(lambda text: "".join(text.split())).filter(bool)
sentences = st.lists(st.lists(st.tuples(words, words), min_size=1, max_size=4), min_size=1)


@given(sentences)
def test_parallel_files_that_are_written_are_read(
    folder: Path, text: list[list[tuple[str, str]]]
) -> None:
    for file, side in (("words", 0), ("labels", 1)):
        lines = [" ".join(pair[side] for pair in sentence) for sentence in text]
        (folder / file).write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    corpus = read_tagged(folder / "words", folder / "labels")
    assert list(map(list, corpus.sentences)) == [[word for word, _ in s] for s in text]
    assert list(corpus.labels["label"]) == [label for s in text for _, label in s]
