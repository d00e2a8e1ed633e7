"""A corpus without files: English sentences from a small grammar, with gold labels."""

from collections.abc import Callable

from captum_lca.corpora import lexicon
from captum_lca.corpora.corpus import Corpus
from captum_lca.corpora.inflection import Form
from captum_lca.corpora.labelled_words import Dice, NounPhrase, Word, chunked, from_form
from captum_lca.corpora.noun_phrases import (
    common_noun,
    noun_phrase,
    preposition,
    prepositional,
    simple_predicate,
)
from captum_lca.corpora.verb_groups import (
    be,
    main_verb,
    question_verbs,
    verb_chain,
    verb_group,
)

PROPERTIES = ("upos", "number", "tense", "suffix", "chunk", "role")

_SUBJECT_KINDS = (
    (0.5, "person"),
    (0.12, "animal"),
    (0.13, "thing"),
    (0.19, "event"),
    (0.06, "place"),
)
_PASSIVE_EXCEPT = frozenset(("have", "want", "like"))
_SUBORDINATORS = ("because", "if", "when", "while", "although", "before", "after", "since", "until")


def generate_corpus(sentences: int, seed: int) -> Corpus:
    """English sentences from the built-in grammar, with gold labels by construction.

    Words are ambiguous on purpose: most nouns are verbs too ("the walks", "she walks"), and every
    noun occurs as subject, object and more, so that a word's identity does not give its label away.

    Args:
        sentences (int): How many sentences, at least 1; most have 4 to 15 words.
        seed (int): Seed of the random choices: the same seed gives the same corpus, and a larger
            corpus begins with the sentences of a smaller one.

    Returns:
        A corpus with the properties

        - ``upos``: Universal Dependencies parts of speech;
        - ``number``: ``Sing`` or ``Plur`` of nouns, pronouns, demonstratives and agreeing verbs;
        - ``tense``: ``Pres`` or ``Past`` of finite verbs and helpers (not modals);
        - ``suffix``: the suffix a word is built with (``ing``, ``s``, ``er``, ``tion``, …);
        - ``chunk``: phrases in BIO form (``B-NP``, ``I-NP``, ``B-VP``, …, ``O``), as in CoNLL-2000;
        - ``role``: the Universal Dependencies relation (``nsubj``, ``obj``, ``root``, …).

        A word to which number, tense or suffix does not apply is unlabelled there.

    Raises:
        ValueError: Fewer than one sentence is asked for.

    Examples:
        >>> corpus = generate_corpus(100, seed=0)
        >>> len(corpus), corpus.properties
        (100, ('upos', 'number', 'tense', 'suffix', 'chunk', 'role'))
    """
    if sentences < 1:
        raise ValueError(f"cannot generate {sentences} sentences: ask for at least 1")
    dice = Dice(seed)
    generated = [_sentence(dice) for _ in range(sentences)]
    words = [word for sentence in generated for word in sentence]
    return Corpus(
        [[word.text for word in sentence] for sentence in generated],
        {name: [getattr(word, name) for word in words] for name in PROPERTIES},
        source="generated",
    )


def _sentence(dice: Dice) -> list[Word]:
    words, ending = dice.branch(_SENTENCES)(dice)
    first = words[0]
    first.text = first.text[0].upper() + first.text[1:]
    return [*words, Word(ending, "PUNCT", "punct")]


# --- Clauses --------------------------------------------------------------------------------------


def _subject(dice: Dice, role: str = "nsubj", depth: int = 1) -> NounPhrase:
    return noun_phrase(dice, dice.branch(_SUBJECT_KINDS), role, depth)


def _clause(dice: Dice, role: str, depth: int = 1) -> list[Word]:
    """Subject and predicate; ``role`` is that of the predicate's head."""
    if dice.chance(0.1):
        return _passive(dice, role, depth)
    subject = _subject(dice, depth=depth)
    return [*subject.words, *_predicate(dice, subject, role, depth)]


def _predicate(dice: Dice, subject: NounPhrase, role: str, depth: int) -> list[Word]:
    if dice.chance(0.12):
        return _copula(dice, subject, role)
    if subject.kind == "person" and depth and dice.chance(0.45):
        return dice.branch(_COMPLEMENTS)(dice, subject, role)
    if dice.chance(0.08):
        return _coordinated_verbs(dice, subject, role)
    verb, following = simple_predicate(dice, subject.kind, depth)
    return [*verb_group(dice, verb, subject, role), *following, *_adjunct(dice)]


