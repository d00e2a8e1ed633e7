from itertools import chain

from captum_lca.corpora import lexicon

NOUNS = list(chain.from_iterable(lexicon.NOUNS.values()))
VERBS = [
    *chain.from_iterable(lexicon.OBJECT_VERBS.values()),
    *lexicon.INTRANSITIVE,
    *lexicon.EVENT_TRANSITIVE,
    *lexicon.EVENT_INTRANSITIVE,
    *lexicon.ANIMAL_TRANSITIVE,
    *lexicon.SENTENTIAL,
    *lexicon.INFINITIVAL,
    *lexicon.DITRANSITIVE,
]


def test_a_noun_is_listed_once() -> None:
    singulars = [noun.singular.text for noun in NOUNS]
    assert len(singulars) == len(set(singulars))


def test_half_of_the_verbs_are_nouns_too() -> None:
    nouns = {noun.singular.text for noun in NOUNS}
    verbs = {verb.base.text for verb in VERBS}
    assert len(verbs & nouns) > len(verbs) / 2


def test_several_hundred_words() -> None:
    forms = {form.text for noun in NOUNS for form in (noun.singular, noun.plural) if form}
    forms |= {form.text for verb in VERBS for form in vars(verb).values()}
    assert len(forms) > 700


def test_verbs_named_by_rules_exist() -> None:
    bases = {verb.base.text for verb in VERBS}
    assert bases >= lexicon.STATIVE
    assert {verb.base.text for verb in lexicon.INTRANSITIVE} >= lexicon.MOTION
