import json
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from captum_lca.corpora import Corpus, Label

SMALL = Corpus(
    [["Dogs", "bark"], ["Stop", "!"], ["Why", "not", "?"]],
    {
        "upos": ["NOUN", "VERB", "VERB", None, "ADV", "PART", None],
        "length": [4, 4.0, float(np.float32(4)), 1, float("nan"), 3, None],
    },
    {"mood": ["statement", "command", "question"]},
    source="small",
)

words = st.text(min_size=1, max_size=8)
sentences = st.lists(st.lists(words, min_size=1, max_size=5), min_size=2, max_size=12)


@st.composite
def corpora(draw: st.DrawFn) -> Corpus:
    text = draw(sentences)
    count = sum(map(len, text))

    def labels(values: st.SearchStrategy[Label], length: int) -> list[Label]:
        return draw(st.lists(st.none() | values, min_size=length, max_size=length))

    numbers = st.floats(allow_nan=False, allow_infinity=False)
    return Corpus(
        text,
        {"class": labels(st.sampled_from("abc"), count), "value": labels(numbers, count)},
        {"any text": labels(st.text(), len(text))},
        source=draw(st.text()),
    )


# --- What a corpus holds --------------------------------------------------------------------------


def test_words_are_flattened_in_order() -> None:
    assert SMALL.words == ("Dogs", "bark", "Stop", "!", "Why", "not", "?")
    assert len(SMALL) == 3
    assert SMALL.properties == ("upos", "length", "mood")


def test_numbers_of_any_type_become_floats_and_nan_unlabelled() -> None:
    assert SMALL.labels["length"] == (4.0, 4.0, 4.0, 1.0, None, 3.0, None)
    assert {type(label) for label in SMALL.labels["length"]} == {float, type(None)}


def test_numpy_numbers_are_accepted() -> None:
    values: Any = np.array([1, 2], dtype=np.int32)
    assert Corpus([["a", "b"]], {"p": values}).labels["p"] == (1.0, 2.0)


def test_numpy_strings_become_plain_strings() -> None:
    (label,) = Corpus([["a"]], {"p": [np.str_("x")]}).labels["p"]
    assert type(label) is str


def test_class_counts() -> None:
    assert SMALL.class_counts("upos") == {"ADV": 1, "NOUN": 1, "PART": 1, "VERB": 2}
    assert SMALL.class_counts("mood") == {"command": 1, "question": 1, "statement": 1}


def test_fingerprint_depends_on_words_and_sentence_boundaries_alone() -> None:
    fingerprint = Corpus([["a", "b"], ["c"]]).fingerprint
    assert fingerprint == Corpus([["a", "b"], ["c"]], {"p": ["x"] * 3}, source="x").fingerprint
    others = [[["a"], ["b", "c"]], [["a", "b", "c"]], [["a", "b"], ["C"]], [["ab"], ["c"]]]
    assert len({fingerprint, *(Corpus(other).fingerprint for other in others)}) == 5
    assert len(fingerprint) == 64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([],), "memory: no sentences"),
        (([["a"], []],), "memory: sentence 1 has no words"),
        (([["a", ""]],), "memory: word 1 is '', expected a string"),
        (([["a", 3]],), "memory: word 1 is 3, expected a string"),
        (([["a", "b"]], {"pos": ["X"]}), "memory: property 'pos' has 1 labels for 2 words"),
        (([["a"]], {}, {"mood": ["X", "Y"]}), "property 'mood' has 2 labels for 1 sentences"),
        (([["a", "b"]], {"pos": ["X", 2]}), "property 'pos' mixes strings with numbers"),
        (([["a"]], {"pos": [True]}), "property 'pos': label 0 is True, expected a string"),
        (([["a"]], {"pos": [["X"]]}), r"property 'pos': label 0 is \['X'\], expected a string"),
        (([["a"]], {"pos": [float("inf")]}), "label 0 is inf, expected a string, a finite number"),
        (([["a"]], {"": ["X"]}), "a property is named ''"),
        (([["a"]], {"p": ["X"]}, {"p": ["Y"]}), "property 'p' labels both words and sentences"),
    ],
)
def test_bad_contents_are_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Corpus(*arguments)


