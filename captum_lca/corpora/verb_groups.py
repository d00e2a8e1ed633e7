"""Verb groups of the built-in grammar: helpers and a main verb, every word with its gold labels."""

from captum_lca.corpora import lexicon
from captum_lca.corpora.inflection import Verb
from captum_lca.corpora.labelled_words import Dice, NounPhrase, Word, chunked, from_form

MODALS = ("will", "can", "may", "must", "should", "might", "could", "would")
AUXILIARIES = {
    "be": {"base": "be", "participle": "been"},
    "have": {"base": "have", "third": "has", "past": "had"},
    "do": {"base": "do", "third": "does", "past": "did"},
}
REQUIRED_NEXT = {
    "modal": "base",
    "do": "base",
    "have": "participle",
    "be": "gerund",
    "be passive": "participle",
}
"""The form that each helper asks of the verb after it."""
SHAPES: tuple[tuple[float, tuple[str, ...]], ...] = (
    (0.66, ()),
    (0.12, ("modal",)),
    (0.09, ("be",)),
    (0.07, ("have",)),
    (0.06, ("do",)),
)
PASSIVE_SHAPES: tuple[tuple[float, tuple[str, ...]], ...] = (
    (0.7, ()),
    (0.18, ("modal",)),
    (0.12, ("have",)),
)
QUESTION_SHAPES: tuple[tuple[float, tuple[str, ...]], ...] = (
    (0.55, ("do",)),
    (0.2, ("modal",)),
    (0.15, ("be",)),
    (0.1, ("have",)),
)


def verb_group(
    dice: Dice,
    verb: Verb,
    subject: NounPhrase,
    role: str,
    passive: bool = False,
) -> list[Word]:
    """Helpers and a main verb that agree with the subject, as one chunk.

    Args:
        dice (Dice): Source of the choices.
        verb (Verb): The main verb.
        subject (NounPhrase): What the first verb agrees with.
        role (str): Relation of the main verb.
        passive (bool): Whether the subject suffers the action. Default: False.
    """
    helpers = dice.branch(PASSIVE_SHAPES if passive else SHAPES)
    negated = bool(helpers) and (helpers == ("do",) or dice.chance(0.1))
    words = verb_chain(dice, helpers, verb, subject, role, passive)
    if negated:
        words.insert(1, Word("not", "PART", "advmod"))
    group = chunked("VP", words)
    if len(group) == 1 and dice.chance(0.07):
        adverb = from_form(dice.pick(lexicon.FREQUENCY_ADVERBS), "ADV", "advmod")
        return [*chunked("ADVP", [adverb]), *group]
    return group


def question_verbs(
    dice: Dice, verb: Verb, subject: NounPhrase, role: str
) -> tuple[list[Word], list[Word]]:
    """The helper that goes before the subject (in no chunk), and the verbs that go after it."""
    helper, *rest = verb_chain(dice, dice.branch(QUESTION_SHAPES), verb, subject, role)
    return [helper], chunked("VP", rest)


def verb_chain(
    dice: Dice,
    helpers: tuple[str, ...],
    verb: Verb,
    subject: NounPhrase,
    role: str,
    passive: bool = False,
    tense: str | None = None,
) -> list[Word]:
    """The helpers, each in the form that the one before asks for, and the main verb."""
    if verb.base.text in lexicon.STATIVE and helpers == ("be",):
        helpers = ("do",)
    tense = tense or ("Pres" if dice.chance(0.72) else "Past")
    wanted = "finite"
    words = []
    for helper in (*helpers, *(("be passive",) if passive else ())):
        if helper == "modal":
            words.append(Word(dice.pick(MODALS), "AUX", "aux"))
        else:
            lemma, _, voice = helper.partition(" ")
            words.append(auxiliary(lemma, wanted, tense, subject, "aux:pass" if voice else "aux"))
        wanted = REQUIRED_NEXT[helper]
    words.append(main_verb(verb, wanted, tense, subject, role))
    return words


def main_verb(verb: Verb, wanted: str, tense: str, subject: NounPhrase, role: str) -> Word:
    """A main verb in the form wanted: finite, base, participle or gerund."""
    if wanted != "finite":
        return from_form(getattr(verb, wanted), "VERB", role)
    if tense == "Past":
        return Word(verb.past.text, "VERB", role, None, tense, verb.past.suffix)
    form = verb.third if subject.third_singular else verb.base
    return Word(form.text, "VERB", role, subject.number, tense, form.suffix)


def auxiliary(lemma: str, wanted: str, tense: str, subject: NounPhrase, role: str) -> Word:
    """A form of be, have or do as a helper."""
    forms = AUXILIARIES[lemma]
    if wanted != "finite":
        return Word(forms[wanted], "AUX", role)
    if lemma == "be":
        return be(tense, subject, "AUX", role)
    if tense == "Past":
        return Word(forms["past"], "AUX", role, None, tense)
    text = forms["third"] if subject.third_singular else forms["base"]
    return Word(text, "AUX", role, subject.number, tense)


def be(tense: str, subject: NounPhrase, upos: str, role: str) -> Word:
    """A finite form of "be", which shows number in the past as well."""
    singular = subject.number == "Sing"
    if tense == "Past":
        text = "was" if singular else "were"
    elif subject.third_singular:
        text = "is"
    else:
        text = "am" if singular else "are"
    return Word(text, upos, role, subject.number, tense)
