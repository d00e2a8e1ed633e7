import copy

import pytest
import torch
from captum.attr import (
    IntegratedGradients,
    NeuronGradient,
    NeuronIntegratedGradients,
)
from captum.attr._utils.attribution import LayerAttribution, NeuronAttribution
from torch import nn
from transformers import BertConfig, BertForTokenClassification, BertModel

from captum_lca import (
    LayerLinguisticCorrelation,
    LinearProbe,
    LinguisticCorrelationAnalysis,
    NeuronLayout,
    fit_elastic_net,
)
from captum_lca.activations import TappedModel

CONFIG = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
CLASSES = ["a", "b", "c"]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return BertModel(BertConfig(**CONFIG)).eval()


@pytest.fixture(scope="module")
def layers(model):
    return [model.embeddings, *model.encoder.layer]


@pytest.fixture(scope="module")
def batch():
    """Token ids (40, 7), a mask with padding, and labels: the id modulo 3."""
    ids = torch.randint(5, 50, (40, 7), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[::2, 5:] = 0
    labels = ids % 3
    labels[mask == 0] = -100
    return ids, mask, labels


@pytest.fixture(scope="module")
def lca(model, layers, batch):
    ids, mask, labels = batch
    return LinguisticCorrelationAnalysis(model, layers).fit(ids, labels, mask, classes=CLASSES)


@pytest.fixture(scope="module")
def hidden(model, batch):
    """The layers' activations by another way: what transformers returns. (40, 7, 48)."""
    ids, mask, _ = batch
    with torch.no_grad():
        states = model(ids, mask, output_hidden_states=True).hidden_states
    return torch.cat(states, dim=-1)


class Sums(nn.Module):
    """Two hidden neurons, h = (x0 + x1, x0 − x1), for answers by hand."""

    def __init__(self):
        super().__init__()
        self.mix = nn.Linear(2, 2, bias=False)
        self.mix.weight.data = torch.tensor([[1.0, 1.0], [1.0, -1.0]])

    def forward(self, inputs):
        return self.mix(inputs).sum(1)


@pytest.fixture
def by_hand():
    probe = LinearProbe(
        torch.tensor([[2.0, 0.0], [0.0, 3.0]]),
        torch.tensor([0.25, 0.0]),
        torch.tensor([1.0, 0.0]),
        torch.tensor([1.0, 2.0]),
        classes=["sum", "difference"],
        layout=NeuronLayout(("mix",), (2,)),
    )
    model = Sums()
    return LinguisticCorrelationAnalysis.from_probe(model, model.mix, probe)


def test_is_captums(lca, model):
    assert isinstance(lca, NeuronAttribution)
    assert isinstance(LayerLinguisticCorrelation(model, model.embeddings), LayerAttribution)
    assert lca.get_name() == "Linguistic Correlation Analysis"
    assert lca.has_convergence_delta()
    assert lca.multiplies_by_inputs
    slopes = LinguisticCorrelationAnalysis(model, "hidden", neuron_attr_method=NeuronGradient)
    assert not slopes.multiplies_by_inputs
    layered = LayerLinguisticCorrelation(model, model.embeddings)
    assert layered.get_name() == "Layer Linguistic Correlation"
    assert layered.multiplies_by_inputs


def test_attributes_by_hand(by_hand):
    inputs = torch.tensor([[3.0, 1.0]])  # h = (4, 2)
    # logit "difference" = 3·h1/2 = 1.5·(x0 − x1): 4.5 from x0, −1.5 from x1
    attribution = by_hand.attribute(inputs, 1, target="difference")
    assert attribution.tolist() == [[pytest.approx(4.5), pytest.approx(-1.5)]]
    # neuron 0 has no weight in that class
    assert by_hand.attribute(inputs, 0, target="difference").tolist() == [[0.0, 0.0]]
    # logit "sum" = 2·(h0 − 1) + .25 = 6.25
    assert by_hand.forward_func(inputs)[0].tolist() == pytest.approx([6.25, 3.0])
    assert by_hand.rank("sum").order.tolist() == [0, 1]


def test_fit_reads_the_labelled_positions(lca, batch, hidden):
    _, _, labels = batch
    kept = labels != -100
    probe = fit_elastic_net(hidden[kept], labels[kept], classes=CLASSES)
    assert torch.allclose(lca.probe.weight, probe.weight, atol=1e-4)
    assert lca.probe.layout.layers == ("embeddings", "encoder.layer.0", "encoder.layer.1")


def test_strings_and_batches_fit_the_same(model, layers, batch, lca):
    ids, mask, labels = batch
    words = [[None if n < 0 else CLASSES[n] for n in row] for row in labels.tolist()]
    words[0] = words[0][:5]  # the rest of that row is padding
    fitted = LinguisticCorrelationAnalysis(model, layers).fit(
        ids, words, mask, internal_batch_size=7
    )
    assert torch.allclose(fitted.probe.weight, lca.probe.weight, atol=1e-4)


def test_a_bar_counts_the_batches(model, batch, capsys):
    ids, mask, labels = batch
    lca = LinguisticCorrelationAnalysis(model, model.embeddings)
    lca.fit(ids, labels, mask, internal_batch_size=10, show_progress=True)
    assert "activations: 100%" in (shown := capsys.readouterr().err)
    assert "4/4" in shown
    lca.fit(ids, labels, mask)
    assert not capsys.readouterr().err


def test_fit_dataloader_takes_collated_batches(model, layers, batch, lca):
    ids, mask, labels = batch
    loader = [
        {
            "input_ids": ids[n : n + 10],
            "attention_mask": mask[n : n + 10],
            "labels": labels[n : n + 10],
        }
        for n in range(0, 40, 10)
    ]
    fitted = LinguisticCorrelationAnalysis(model, layers).fit_dataloader(loader, classes=CLASSES)
    assert torch.allclose(fitted.probe.weight, lca.probe.weight, atol=1e-4)
    tuples = [tuple(b.values()) for b in loader]
    fitted = LinguisticCorrelationAnalysis(model, layers).fit_dataloader(tuples, classes=CLASSES)
    assert torch.allclose(fitted.probe.weight, lca.probe.weight, atol=1e-4)


def test_token_ids_give_contributions_of_their_size(lca, batch, hidden):
    ids, mask, _ = batch
    neurons = [3, 20, 47]
    attribution = lca.attribute(ids, neurons, target="b", additional_forward_args=mask)
    probe = lca.probe
    terms = (hidden - probe.mean) / probe.scale * probe.weight[1]
    assert attribution.shape == ids.shape
    assert torch.allclose(attribution, terms[..., neurons].sum(-1), atol=1e-5)


def test_every_form_of_selector(lca, batch):
    ids, mask, _ = batch

    def attribute(selector):
        return lca.attribute(ids, selector, target=2, additional_forward_args=mask)

    two = attribute([5, 20])
    assert torch.allclose(attribute(5) + attribute(20), two, atol=1e-6)
    assert torch.allclose(attribute(torch.tensor([20, 5])), two, atol=1e-6)
    # a callable sees one tensor per layer: neuron 20 is number 4 of the second
    picked = attribute(lambda parts: parts[0][..., 5].sum(1) + parts[1][..., 4].sum(1))
    assert torch.allclose(picked, two, atol=1e-6)
    # a tuple is Captum's index into (position, neuron)
    at_three = attribute((3, slice(5, 6)))
    assert torch.allclose(at_three[:, 3], attribute(5)[:, 3], atol=1e-6)
    assert at_three[:, [0, 1, 2, 4, 5, 6]].abs().max() == 0


def test_all_neurons_and_the_bias_make_the_logit(lca, batch, hidden):
    ids, mask, _ = batch
    for target in ("a", 1, ["a", "c"] * 20, torch.arange(40) % 3):
        attribution = lca.attribute(ids, range(48), target=target, additional_forward_args=mask)
        delta = lca.compute_convergence_delta(attribution, ids, target, mask)
        assert delta.shape == (40,)
        assert delta.abs().max() < 1e-4
    attribution = lca.attribute(ids, range(48), target="b", additional_forward_args=mask)
    logit = lca.probe(hidden)[..., 1]
    assert (attribution + lca.probe.bias[1] - logit).abs().max() < 1e-4
    # a tensor with one element means all examples, as in Captum
    one = lca.attribute(ids, range(48), torch.tensor([1]), mask)
    assert torch.equal(one, attribution)
    again, delta = lca.attribute(ids, range(48), "b", mask, return_convergence_delta=True)
    assert torch.equal(again, attribution)
    assert delta.abs().max() < 1e-4
    shifted = lca.compute_convergence_delta(attribution + 1, ids, "b", mask)
    assert shifted.mean().item() == pytest.approx(7, abs=1e-4)


@pytest.fixture(scope="module")
def embedded(model, layers, batch, lca):
    """The same analysis on word embeddings as inputs, and these."""

    def forward(embeddings, mask):
        return model(inputs_embeds=embeddings, attention_mask=mask)[0]

    other = LinguisticCorrelationAnalysis.from_probe(forward, layers, lca.probe)
    return other, model.embeddings.word_embeddings(batch[0]).detach()


def test_embeddings_give_integrated_gradients_of_the_logit(embedded, batch):
    lca, embeddings = embedded
    mask = batch[1]
    targets = ["a", "c"] * 20
    attribution = lca.attribute(
        embeddings, range(48), target=targets, additional_forward_args=mask, n_steps=100
    )
    assert attribution.shape == embeddings.shape
    delta = lca.compute_convergence_delta(attribution, embeddings, targets, mask)
    assert delta.abs().max() < 1e-4
    # Captum's own IntegratedGradients of the same scalar, by the path that is not LCA's
    chosen = torch.tensor([0, 2] * 20)

    def summed_logit(x, m, c):
        return lca.forward_func(x, m).gather(2, c[:, None, None].expand(-1, 7, 1)).sum((1, 2))

    peer = IntegratedGradients(summed_logit).attribute(
        embeddings, additional_forward_args=(mask, chosen), n_steps=100
    )
    assert torch.allclose(attribution, peer, atol=1e-5)


def test_the_neuron_method_can_be_another(embedded, batch, model, layers):
    lca, embeddings = embedded
    other = LinguisticCorrelationAnalysis.from_probe(lca.model_func, layers, lca.probe)
    other.neuron_attr_method = NeuronGradient
    slope = other.attribute(embeddings, [4], target="a", additional_forward_args=batch[1])
    leaf = embeddings.clone().requires_grad_()
    weight = lca.probe.weight[0, 4] / lca.probe.scale[4]
    first = model(inputs_embeds=leaf, attention_mask=batch[1], output_hidden_states=True)
    (expected,) = torch.autograd.grad((first.hidden_states[0][..., 4] * weight).sum(), leaf)
    assert torch.allclose(slope, expected, atol=1e-6)


def test_neuron_selector_serves_other_neuron_methods(embedded, batch, layers):
    lca, embeddings = embedded
    mask = batch[1]
    select = lca.neuron_selector("b", 3, layers[2])
    inside = [n for n in lca.rank("b").order.tolist() if 32 <= n < 48][:3]
    tapped = TappedModel(lca.model_func, layers[2])  # which returns None too in transformers 4
    found = NeuronIntegratedGradients(tapped, tapped.tap).attribute(
        embeddings, select, additional_forward_args=(mask,)
    )
    expected = lca.attribute(embeddings, inside, target="b", additional_forward_args=mask)
    assert torch.allclose(found, expected, atol=1e-5)
    with pytest.raises(ValueError, match="the layer has 1 to 16 neurons to select; found k=17"):
        lca.neuron_selector("b", 17, layers[2])
    with pytest.raises(ValueError, match="layer must be one of"):
        lca.neuron_selector("b", 3)


def test_forward_func_is_the_model_up_to_the_probe(lca, batch, hidden):
    ids, mask, _ = batch
    assert torch.allclose(lca.forward_func(ids, mask), lca.probe(hidden), atol=1e-5)


def test_layer_contributions_are_shaped_like_the_layer(model, layers, lca, batch, hidden):
    ids, mask, _ = batch
    layered = LayerLinguisticCorrelation.from_probe(model, layers, lca.probe)
    parts = layered.attribute(ids, "c", mask)
    assert [part.shape for part in parts] == [(40, 7, 16)] * 3
    logit = sum(part.sum(-1) for part in parts) + lca.probe.bias[2]
    assert (logit - lca.probe(hidden)[..., 2]).abs().max() < 1e-4
    single = LayerLinguisticCorrelation(model, model.encoder.layer[1])
    single.fit(ids, batch[2], mask)
    assert single.attribute(ids, 0, mask).shape == (40, 7, 16)


def test_sub_modules_that_return_none_work_too(batch):
    torch.manual_seed(0)
    model = BertForTokenClassification(BertConfig(**CONFIG)).train()
    ids, mask, labels = batch
    attention = model.bert.encoder.layer[0].attention.self  # returns (tensor, None)
    lca = LinguisticCorrelationAnalysis(model, attention).fit(ids, labels, mask)
    assert lca.probe.layout == NeuronLayout(("bert.encoder.layer.0.attention.self",), (16,))
    assert lca.attribute(ids, 3, 0, mask).shape == ids.shape
    assert model.training


def test_layers_by_name(model, batch, lca):
    ids, mask, labels = batch
    named = LinguisticCorrelationAnalysis(model, "hidden").fit(ids, labels, mask, classes=CLASSES)
    assert named.probe.layout == lca.probe.layout
    assert torch.allclose(named.probe.weight, lca.probe.weight, atol=1e-4)


def test_a_regression_needs_no_target(model, layers, batch):
    ids, mask, labels = batch
    numbers = torch.where(labels == -100, float("nan"), ids.float())
    lca = LinguisticCorrelationAnalysis(model, layers).fit(ids, numbers, mask)
    attribution = lca.attribute(ids, range(48), additional_forward_args=mask)
    assert lca.compute_convergence_delta(attribution, ids, None, mask).abs().max() < 1e-2
    with pytest.raises(ValueError, match="a regression has no classes; found target 'b'"):
        lca.attribute(ids, [1], target="b", additional_forward_args=mask)


def hooks_of(model):
    """All hooks there are; transformers puts some of its own on its models."""
    return [
        hook
        for module in model.modules()
        for hooks in (module._forward_hooks, module._forward_pre_hooks)
        for hook in hooks.values()
    ]


def test_inputs_are_left_as_they_were_and_hooks_removed(embedded, batch, model):
    lca, embeddings = embedded
    before, hooks = copy.deepcopy(embeddings), hooks_of(model)
    lca.attribute(embeddings, [1], target="a", additional_forward_args=batch[1])
    assert torch.equal(before, embeddings)
    assert not embeddings.requires_grad
    assert hooks_of(model) == hooks


def test_hooks_are_removed_after_errors(model, layers, lca):
    hooks = hooks_of(model)
    with pytest.raises(IndexError):
        lca.attribute(torch.tensor([[999]]), [1], target="a")  # no such token
    assert hooks_of(model) == hooks


def test_before_a_fit(model, layers, batch):
    lca = LinguisticCorrelationAnalysis(model, layers)
    for ask in (
        lambda: lca.attribute(batch[0], [1], target="a"),
        lca.rank,
        lambda: lca.forward_func(batch[0]),
        lambda: LayerLinguisticCorrelation(model, layers).attribute(batch[0], "a"),
    ):
        with pytest.raises(ValueError, match="has no probe yet: call fit or fit_dataloader first"):
            ask()


@pytest.mark.parametrize(
    ("selector", "target", "message"),
    [
        ([1], None, r"say which class, as target=…; the probe has \['a', 'b', 'c'\]"),
        ([1], "z", "no class 'z' in this probe"),
        ([1], 3, "class indices are 0 to 2; found 3"),
        ([1], ["a", "b"], "there are 2 targets for 40 examples"),
        ([48], "a", r"ids must be 0 to 47; found \[48\]"),
        ((1, 2, 3), "a", "a tuple selects one neuron or slice in each of the 2 dimensions"),
    ],
)
def test_wrong_questions(lca, batch, selector, target, message):
    with pytest.raises(ValueError, match=message):
        lca.attribute(batch[0], selector, target=target, additional_forward_args=batch[1])


def test_wrong_inputs(lca, batch):
    ids, mask, _ = batch
    with pytest.raises(ValueError, match="attribute_to_neuron_input: the probe reads the layers"):
        lca.attribute(ids, [1], target="a", attribute_to_neuron_input=True)
    with pytest.raises(ValueError, match="inputs must be one integer tensor of token ids"):
        lca.attribute((ids, mask), [1], target="a")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.zeros(40, 6, dtype=torch.long), r"labels have shape \(40, 6\)"),
        ([["a"] * 7] * 39, "labels for 39 examples; expected 40"),
        ([["a"] * 8] * 40, "example 0 has 8 labels for 7 positions"),
        ([["a"], None] * 20, "one sequence per example, .*; found None for example 1"),
        (["ab"] * 40, "one sequence per example, .*; found 'ab' for example 0"),
        (torch.zeros(40, 7, dtype=torch.long), "at least two classes"),
    ],
)
def test_labels_that_do_not_fit(model, layers, batch, labels, message):
    with pytest.raises(ValueError, match=message):
        LinguisticCorrelationAnalysis(model, layers).fit(batch[0], labels, batch[1])


