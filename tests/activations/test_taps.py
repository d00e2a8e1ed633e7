from dataclasses import dataclass

import pytest
import torch
from captum.attr import LayerFeatureAblation, NeuronGradient
from small_modules import Block, Returning, Stack, hooks_of, times
from tiny_models import encoder_of, tiny
from torch import Tensor, nn
from transformers import AutoModel, AutoModelForTokenClassification

from captum_lca import NeuronLayout
from captum_lca.ablation import ablating
from captum_lca.activations import (
    ModelLayer,
    TappedModel,
    evaluate_layers,
    evaluating,
    resolve_layers,
)
from captum_lca.activations.taps import read_layers


class TestEvaluateLayers:
    def test_inputs_and_outputs_by_hand(self):
        model = Stack([times(2), times(5)])
        layers = resolve_layers(model, ["hidden", "blocks.1[input]"])
        tensors = evaluate_layers(model, torch.tensor([[1.0, 3.0]]), layers)
        assert [tensor.tolist() for tensor in tensors] == [
            [[2, 4]],
            [[4, 8]],
            [[20, 40]],
            [[4, 8]],
        ]

    def test_the_order_of_the_layers_is_kept(self):
        model = Stack([times(2), times(5)])
        tensors = evaluate_layers(
            model, torch.ones(1, 1), resolve_layers(model, ["blocks.1", "blocks.0"])
        )
        assert [tensor.item() for tensor in tensors] == [20, 4]

    def test_calls_of_a_shared_module(self):
        shared = times(3)
        model = Stack([shared, shared, shared])
        layers = [ModelLayer(f"call {n}", shared, call=n) for n in (2, 0)]
        assert [t.item() for t in evaluate_layers(model, torch.ones(1, 1), layers)] == [54, 6]

    @pytest.mark.parametrize(
        "wrap",
        [
            lambda tensor: (tensor, None, "cache"),
            lambda tensor: [None, (tensor,)],
            lambda tensor: {"ids": torch.tensor([1]), "states": tensor},
        ],
        ids=["tuple", "nested", "mapping"],
    )
    def test_a_module_may_return_more_than_the_tensor(self, wrap):
        layer = Returning(wrap)
        model = Returning(lambda tensor: layer(tensor) and tensor)
        (tensor,) = evaluate_layers(model, torch.ones(1, 2), [ModelLayer("layer", layer)])
        assert tensor.tolist() == [[1, 1]]

    def test_a_module_may_return_a_dataclass(self):
        @dataclass
        class Output:
            cache: None
            states: Tensor

        layer = Returning(lambda tensor: Output(None, tensor))
        model = Returning(lambda tensor: layer(tensor).states)
        (tensor,) = evaluate_layers(model, torch.ones(1, 2), [ModelLayer("layer", layer)])
        assert tensor.tolist() == [[1, 1]]

    def test_an_input_may_be_a_keyword(self):
        layer = Returning(lambda *, mask, states: states)
        model = Returning(lambda tensor: layer(mask=None, states=tensor))
        (tensor,) = evaluate_layers(model, torch.ones(1), [ModelLayer("layer", layer, "input")])
        assert tensor.tolist() == [1]

    def test_attention_of_a_transformer(self):
        model = tiny("bert")
        layer = resolve_layers(model, model.encoder.layer[0].attention)
        (tensor,) = evaluate_layers(model, torch.tensor([[2, 4, 3]]), layer)
        assert tensor.shape == (1, 3, 8)

    @pytest.mark.parametrize("auto_class", [AutoModel, AutoModelForTokenClassification])
    def test_blocks_that_compute_the_tokens_first(self, auto_class):
        model = tiny("xlnet", auto_class)
        ids = torch.tensor([[2, 4, 3], [2, 5, 6]])
        found = resolve_layers(model, ["hidden", model.base_model.word_embedding, model])
        assert [layer.tokens_first for layer in found] == [True] * 5 + [False]
        *tensors, outermost = evaluate_layers(model, ids, found)
        outputs = model(ids, output_hidden_states=True)
        states = outputs.hidden_states
        for tensor, expected in zip(tensors, [*states, states[0]], strict=True):
            assert torch.equal(tensor, expected)
        assert torch.equal(outermost, outputs[0])

    def test_gradients_flow_only_when_asked(self):
        model = Stack([times(2)])
        layers = resolve_layers(model, "blocks.0")
        inputs = torch.ones(1, 2, requires_grad=True)
        (tensor,) = evaluate_layers(model, inputs, layers, grad_enabled=True)
        tensor.sum().backward()
        assert inputs.grad.tolist() == [[2, 2]]
        assert not evaluate_layers(model, inputs, layers)[0].requires_grad

    def test_it_ends_once_all_layers_are_seen(self):
        ran = []
        blocks = [
            Returning(lambda tensor, n=number: (ran.append(n), tensor)[1]) for number in range(3)
        ]
        model = Stack(blocks)
        evaluate_layers(
            model, torch.ones(1), resolve_layers(model, ["blocks.1", "blocks.0"]), stop_early=True
        )
        assert ran == [0, 1]
        evaluate_layers(model, torch.ones(1), resolve_layers(model, "blocks.1"))
        assert ran == [0, 1, 0, 1, 2]

    def test_a_model_that_was_stopped_runs_as_before(self):
        model = tiny("llama")
        ids = torch.tensor([[4, 5, 6]])
        before = model(ids, output_hidden_states=True).hidden_states
        evaluate_layers(model, ids, resolve_layers(model, "embeddings"), stop_early=True)
        after = model(ids, output_hidden_states=True).hidden_states
        assert len(before) == len(after) == 4
        assert all(torch.equal(old, new) for old, new in zip(before, after, strict=True))

    def test_a_layer_that_never_runs(self):
        model = Stack([Block()])
        with pytest.raises(ValueError, match=r"never ran in the forward pass: unused, unused\[inp"):
            evaluate_layers(
                model,
                torch.ones(1, 2),
                resolve_layers(model, ["hidden", "unused", "unused[input]"]),
            )
        assert not hooks_of(model)

    def test_a_call_that_never_comes(self):
        model = Stack([times(1)])
        with pytest.raises(ValueError, match=r"never ran in the forward pass: blocks\.0@1"):
            evaluate_layers(model, torch.ones(1), resolve_layers(model, "blocks.0@1"))

    def test_a_shared_module_without_a_call(self):
        shared = times(1)
        model = Stack([shared, shared])
        with pytest.raises(
            ValueError, match=r"'blocks\.0' runs more than once .* as in 'blocks\.0@0'"
        ):
            evaluate_layers(model, torch.ones(1), resolve_layers(model, shared))
        assert not hooks_of(model)

    def test_the_input_of_a_shared_module_without_a_call(self):
        shared = times(1)
        model = Stack([shared, shared])
        with pytest.raises(ValueError, match=r"as in 'blocks\.0@0\[input\]'"):
            evaluate_layers(model, torch.ones(1), resolve_layers(model, "blocks.0[input]"))

    def test_a_layer_without_a_tensor(self):
        layer = Returning(lambda tensor: "words")
        model = Returning(lambda tensor: layer(tensor) and tensor)
        with pytest.raises(
            ValueError, match=r"'layer' has no floating-point tensor as its output \(found str\)"
        ):
            evaluate_layers(model, torch.ones(1), [ModelLayer("layer", layer)])
        assert not hooks_of(layer)

    def test_hooks_go_when_the_model_fails(self):
        def fail(tensor):
            raise RuntimeError("no")

        model = Stack([times(1), Returning(fail)])
        with pytest.raises(RuntimeError, match="no"):
            evaluate_layers(model, torch.ones(1), resolve_layers(model))
        assert not hooks_of(model)

    def test_hooks_go_when_it_ends_early(self):
        model = Stack([times(1), times(1)])
        evaluate_layers(model, torch.ones(1), resolve_layers(model, "embeddings"), stop_early=True)
        assert not hooks_of(model)


