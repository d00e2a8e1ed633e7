import pytest

from captum_lca.corpora.inflection import Form, noun, verb


@pytest.mark.parametrize(
    ("base", "third", "past", "participle", "gerund"),
    [
        ("walk", "walks", "walked", "walked", "walking"),
        ("watch", "watches", "watched", "watched", "watching"),
        ("dance", "dances", "danced", "danced", "dancing"),
        ("stop", "stops", "stopped", "stopped", "stopping"),
        ("visit", "visits", "visited", "visited", "visiting"),
        ("study", "studies", "studied", "studied", "studying"),
        ("play", "plays", "played", "played", "playing"),
        ("see", "sees", "saw", "seen", "seeing"),
        ("ride", "rides", "rode", "ridden", "riding"),
        ("have", "has", "had", "had", "having"),
    ],
)
def test_verbs(base: str, third: str, past: str, participle: str, gerund: str) -> None:
    forms = verb(base)
    assert (forms.base.text, forms.third.text, forms.past.text) == (base, third, past)
    assert (forms.participle.text, forms.gerund.text) == (participle, gerund)


@pytest.mark.parametrize(
    ("entry", "singular", "plural"),
    [
        ("guard", "guard", "guards"),
        ("box", "box", "boxes"),
        ("coach", "coach", "coaches"),
        ("story", "story", "stories"),
        ("play", "play", "plays"),
        ("woman", "woman", "women"),
        ("sheep", "sheep", "sheep"),
        ("paint-er", "painter", "painters"),
    ],
)
def test_nouns(entry: str, singular: str, plural: str) -> None:
    forms = noun(entry)
    assert forms.plural is not None
    assert (forms.singular.text, forms.plural.text) == (singular, plural)


def test_mass_nouns_have_no_plural() -> None:
    assert noun("water*").plural is None
    assert noun("kind-ness*").singular == Form("kindness", "ness")


def test_suffixes_are_those_that_the_form_was_built_with() -> None:
    suffixes = [form.suffix for form in vars(verb("walk")).values()]
    assert suffixes == [None, "s", "ed", "ed", "ing"]
    assert verb("ride").past.suffix is None
    assert noun("river").singular.suffix is None
    assert noun("wom" + "an").plural == Form("women", None)