def _adjunct(dice: Dice, probability: float = 0.4) -> list[Word]:
    """Sometimes, an adverb or a phrase of time or place."""
    if not dice.chance(probability):
        return []
    if dice.chance(0.3):
        adverbs = dice.pick((lexicon.MANNER_ADVERBS, lexicon.TIME_AND_PLACE_ADVERBS))
        return chunked("ADVP", [from_form(dice.pick(adverbs), "ADV", "advmod")])
    if dice.chance(0.15):
        return _day(dice)
    return prepositional(dice, dice.pick(("place", "place", "event", "person", "thing")), "obl")


def _day(dice: Dice) -> list[Word]:
    day = Word(dice.pick(lexicon.DAYS), "PROPN", "obl", "Sing")
    return [*preposition("on"), *chunked("NP", [day])]


def _copula(dice: Dice, subject: NounPhrase, role: str) -> list[Word]:
    tense = "Pres" if dice.chance(0.65) else "Past"
    verb = chunked("VP", [be(tense, subject, "AUX", "cop")])
    if subject.kind == "person" and subject.number == "Sing" and dice.chance(0.3):
        return [*verb, *_singular(dice, role)]
    people = subject.kind in ("person", "animal")
    adjectives = lexicon.PERSON_ADJECTIVES if people else lexicon.THING_ADJECTIVES
    return [*verb, *chunked("ADJP", [from_form(dice.pick(adjectives), "ADJ", role)])]


def _singular(dice: Dice, role: str) -> list[Word]:
    """A singular noun phrase that says what somebody is."""
    while (phrase := common_noun(dice, "person", role)).number != "Sing":
        pass
    return phrase.words


def _passive(dice: Dice, role: str, depth: int) -> list[Word]:
    subject = _subject(dice, "nsubj:pass", depth)
    verbs = lexicon.OBJECT_VERBS[subject.kind]
    while (verb := dice.pick(verbs)).base.text in _PASSIVE_EXCEPT:
        pass
    words = [*subject.words, *verb_group(dice, verb, subject, role, passive=True)]
    if dice.chance(0.6):
        return [*words, *preposition("by"), *noun_phrase(dice, "person", "obl:agent").words]
    return [*words, *_adjunct(dice)]


def _with_clause(dice: Dice, subject: NounPhrase, role: str) -> list[Word]:
    """As in "hopes (that) the visits help"."""
    verb = dice.pick(lexicon.SENTENTIAL)
    mark = chunked("SBAR", [Word("that", "SCONJ", "mark")]) if dice.chance(0.75) else []
    return [*verb_group(dice, verb, subject, role), *mark, *_clause(dice, "ccomp", depth=0)]


def _with_infinitive(dice: Dice, subject: NounPhrase, role: str) -> list[Word]:
    """As in "wants to play"."""
    governing = dice.pick(lexicon.INFINITIVAL)
    verb, following = simple_predicate(dice, "person")
    infinitive = [Word("to", "PART", "mark"), main_verb(verb, "base", "Pres", subject, "xcomp")]
    return [
        *verb_group(dice, governing, subject, role),
        *chunked("VP", infinitive),
        *following,
        *_adjunct(dice),
    ]


def _with_two_objects(dice: Dice, subject: NounPhrase, role: str) -> list[Word]:
    """As in "sends the guard a letter", "sends a letter to the guard"."""
    verb = verb_group(dice, dice.pick(lexicon.DITRANSITIVE), subject, role)
    given = common_noun(dice, "thing", "obj").words
    if dice.chance(0.5):
        return [*verb, *noun_phrase(dice, "person", "iobj").words, *given]
    return [*verb, *given, *preposition("to"), *noun_phrase(dice, "person", "obl").words]


_COMPLEMENTS: tuple[tuple[float, Callable[[Dice, NounPhrase, str], list[Word]]], ...] = (
    (0.4, _with_clause),
    (0.4, _with_infinitive),
    (0.2, _with_two_objects),
)


def _coordinated_verbs(dice: Dice, subject: NounPhrase, role: str) -> list[Word]:
    """Two simple verbs in the same tense."""
    tense = "Pres" if dice.chance(0.7) else "Past"
    words: list[Word] = []
    for conjunct in (role, "conj"):
        if words:
            words.append(Word(dice.pick(("and", "and", "or", "but")), "CCONJ", "cc"))
        verb, following = simple_predicate(dice, subject.kind)
        words += chunked("VP", verb_chain(dice, (), verb, subject, conjunct, tense=tense))
        words += following
    return words


# --- Sentences: words without the final mark, and that mark ---------------------------------------

_Sentence = tuple[list[Word], str]


