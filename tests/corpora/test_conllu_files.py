from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captum_lca.corpora import read_conllu

UD = Path(__file__).parents[2].parent / "shared" / "data" / "ud"

SMALL = """\
# newdoc id = d
# text = Gehn wir zum Haus?
1\tGehn\tgehen\tVERB\tVVFIN\tMood=Imp|VerbForm=Fin\t0\troot\t0:root\t_
2\twir\twir\tPRON\t_\tCase=Nom|Number=Plur\t1\tnsubj:outer\t_\tGloss=a=b
3-4\tzum\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=Yes
3\tzu\tzu\tADP\tAPPR\t_\t5\tcase\t_\t_
4\tdem\tder\tDET\tART\tCase=Dat|Number=Sing\t5\tdet\t_\t_
5\tHaus\tHaus\tNOUN\tNN\tCase=Dat|Number=Sing\t1\tobl\t_\tSpaceAfter=No
5.1\tgehn\tgehen\tVERB\tVVINF\t_\t_\t_\t1:dep\t_
6\t?\t?\tPUNCT\t$.\t_\t1\tpunct\t_\t_

# sent_id = 2
1\t10  000\t_\tNUM\t_\t_\t0\troot\t_\t_
"""


def write(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "small.conllu"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def row(number: object, form: str, upos: str = "X") -> str:
    return f"{number}\t{form}\t_\t{upos}\t_\t_\t_\t_\t_\t_\n"


def test_words_without_multiword_ranges_and_empty_nodes(tmp_path: Path) -> None:
    corpus = read_conllu(write(tmp_path, SMALL))
    assert corpus.sentences == (("Gehn", "wir", "zu", "dem", "Haus", "?"), ("10 000",))
    assert corpus.labels == {"upos": ("VERB", "PRON", "ADP", "DET", "NOUN", "PUNCT", "NUM")}
    assert corpus.source.endswith("small.conllu")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("xpos", ("VVFIN", None, "APPR", "ART", "NN", "$.", None)),
        ("lemma", ("gehen", "wir", "zu", "der", "Haus", "?", None)),
        ("deprel", ("root", "nsubj:outer", "case", "det", "obl", "punct", "root")),
        ("deprel.universal", ("root", "nsubj", "case", "det", "obl", "punct", "root")),
        ("feats.Number", (None, "Plur", None, "Sing", "Sing", None, None)),
        ("feats", ("Mood=Imp|VerbForm=Fin", "Case=Nom|Number=Plur", None)),
        ("misc.SpaceAfter", (None, None, None, None, "No", None, None)),
        ("misc.Gloss", (None, "a=b", None, None, None, None, None)),
    ],
)
def test_each_property(tmp_path: Path, name: str, expected: tuple[str | None, ...]) -> None:
    labels = read_conllu(write(tmp_path, SMALL), [name]).labels[name]
    assert labels[: len(expected)] == expected
    assert len(labels) == 7


def test_several_properties_or_none(tmp_path: Path) -> None:
    path = write(tmp_path, SMALL)
    assert set(read_conllu(path, ["upos", "feats.Case"]).labels) == {"upos", "feats.Case"}
    assert read_conllu(path, "upos").properties == ("upos",)
    assert read_conllu(path, []).labels == {}


def test_byte_order_mark_and_windows_endings(tmp_path: Path) -> None:
    plain = read_conllu(write(tmp_path, SMALL), ["upos", "misc.SpaceAfter"])
    windows = b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode()
    assert read_conllu(write(tmp_path, windows), ["upos", "misc.SpaceAfter"]) == plain


