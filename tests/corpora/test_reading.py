from pathlib import Path

import pytest

from captum_lca.corpora import (
    Corpus,
    read_columns,
    read_conllu,
    read_corpus,
    read_sentence_labels,
    read_sentences,
    read_tagged,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    row = "{}\t{}\t_\t{}\t_\tNumber=Sing\t_\tdep:x\t_\t_\n"
    texts = {
        "a.conllu": row.format(1, "It", "PRON") + row.format(2, "rained", "VERB"),
        "a.iob": "It PRON O\nrained VERB B-X\n",
        "words": "It rained\n",
        "tags": "PRON VERB\n",
        "tones": "bad\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_treebank_by_extension(folder: Path) -> None:
    properties = ["upos", "deprel.universal"]
    assert read_corpus(folder / "a.conllu", properties) == read_conllu(
        folder / "a.conllu", properties
    )


def test_columns_by_number_with_and_without_a_name(folder: Path) -> None:
    corpus = read_corpus(folder / "a.iob", ["pos=1", "2", "-1"])
    assert corpus == read_columns(folder / "a.iob", {"pos": 1, "column2": 2, "column-1": -1})


def test_tabs_separate_columns_of_tsv_files(folder: Path) -> None:
    path = folder / "a.tsv"
    path.write_text("New York\tPROPN\tB-LOC\nis\tAUX\t\n", encoding="utf-8")
    corpus = read_corpus(path, ["ner=2"])
    assert (corpus.words, corpus.labels) == (("New York", "is"), {"ner": ("B-LOC", None)})


def test_saved_corpus_with_the_properties_asked_for(folder: Path) -> None:
    path = folder / "saved.json"
    corpus = Corpus([["a"]], {"p": ["X"], "q": ["Y"]}, {"tone": ["good"]})
    corpus.save(path)
    read = read_corpus(path, ["q", "tone"])
    assert (read.labels, read.sentence_labels) == ({"q": ("Y",)}, {"tone": ("good",)})
    with pytest.raises(ValueError, match="no property 'pos'; it has: p, q, tone"):
        read_corpus(path, ["pos"])


def test_parallel_files(folder: Path) -> None:
    words, tags, tones = (folder / name for name in ("words", "tags", "tones"))
    assert read_corpus(f"{words}::{tags}", ["pos"]) == read_tagged(words, tags, "pos")
    assert read_corpus(f"{words}::{tones}", ["sentence.tone"]) == read_sentence_labels(
        words, tones, "sentence.tone"
    )
    assert read_corpus(f"{words}::", []) == read_sentences(words)
    with pytest.raises(ValueError, match="parallel files hold one property, found"):
        read_corpus(f"{words}::{tags}", ["pos", "ner"])


def test_labels_derived_from_words_in_any_format(folder: Path) -> None:
    properties = [
        "word.casing",
        "word.length",
        "word.suffix",
        "word.suffix=t,ined",
        "word.set=It,it",
        r"word.regex=\w{2}",
    ]
    expected = {
        "word.casing": ("title", "lower"),
        "word.length": (2.0, 6.0),
        "word.suffix": (None, "ed"),
        "word.suffix=t,ined": ("t", "ined"),
        "word.set=It,it": ("yes", "no"),
        r"word.regex=\w{2}": ("yes", "no"),
    }
    for name in ("a.conllu", "a.iob", "words::"):
        assert read_corpus(f"{folder}/{name}", properties).labels == expected
    assert list(read_corpus(folder / "a.conllu", ["upos", "word.length"]).labels) == [
        "upos",
        "word.length",
    ]


@pytest.mark.parametrize(
    ("file", "name", "message"),
    [
        ("a.iob", "upos", r"a.iob: property 'upos': a file of columns needs a column number"),
        ("a.iob", "pos=x", r"a.iob: property 'pos=x': a file of columns needs a column number"),
        ("a.iob", "pos=9", r"a.iob: no column 9 for property 'pos': the file has columns 0 to 2"),
        ("a.conllu", "pos=1", r"unknown property 'pos=1' of a CoNLL-U file; expected upos"),
        ("a.conllu", "word.size", r"unknown property 'word.size' of words; expected word.casing"),
        ("a.conllu", "word.set=", r"a set of words is needed"),
    ],
)
def test_properties_that_do_not_fit(folder: Path, file: str, name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_corpus(folder / file, [name])


@pytest.mark.parametrize("name", ["gone", "gone.conllu", "gone.json", "."])
def test_no_such_file(tmp_path, name):
    with pytest.raises(FileNotFoundError, match="no such file, nor a store that extract wrote"):
        read_corpus(tmp_path / name, ["upos"])
