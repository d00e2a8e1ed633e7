from collections import Counter

import pytest

from captum_lca.corpora import Corpus, control_task, generate_corpus

TRAIN = generate_corpus(1500, seed=0)


def test_same_label_for_all_occurrences_of_a_word_type() -> None:
    control = control_task(TRAIN, "upos", seed=0)
    label_of = dict(zip(control.words, control.labels["upos"], strict=True))
    assert control.labels["upos"] == tuple(label_of[word] for word in TRAIN.words)
    assert control.labels["upos"] != TRAIN.labels["upos"]
    assert control.labels["role"] == TRAIN.labels["role"]


def test_types_draw_from_the_distribution_of_the_labels() -> None:
    # 6,000 draws at p = 0.7, 0.2, 0.1: standard deviations of at most 0.006.
    labels = ["a"] * 4200 + ["b"] * 1200 + ["c"] * 600
    corpus = Corpus([[f"word{number}" for number in range(6000)]], {"p": labels})
    drawn = Counter(control_task(corpus, "p", seed=7).labels["p"])
    assert [drawn[name] / 6000 for name in "abc"] == pytest.approx([0.7, 0.2, 0.1], abs=0.025)


def test_unlabelled_words_stay_so() -> None:
    control = control_task(TRAIN, "number", seed=1).labels["number"]
    assert [label is None for label in control] == [
        label is None for label in TRAIN.labels["number"]
    ]


def test_seed_decides() -> None:
    assert control_task(TRAIN, "upos", seed=1) == control_task(TRAIN, "upos", seed=1)
    assert control_task(TRAIN, "upos", seed=1) != control_task(TRAIN, "upos", seed=2)


def test_reference_gives_words_the_same_label_in_another_corpus() -> None:
    test = generate_corpus(300, seed=99)
    train_control = control_task(TRAIN, "upos", seed=3)
    test_control = control_task(test, "upos", seed=3, reference=TRAIN)
    label_of = dict(zip(train_control.words, train_control.labels["upos"], strict=True))
    shared = [
        (label, label_of[word])
        for word, label in zip(test.words, test_control.labels["upos"], strict=True)
        if word in label_of
    ]
    assert len(shared) > 1000
    assert all(mine == theirs for mine, theirs in shared)


def test_numbers_are_drawn_too() -> None:
    corpus = Corpus([["a", "b", "a"]], {"p": [1, 2.5, None]})
    first, second, third = control_task(corpus, "p", seed=0).labels["p"]
    assert {first, second} <= {1.0, 2.5}
    assert third is None


def test_properties_without_a_control_task() -> None:
    corpus = Corpus([["a"]], {"none": [None]}, {"tone": ["good"]}, source="small")
    with pytest.raises(ValueError, match="small: property 'tone' belongs to sentences"):
        control_task(corpus, "tone", seed=0)
    with pytest.raises(ValueError, match="small: property 'none' has no labels to draw from"):
        control_task(corpus, "none", seed=0)
    with pytest.raises(ValueError, match="small: no property 'pos'"):
        control_task(corpus, "pos", seed=0)