def test_words_that_look_like_markup(tmp_path: Path) -> None:
    text = row(1, "#") + row(2, "_", "PUNCT") + row(3, "\u2028")[:-1]
    # A line separator alone is white space, so the third word counts as empty.
    with pytest.raises(ValueError, match=r"small.conllu:3: the word \(column 2\) is empty"):
        read_conllu(write(tmp_path, text))
    assert read_conllu(write(tmp_path, row(1, "#") + row(2, "_"))).words == ("#", "_")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": no words: expected CoNLL-U sentences"),
        ("# only = comments\n\n\n", ": no words"),
        ("# a\n1\tone\tX\n", ":2: 3 tab-separated columns, expected 10"),
        (row(1, "a") + "2 b _ X _ _ _ _ _ _\n", ":2: 1 tab-separated columns, expected 10"),
        (row(1, "a")[:-1] + "\t_\n", ":1: 11 tab-separated columns, expected 10"),
        (row(1, "a") + row("two", "b"), ":2: word id 'two', expected a whole number"),
        (row("", "a"), ":1: word id '', expected a whole number"),
        (row(1, "a") + row(3, "b"), ":2: word id 3, expected 2"),
        (row(1, "a") + row(1, "b"), ":2: word id 1, expected 2 .* blank line ends a sentence"),
        (row(1, ""), r":1: the word \(column 2\) is empty"),
        (row(1, "a").encode() + b"2\t\xff\n", ":2: not UTF-8: byte 0xff"),
    ],
)
def test_malformed_files_name_the_line(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(ValueError, match=f"small.conllu{message}"):
        read_conllu(write(tmp_path, text))


def test_property_that_no_word_has(tmp_path: Path) -> None:
    has = "deprel, feats, feats.Case, feats.Mood, feats.Number, feats.VerbForm, lemma, misc.Gloss"
    with pytest.raises(ValueError, match=f"no word has 'feats.Foo'; the file has: {has}"):
        read_conllu(write(tmp_path, SMALL), ["upos", "feats.Foo"])


@pytest.mark.parametrize("name", ["pos", "head", "feats.", "deprel.main", ""])
def test_unknown_property(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=f"unknown property '{name}' .* expected upos, xpos"):
        read_conllu(write(tmp_path, SMALL), [name])


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.conllu"):
        read_conllu(tmp_path / "none.conllu")


form = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=6)
label = st.none() | st.text("ABCdef:-", min_size=1, max_size=4)
treebanks = st.lists(st.lists(st.tuples(form, label), min_size=1, max_size=4), min_size=1)


@given(treebanks)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, treebank: list[list[tuple[str, str | None]]]
) -> None:
    first: list[tuple[str, str | None]] = [("first", "X")]
    sentences = [first, *treebank]
    pairs = [pair for sentence in sentences for pair in sentence]
    text = "\n".join(
        "".join(row(place, word, tag or "_") for place, (word, tag) in enumerate(sentence, 1))
        for sentence in sentences
    )
    corpus = read_conllu(write(tmp_path_factory.mktemp("ud"), text))
    assert list(zip(corpus.words, corpus.labels["upos"], strict=True)) == pairs
    assert list(map(len, corpus.sentences)) == list(map(len, sentences))


needs_ud = pytest.mark.skipif(not UD.is_dir(), reason=f"no treebanks in {UD}")


@needs_ud
@pytest.mark.parametrize(
    ("name", "sentences", "words"),
    [
        ("en_ewt-train", 12544, 204577),
        ("en_ewt-dev", 2001, 25147),
        ("en_ewt-test", 2077, 25094),
        ("de_gsd-dev", 799, None),
        ("de_gsd-test", 977, None),
        ("fr_gsd-dev", 1476, None),
        ("fr_gsd-test", 416, None),
    ],
)
def test_treebank_sizes(name: str, sentences: int, words: int | None) -> None:
    corpus = read_conllu(UD / f"{name}.conllu")
    assert len(corpus) == sentences
    assert words in (None, len(corpus.words))
    assert None not in corpus.labels["upos"]


@needs_ud
def test_treebank_agrees_with_a_plain_reading() -> None:
    path = UD / "de_gsd-test.conllu"
    lines = [line.split("\t") for line in path.read_text(encoding="utf-8").split("\n")]
    rows = [columns for columns in lines if columns[0].isdecimal()]
    corpus = read_conllu(path, ["upos", "deprel", "feats.Case"])
    assert corpus.words == tuple(columns[1] for columns in rows)
    assert corpus.labels["deprel"] == tuple(columns[7] for columns in rows)
    cases = Counter(
        part.removeprefix("Case=")
        for columns in rows
        for part in columns[5].split("|")
        if part.startswith("Case=")
    )
    assert corpus.class_counts("feats.Case") == dict(cases)
