from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from tiny_models import DOWN_PROJECTIONS, LONE_BLOCK_NAMES, encoder_of, tiny
from torch import Tensor, nn
from transformers import AutoModel, AutoModelForTokenClassification

from captum_lca.activations import ModelLayer, evaluate_layers, evaluating, resolve_layers
from captum_lca.activations.layers import read_layers


class Block(nn.Module):
    def __init__(self, size=2, inner=5):
        super().__init__()
        self.up = nn.Linear(size, inner)
        self.down = nn.Linear(inner, size)

    def forward(self, tensor):
        return tensor + self.down(self.up(tensor).relu())


class Stack(nn.Module):
    """Adds 1, then runs its blocks, then doubles."""

    def __init__(self, blocks, config=None):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.unused = nn.Linear(2, 2)
        self.config = config

    def forward(self, tensor):
        tensor = tensor + 1
        for block in self.blocks:
            tensor = block(tensor)
        return 2 * tensor


class Returning(nn.Module):
    """Returns what it was told to make of its input."""

    def __init__(self, make):
        super().__init__()
        self.make = make

    def forward(self, *args, **kwargs):
        return self.make(*args, **kwargs)


def times(factor):
    return Returning(lambda tensor: factor * tensor)


def names(layers):
    return [layer.name for layer in layers]


def hooks_of(model):
    return [
        hook
        for module in model.modules()
        for hook in (*module._forward_hooks.values(), *module._forward_pre_hooks.values())
    ]


class TestResolveLayers:
    def test_hidden_is_what_the_first_block_receives_and_each_returns(self):
        model = Stack([Block(), Block()])
        layers = resolve_layers(model, "hidden")
        assert names(layers) == ["embeddings", "blocks.0", "blocks.1"]
        assert [layer.side for layer in layers] == ["input", "output", "output"]
        assert [layer.module for layer in layers] == [model.blocks[0], *model.blocks]

    def test_mlp_is_the_input_of_the_down_projections(self):
        model = Stack([Block(), Block()], SimpleNamespace(hidden_size=2))
        layers = resolve_layers(model, "mlp")
        assert names(layers) == ["blocks.0.down[input]", "blocks.1.down[input]"]
        assert [layer.module for layer in layers] == [model.blocks[0].down, model.blocks[1].down]

    @pytest.mark.parametrize("architecture", LONE_BLOCK_NAMES)
    def test_blocks_and_projections_of_transformers(self, architecture):
        model = encoder_of(tiny(architecture))
        blocks = [f"{LONE_BLOCK_NAMES[architecture]}.{number}" for number in range(3)]
        assert names(resolve_layers(model)) == ["embeddings", *blocks]
        assert names(resolve_layers(model, "mlp")) == [
            f"{block}.{DOWN_PROJECTIONS[architecture]}[input]" for block in blocks
        ]

    def test_a_shared_block_is_one_layer_per_call(self):
        layers = resolve_layers(tiny("albert"))
        block = "encoder.albert_layer_groups.0"
        assert names(layers) == ["embeddings", f"{block}@0", f"{block}@1", f"{block}@2"]
        assert [layer.call for layer in layers] == [0, 0, 1, 2]

    def test_two_shared_blocks_run_one_after_the_other(self):
        layers = resolve_layers(tiny("albert2"))
        groups = "encoder.albert_layer_groups"
        assert names(layers)[1:] == [f"{groups}.{n}@{call}" for n in (0, 1) for call in (0, 1)]

    def test_a_model_with_fewer_blocks_than_its_configuration_says(self):
        model = tiny("bert")
        model.encoder.layer = model.encoder.layer[:1]
        assert names(resolve_layers(model)) == ["embeddings", "encoder.layer.0"]

    def test_names_patterns_modules_and_marks(self):
        model = Stack([Block(), Block()])
        layers = resolve_layers(
            model, ["blocks.1", "*.up", "blocks.0[input]", "blocks.0@0", model.blocks[1].down]
        )
        assert names(layers) == [
            "blocks.1",
            "blocks.0.up",
            "blocks.1.up",
            "blocks.0[input]",
            "blocks.0@0",
            "blocks.1.down",
        ]
        assert layers[3] == ModelLayer("blocks.0[input]", model.blocks[0], "input")
        assert layers[4] == ModelLayer("blocks.0@0", model.blocks[0], "output", 0)

    def test_names_of_layers_find_them_again(self):
        for architecture in ("albert", "bert"):
            model = tiny(architecture)
            layers = resolve_layers(model, ["hidden", "mlp"])
            assert resolve_layers(model, names(layers)) == layers

    def test_repetitions_are_dropped(self):
        model = Stack([Block(), Block()])
        assert names(resolve_layers(model, ["blocks.1", "hidden"])) == [
            "blocks.1",
            "embeddings",
            "blocks.0",
        ]

    def test_a_module_list_stands_for_its_modules(self):
        model = Stack([Block(), Block()])
        assert names(resolve_layers(model, model.blocks)) == ["blocks.0", "blocks.1"]

    def test_blocks_are_the_heaviest_list_however_deep(self):
        model = Stack([Block(size=2, inner=50)])
        model.small = nn.ModuleList([Block(), Block()])
        assert names(resolve_layers(model)) == ["embeddings", "blocks.0"]

    def test_the_whole_model_is_a_layer_too(self):
        model = Stack([Block()])
        (layer,) = resolve_layers(model, model)
        (tensor,) = evaluate_layers(model, torch.ones(1, 2), [layer])
        assert torch.equal(tensor, model(torch.ones(1, 2)))


