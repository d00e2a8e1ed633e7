from collections import Counter, defaultdict
from itertools import pairwise

import pytest

from captum_lca.corpora import Corpus, generate_corpus, lexicon
from captum_lca.corpora.grammar import PROPERTIES

BIG = generate_corpus(20_000, seed=0)


def by_sentence(corpus: Corpus, name: str) -> list[list[tuple[str, str | float | None]]]:
    labels = iter(corpus.labels[name])
    return [[(word, next(labels)) for word in sentence] for sentence in corpus.sentences]


def identity_baseline(corpus: Corpus, name: str) -> float:
    """Share of labelled words that the most frequent label of their type gets right."""
    labels_of: dict[str, Counter[object]] = defaultdict(Counter)
    for word, label in zip(corpus.words, corpus.labels[name], strict=True):
        if label is not None:
            labels_of[word][label] += 1
    right = sum(max(counts.values()) for counts in labels_of.values())
    return right / sum(counts.total() for counts in labels_of.values())


def test_same_seed_same_corpus_and_a_larger_one_begins_alike() -> None:
    assert generate_corpus(50, seed=5) == generate_corpus(50, seed=5)
    assert generate_corpus(50, seed=5) != generate_corpus(50, seed=6)
    assert generate_corpus(50, seed=5).sentences == generate_corpus(70, seed=5).sentences[:50]


def test_asks_for_sentences() -> None:
    with pytest.raises(ValueError, match="cannot generate 0 sentences: ask for at least 1"):
        generate_corpus(0, seed=0)


def test_all_properties_of_all_words() -> None:
    assert BIG.properties == PROPERTIES
    assert len(BIG) == 20_000
    for name in ("upos", "chunk", "role"):
        assert None not in BIG.labels[name]


@pytest.mark.parametrize(
    ("name", "most"), [("upos", 0.935), ("role", 0.8), ("chunk", 0.9), ("number", 0.95)]
)
def test_word_identity_does_not_give_labels_away(name: str, most: float) -> None:
    baseline = identity_baseline(BIG, name)
    print(f"most frequent label per word type, {name}: {baseline:.3f}")
    assert baseline <= most


def test_vocabulary() -> None:
    assert len({word.lower() for word in BIG.words}) > 900


def test_every_noun_is_subject_and_object() -> None:
    roles = defaultdict(set)
    for word, upos, role in zip(BIG.words, BIG.labels["upos"], BIG.labels["role"], strict=True):
        if upos == "NOUN":
            roles[word.lower()].add(role)
    nouns = [
        form.text
        for group in lexicon.NOUNS.values()
        for noun in group
        for form in (noun.singular, noun.plural)
        if form
    ]
    assert [noun for noun in nouns if not {"nsubj", "obj"} <= roles[noun]] == []


def test_most_shared_forms_occur_as_noun_and_verb() -> None:
    tags = defaultdict(set)
    for word, upos in zip(BIG.words, BIG.labels["upos"], strict=True):
        tags[word.lower()].add(upos)
    for word in ("walks", "plants", "guards", "plays", "dance", "film", "judge", "shelters"):
        assert {"NOUN", "VERB"} <= tags[word]
    for word, expected in {
        "that": {"DET", "PRON", "SCONJ"},
        "to": {"PART", "ADP"},
        "before": {"ADP", "SCONJ", "ADV"},
        "like": {"ADP", "VERB"},
        "have": {"AUX", "VERB"},
        "light": {"NOUN", "VERB", "ADJ"},
        "will": {"AUX", "PROPN"},
    }.items():
        assert tags[word] == expected


def test_verbs_agree_with_the_subject_before_them() -> None:
    singular = {"is", "has", "does", "was"}
    plural = {"are", "have", "do", "were"}
    for name in ("OBJECT_VERBS",):
        for verbs in getattr(lexicon, name).values():
            singular |= {verb.third.text for verb in verbs}
            plural |= {verb.base.text for verb in verbs}
    checked = 0
    columns = zip(
        BIG.words, *(BIG.labels[name] for name in ("upos", "role", "number", "tense")), strict=True
    )
    for (_, upos, role, number, _), (verb, _, _, verb_number, tense) in pairwise(columns):
        if role == "nsubj" and upos == "NOUN" and tense and (verb in singular or verb in plural):
            assert (verb in singular) == (number == "Sing")
            assert verb_number == number
            checked += 1
    assert checked > 3000


def test_chunks_are_well_formed() -> None:
    for sentence in by_sentence(BIG, "chunk"):
        labels = ["O", *(str(label) for _, label in sentence)]
        for before, label in pairwise(labels):
            if label.startswith("I-"):
                assert before in (label, f"B-{label[2:]}")


def test_one_root_a_sentence_and_a_final_mark() -> None:
    for sentence in by_sentence(BIG, "role"):
        assert [label for _, label in sentence].count("root") == 1
        assert sentence[-1][0] in (".", "?", "!")
        assert sentence[0][0][0].isupper() or sentence[0][0][0].isdigit()


def test_labels_apply_where_they_should() -> None:
    rows = list(zip(BIG.words, *(BIG.labels[name] for name in PROPERTIES), strict=True))
    for word, upos, number, tense, suffix, _, _ in rows:
        if upos in ("NOUN", "PROPN"):
            assert number in ("Sing", "Plur")
        if upos in ("ADP", "PUNCT", "CCONJ", "SCONJ", "ADV", "ADJ"):
            assert (number, tense) == (None, None)
        if tense:
            assert upos in ("VERB", "AUX")
        if suffix:
            assert word.lower().endswith(str(suffix))
    assert any(word == "ring" and row[3] is None for word, *row in rows)


def test_constructions_are_there() -> None:
    roles = set(BIG.class_counts("role"))
    assert roles == {
        *("acl:relcl", "advcl", "advmod", "amod", "aux", "aux:pass", "case", "cc", "ccomp"),
        *("compound", "conj", "cop", "det", "expl", "iobj", "mark", "nmod", "nmod:poss"),
        *("nsubj", "nsubj:pass", "nummod", "obj", "obl", "obl:agent", "punct", "root", "xcomp"),
    }
    assert set(BIG.class_counts("upos")) == {
        *("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "NOUN", "NUM", "PART", "PRON", "PROPN"),
        *("PUNCT", "SCONJ", "VERB"),
    }
