import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captum_lca.corpora import Corpus, casing, pattern, suffix_rule, word_length, word_set
from captum_lca.corpora.derived import ENGLISH_SUFFIXES


@pytest.mark.parametrize(
    ("word", "suffix"),
    [
        ("walking", "ing"),
        ("WALKING", "ing"),
        ("nation", "tion"),
        ("mansion", "sion"),
        ("careless", "less"),
        ("dogs", "s"),
        ("ing", None),
        ("tree", None),
        ("", None),
    ],
)
def test_english_suffixes(word: str, suffix: str | None) -> None:
    assert suffix_rule()(word) == suffix


def test_longest_suffix_wins_whatever_the_order() -> None:
    for inventory in (["s", "-ness", "ss"], ["ss", "s", "ness"]):
        assert [suffix_rule(inventory)(word) for word in ("dogs", "glass", "kindness")] == [
            "s",
            "ss",
            "ness",
        ]


def test_suffix_of_the_others() -> None:
    assert suffix_rule(["ing"], otherwise="none")("walk") == "none"


@pytest.mark.parametrize("inventory", [[], [""], ["-"], ["ing", ""]])
def test_empty_suffixes_are_refused(inventory: list[str]) -> None:
    with pytest.raises(ValueError, match="a suffix inventory of non-empty suffixes is needed"):
        suffix_rule(inventory)


@given(st.text(max_size=12))
def test_suffix_is_one_that_the_word_ends_in(word: str) -> None:
    suffix = suffix_rule()(word)
    endings = [
        s for s in ENGLISH_SUFFIXES if word.lower().endswith(s) and len(word.lower()) > len(s)
    ]
    assert suffix == max(endings, key=len, default=None)


def test_word_set() -> None:
    rule = word_set(["he", "she"], inside="pronoun", outside=None)
    assert [rule(word) for word in ("he", "He", "dog")] == ["pronoun", None, None]


@pytest.mark.parametrize("words", [[], "he"])
def test_word_set_needs_words(words: list[str]) -> None:
    with pytest.raises(ValueError, match="a set of words is needed"):
        word_set(words)


def test_pattern_matches_whole_words() -> None:
    assert [pattern(r"\d+")(word) for word in ("12", "a12", "12a", "")] == ["yes", "no", "no", "no"]
    assert pattern(re.compile("DOG", re.IGNORECASE), "dog", None)("dog") == "dog"


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("(", r"'\(': missing \)"),
        ("(" * 5000 + ")" * 5000, "maximum recursion depth exceeded"),
        ("a{99999999999}", "the repetition number is too large"),
    ],
)
def test_pattern_must_compile(expression: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"not a regular expression: .*{message}"):
        pattern(expression)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("dog", "lower"),
        ("o'clock", "lower"),
        ("Dog", "title"),
        ("O", "title"),
        ("'Tis", "title"),
        ("USA", "upper"),
        ("U.S.", "upper"),
        ("iPhone", "mixed"),
        ("McKay", "mixed"),
        ("12", "none"),
        ("!", "none"),
        ("Öl", "title"),
        ("日本", "none"),
    ],
)
def test_casing(word: str, expected: str) -> None:
    assert casing(word) == expected


def test_derived_labels_on_a_corpus() -> None:
    corpus = Corpus([["An", "old"], ["Song"]]).derive("length", word_length).derive("case", casing)
    assert corpus.labels == {"length": (2.0, 3.0, 4.0), "case": ("title", "lower", "title")}
