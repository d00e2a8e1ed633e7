"""English inflection for the built-in grammar, with the suffix that each form carries."""

from dataclasses import dataclass
from typing import NamedTuple

IRREGULAR_PLURALS = {
    "child": "children",
    "deer": "deer",
    "fish": "fish",
    "goose": "geese",
    "man": "men",
    "mouse": "mice",
    "sheep": "sheep",
    "wolf": "wolves",
    "woman": "women",
}

IRREGULAR_PASTS = {
    verb: (past, participle)
    for verb, past, participle in (
        line.split()
        for line in """\
        break broke broken; bring brought brought; build built built; buy bought bought
        catch caught caught; cut cut cut; draw drew drawn; drive drove driven; feed fed fed
        fight fought fought; find found found; fly flew flown; give gave given; have had had
        hide hid hidden; hit hit hit; hold held held; know knew known; leave left left
        lend lent lent; lose lost lost; meet met met; read read read; ride rode ridden
        run ran run; say said said; see saw seen; sell sold sold; send sent sent
        show showed shown; sing sang sung; sleep slept slept; swim swam swum
        teach taught taught; tell told told; think thought thought; write wrote written""".replace(
            "\n", ";"
        ).split(";")
    )
}

DOUBLED = frozenset(("cut", "hit", "map", "nap", "plan", "run", "stop", "swim"))
"""Verbs that double their last letter before -ed and -ing."""


class Form(NamedTuple):
    """A word as written, and the suffix it was built with."""

    text: str
    suffix: str | None = None


@dataclass(frozen=True)
class Noun:
    """A noun with both of its numbers."""

    singular: Form
    plural: Form | None
    """None for a mass noun."""


@dataclass(frozen=True)
class Verb:
    """The forms of a verb."""

    base: Form
    third: Form
    """Third person singular of the present tense."""
    past: Form
    participle: Form
    gerund: Form


def derived(entry: str) -> Form:
    """A lexicon entry, in which a hyphen marks off the suffix.

    Examples:
        >>> derived("paint-er"), derived("river")
        (Form(text='painter', suffix='er'), Form(text='river', suffix=None))
    """
    stem, _, suffix = entry.partition("-")
    return Form(stem + suffix, suffix or None)


def noun(entry: str) -> Noun:
    """A noun from its lexicon entry: a hyphen marks off a suffix, a star a mass noun."""
    singular = derived(entry.rstrip("*"))
    if entry.endswith("*"):
        return Noun(singular, None)
    irregular = IRREGULAR_PLURALS.get(singular.text)
    return Noun(singular, Form(irregular) if irregular else with_s(singular.text))


def verb(base: str) -> Verb:
    """A verb from its base form."""
    third = Form("has", None) if base == "have" else with_s(base)
    gerund = Form(_stem(base, "ing") + "ing", "ing")
    if base in IRREGULAR_PASTS:
        past, participle = map(Form, IRREGULAR_PASTS[base])
    else:
        past = participle = Form(_stem(base, "ed") + "ed", "ed")
    return Verb(Form(base), third, past, participle, gerund)


def with_s(text: str) -> Form:
    """The form in -s: a regular plural, or the third person singular."""
    if text.endswith(("s", "x", "z", "ch", "sh")):
        return Form(text + "es", "s")
    if _ends_in_consonant_y(text):
        return Form(text[:-1] + "ies", "s")
    return Form(text + "s", "s")


def _stem(base: str, suffix: str) -> str:
    """What is left of a verb before -ed or -ing."""
    if base in DOUBLED:
        return base + base[-1]
    if base.endswith("e") and not base.endswith("ee"):
        return base[:-1]
    if suffix == "ed" and _ends_in_consonant_y(base):
        return base[:-1] + "i"
    return base


def _ends_in_consonant_y(text: str) -> bool:
    return text.endswith("y") and text[-2] not in "aeiou"
