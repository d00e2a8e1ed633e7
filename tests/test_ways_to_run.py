"""LCA, extraction and ablation give the same however a model runs, wherever its weights are."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from captum_lca import (
    Corpus,
    LinguisticCorrelationAnalysis,
    NeuronLayout,
    extract,
)
from captum_lca.ablation import ablated_output
from captum_lca.activations import resolve_layers

sys.path.insert(0, str(Path(__file__).parent / "activations"))
from tiny_models import PLACES, tiny, wordpiece

IDS = torch.tensor([[2, 4, 5, 6, 3], [2, 7, 6, 5, 3]])
LABELS = [["first", None, "a", "b", "last"]] * 2
CORPUS = Corpus([["a", "b", "c"], ["d", "c"]])
SETTINGS = {"dtype": torch.float32, "progress": False}
NEURONS = [3, 9, 30]


def compiled(model, folder):
    model = torch.compile(model, backend="eager")
    model(IDS)  # what follows meets compiled code
    return model


class Broken(nn.Module):
    """A model whose graph breaks in the middle."""

    def __init__(self, model):
        super().__init__()
        self.inner = model

    def forward(self, ids):
        states = self.inner(ids)[0]
        torch._dynamo.graph_break()
        return 2 * states


WAYS = {
    "compiled": compiled,
    "parallel": lambda model, folder: nn.DataParallel(model),  # on a CPU it just calls the model
    "compiled in parallel": lambda model, folder: nn.DataParallel(compiled(model, folder)),
    **PLACES,
}


@pytest.fixture
def plain():
    torch._dynamo.reset()
    model = tiny("llama")
    yield model, LinguisticCorrelationAnalysis(model, "hidden").fit(IDS, LABELS)
    torch._dynamo.reset()


@pytest.mark.parametrize("way", WAYS)
def test_the_same_in_every_way(plain, way, tmp_path):
    model, expected = plain
    other = WAYS[way](tiny("llama"), tmp_path)
    batch = {"input_ids": IDS, "labels": LABELS}
    for lca in (
        LinguisticCorrelationAnalysis(other, "hidden").fit(IDS, LABELS),
        LinguisticCorrelationAnalysis(other, "hidden").fit_dataloader([batch]),
    ):
        assert lca.probe.layout == expected.probe.layout
        assert torch.equal(lca.probe.weight, expected.probe.weight)
        found = lca.attribute(IDS, NEURONS, "a")
        assert torch.equal(found, expected.attribute(IDS, NEURONS, "a"))
    store = extract(CORPUS, other, wordpiece(), **SETTINGS)
    as_before = extract(CORPUS, model, wordpiece(), **SETTINGS)
    assert store.layout == as_before.layout
    assert store.settings == as_before.settings
    assert torch.equal(store.tensor(), as_before.tensor())
    outputs = [
        ablated_output(each, NEURONS, expected.probe.layout, IDS, by=expected.probe.mean)[0]
        for each in (other, model)
    ]
    assert torch.equal(*outputs)
    assert not torch.equal(outputs[0], model(IDS)[0])


def test_a_graph_that_breaks(plain):
    _, expected = plain
    model = Broken(tiny("llama"))
    clean = model(IDS)
    broken = torch.compile(model, backend="eager")
    assert torch.equal(broken(IDS), clean)
    layers = [f"inner.layers.{number}" for number in range(3)]
    layout = NeuronLayout(tuple(layers), (8,) * 3)
    changed = ablated_output(broken, [3, 12], layout, IDS)
    assert torch.equal(changed, ablated_output(model, [3, 12], layout, IDS))
    assert not torch.equal(changed, clean)
    lca = LinguisticCorrelationAnalysis(broken, ["inner.layers.0[input]", *layers])
    assert torch.equal(lca.fit(IDS, LABELS).probe.weight, expected.probe.weight)
    assert torch.equal(broken(IDS), clean)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(plain, dtype):
    model, expected = plain
    half = tiny("llama").to(dtype)
    lca = LinguisticCorrelationAnalysis.from_probe(half, "hidden", expected.probe)
    found = lca.attribute(IDS, NEURONS, "a")
    assert found.dtype == torch.float32
    assert (found - expected.attribute(IDS, NEURONS, "a")).abs().max() < 0.3
    fitted = LinguisticCorrelationAnalysis(half, "hidden").fit(IDS, LABELS)
    assert (fitted.probe.weight - expected.probe.weight).abs().max() < 0.1
    embeddings = model.embed_tokens(IDS).detach()

    def carried_back(model, inputs):
        layers = resolve_layers(model, "hidden")
        lca = LinguisticCorrelationAnalysis.from_probe(
            lambda each: model(inputs_embeds=each), layers, expected.probe
        )
        return lca.attribute(inputs, NEURONS, "a")

    found = carried_back(half, embeddings.to(dtype))
    assert (found - carried_back(model, embeddings)).abs().max() < 0.3
    layout = expected.probe.layout
    outputs = [
        ablated_output(each, NEURONS, layout, IDS, by=expected.probe.mean)[0]
        for each in (half, model)
    ]
    assert outputs[0].dtype == dtype
    assert (outputs[0] - outputs[1]).abs().max() < 0.3