def test_unknown_property_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="small: no property 'pos'; it has: upos, length, mood"):
        SMALL.labels_of("pos")
    with pytest.raises(ValueError, match="no property 'pos'; it has: none"):
        Corpus([["a"]]).labels_of("pos")


# --- Choosing sentences ---------------------------------------------------------------------------


def test_select_keeps_labels_with_their_words() -> None:
    chosen = SMALL.select([2, 0])
    assert chosen.sentences == (("Why", "not", "?"), ("Dogs", "bark"))
    assert chosen.labels["upos"] == ("ADV", "PART", None, "NOUN", "VERB")
    assert chosen.sentence_labels["mood"] == ("question", "statement")


@pytest.mark.parametrize("number", [3, -1])
def test_select_refuses_missing_sentences(number: int) -> None:
    with pytest.raises(ValueError, match=f"small: no sentence {number}: it has 0 to 2"):
        SMALL.select([0, number])


def test_limit_keeps_leading_whole_sentences() -> None:
    assert len(SMALL.limit(7)) == 3
    assert SMALL.limit(6).words == SMALL.limit(4).words == ("Dogs", "bark", "Stop", "!")


def test_limit_below_the_first_sentence() -> None:
    with pytest.raises(ValueError, match=r"small: the first sentence has 2 words: .* limit of 1"):
        SMALL.limit(1)


def test_split_sizes_and_order() -> None:
    numbered = Corpus([[str(number)] for number in range(100)])
    parts = numbered.split([0.8, 0.15, 0.05], seed=3)
    assert [len(part) for part in parts] == [80, 15, 5]
    assert [int(word) for word in parts[0].words] == sorted(map(int, parts[0].words))
    assert parts == numbered.split([0.8, 0.15, 0.05], seed=3)
    assert parts != numbered.split([0.8, 0.15, 0.05], seed=4)


@pytest.mark.parametrize("fractions", [[], [0.5], [0.5, 0.6], [1.5, -0.5], [1.0, 0.0]])
def test_split_fractions_must_add_up(fractions: list[float]) -> None:
    with pytest.raises(ValueError, match="split fractions must be positive and add up to 1"):
        SMALL.split(fractions, seed=0)


def test_split_without_a_sentence_for_a_part() -> None:
    with pytest.raises(ValueError, match=r"small: a share of 0.1 of 3 sentences is none"):
        SMALL.split([0.9, 0.1], seed=0)


@given(corpora(), st.floats(0.3, 0.7), st.integers(0, 99))
def test_split_is_a_partition(corpus: Corpus, share: float, seed: int) -> None:
    numbered = corpus.with_sentence_labels("number", range(len(corpus)))
    parts = numbered.split([share, 1 - share], seed)
    numbers = [[int(n) for n in part.sentence_labels["number"] if n is not None] for part in parts]
    assert sorted(chain(*numbers)) == list(range(len(corpus)))
    assert parts == [numbered.select(chosen) for chosen in numbers]


# --- Labels ---------------------------------------------------------------------------------------


def test_with_labels_adds_and_replaces() -> None:
    corpus = Corpus([["a"], ["b"]], {"p": ["X", "Y"]})
    assert corpus.with_labels("q", ["Z", None]).labels == {"p": ("X", "Y"), "q": ("Z", None)}
    assert corpus.with_labels("p", ["Z", None]).labels == {"p": ("Z", None)}
    assert corpus.labels == {"p": ("X", "Y")}


def test_derive_applies_the_rule_to_each_word() -> None:
    assert SMALL.derive("first", lambda word: word[0]).labels["first"] == tuple("DbS!Wn?")


