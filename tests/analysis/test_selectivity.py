import pytest
import torch

from captum_lca import ActivationStore, generate_corpus
from captum_lca.analysis import selectivity

TRAIN, TEST = generate_corpus(150, seed=0), generate_corpus(60, seed=1)
CLASSES = sorted(set(TRAIN.labels["upos"]))


def planted(corpus, labels, seed):
    """One neuron per class that stands out for it, and as many of noise."""
    numbers = torch.tensor([CLASSES.index(label) for label in labels])
    noise = torch.randn(
        len(numbers), 2 * len(CLASSES), generator=torch.Generator().manual_seed(seed)
    )
    noise[torch.arange(len(numbers)), numbers] += 8
    return ActivationStore.from_tensor(noise)


def measured(train_labels, test_labels, **options):
    train = planted(TRAIN, TRAIN.labels["upos"], 0)
    test = planted(TEST, TEST.labels["upos"], 1)
    return selectivity(
        train,
        train_labels,
        test=(test, test_labels),
        words=TRAIN.words,
        test_words=TEST.words,
        progress=False,
        **options,
    )


def test_activations_that_hold_the_property_alone_are_selective():
    half = len(CLASSES)
    found = measured(
        TRAIN.labels["upos"],
        TEST.labels["upos"],
        neurons={"planted": range(half), "noise": range(half, 2 * half)},
        controls=2,
    )
    everything, good, noise = found.probes
    assert (everything.neurons, good.neurons, noise.neurons) == (2 * half, half, half)
    assert everything.accuracy > 0.95
    assert good.accuracy > 0.95
    assert everything.selectivity > 0.4
    assert abs(noise.selectivity) < 0.15
    assert found.word_accuracy > found.majority_accuracy
    for probe in found.probes:
        assert probe.selectivity == pytest.approx(
            probe.accuracy - sum(probe.control_accuracies) / 2
        )
    assert found.to_frame()["controls"].tolist() == [2, 2, 2]


def test_shuffled_labels_give_no_selectivity():
    shuffled = []
    for corpus in (TRAIN, TEST):
        order = torch.randperm(len(corpus.words), generator=torch.Generator().manual_seed(2))
        shuffled.append([corpus.labels["upos"][place] for place in order])
    found = measured(*shuffled, controls=3, l1=1e-2)
    assert abs(found.probes[0].selectivity) < 0.15


def test_words_are_needed():
    with pytest.raises(ValueError, match="words of the rows are not known"):
        selectivity(torch.randn(4, 2), list("abab"), test=(torch.randn(2, 2), list("ab")))
    with pytest.raises(ValueError, match="at least one control task; found 0"):
        selectivity(torch.randn(4, 2), list("abab"), test=(torch.randn(2, 2), []), controls=0)
