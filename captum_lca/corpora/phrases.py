"""Noun phrases and verb groups of the built-in grammar, every word with its gold labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from captum_lca.corpora import lexicon
from captum_lca.corpora.inflection import Form, Verb

Option = TypeVar("Option")


class Dice:
    """Random choices from one seed."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed).random

    def pick(self, options: Sequence[Option]) -> Option:
        """One of the options, each as likely as the others."""
        return options[int(self._random() * len(options))]

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self._random() < probability

    def branch(self, options: Sequence[tuple[float, Option]]) -> Option:
        """One of the options by weight; the weights add up to 1."""
        left = self._random()
        for weight, option in options:
            left -= weight
            if left < 0:
                return option
        return options[-1][1]


@dataclass(slots=True)
class Word:
    """A word of a sentence with its gold labels."""

    text: str
    upos: str
    role: str
    """Universal Dependencies relation to the word it depends on."""
    number: str | None = None
    tense: str | None = None
    suffix: str | None = None
    chunk: str = "O"
    """Set by ``chunked``."""


@dataclass(frozen=True)
class NounPhrase:
    """A noun phrase and what its verb agrees with."""

    words: list[Word]
    kind: str
    """What it names: a key of ``lexicon.NOUNS``."""
    number: str | None = "Sing"
    """None for "you"."""
    person: int = 3

    @property
    def third_singular(self) -> bool:
        """Whether its verb takes -s."""
        return self.person == 3 and self.number == "Sing"


def chunked(kind: str, words: list[Word]) -> list[Word]:
    """The words as one chunk: the first B-kind, the others I-kind."""
    for place, word in enumerate(words):
        word.chunk = f"{'I' if place else 'B'}-{kind}"
    return words


def from_form(form: Form, upos: str, role: str, number: str | None = None) -> Word:
    """A word from the lexicon."""
    return Word(form.text, upos, role, number, suffix=form.suffix)


# --- Noun phrases ---------------------------------------------------------------------------------

PRONOUNS: tuple[tuple[str, str, str | None, int], ...] = (
    ("I", "me", "Sing", 1),
    ("you", "you", None, 2),
    ("he", "him", "Sing", 3),
    ("she", "her", "Sing", 3),
    ("we", "us", "Plur", 1),
    ("they", "them", "Plur", 3),
)
"""Subject form, object form, number, person; of people."""
IMPERSONAL_PRONOUNS: tuple[tuple[str, str, str | None, int], ...] = (
    ("it", "it", "Sing", 3),
    ("they", "them", "Plur", 3),
)
SUBJECT_ROLES = ("nsubj", "nsubj:pass")

POSSESSIVES = ("my", "your", "his", "her", "her", "our", "their", "its")
DETERMINERS = {
    "Sing": ("the", "the", "the", "a", "a", "a", "this", "that", "every", "each", "another"),
    "Plur": ("the", "the", "the", "these", "those", "some", "all", "", "", ""),
}
DEMONSTRATIVES = {"this": "Sing", "that": "Sing", "these": "Plur", "those": "Plur"}
QUANTITIES = ("many", "several", "few")
SPOKEN_WITH_CONSONANT = ("use", "uni", "one")
"""Beginnings that take "a" although they are written with a vowel."""

PREPOSITIONS = {
    "person": ("with", "for", "near", "without", "like", "behind", "before"),
    "animal": ("with", "near", "like", "behind"),
    "thing": ("with", "without", "near", "about", "for", "inside"),
    "event": ("before", "after", "during", "without", "since", "until", "about", "for"),
    "place": ("in", "near", "behind", "outside", "inside", "around", "at"),
}
MODIFIER_KINDS = {
    "person": ("place", "thing"),
    "animal": ("place", "place"),
    "thing": ("place", "person"),
    "event": ("place", "thing"),
    "place": ("place", "animal"),
}

_PERSONAL_OBJECTS = tuple(
    (kind, lexicon.OBJECT_VERBS[kind])
    for kind in ("thing", "thing", "event", "event", "person", "person", "place", "animal")
)
_ANIMAL_OBJECTS = tuple((kind, lexicon.ANIMAL_TRANSITIVE) for kind in ("person", "animal"))
_EVENT_OBJECTS = (("person", lexicon.EVENT_TRANSITIVE),)
PREDICATES = {
    "person": (lexicon.INTRANSITIVE, _PERSONAL_OBJECTS),
    "animal": (lexicon.ANIMAL_INTRANSITIVE, _ANIMAL_OBJECTS),
    **dict.fromkeys(("thing", "event", "place"), (lexicon.EVENT_INTRANSITIVE, _EVENT_OBJECTS)),
}
"""Kind of subject to its intransitive verbs, and to the kinds of object with their verbs."""


