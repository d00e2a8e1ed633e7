import pytest

from captum_lca.corpora.inflection import verb
from captum_lca.corpora.labelled_words import Dice, NounPhrase
from captum_lca.corpora.verb_groups import question_verbs, verb_chain, verb_group

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


def test_adverb_before_a_simple_verb_is_its_own_chunk() -> None:
    groups = [verb_group(Dice(seed), verb("walk"), SHE, "root") for seed in range(300)]
    with_adverb = [group for group in groups if group[0].upos == "ADV"]
    assert with_adverb
    assert all([word.chunk for word in group] == ["B-ADVP", "B-VP"] for group in with_adverb)
