"""LCA and ablation on small random models of many architectures, against hooks written out."""

import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, ViTConfig, ViTModel

from captum_lca import LayerLinguisticCorrelation, LinguisticCorrelationAnalysis, NeuronLayout
from captum_lca.ablation import ablating, all_but_first

sys.path.insert(0, str(Path(__file__).parent / "activations"))
from tiny_models import DOWN_PROJECTIONS, LONE_BLOCK_NAMES, encoder_of, randomised, tiny

ATTENTION = {
    **dict.fromkeys(("bert", "roberta", "electra", "deberta"), "attention"),
    "distilbert": "attention",
    "gpt2": "attn",
    **dict.fromkeys(("llama", "qwen2", "gemma", "gemma2", "bart"), "self_attn"),
    "t5": "layer.0",
    "xlnet": "rel_attn",
}
"""A module inside a block that returns what attention adds, most often in a tuple with None."""
LONE = list(LONE_BLOCK_NAMES)
IDS = torch.tensor([[2, 4, 5, 6, 3], [2, 7, 6, 5, 3]])
LABELS = [["first", None, "a", "b", "last"]] * 2
KINDS = ("hidden", "mlp", "attention")


def modules_of(architecture, kind, blocks):
    """The modules to study: whole blocks, what reads the MLP neurons, or the attention."""
    if kind == "hidden":
        return list(blocks)
    name = DOWN_PROJECTIONS[architecture] if kind == "mlp" else ATTENTION[architecture]
    return [block.get_submodule(name) for block in blocks]


def names_in(model, modules):
    names = {module: name for name, module in model.named_modules()}
    return [names[module] for module in modules]


def first_of(output):
    """The activations in what a module returns, by hand."""
    return output if isinstance(output, torch.Tensor) else output[0]


def hooked(run, modules, side, tokens_first=False):
    """Activations of some modules, side by side, by plain hooks; batch × tokens × neurons."""
    seen = {}
    handles = [
        module.register_forward_hook(
            lambda module, inputs, output: seen.update(
                {module: inputs[0] if side == "input" else first_of(output)}
            )
        )
        for module in modules
    ]
    with torch.no_grad():
        run()
    for handle in handles:
        handle.remove()
    activations = torch.cat([seen[module] for module in modules], -1)
    return activations.transpose(0, 1) if tokens_first else activations


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("architecture", LONE)
class TestEveryBlockRunsOnce:
    def study(self, architecture, kind):
        model = encoder_of(tiny(architecture))
        blocks = model.get_submodule(LONE_BLOCK_NAMES[architecture])
        modules = modules_of(architecture, kind, blocks)
        side = "input" if kind == "mlp" else "output"
        suffix = "[input]" if kind == "mlp" else ""
        return model, modules, [name + suffix for name in names_in(model, modules)], side

    def test_contributions_are_those_of_the_hooked_activations(self, architecture, kind):
        model, modules, layers, side = self.study(architecture, kind)
        lca = LinguisticCorrelationAnalysis(model, layers).fit(IDS, LABELS)
        activations = hooked(lambda: model(IDS), modules, side, architecture == "xlnet")
        assert activations.shape == (*IDS.shape, lca.probe.layout.size)
        logits = lca.probe(activations.flatten(0, 1)).unflatten(0, IDS.shape)
        torch.testing.assert_close(lca.forward_func(IDS), logits, rtol=1e-4, atol=1e-4)
        every = lca.attribute(IDS, range(lca.probe.layout.size), target="a")
        place = lca.probe.classes.index("a")
        expected = logits[..., place] - lca.probe.bias[place]
        torch.testing.assert_close(every, expected, rtol=1e-4, atol=1e-4)
        parts = LayerLinguisticCorrelation.from_probe(model, layers, lca.probe).attribute(
            IDS, target="a"
        )
        torch.testing.assert_close(
            sum(part.sum(-1) for part in parts), expected, rtol=1e-4, atol=1e-4
        )

    def test_ablation_puts_in_what_was_asked_for(self, architecture, kind):
        model, modules, layers, side = self.study(architecture, kind)
        width = hooked(lambda: model(IDS), modules[:1], side).shape[-1]
        layout = NeuronLayout(tuple(layers), (width,) * len(layers))
        clean = first_of(model(IDS).to_tuple())
        with ablating(model, range(layout.size), layout, by=lambda values, _: values):
            assert torch.equal(first_of(model(IDS).to_tuple()), clean)
        where = all_but_first(torch.ones_like(IDS))
        for layer in layers:
            neuron = layout.global_id(layer, 1)
            with ablating(model, [neuron], layout, by=3.0, positions=where):
                assert not torch.equal(first_of(model(IDS).to_tuple()), clean)
        assert torch.equal(first_of(model(IDS).to_tuple()), clean)


HEADS = {
    **dict.fromkeys(("bert", "roberta", "distilbert", "electra", "deberta"), AutoModelForMaskedLM),
    **dict.fromkeys(("gpt2", "llama", "qwen2", "gemma", "gemma2"), AutoModelForCausalLM),
}


@pytest.mark.parametrize("architecture", list(HEADS))
def test_a_model_with_a_head_has_the_activations_of_the_one_without(architecture):
    model = tiny(architecture, HEADS[architecture])
    blocks = model.base_model.get_submodule(LONE_BLOCK_NAMES[architecture])
    with_head = LinguisticCorrelationAnalysis(model, list(blocks)).fit(IDS, LABELS)
    without = LinguisticCorrelationAnalysis(model.base_model, list(blocks)).fit(IDS, LABELS)
    torch.testing.assert_close(with_head.probe.weight, without.probe.weight)
    assert with_head.probe.weight.any()


def test_xlnet_run_by_a_function():
    model = tiny("xlnet")
    named = LinguisticCorrelationAnalysis(model, "layer.1").fit(IDS, LABELS)
    unnamed = LinguisticCorrelationAnalysis(lambda ids: model(input_ids=ids), model.layer[1])
    assert torch.equal(unnamed.fit(IDS, LABELS).probe.weight, named.probe.weight)


def test_albert_runs_one_block_again_and_again():
    model = tiny("albert")
    block = "encoder.albert_layer_groups.0.albert_layers.0"
    layers = [f"{block}@{call}" for call in range(3)]
    lca = LinguisticCorrelationAnalysis(model, layers).fit(IDS, LABELS)
    states = model(IDS, output_hidden_states=True).hidden_states[1:]
    logits = lca.probe(torch.cat(states, -1).flatten(0, 1)).unflatten(0, IDS.shape)
    torch.testing.assert_close(lca.forward_func(IDS), logits, rtol=1e-4, atol=1e-4)


def test_a_vision_transformer():
    config = ViTConfig(
        hidden_size=8,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=12,
        image_size=8,
        patch_size=4,
    )
    model = randomised(ViTModel(config))
    images = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    blocks = list(next(m for m in model.modules() if isinstance(m, torch.nn.ModuleList)))
    labels = [[None, "left", "right", "left", "right"]] * 6  # of the patches, after the class token
    lca = LinguisticCorrelationAnalysis(model, blocks).fit(images, labels)
    activations = hooked(lambda: model(images), blocks, "output")
    logits = lca.probe(activations.flatten(0, 1)).unflatten(0, activations.shape[:2])
    torch.testing.assert_close(lca.forward_func(images), logits, rtol=1e-4, atol=1e-4)
    clean = model(images).last_hidden_state
    with ablating(model, [3], lca.probe.layout, by=5.0):
        assert not torch.equal(model(images).last_hidden_state, clean)
    assert torch.equal(model(images).last_hidden_state, clean)