def _comma() -> Word:
    return Word(",", "PUNCT", "punct")


def _statement(dice: Dice) -> _Sentence:
    return _clause(dice, "root"), "!" if dice.chance(0.05) else "."


def _with_subordinate(dice: Dice) -> _Sentence:
    mark = chunked("SBAR", [Word(dice.pick(_SUBORDINATORS), "SCONJ", "mark")])
    subordinate = [*mark, *_clause(dice, "advcl", depth=0)]
    main = _clause(dice, "root", depth=0)
    if dice.chance(0.5):
        return [*subordinate, _comma(), *main], "."
    return [*main, *subordinate], "."


def _coordinated_clauses(dice: Dice) -> _Sentence:
    conjunction = Word(dice.pick(("and", "but", "or")), "CCONJ", "cc")
    first, second = _clause(dice, "root", depth=0), _clause(dice, "conj", depth=0)
    return [*first, _comma(), conjunction, *second], "."


def _fronted(dice: Dice) -> _Sentence:
    if dice.chance(0.25):
        return [*_day(dice), *_clause(dice, "root")], "."
    return [*_adjunct(dice, 1.0), _comma(), *_clause(dice, "root")], "."


def _yes_no_question(dice: Dice) -> _Sentence:
    subject = _subject(dice, depth=0)
    verb, following = simple_predicate(dice, subject.kind)
    helper, verbs = question_verbs(dice, verb, subject, "root")
    return [*helper, *subject.words, *verbs, *following, *_adjunct(dice)], "?"


def _subject_question(dice: Dice) -> _Sentence:
    """As in "Who watches the plants?", "Which guards watch the plants?"."""
    subject = NounPhrase(chunked("NP", [Word("who", "PRON", "nsubj")]), "person")
    if dice.chance(0.5):
        noun = common_noun(dice, dice.branch(_SUBJECT_KINDS), "nsubj", determined=False)
        words = chunked("NP", [Word("which", "DET", "det"), *noun.words])
        subject = NounPhrase(words, noun.kind, noun.number)
    return [*subject.words, *_predicate(dice, subject, "root", depth=0)], "?"


def _object_question(dice: Dice) -> _Sentence:
    """As in "What did the nurses order?"."""
    kind, text = dice.pick((("thing", "what"), ("event", "what"), ("person", "who")))
    subject = noun_phrase(dice, "person", "nsubj")
    verb = dice.pick(lexicon.OBJECT_VERBS[kind])
    helper, verbs = question_verbs(dice, verb, subject, "root")
    asked = chunked("NP", [Word(text, "PRON", "obj")])
    return [*asked, *helper, *subject.words, *verbs, *_adjunct(dice, 0.25)], "?"


def _adverb_question(dice: Dice) -> _Sentence:
    words, ending = _yes_no_question(dice)
    asked = Word(dice.pick(("where", "when", "why", "how")), "ADV", "advmod")
    return [*chunked("ADVP", [asked]), *words], ending


def _command(dice: Dice) -> _Sentence:
    """As in "Water the plants!", "Do not guard the door."."""
    verb, following = simple_predicate(dice, "person")
    words = [from_form(verb.base, "VERB", "root")]
    if dice.chance(0.2):
        words = [Word("do", "AUX", "aux"), Word("not", "PART", "advmod"), *words]
    return [*chunked("VP", words), *following, *_adjunct(dice)], dice.pick((".", "!"))


def _existential(dice: Dice) -> _Sentence:
    """As in "There are two guards near the door."."""
    kind = dice.branch(_SUBJECT_KINDS)
    noun = common_noun(dice, kind, "nsubj", determined=False)
    singular = noun.number == "Sing"
    determiner = Form("no") if singular or dice.chance(0.4) else Form("some")
    words = chunked("NP", [from_form(determiner, "DET", "det"), *noun.words])
    tense = "Pres" if dice.chance(0.6) else "Past"
    there = chunked("NP", [Word("there", "PRON", "expl")])
    verb = chunked("VP", [be(tense, noun, "VERB", "root")])
    return [*there, *verb, *words, *prepositional(dice, "place", "obl")], "."


_SENTENCES: tuple[tuple[float, Callable[[Dice], _Sentence]], ...] = (
    (0.38, _statement),
    (0.16, _with_subordinate),
    (0.08, _coordinated_clauses),
    (0.07, _fronted),
    (0.07, _yes_no_question),
    (0.06, _subject_question),
    (0.05, _object_question),
    (0.03, _adverb_question),
    (0.07, _command),
    (0.03, _existential),
)
