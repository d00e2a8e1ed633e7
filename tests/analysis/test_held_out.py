"""Labels held out by sentences."""

import pytest
import torch

from captum_lca import ActivationStore, Corpus
from captum_lca.analysis import LabelledActivations, hold_out
from captum_lca.analysis.held_out import sentence_folds

SENTENCES = [[f"{sentence}.{word}" for word in range(1 + sentence % 4)] for sentence in range(20)]
WORDS = [word for sentence in SENTENCES for word in sentence]
LABELS = ["odd" if int(word[-1]) % 2 else "even" for word in WORDS]


def store_of(rows, unit="word", missing=()):
    """A store that carries the sentences, as extraction makes it."""
    whole = ActivationStore.from_tensor(torch.randn(rows + len(missing), 3))
    whole.settings["unit"] = unit
    whole.missing.extend(missing)
    kept = ActivationStore.from_tensor(torch.randn(rows, 3))
    return ActivationStore(kept._shards, whole._index, Corpus(SENTENCES))


def sentences_of(labels):
    return {word.split(".")[0] for word, label in zip(WORDS, labels, strict=True) if label}


def test_every_label_is_in_one_part_and_sentences_are_whole():
    data = LabelledActivations(store_of(len(WORDS)), LABELS, WORDS)
    parts = hold_out(data, 0.2, seed=0)
    assert len(sentences_of(parts[1].labels)) == 4  # a fifth of 20
    assert not sentences_of(parts[0].labels) & sentences_of(parts[1].labels)
    for label, train, held_out in zip(LABELS, parts[0].labels, parts[1].labels, strict=True):
        assert sorted([train or "", held_out or ""]) == ["", label]
    assert all(part.activations is data.activations for part in parts)  # nothing is copied


def test_the_same_seed_holds_out_the_same_sentences():
    data = LabelledActivations(store_of(len(WORDS)), LABELS)
    first, again, other = (hold_out(data, 0.3, seed=seed)[1].labels for seed in (0, 0, 1))
    assert first == again != other


def test_folds_never_split_a_sentence():
    folds = sentence_folds(store_of(len(WORDS)), LABELS, 5, seed=0)
    for fold in folds:
        assert not sentences_of(fold.train) & sentences_of(fold.held_out)
    held_out = [sentences_of(fold.held_out) for fold in folds]
    assert set.union(*held_out) == {str(number) for number in range(20)}
    assert sum(map(len, held_out)) == 20


def test_words_without_a_row_belong_to_no_fold():
    store = store_of(len(WORDS) - 2, missing=[0, 5])
    folds = sentence_folds(store, LABELS, 4, seed=0)
    rows = [word for number, word in enumerate(WORDS) if number not in (0, 5)]
    for fold in folds:
        seen = [
            {word.split(".")[0] for word, label in zip(rows, part, strict=True) if label}
            for part in (fold.train, fold.held_out)
        ]
        assert not seen[0] & seen[1]


def test_rows_of_sentences_are_on_their_own():
    folds = sentence_folds(store_of(20, unit="sentence"), ["a", "b"] * 10, 5, seed=0)
    assert [20 - list(fold.held_out).count(None) for fold in folds] == [4] * 5


def test_groups_of_ones_own():
    groups = ["speaker 1", "speaker 2", "speaker 3"] * 4
    for fold in sentence_folds(torch.randn(12, 2), list(range(1, 13)), 3, seed=0, groups=groups):
        speakers = {group for group, row in zip(groups, fold.held_out, strict=True) if row}
        assert len(speakers) == 1


def test_unlabelled_rows_stay_unlabelled():
    labels = torch.tensor([0, 1, -100, 1, 0, -100])
    folds = sentence_folds(torch.randn(6, 2), labels, 3, seed=0)
    for fold in folds:
        assert {fold.train[row] for row in (2, 5)} <= {None, -100}


@pytest.mark.parametrize(
    ("folds", "groups", "message"),
    [
        (1, None, r"folds must be 2 to 12 \(the sentences or groups\); found 1"),
        (13, None, "found 13"),
        (5, [0, 1, 2] * 4, "folds must be 2 to 3"),
        (3, [0, 1, 2], "misaligned: 3 labels, 12 rows"),
    ],
)
def test_folds_that_can_not_be(folds, groups, message):
    with pytest.raises(ValueError, match=message):
        sentence_folds(torch.randn(12, 2), ["a", "b"] * 6, folds, seed=0, groups=groups)
