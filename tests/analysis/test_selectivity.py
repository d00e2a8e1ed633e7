import matplotlib as mpl
import pytest
import torch
from matplotlib.container import BarContainer

from captum_lca import ActivationStore, generate_corpus
from captum_lca.analysis import ProbeSelectivity, Selectivity, selectivity

mpl.use("Agg")

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
    half = len(CLASSES)
    noise = {"noise": range(half, 2 * half)}
    found = measured(*shuffled, controls=10, l1=1e-2, neurons=noise)
    # the planted ones tell a word's class, and with it a little of its control label
    assert -0.15 < found.probes[0].selectivity < 0.04
    assert abs(found.probes[1].selectivity) < 0.04  # standard error 0.034/√10


def test_words_are_needed():
    with pytest.raises(ValueError, match="words of the rows are not known"):
        selectivity(torch.randn(4, 2), list("abab"), test=(torch.randn(2, 2), list("ab")))
    with pytest.raises(ValueError, match="at least one control task; found 0"):
        selectivity(torch.randn(4, 2), list("abab"), test=(torch.randn(2, 2), []), controls=0)


def test_names_of_neurons_and_classes_do_not_matter():
    plain = measured(TRAIN.labels["upos"], TEST.labels["upos"], controls=1, l1=1e-2)
    order = torch.randperm(2 * len(CLASSES), generator=torch.Generator().manual_seed(4))
    stores = [planted(TRAIN, TRAIN.labels["upos"], 0), planted(TEST, TEST.labels["upos"], 1)]
    train, test = (store.tensor()[:, order] for store in stores)
    # the same order of classes, so that control tasks draw the same ones
    mine, theirs = ([f"class {label}" for label in c.labels["upos"]] for c in (TRAIN, TEST))
    other = selectivity(
        train,
        mine,
        test=(test, theirs),
        words=TRAIN.words,
        test_words=TEST.words,
        controls=1,
        l1=1e-2,
        progress=False,
    )
    row = 1 / len(TEST.words)  # of the fit's tolerance, a word may fall on the other side
    assert other.probes[0].accuracy == pytest.approx(plain.probes[0].accuracy, abs=2 * row)
    assert other.probes[0].control_accuracy == pytest.approx(
        plain.probes[0].control_accuracy, abs=2 * row
    )
    assert (other.word_accuracy, other.majority_accuracy) == (
        plain.word_accuracy,
        plain.majority_accuracy,
    )


def test_bars_are_those_of_the_frame():
    some = (ProbeSelectivity("all", 4, 0.9, (0.5, 0.7)), ProbeSelectivity("top", 2, 0.8, (0.4,)))
    found = Selectivity(some, 0.75, None)
    axes = found.plot()
    task, control = (group for group in axes.containers if isinstance(group, BarContainer))
    frame = found.to_frame()
    assert [bar.get_height() for bar in task] == frame["accuracy"].tolist()
    assert [bar.get_height() for bar in control] == frame["control_accuracy"].tolist()
    low, high = control.errorbar.lines[2][0].get_segments()[0][:, 1]
    assert high - low == pytest.approx(2 * frame["spread"][0])
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert sorted(legend) == ["control tasks", "task", "word identity"]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["all\n(4)", "top\n(2)"]
