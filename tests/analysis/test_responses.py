import math
import re
import sys
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
import torch
from captum.attr import visualization
from hypothesis import given
from hypothesis import strategies as st

from captum_lca import ActivationStore, Corpus, LinearProbe, NeuronLayout, NeuronRanking
from captum_lca.activations.store import MemoryShard
from captum_lca.activations.store_index import StoreIndex
from captum_lca.analysis import activation_histograms, heat_map, neuron_responses, shared_neurons
from captum_lca.analysis.responses import word_label

mpl.use("Agg")

CORPUS = Corpus([["a", "<b>", "gone"], ["c", "a"]])
LAYOUT = NeuronLayout(("low", "high"), (1, 1))
VALUES = [4.0, -4.0, 0.0, 2.0]  # of a, <b>, c, a: mean 0.5, variance 8.75


def store():
    """Of five words, one of which has no row."""
    rows = torch.tensor([VALUES, [7.0] * 4]).T.contiguous()
    index = StoreIndex(LAYOUT, "float32", 5, {"unit": "word"}, missing=[2])
    return ActivationStore([MemoryShard(rows)], index, CORPUS)


def test_words_and_contexts_of_both_signs():
    found = neuron_responses(store(), 0, least_rows=1)
    scale = 8.75**0.5
    assert (found.layer, found.index) == ("low", 0)
    assert found.words["word"].tolist() == ["a", "<b>", "c"]
    assert found.words["sign"].tolist() == [1, -1, -1]
    assert found.words["count"].tolist() == [2, 1, 1]
    assert found.words["activation"].tolist() == pytest.approx(
        [2.5 / scale, -4.5 / scale, -0.5 / scale]
    )
    assert found.contexts["row"].tolist() == [0, 3, 1, 2]
    assert found.contexts["context"].tolist() == ["[a] <b> gone", "c [a]", "a [<b>] gone", "[c] a"]
    assert neuron_responses(store(), 0).words["word"].tolist() == ["a"]  # the one seen twice
    assert len(neuron_responses(store(), 0, count=1).contexts) == 2
    assert len(neuron_responses(store(), 1).words) == 0  # constant: responds to nothing


def test_words_of_a_matrix_are_given():
    found = neuron_responses(torch.tensor(VALUES)[:, None], 0, words=list("wxyz"), around=1)
    assert found.contexts["context"].tolist()[0] == "[w] x"
    with pytest.raises(ValueError, match="words of the rows are not known"):
        neuron_responses(torch.tensor(VALUES)[:, None], 0)
    with pytest.raises(ValueError, match="neuron ids must be 0 to 1; found"):
        neuron_responses(store(), 2)


def test_histograms_count_every_labelled_row():
    found = activation_histograms(store(), ["x", "y", None, "y", "x"], 0, bins=4)
    assert found.edges.tolist() == [-4, -2, 0, 2, 4]
    assert found.counts.tolist() == [[0, 0, 0, 2], [1, 0, 1, 0]]
    assert found.to_frame()["count"].sum() == 4
    values = torch.randn(500, 1, generator=torch.Generator().manual_seed(0))
    labels = ["odd" if row % 2 else "even" for row in range(500)]
    found = activation_histograms(values, labels, 0)
    both = np.histogram(values.numpy(), found.edges)[0]
    assert found.counts.sum(0).tolist() == both.tolist()
    with pytest.raises(ValueError, match="numbers to predict"):
        activation_histograms(values, torch.randn(500), 0)


def test_a_sentence_is_rendered():
    found = heat_map(store(), 0, 0)
    assert found.words == ("a", "<b>")
    assert found.activations == pytest.approx((3.5 / 8.75**0.5, -4.5 / 8.75**0.5))
    html = found.to_html()
    assert "&lt;b&gt;" in html
    assert "<b>" not in html
    with pytest.raises(ValueError, match="no sentence 2: there are 0 to 1"):
        heat_map(store(), 0, 2)