class TestEvaluating:
    def test_each_module_gets_its_own_mode_back(self):
        model = Stack([Block(), Block()]).train()
        model.blocks[0].eval()
        modes = [module.training for module in model.modules()]
        with evaluating(model):
            assert not any(module.training for module in model.modules())
        assert [module.training for module in model.modules()] == modes

    def test_also_after_an_error(self):
        model = Stack([Block()]).train()
        with pytest.raises(RuntimeError), evaluating(model):
            raise RuntimeError
        assert model.training
        assert model.blocks[0].up.training


class TestReadingLayers:
    def test_layers_on_several_devices(self):
        """The device "meta" stands for a second GPU: its tensors have no values."""

        class Moving(nn.Module):
            def forward(self, tensor):
                return tensor.to("meta")

        model = Stack([Block(), Moving(), Block().to("meta"), Moving()])
        layers = resolve_layers(model, ["blocks.0", "blocks.2"])
        here, there = read_layers(lambda: model(torch.ones(1, 2)), layers, stop_early=True)
        assert torch.equal(here, model.blocks[0](torch.full((1, 2), 2.0)))
        assert (here.device.type, there.device.type) == ("cpu", "meta")
        assert not here.requires_grad

    def test_a_tensor_that_is_changed_later_is_read_as_it_was(self):
        class Adding(nn.Module):
            def forward(self, tensor):
                return tensor.add_(1)

        model = Stack([nn.Identity(), Adding()])
        (first,) = read_layers(lambda: model(torch.ones(1, 2)), resolve_layers(model, "blocks.0"))
        assert first.tolist() == [[2, 2]]

    def test_a_layer_that_never_ran(self):
        model = Stack([Block()])
        with pytest.raises(ValueError, match="never ran in the forward pass: unused"):
            read_layers(lambda: model(torch.ones(1, 2)), resolve_layers(model, "unused"))


