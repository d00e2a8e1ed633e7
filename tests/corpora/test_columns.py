from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captum_lca.corpora import read_columns

CONLL_2003 = """\
-DOCSTART- -X- O O

EU NNP I-NP I-ORG
rejects VBZ I-VP O

-DOCSTART- -X-

# # O O
. . O _
"""


def write(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "eng.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_named_columns(tmp_path: Path) -> None:
    corpus = read_columns(write(tmp_path, CONLL_2003), ["pos", "chunk", "ner"])
    assert corpus.sentences == (("EU", "rejects"), ("#", "."))
    assert corpus.labels == {
        "pos": ("NNP", "VBZ", "#", "."),
        "chunk": ("I-NP", "I-VP", "O", "O"),
        "ner": ("I-ORG", "O", "O", None),
    }


def test_numbered_columns_from_either_end(tmp_path: Path) -> None:
    path = write(tmp_path, CONLL_2003)
    by_number = read_columns(path, {"pos": 1, "ner": -1})
    by_name = read_columns(path, ["pos", None, "ner"])
    assert by_number == by_name
    assert read_columns(path, {}).labels == {}


def test_words_in_the_last_column(tmp_path: Path) -> None:
    corpus = read_columns(write(tmp_path, "D\tthe\nN\tdog\n"), ["pos"], word=-1)
    assert corpus.words == ("the", "dog")
    assert corpus.labels["pos"] == ("D", "N")


def test_separator_allows_spaces_in_words_and_empty_labels(tmp_path: Path) -> None:
    corpus = read_columns(write(tmp_path, "New York\tN\nis\t\n"), ["pos"], separator="\t")
    assert corpus.words == ("New York", "is")
    assert corpus.labels["pos"] == ("N", None)


def test_missing_and_comment(tmp_path: Path) -> None:
    path = write(tmp_path, "# id 1\na O\n_ _\n")
    corpus = read_columns(path, ["ner"], missing="O", comment="# ")
    assert corpus.words == ("a", "_")
    assert corpus.labels["ner"] == (None, "_")


def test_windows_file_that_ends_without_a_blank_line(tmp_path: Path) -> None:
    corpus = read_columns(write(tmp_path, b"\xef\xbb\xbfa X\r\n\r\nb Y"), ["pos"])
    assert corpus.sentences == (("a",), ("b",))
    assert corpus.labels["pos"] == ("X", "Y")


@pytest.mark.parametrize(
    ("text", "properties", "message"),
    [
        ("", ["pos"], ": no words"),
        ("-DOCSTART- O\n\n", ["pos"], ": no words"),
        ("\na X\nb Y Z\n", ["pos"], ":3: 3 columns, expected 2 as in line 2"),
        ("a X\nb\n", ["pos"], ":2: 1 columns, expected 2 as in line 1"),
        ("a X Y\n", ["pos"], r": 2 columns beside the word, but the names given are \['pos'\]"),
        ("a X Y\n", "pos", ": 2 columns beside the word, but the names given are 'pos'"),
        ("a X\n", {"pos": 2}, ": no column 2 for property 'pos': the file has columns 0 to 1"),
        ("a _\nb _\n", {"pos": 1}, r": no word has a label for 'pos' \(column 1\)"),
        (b"a X\nb \xe9\n", ["pos"], ":2: not UTF-8"),
    ],
)
def test_malformed_files(
    tmp_path: Path, text: str | bytes, properties: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=f"eng.txt{message}"):
        read_columns(write(tmp_path, text), properties)


def test_word_column_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"eng.txt: no column 5 for the word"):
        read_columns(write(tmp_path, "a X\n"), ["pos"], word=5)


cell = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=5)
tables = st.lists(
    st.lists(st.tuples(cell.filter("-DOCSTART-".__ne__), cell), min_size=1, max_size=4), min_size=1
)


@given(tables)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, table: list[list[tuple[str, str]]]
) -> None:
    text = "\n".join("".join(f"{a} {b}\n" for a, b in sentence) for sentence in table)
    path = write(tmp_path_factory.mktemp("columns"), text)
    corpus = read_columns(path, ["tag"], missing=None)
    pairs = zip(corpus.words, corpus.labels["tag"], strict=True)
    assert list(pairs) == [pair for sentence in table for pair in sentence]
    assert list(map(len, corpus.sentences)) == list(map(len, table))