def test_batches_that_do_not_fit(model, layers, batch):
    lca = LinguisticCorrelationAnalysis(model, layers)
    with pytest.raises(ValueError, match="a batch has no 'labels'; it has"):
        lca.fit_dataloader([{"input_ids": batch[0]}])
    with pytest.raises(ValueError, match="a batch must be a mapping, or a tuple"):
        lca.fit_dataloader([batch[0]])
    with pytest.raises(ValueError, match="there is no batch"):
        lca.fit_dataloader([])


def test_probes_of_other_layers(model, layers, lca, batch):
    with pytest.raises(ValueError, match="the probe reads the layers"):
        LinguisticCorrelationAnalysis.from_probe(model, layers[:2], lca.probe)
    with pytest.raises(ValueError, match="the probe reads the layers"):
        LinguisticCorrelationAnalysis.from_probe(model, layers[::-1], lca.probe)
    with pytest.raises(ValueError, match="is not a module of BertModel"):
        LinguisticCorrelationAnalysis(model, nn.Linear(1, 1))
    narrow = LinearProbe(
        torch.ones(2, 3), torch.ones(2), torch.ones(3), torch.ones(3), classes=["x", "y"]
    )
    other = LinguisticCorrelationAnalysis.from_probe(model, layers[0], narrow)
    with pytest.raises(
        ValueError, match=r"reads layers of \(3,\) neurons; the model's have \(16,\)"
    ):
        other.attribute(batch[0], [1], target="x")


def test_a_layer_that_never_runs(batch):
    torch.manual_seed(0)
    model = BertModel(BertConfig(**CONFIG))
    lca = LinguisticCorrelationAnalysis(model, [model.embeddings, model.pooler])
    model.pooler.forward = None
    model.pooler, silent = None, model.pooler
    assert silent is lca.layers[1].module
    with pytest.raises(ValueError, match="these layers never ran in the forward pass: pooler"):
        lca.fit(batch[0], batch[2], batch[1])


def test_a_model_known_only_as_a_function(model, layers, batch, lca):
    def run(ids, mask=None):
        return model(ids, mask)

    other = LinguisticCorrelationAnalysis(run, layers)
    other.fit(batch[0], batch[2], batch[1], classes=CLASSES)
    assert torch.allclose(other.probe.weight, lca.probe.weight, atol=1e-4)
    with pytest.raises(ValueError, match="can be named only if forward_func is a module"):
        LinguisticCorrelationAnalysis(run, ["embeddings"])
