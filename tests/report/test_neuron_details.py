import pytest
import torch
from made_studies import store_of

from captum_lca import ActivationStore, Corpus, NeuronLayout
from captum_lca.activations.store import MemoryShard
from captum_lca.activations.store_index import StoreIndex
from captum_lca.analysis import LabelledActivations
from captum_lca.report import neuron_details as module
from captum_lca.report.neuron_details import BINS, HEIGHTS, neuron_details

SENTENCES = [["up", "down"], ["up", "level", "down"]]
VALUES = torch.tensor([2.0, -2, 2, 0, -2])  # mean 0, variance 16 / 5
LABELS = ["a", "b", "a", "b", "b"]


def words():
    both = torch.stack([VALUES, torch.zeros(5)], 1)
    return store_of(both, NeuronLayout(("low", "high"), (1, 1)), SENTENCES, LABELS)


def test_words_sentences_and_histograms_by_hand():
    found = neuron_details(words(), [1, 0])
    unit = 2 / (16 / 5) ** 0.5
    assert list(found) == [1, 0]
    assert found[0].up == (("up", pytest.approx(unit), 2),)
    assert found[0].down == (("down", pytest.approx(-unit), 2),)
    first, last = found[0].sentences
    assert first.words == ("up", "down")
    assert first.activations == pytest.approx((unit, -unit))
    assert (first.peak, first.label) == (0, "a")
    assert (last.peak, last.label) == (1, "b")
    a, b = found[0].histogram
    assert (len(a), a.strip("0")) == (BINS, HEIGHTS[35])  # all of a, the rarer class, in one bin
    assert b.replace("0", "") == HEIGHTS[35] + HEIGHTS[18]  # two thirds, and half of that
    assert found[1].up == found[1].down == found[1].sentences == ()  # it never changes
    assert found[0].to_json()["up"] == [["up", round(10 * unit), 2]]


def test_neurons_are_read_together_or_apart(monkeypatch):
    together = neuron_details(words(), [0, 1])
    monkeypatch.setattr(module, "VALUES_AT_ONCE", 5)
    assert neuron_details(words(), [0, 1]) == together


def test_rows_of_sentences_and_rows_without_words():
    corpus = Corpus([["good", "film"], ["bad"]], {}, {"tone": ["plus", "minus"]})
    index = StoreIndex(NeuronLayout.single(1), "float32", 2, {"unit": "sentence"})
    store = ActivationStore([MemoryShard(torch.tensor([[1.0], [-1]]))], index, corpus)
    [found] = neuron_details(LabelledActivations(store, ["plus", "minus"]), [0]).values()
    assert found.up == ()
    assert [one.words for one in found.sentences] == [("good", "film"), ("bad",)]
    assert found.sentences[0].activations == (1.0, 1.0)
    bare_store = ActivationStore.from_tensor(VALUES[:, None])
    [bare] = neuron_details(LabelledActivations(bare_store, LABELS), [0]).values()
    assert (bare.up, bare.sentences, len(bare.histogram)) == ((), (), 2)
    [numbers] = neuron_details(LabelledActivations(bare_store, VALUES), [0]).values()
    assert len(numbers.histogram) == 1