def noun_phrase(dice: Dice, kind: str, role: str, depth: int = 0) -> NounPhrase:
    """A noun phrase that names something of a kind.

    Args:
        dice (Dice): Source of the choices.
        kind (str): A key of ``lexicon.NOUNS``.
        role (str): Relation of its head to the rest of the sentence.
        depth (int): How deep phrases may nest inside it; 0 for a plain one.
    """
    personal = kind == "person"
    if dice.chance(0.2 if personal else 0.08):
        return _pronoun(dice, kind, role)
    if personal and dice.chance(0.15):
        return NounPhrase(chunked("NP", [name(dice, role)]), kind)
    if depth and dice.chance(0.06):
        return _coordinated(dice, kind, role)
    if depth and personal and dice.chance(0.04):
        return _partitive(dice, kind, role)
    phrase = common_noun(dice, kind, role)
    if depth and dice.chance(0.14):
        phrase.words.extend(prepositional(dice, dice.pick(MODIFIER_KINDS[kind]), "nmod"))
    elif depth and dice.chance(0.16):
        phrase.words.extend(_relative_clause(dice, phrase))
    return phrase


def name(dice: Dice, role: str) -> Word:
    """A person's name."""
    return Word(dice.pick(lexicon.FIRST_NAMES), "PROPN", role, "Sing")


def common_noun(dice: Dice, kind: str, role: str, determined: bool = True) -> NounPhrase:
    """Determiner, adjectives and noun: one chunk, unless the determiner is left to the caller."""
    noun = dice.pick(lexicon.NOUNS[kind])
    plural = noun.plural if noun.plural and dice.chance(0.45) else None
    number = "Plur" if plural else "Sing"
    head = from_form(plural or noun.singular, "NOUN", role, number)
    words = [*_modifiers(dice, kind, number), head]
    if not determined:
        return NounPhrase(words, kind, number)
    if dice.chance(0.04):
        return NounPhrase([*_possessor(dice), *chunked("NP", [_genitive(), *words])], kind, number)
    words = _determined(dice, words, number, countable=noun.plural is not None)
    return NounPhrase(chunked("NP", words), kind, number)


def prepositional(dice: Dice, kind: str, role: str) -> list[Word]:
    """A preposition and a plain noun phrase."""
    if kind == "place" and dice.chance(0.15):
        city = Word(dice.pick(lexicon.CITIES), "PROPN", role, "Sing")
        return [*preposition(dice.pick(("in", "near", "to"))), *chunked("NP", [city])]
    return [*preposition(dice.pick(PREPOSITIONS[kind])), *noun_phrase(dice, kind, role).words]


def preposition(text: str) -> list[Word]:
    """A preposition, a chunk of its own."""
    return chunked("PP", [Word(text, "ADP", "case")])


def _pronoun(dice: Dice, kind: str, role: str) -> NounPhrase:
    if kind != "person" and dice.chance(0.5):
        text = dice.pick(tuple(DEMONSTRATIVES))
        pronoun = Word(text, "PRON", role, DEMONSTRATIVES[text])
        return NounPhrase(chunked("NP", [pronoun]), kind, pronoun.number)
    pronouns = PRONOUNS if kind == "person" else IMPERSONAL_PRONOUNS
    subject, oblique, number, person = dice.pick(pronouns)
    text = subject if role in SUBJECT_ROLES else oblique
    return NounPhrase(chunked("NP", [Word(text, "PRON", role, number)]), kind, number, person)


def _coordinated(dice: Dice, kind: str, role: str) -> NounPhrase:
    first, second = common_noun(dice, kind, role), common_noun(dice, kind, "conj")
    words = [*first.words, Word("and", "CCONJ", "cc"), *second.words]
    return NounPhrase(words, kind, "Plur")