def hand_probe():
    """Logits of (up & down, level): the first neuron's activation, and 0."""
    weight, nothing = torch.tensor([[1.0, 0], [0, 0]]), torch.zeros(2)
    return LinearProbe(weight, nothing, nothing, torch.ones(2), classes=["up & down", "level"])


def test_a_sentence_with_labels_and_predictions():
    found = heat_map(store(), 0, 0, labels=["x", None, "x", "y", "y"], probe=hand_probe())
    assert found.labels == ("x", None)
    assert found.predicted == ("up & down", "level")
    chance = 1 / (1 + math.exp(-4))  # of the larger logit, which is 4 above the other
    assert found.probabilities == pytest.approx((chance, chance))
    assert found.peak == 1
    columns = ["word", "activation", "label", "predicted", "probability"]
    assert found.to_frame().columns.tolist() == columns
    assert heat_map(store(), 0, 0).to_frame().columns.tolist() == columns[:2]
    with pytest.raises(ValueError, match="the labels are numbers to predict"):
        heat_map(store(), 0, 0, labels=[0.5, 1.5, 2.5, 3.5, 4.5])
    empty = StoreIndex(LAYOUT, "float32", 5, {"unit": "word"}, missing=[3, 4])
    no_rows = ActivationStore([MemoryShard(torch.zeros(3, 2))], empty, CORPUS)
    with pytest.raises(ValueError, match="no word of sentence 1 has a row"):
        heat_map(no_rows, 0, 1)


def test_captum_shows_the_sentence(monkeypatch):
    captums = sys.modules["captum.attr._utils.visualization"]
    monkeypatch.setattr(captums, "HAS_IPYTHON", True)  # the page is read here, not displayed
    monkeypatch.setattr(captums, "HTML", str, raising=False)
    monkeypatch.setattr(captums, "display", lambda page: None, raising=False)
    plain = heat_map(store(), 0, 1)
    labelled = heat_map(store(), 0, 0, labels=["<x>", None, "y", "y", "y"], probe=hand_probe())
    labelled = replace(labelled, activations=(9.0, -0.3))
    page = visualization.visualize_text([plain.to_captum(), labelled.to_captum()])
    cells = re.findall(r"<b>([^<]*)</b></text>", page)
    assert cells[:4] == ["unlabelled", "no probe (nan)", "neuron 0 of low at a", "0.51"]
    assert cells[4:] == ["&lt;x&gt;", "up &amp; down (0.98)", "neuron 0 of low at a", "9.00"]
    assert "&lt;b&gt;" in page
    assert page.count("hsl(120, 75%, 50%)") == 2  # of the legend, and of 9 standard deviations


def test_a_probe_of_numbers_has_no_classes_to_show():
    zeros = torch.zeros(2)
    probe = LinearProbe(torch.ones(1, 2), zeros[:1], zeros, zeros + 1, classes=[])
    with pytest.raises(ValueError, match="the probe predicts numbers"):
        heat_map(store(), 0, 0, probe=probe)


def ranking_of(*orders):
    orders = torch.tensor(orders)
    salience = torch.arange(orders.shape[1], 0.0, -1).expand(orders.shape)
    by_id = torch.empty(orders.shape).scatter_(1, orders, salience)
    layout = NeuronLayout.single(orders.shape[1])
    names = tuple("abc"[: len(orders)])
    return NeuronRanking(orders[0], by_id[0], layout, "by hand", names, orders, by_id)


def test_shared_and_exclusive_neurons():
    ranking = ranking_of([0, 1, 2, 3, 4], [1, 2, 0, 3, 4], [1, 3, 4, 0, 2])
    found = shared_neurons(ranking, count=2)
    assert found.shared.tolist() == [1]
    assert [found.exclusive(name).tolist() for name in "abc"] == [[0], [2], [3]]
    assert found.to_frame()["names"].tolist() == ["a b c", "a", "b", "c"]
    by_name = shared_neurons({"x": ranking, "y": ranking.for_class("b")}, count=2)
    assert by_name.names == ("x", "y")
    assert by_name.shared.tolist() == [1]
    everything = shared_neurons(ranking, count=5)
    assert sorted(everything.shared.tolist()) == list(range(5))
    with pytest.raises(ValueError, match="at least two classes"):
        shared_neurons(ranking.for_class("a"), count=1)
    with pytest.raises(ValueError, match="no 'z' here"):
        found.exclusive("z")
    assert replace(found, names=("p", "q", "r")).exclusive("p").tolist() == [0]  # relabelled


