"""Noun phrases of the built-in grammar, every word with its gold labels."""

from captum_lca.corpora import lexicon
from captum_lca.corpora.inflection import Form, Verb
from captum_lca.corpora.labelled_words import Dice, NounPhrase, Word, chunked, from_form
from captum_lca.corpora.verb_groups import verb_group

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