TAPPED = {
    "bert": "encoder.layer.1.attention",  # returns None too
    "albert": "encoder.albert_layer_groups.0@1",
    "llama": "layers.1.mlp.down_proj[input]",
    "t5": "block.1",
    "xlnet": "layer.1",
}


@pytest.mark.parametrize("architecture", TAPPED)
class TestTappedModel:
    def test_captum_ablates_the_layer_as_the_models_ablation_does(self, architecture):
        model = encoder_of(tiny(architecture))
        layer = TAPPED[architecture]
        ids = torch.tensor([[2, 4, 3], [2, 5, 6]])
        tapped = TappedModel(lambda ids: model(ids)[0].sum((1, 2)), resolve_layers(model, layer))
        with torch.no_grad():
            plain = tapped(ids)
        width = 12 if layer.endswith("[input]") else 8
        groups, values = torch.arange(width) % 2, torch.arange(width) / 4
        mask, baselines = groups[None, None], values[None, None]
        for perturbations in (1, 2):
            found = LayerFeatureAblation(tapped, tapped.tap).attribute(
                ids, baselines, layer_mask=mask, perturbations_per_eval=perturbations
            )
            assert found.shape == (2, 3, width)
            for group in (0, 1):
                neurons = (groups == group).nonzero().flatten()
                with (
                    torch.no_grad(),
                    ablating(model, neurons, NeuronLayout((layer,), (width,)), by=values),
                ):
                    change = plain - model(ids)[0].sum((1, 2))
                assert change.abs().min() > 1e-3
                torch.testing.assert_close(found[..., group], change[:, None].expand(2, 3))
        assert not hooks_of(model)

    def test_captum_follows_a_neuron_back_to_the_input(self, architecture):
        model = encoder_of(tiny(architecture))
        width = model.get_input_embeddings().embedding_dim
        embeddings = torch.randn(2, 3, width, generator=torch.Generator().manual_seed(0))
        layer = resolve_layers(model, TAPPED[architecture])

        def run(embeddings):
            return model(inputs_embeds=embeddings)[0]

        tapped = TappedModel(run, layer)
        found = NeuronGradient(tapped, tapped.tap).attribute(embeddings.requires_grad_(), (2, 5))
        (tensor,) = evaluate_layers(run, embeddings, layer, grad_enabled=True)
        (expected,) = torch.autograd.grad(tensor[:, 2, 5].sum(), embeddings)
        assert expected.any()
        torch.testing.assert_close(found, expected)


def test_a_tap_is_one_layer():
    with pytest.raises(ValueError, match="'hidden' means 4 layers; name one"):
        TappedModel(tiny("bert"), "hidden")
    with pytest.raises(ValueError, match=r"no layer 'encoder\.layer\.7' in BertModel"):
        TappedModel(tiny("bert"), "encoder.layer.7")
    shared = TappedModel(tiny("albert"), "encoder.albert_layer_groups.0")
    with pytest.raises(ValueError, match="runs more than once in a forward pass"):
        shared(torch.tensor([[2, 4, 3]]))
    assert not hooks_of(shared)