def test_neurons_without_salience_are_not_shared():
    orders, salience = torch.tensor([[0, 1, 2], [2, 0, 1]]), torch.tensor([[1.0, 0, 0], [0, 0, 1]])
    layout = NeuronLayout.single(3)
    ranking = NeuronRanking(orders[0], salience[0], layout, "by hand", ("a", "b"), orders, salience)
    found = shared_neurons(ranking, count=2)
    assert found.shared.tolist() == []
    assert [found.exclusive(name).tolist() for name in "ab"] == [[0], [2]]


@given(
    st.lists(st.permutations(range(8)), min_size=3, max_size=3),
    st.permutations(range(8)),
    st.integers(1, 8),
)
def test_names_of_neurons_and_classes_do_not_matter(orders, renamed, count):
    found = shared_neurons(ranking_of(*orders), count=count)
    other = shared_neurons(
        ranking_of(*([renamed[neuron] for neuron in order] for order in orders)), count=count
    )
    assert set(other.shared.tolist()) == {renamed[neuron] for neuron in found.shared.tolist()}
    for name in "abc":
        alone = {renamed[neuron] for neuron in found.exclusive(name).tolist()}
        assert set(other.exclusive(name).tolist()) == alone
    turned = shared_neurons(ranking_of(*orders[1:], orders[0]), count=count)
    assert set(turned.shared.tolist()) == set(found.shared.tolist())
    assert turned.exclusive("c").tolist() == found.exclusive("a").tolist()


def test_plots_show_the_frames():
    words = neuron_responses(store(), 0, least_rows=1)
    axes = words.plot()
    table = words.to_frame().sort_values("activation")
    assert [bar.get_width() for bar in axes.patches] == table["activation"].tolist()
    names = [text.get_text() for text in axes.get_yticklabels()]
    assert names == ["<b> (1)", "c (1)", "a (2)"]
    assert neuron_responses(store(), 1).plot().texts[0].get_text() == "no word moves it"

    histograms = activation_histograms(store(), ["x", "y", None, "y", "x"], 0, bins=4)
    axes = histograms.plot(["y", "x"])
    frame = histograms.to_frame()
    for steps in axes.patches:
        counts = frame[frame["class"] == steps.get_label()]["count"]
        assert steps.get_data().values.tolist() == (counts / counts.sum()).tolist()
    assert [steps.get_label() for steps in axes.patches] == ["y", "x"]

    sentence = heat_map(store(), 0, 0)
    axes = sentence.plot()
    assert [bar.get_height() for bar in axes.patches] == sentence.to_frame()["activation"].tolist()
    assert [text.get_text() for text in axes.get_xticklabels()] == ["a", "<b>"]

    orders = [0, 1, 2, 3, 4], [1, 2, 0, 3, 4], [1, 3, 4, 0, 2]
    shared = shared_neurons(ranking_of(*orders), count=2)
    frame = shared.to_frame()
    exclusive, several = shared.plot().containers
    alone, more = frame[frame["times"] == 1]["names"], frame[frame["times"] > 1]["names"]
    assert [bar.get_height() for bar in exclusive] == [(alone == name).sum() for name in "abc"]
    assert [bar.get_height() for bar in several] == [
        sum(name in names.split() for names in more) for name in "abc"
    ]


def test_long_words_and_formulas_are_made_fit_to_plot():
    assert word_label("a" * 20) == "a" * 20
    assert word_label("a" * 21) == "a" * 19 + "…"
    assert word_label("$5 and $6") == r"\$5 and \$6"
