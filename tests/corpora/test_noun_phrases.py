from captum_lca.corpora.labelled_words import Dice
from captum_lca.corpora.noun_phrases import common_noun, noun_phrase, prepositional


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
