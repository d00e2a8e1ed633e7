import warnings

import pytest
import torch

from captum_lca import ActivationStore, NeuronLayout
from captum_lca.analysis import LabelledActivations, study_property

CLASSES = ("noun", "verb", "other")


def planted(seed, rows=900):
    """Sixty neurons in three layers; each class lifts two neurons of the second layer."""
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.randint(0, 3, (rows,), generator=generator)
    activations = torch.randn(rows, 60, generator=generator)
    for number in range(3):
        activations[numbers == number, 20 + 2 * number : 22 + 2 * number] += 3
    layout = NeuronLayout(("low", "middle", "high"), (20, 20, 20))
    labels = [CLASSES[number] for number in numbers.tolist()]
    words = [f"{label}{row % 7}" for row, label in enumerate(labels)]
    return LabelledActivations(ActivationStore.from_tensor(activations, layout), labels, words)


@pytest.fixture(scope="module")
def study():
    return study_property("pos", planted(0), planted(1), l1=5e-3, draws=3, progress=False)


def test_finds_the_planted_neurons(study):
    assert sorted(study.ranking.top(6).tolist()) == [20, 21, 22, 23, 24, 25]
    for number, name in enumerate(CLASSES):
        assert set(study.ranking.for_class(name).top(2).tolist()) == {
            20 + 2 * number,
            21 + 2 * number,
        }


def test_scores_stand_beside_their_baselines(study):
    assert study.scores.accuracy > 0.95
    assert study.scores.majority_accuracy < 0.4
    assert study.scores.word_accuracy == 1  # each word names its class


def test_ablation_separates_top_random_and_bottom(study):
    kept = [study.ablation.find("keep", c, 12, "mean") for c in ("top", "random", "bottom")]
    top, random, bottom = kept
    assert top.score > random.score + random.spread
    assert random.score > bottom.score
    assert study.ablation.full == study.scores.accuracy


def test_summary_is_plain_values(study):
    summary = study.summary(top=6)
    assert summary["top_neurons_by_layer"] == {
        "top": 6,
        "counts": {"low": 0, "middle": 6, "high": 0},
    }
    assert summary["classes"] == sorted(CLASSES)
    assert summary["massive_activations"] == []
    assert len(study.to_frame()) == 60


def test_shuffled_labels_leave_nothing_to_find():
    train, test = planted(0), planted(1)
    order = torch.randperm(900, generator=torch.Generator().manual_seed(2)).tolist()
    shuffled = LabelledActivations(train.activations, [train.labels[n] for n in order])
    study = study_property("pos", shuffled, test, l1=3e-2, progress=False)
    # three classes of equal size: chance is 1/3, with a standard error of 0.016
    assert study.scores.accuracy == pytest.approx(1 / 3, abs=0.08)


def test_labels_unseen_in_training_are_said_once():
    train, test = planted(0), planted(1)
    labels = ["new" if row < 9 else label for row, label in enumerate(test.labels)]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        study = study_property(
            "pos", train, LabelledActivations(test.activations, labels), progress=False
        )
    messages = [str(warning.message) for warning in said if "unseen" in str(warning.message)]
    assert len(messages) == 1
    assert "'new' (9 rows)" in messages[0]
    assert study.scores.accuracy == study.ablation.full < 1