class TestUnknownLayers:
    def test_unknown_name(self):
        with pytest.raises(
            ValueError, match=r"no layer 'block\.7' in Stack; its blocks are blocks\.0 to blocks\.1"
        ):
            resolve_layers(Stack([Block(), Block()]), "block.7")

    def test_unknown_name_in_a_model_without_blocks(self):
        with pytest.raises(
            ValueError, match=r"no layer 'seven' in Block; its modules are up, down"
        ):
            resolve_layers(Block(), "seven")

    def test_unknown_name_where_blocks_are_spread_over_lists(self):
        model = Stack([nn.Linear(2, 2)])
        model.norms = nn.ModuleList([nn.LayerNorm(2)])
        with pytest.raises(ValueError, match=r"no layer 'seven' in Stack; its blocks are blocks"):
            resolve_layers(model, "seven")

    @pytest.mark.parametrize("name", ["blocks.0@x", "blocks.0@-1", "blocks.0@1.5"])
    def test_a_call_that_is_no_number(self, name):
        with pytest.raises(ValueError, match=f"no layer '{name}' in Stack"):
            resolve_layers(Stack([Block()]), name)

    def test_a_module_of_another_model(self):
        with pytest.raises(ValueError, match="the layer Block is not a module of Stack"):
            resolve_layers(Stack([Block()]), Block())

    def test_what_is_no_layer(self):
        with pytest.raises(ValueError, match="a name, a module or a ModelLayer; found int: 3"):
            resolve_layers(Stack([Block()]), [3])

    def test_no_layers(self):
        with pytest.raises(ValueError, match="no layers given"):
            resolve_layers(Stack([Block()]), [])

    def test_a_model_without_blocks(self):
        with pytest.raises(ValueError, match="Linear has no list of blocks"):
            resolve_layers(nn.Linear(2, 2))

    def test_blocks_spread_over_several_lists(self):
        model = Stack([nn.Linear(2, 2), nn.Linear(2, 2)])
        model.norms = nn.ModuleList([nn.LayerNorm(2), nn.LayerNorm(2)])
        with pytest.raises(ValueError, match=r"spread over .*blocks, norms.*name its layers"):
            resolve_layers(model)

    @pytest.mark.parametrize("block", [nn.Linear(2, 2), nn.LayerNorm(2)])
    def test_blocks_without_mlp_neurons(self, block):
        model = Stack([block], SimpleNamespace(hidden_size=2))
        with pytest.raises(ValueError, match=r"can't tell which projection of blocks\.0 .*NAME"):
            resolve_layers(model, "mlp")


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
