from types import SimpleNamespace

import pytest
import torch
from small_modules import Block, Stack, names
from tiny_models import DOWN_PROJECTIONS, LONE_BLOCK_NAMES, encoder_of, tiny
from torch import nn
from transformers import AutoModelForSeq2SeqLM

from captum_lca.activations import ModelLayer, evaluate_layers, resolve_layers


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

    @pytest.mark.parametrize("layers", ["hidden", "mlp", "embeddings"])
    def test_blocks_of_an_encoder_and_a_decoder(self, layers):
        model = tiny("bart", AutoModelForSeq2SeqLM)
        with pytest.raises(
            ValueError,
            match=r"BartForConditionalGeneration has an encoder and a decoder; pass the blocks of "
            r"one: model\.model\.encoder\.layers or model\.model\.decoder\.layers",
        ):
            resolve_layers(model, layers)
        found = names(resolve_layers(model, model.model.decoder.layers))
        assert found == [f"model.decoder.layers.{number}" for number in range(3)]

    @pytest.mark.parametrize("block", [nn.Linear(2, 2), nn.LayerNorm(2)])
    def test_blocks_without_mlp_neurons(self, block):
        model = Stack([block], SimpleNamespace(hidden_size=2))
        with pytest.raises(ValueError, match=r"can't tell which projection of blocks\.0 .*NAME"):
            resolve_layers(model, "mlp")