def _partitive(dice: Dice, kind: str, role: str) -> NounPhrase:
    """As in "two of the nurses"."""
    count = dice.pick(("one", "two", "three", "four"))
    nouns = [noun for noun in lexicon.NOUNS[kind] if noun.plural]
    plural = dice.pick(nouns).plural
    head = from_form(plural or Form(""), "NOUN", "nmod", "Plur")
    words = [
        *chunked("NP", [Word(count, "NUM", role)]),
        *preposition("of"),
        *chunked("NP", [Word("the", "DET", "det"), head]),
    ]
    return NounPhrase(words, kind, "Sing" if count == "one" else "Plur")


def _modifiers(dice: Dice, kind: str, number: str) -> list[Word]:
    people = kind in ("person", "animal")
    words = []
    if dice.chance(0.28):
        adjectives = lexicon.PERSON_ADJECTIVES if people else lexicon.THING_ADJECTIVES
        words.append(from_form(dice.pick(adjectives), "ADJ", "amod"))
    if kind != "animal" and dice.chance(0.08):
        compound = dice.pick(lexicon.NOUNS["place"])
        words.append(from_form(compound.singular, "NOUN", "compound", "Sing"))
    if number == "Plur" and dice.chance(0.08):
        words.insert(0, Word("other", "ADJ", "amod"))
    return words


def _determined(dice: Dice, words: list[Word], number: str, countable: bool) -> list[Word]:
    if dice.chance(0.12):
        return [Word(dice.pick(POSSESSIVES), "PRON", "nmod:poss"), *words]
    if not countable:
        return [Word(dice.pick(("the", "the", "this", "some")), "DET", "det"), *words]
    if dice.chance(0.06):
        count = "one" if number == "Sing" else dice.pick(lexicon.PLURAL_NUMBERS)
        return [Word(count, "NUM", "nummod"), *words]
    if number == "Plur" and dice.chance(0.08):
        return [Word(dice.pick(QUANTITIES), "ADJ", "amod"), *words]
    text = dice.pick(DETERMINERS[number])
    if text == "a":
        text = _article(words[0].text)
    return [Word(text, "DET", "det", DEMONSTRATIVES.get(text)), *words] if text else words


def _possessor(dice: Dice) -> list[Word]:
    if dice.chance(0.5):
        return chunked("NP", [name(dice, "nmod:poss")])
    person = dice.pick(lexicon.NOUNS["person"]).singular
    owner = from_form(person, "NOUN", "nmod:poss", "Sing")
    return chunked("NP", [Word("the", "DET", "det"), owner])


def _genitive() -> Word:
    return Word("'s", "PART", "case")


def _article(following: str) -> str:
    vowel = following[0] in "aeiou" and not following.startswith(SPOKEN_WITH_CONSONANT)
    return "an" if vowel else "a"


def _relative_clause(dice: Dice, head: NounPhrase) -> list[Word]:
    """As in "the cook who plays", "the letter (that) the guards copied"."""
    pronoun = dice.pick(("who", "that") if head.kind == "person" else ("that", "which"))
    if dice.chance(0.5):
        verb, following = simple_predicate(dice, head.kind)
        return [
            *chunked("NP", [Word(pronoun, "PRON", "nsubj")]),
            *verb_group(dice, verb, head, "acl:relcl"),
            *following,
        ]
    subject = noun_phrase(dice, "person", "nsubj")
    verb = dice.pick(lexicon.OBJECT_VERBS[head.kind])
    relative = chunked("NP", [Word(pronoun, "PRON", "obj")]) if dice.chance(0.6) else []
    return [*relative, *subject.words, *verb_group(dice, verb, subject, "acl:relcl")]


def simple_predicate(dice: Dice, subject_kind: str, depth: int = 0) -> tuple[Verb, list[Word]]:
    """A verb that suits a kind of subject, and its object (or a direction, or nothing)."""
    intransitive, objects = PREDICATES[subject_kind]
    if dice.chance(0.3):
        verb = dice.pick(intransitive)
        if verb.base.text in lexicon.MOTION and dice.chance(0.4):
            return verb, [*preposition("to"), *noun_phrase(dice, "place", "obl").words]
        return verb, []
    kind, transitive = dice.pick(objects)
    return dice.pick(transitive), noun_phrase(dice, kind, "obj", depth).words


# --- Verb groups ----------------------------------------------------------------------------------

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
