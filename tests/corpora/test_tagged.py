from collections.abc import Callable
from pathlib import Path

import pytest

from captum_lca.corpora import Corpus, read_sentence_labels, read_sentences, read_tagged


def write(tmp_path: Path, words: str, labels: str) -> tuple[Path, Path]:
    paths = tmp_path / "w.txt", tmp_path / "l.txt"
    for path, text in zip(paths, (words, labels), strict=True):
        path.write_text(text, encoding="utf-8")
    return paths


def test_tagged_words(tmp_path: Path) -> None:
    corpus = read_tagged(*write(tmp_path, "a  b\n\nc\n", "X Y\n \nZ"), property="pos")
    assert corpus.sentences == (("a", "b"), ("c",))
    assert corpus.labels == {"pos": ("X", "Y", "Z")}
    assert read_tagged(*write(tmp_path, "a", "X")).properties == ("label",)


def test_tagged_sentences(tmp_path: Path) -> None:
    corpus = read_sentence_labels(*write(tmp_path, "a b\nc\n", "very good\nbad\n\n"), "tone")
    assert corpus.sentences == (("a", "b"), ("c",))
    assert corpus.sentence_labels == {"tone": ("very good", "bad")}
    assert corpus.labels == {}


def test_plain_sentences(tmp_path: Path) -> None:
    words, blank = write(tmp_path, "a b\n\nc\n", "\n\n")
    assert read_sentences(words) == Corpus([["a", "b"], ["c"]], source=str(words))
    with pytest.raises(ValueError, match=r"l.txt: no words: expected a sentence on each line"):
        read_sentences(blank)


@pytest.mark.parametrize(
    ("words", "labels", "message"),
    [
        ("a b\nc d\n", "X Y\nZ\n", r"l.txt:2: 1 labels for the 2 words of \S*w.txt:2"),
        ("a\n\n", "X\nY\n", r"l.txt:2: 1 labels for the 0 words of \S*w.txt:2"),
        ("a\nb\n", "X\n", r"l.txt: ends before line 2, but \S*w.txt does not"),
        ("a\n", "X\nY\n", r"w.txt: ends before line 2, but \S*l.txt does not"),
        ("\n", "", r"w.txt: no words"),
    ],
)
def test_misaligned_words(tmp_path: Path, words: str, labels: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_tagged(*write(tmp_path, words, labels))


@pytest.mark.parametrize(
    ("words", "labels", "message"),
    [
        ("a\n\nb\n", "X\nY\nZ\n", r"w.txt:2: blank, but \S*l.txt:2 is not"),
        ("a\nb\n", "X\n\nZ\n", r"l.txt:2: blank, but \S*w.txt:2 is not"),
        ("a\nb\n", "X\n", r"l.txt: ends before line 2"),
    ],
)
def test_misaligned_sentences(tmp_path: Path, words: str, labels: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_sentence_labels(*write(tmp_path, words, labels))


@pytest.mark.parametrize("read", [read_tagged, read_sentence_labels])
def test_other_encodings(tmp_path: Path, read: Callable[[Path, Path], Corpus]) -> None:
    words, labels = write(tmp_path, "a\nb\n", "X\nY\n")
    labels.write_bytes(b"X\n\xff\n")
    with pytest.raises(ValueError, match=r"l.txt:2: not UTF-8"):
        read(words, labels)