def test_cap_chooses_among_the_class_and_keeps_the_text() -> None:
    corpus = Corpus([["w"] * 12], {"p": ["a"] * 8 + ["b"] * 3 + [None]})
    capped = corpus.cap("p", 4, seed=1)
    assert capped.class_counts("p") == {"a": 4, "b": 3}
    assert capped.words == corpus.words
    assert capped == corpus.cap("p", 4, seed=1)
    assert len({corpus.cap("p", 4, seed).labels["p"] for seed in range(9)}) > 1


def test_balance_caps_at_the_rarest_class_of_sentences_too() -> None:
    corpus = Corpus([["w"]] * 5, sentence_labels={"p": ["a", "a", "a", "b", "b"]})
    assert corpus.balance("p", seed=0).class_counts("p") == {"a": 2, "b": 2}


@given(corpora(), st.integers(1, 5), st.integers(0, 99))
def test_cap_is_never_exceeded_and_only_removes(corpus: Corpus, cap: int, seed: int) -> None:
    before, after = corpus.class_counts("class"), corpus.cap("class", cap, seed)
    assert after.class_counts("class") == {name: min(n, cap) for name, n in before.items()}
    pairs = zip(corpus.labels["class"], after.labels["class"], strict=True)
    assert all(new in (None, old) for old, new in pairs)


def test_caps_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="a cap of 0 labels per class leaves no labels"):
        SMALL.cap("upos", 0, seed=0)
    with pytest.raises(ValueError, match="property 'length' is numeric: it has no classes"):
        SMALL.cap("length", 3, seed=0)
    with pytest.raises(ValueError, match="no property 'pos'"):
        SMALL.cap("pos", 3, seed=0)
    with pytest.raises(ValueError, match="property 'p' has no labels to balance"):
        Corpus([["a"]], {"p": [None]}).balance("p", seed=0)


def test_as_numbers_reads_text() -> None:
    corpus = Corpus([["a", "b", "c"]], {"time": ["2.5", None, "-1e3"]})
    assert corpus.as_numbers("time").labels["time"] == (2.5, None, -1000.0)
    with pytest.raises(ValueError, match="property 'upos': label 0 is 'NOUN', expected a number"):
        SMALL.as_numbers("upos")


# --- Files ----------------------------------------------------------------------------------------


@given(corpora())
def test_saved_corpora_come_back(tmp_path_factory: pytest.TempPathFactory, corpus: Corpus) -> None:
    path = tmp_path_factory.mktemp("saved") / "corpus.json"
    corpus.save(path)
    loaded = Corpus.load(path)
    assert loaded == corpus
    assert loaded.fingerprint == corpus.fingerprint
    assert [file.name for file in path.parent.iterdir()] == ["corpus.json"]


def test_saved_text_is_readable(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    Corpus([["größer", "日本"]]).save(path)
    content = json.loads(path.read_bytes().decode("utf-8"))
    assert content["version"] == 1
    assert "größer" in path.read_text(encoding="utf-8")


def saved_with(**changes: object) -> bytes:
    content = {
        "format": "captum_lca corpus",
        "version": 1,
        "source": "s",
        "sentences": [["a"]],
        "labels": {"p": ["X"]},
        "sentence_labels": {},
        **changes,
    }
    return json.dumps({key: value for key, value in content.items() if value != "gone"}).encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a saved corpus"),
        (saved_with()[:-9], "not a saved corpus"),
        (b"\xff\xfe{}", "not a saved corpus"),
        (b"[1, 2]", 'not a saved corpus: expected JSON with "format": "captum_lca corpus"'),
        (saved_with(format="else"), 'not a saved corpus: expected JSON with "format"'),
        (saved_with(version=2), "corpus format version 2, expected 1"),
        (saved_with(sentences="gone"), "damaged corpus file: KeyError"),
        (saved_with(sentences=7), "damaged corpus file: TypeError"),
        (saved_with(labels=[]), "damaged corpus file"),
        (saved_with(labels={"p": ["X", "Y"]}), "damaged .*: property 'p' has 2 labels for 1 words"),
    ],
)
def test_files_that_cannot_be_loaded(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"bad.json: {message}"):
        Corpus.load(path)
