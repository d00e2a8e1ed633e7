import pytest

from captum_lca.corpora.inflection import verb
from captum_lca.corpora.phrases import (
    Dice,
    NounPhrase,
    Word,
    chunked,
    common_noun,
    noun_phrase,
    prepositional,
    question_verbs,
    verb_chain,
    verb_group,
)

SHE = NounPhrase([], "person", "Sing", 3)
THEY = NounPhrase([], "person", "Plur", 3)
I = NounPhrase([], "person", "Sing", 1)  # noqa: E741
YOU = NounPhrase([], "person", None, 2)


@pytest.mark.parametrize(
    ("subject", "helpers", "passive", "tense", "expected"),
    [
        (SHE, (), False, "Pres", "walks/Sing/Pres"),
        (THEY, (), False, "Pres", "walk/Plur/Pres"),
        (I, (), False, "Pres", "walk/Sing/Pres"),
        (YOU, (), False, "Pres", "walk/None/Pres"),
        (SHE, (), False, "Past", "walked/None/Past"),
        (SHE, ("be",), False, "Pres", "is/Sing/Pres walking/None/None"),
        (I, ("be",), False, "Pres", "am/Sing/Pres walking/None/None"),
        (YOU, ("be",), False, "Past", "were/None/Past walking/None/None"),
        (I, ("be",), False, "Past", "was/Sing/Past walking/None/None"),
        (SHE, ("have",), False, "Pres", "has/Sing/Pres walked/None/None"),
        (THEY, ("have",), False, "Past", "had/None/Past walked/None/None"),
        (SHE, ("do",), False, "Pres", "does/Sing/Pres walk/None/None"),
        (THEY, (), True, "Pres", "are/Plur/Pres walked/None/None"),
        (SHE, ("have",), True, "Pres", "has/Sing/Pres been/None/None walked/None/None"),
    ],
)
def test_verbs_agree_and_govern(
    subject: NounPhrase, helpers: tuple[str, ...], passive: bool, tense: str, expected: str
) -> None:
    words = verb_chain(Dice(0), helpers, verb("walk"), subject, "root", passive, tense)
    assert " ".join(f"{word.text}/{word.number}/{word.tense}" for word in words) == expected
    assert [word.upos for word in words] == ["AUX"] * (len(words) - 1) + ["VERB"]
    assert words[-1].role == "root"


def test_modals_have_neither_number_nor_tense() -> None:
    modal, main = verb_chain(Dice(0), ("modal",), verb("ride"), SHE, "root", tense="Pres")
    assert (modal.upos, modal.role, modal.number, modal.tense) == ("AUX", "aux", None, None)
    assert (main.text, main.tense) == ("ride", None)


def test_passive_helper_has_its_own_role() -> None:
    helper, main = verb_chain(Dice(0), (), verb("ride"), THEY, "root", True, "Past")
    assert (helper.text, helper.role, main.text) == ("were", "aux:pass", "ridden")


def test_statives_take_do_instead_of_a_progressive() -> None:
    words = verb_chain(Dice(0), ("be",), verb("know"), SHE, "root", tense="Pres")
    assert [word.text for word in words] == ["does", "know"]


def test_question_helper_is_outside_the_verb_chunk() -> None:
    for seed in range(20):
        (helper,), rest = question_verbs(Dice(seed), verb("walk"), SHE, "root")
        assert (helper.upos, helper.chunk) == ("AUX", "O")
        assert [word.chunk for word in rest] == ["B-VP"]


def test_chunked_marks_the_first_word() -> None:
    words = chunked("NP", [Word(text, "X", "dep") for text in "abc"])
    assert [word.chunk for word in words] == ["B-NP", "I-NP", "I-NP"]


def test_pronouns_take_the_form_of_their_role() -> None:
    for role, allowed in (
        ("nsubj", {"I", "you", "he", "she", "we", "they"}),
        ("obj", {"me", "you", "him", "her", "us", "them"}),
    ):
        phrases = (noun_phrase(Dice(seed), "person", role) for seed in range(400))
        pronouns = {
            p.words[0].text for p in phrases if p.words[0].upos == "PRON" == p.words[-1].upos
        }
        assert pronouns == allowed


def test_articles_and_determiners_fit_the_noun() -> None:
    for seed in range(2000):
        phrase = common_noun(Dice(seed), ("person", "thing", "event")[seed % 3], "obj")
        first, second = phrase.words[0], phrase.words[min(1, len(phrase.words) - 1)]
        if first.text == "a":
            assert second.text[0] not in "aeiou" or second.text.startswith("use")
        if first.text == "an":
            assert second.text[0] in "aeiou"
        if first.text in ("a", "an", "this", "every", "each", "another", "one"):
            assert phrase.number == "Sing"
        if first.text in ("these", "those", "many", "several", "few", "two", "12"):
            assert phrase.number == "Plur"


def test_head_carries_the_role_and_the_others_do_not() -> None:
    for seed in range(300):
        words = noun_phrase(Dice(seed), "thing", "iobj", depth=1).words
        assert sum(word.role == "iobj" for word in words) == 1


def test_prepositional_phrase_begins_with_its_preposition() -> None:
    for seed in range(100):
        first, *rest = prepositional(Dice(seed), "place", "obl")
        assert (first.upos, first.role, first.chunk) == ("ADP", "case", "B-PP")
        assert sum(word.role == "obl" for word in rest) == 1


def test_adverb_before_a_simple_verb_is_its_own_chunk() -> None:
    groups = [verb_group(Dice(seed), verb("walk"), SHE, "root") for seed in range(300)]
    with_adverb = [group for group in groups if group[0].upos == "ADV"]
    assert with_adverb
    assert all([word.chunk for word in group] == ["B-ADVP", "B-VP"] for group in with_adverb)


def test_dice_branch_follows_the_weights() -> None:
    dice = Dice(0)
    drawn = [dice.branch(((0.7, "a"), (0.3, "b"))) for _ in range(2000)]
    assert drawn.count("a") / 2000 == pytest.approx(0.7, abs=0.05)  # five standard deviations
