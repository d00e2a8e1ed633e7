import pytest
import torch
from tiny_models import tiny
from torch import nn

from captum_lca import NeuronLayout
from captum_lca.ablation import ablated_output, ablated_outputs, ablating
from captum_lca.ablation.replay import replaying
from captum_lca.activations import ModelLayer, resolve_layers
from captum_lca.activations.calls import text_arguments

IDS = torch.tensor([[4, 5, 6, 7, 8], [9, 10, 11, 12, 13]])
MASK = torch.ones_like(IDS)
ARCHITECTURES = (
    *("bert", "roberta", "distilbert", "albert", "albert2", "electra", "deberta", "fnet"),
    *("gpt2", "llama", "qwen2", "gemma", "t5", "bart", "xlnet"),
)


class Counted(nn.Module):
    """Multiplies by a number and counts how often."""

    def __init__(self, factor):
        super().__init__()
        self.factor, self.runs = factor, 0

    def forward(self, inputs):
        self.runs += 1
        return inputs * self.factor


class Chain(nn.Module):
    """a, then b twice, then c."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = Counted(2), Counted(3), Counted(5)

    def forward(self, inputs):
        outputs = self.a(inputs)
        outputs += 1  # in place: what a returned is changed behind it
        return self.c(self.b(self.b(outputs)))

    @property
    def runs(self):
        return self.a.runs, self.b.runs, self.c.runs


def chain():
    return Chain().eval()


LAYOUT = NeuronLayout(("a", "b@1", "c"), (2, 2, 2))
INPUTS = torch.tensor([[1.0, 2]])  # a: 2, 4; then 3, 5; b: 9, 15 and 27, 45; c: 135, 225


class TestByHand:
    def test_what_comes_before_runs_once(self):
        model = chain()
        outputs = ablated_outputs(model, [[4], [5], []], LAYOUT, INPUTS)
        assert [output.tolist() for output in outputs] == [[[0, 225]], [[135, 0]], [[135, 225]]]
        assert model.runs == (1, 2, 1)  # the ablated layer itself is played back, then changed
        assert model(INPUTS).tolist() == [[135, 225]]
        assert model.runs == (2, 4, 2)

    def test_from_the_first_of_the_layers_on_it_runs_again(self):
        model = chain()
        outputs = ablated_outputs(model, [[0], [4]], LAYOUT, INPUTS)
        assert [output.tolist() for output in outputs] == [[[45, 225]], [[0, 225]]]
        assert model.runs == (1, 4, 2)

    def test_one_call_of_several(self):
        model = chain()
        outputs = ablated_outputs(model, [[2], [3]], LAYOUT, INPUTS, by=1.0)
        assert [output.tolist() for output in outputs] == [[[5, 225]], [[135, 5]]]

    def test_what_is_played_back_may_be_changed_in_place(self):
        outputs = ablated_outputs(chain(), [[0], [1], [0]], NeuronLayout(("b@0",), (2,)), INPUTS)
        assert [output.tolist() for output in outputs] == [[[0, 225]], [[135, 0]], [[0, 225]]]
        model = chain()
        with torch.no_grad(), replaying(model, [ModelLayer("b[input]", model.b, "input")]):
            assert model(INPUTS).tolist() == model(INPUTS).tolist() == [[135, 225]]

    @pytest.mark.parametrize("tracked", ["training", "gradients", "inference mode", "parallel"])
    def test_everything_runs_again_where_it_must(self, tracked):
        model = chain()
        if tracked == "training":
            model.train()
        run = nn.DataParallel(model).eval() if tracked == "parallel" else model
        if tracked == "training":
            run.train()
        mode = {"gradients": torch.enable_grad, "inference mode": torch.inference_mode}
        with (
            mode.get(tracked, torch.no_grad)(),
            replaying(run, [ModelLayer("c", model.c)]),
        ):
            assert run(INPUTS).tolist() == run(INPUTS).tolist() == [[135, 225]]
        assert model.runs == (2, 4, 2)

    def test_a_module_that_is_given_more_than_tensors(self):
        class Cached(nn.Module):
            def __init__(self):
                super().__init__()
                self.a = Counted(2)

            def forward(self, inputs, cache):
                cache.append(self.a(inputs))
                return cache[-1]

        class Model(nn.Module):
            def __init__(self):
                super().__init__()
                self.block, self.c = Cached(), Counted(5)

            def forward(self, inputs, cache):
                return self.c(self.block(inputs, cache)), cache

        class Cache:
            def __init__(self):
                self.append, self.values = self.add, []

            def add(self, value):
                self.values.append(value)

            def __getitem__(self, place):
                return self.values[place]

        model = Model().eval()
        with torch.no_grad(), replaying(model, [ModelLayer("c", model.c)]):
            for _ in range(2):
                _, cache = model(INPUTS, Cache())
                assert [value.tolist() for value in cache.values] == [[[2, 4]]]
        assert model.block.a.runs == 1

    def test_a_module_that_changes_its_input(self):
        class Changes(nn.Module):
            def forward(self, inputs):
                inputs += 1
                return inputs * 0

        class Model(nn.Module):
            def __init__(self):
                super().__init__()
                self.changes, self.c = Changes(), Counted(5)

            def forward(self, inputs):
                inputs = inputs.clone()
                self.changes(inputs)
                return self.c(inputs)

        model = Model().eval()
        with torch.no_grad(), replaying(model, [ModelLayer("c[input]", model.c, "input")]):
            assert model(INPUTS).tolist() == model(INPUTS).tolist() == [[10, 15]]

    def test_after_an_error(self):
        model = chain()
        with torch.no_grad(), replaying(model, [ModelLayer("c", model.c)]):
            with pytest.raises(TypeError):
                model("no tensor")
            assert model(INPUTS).tolist() == model(INPUTS).tolist() == [[135, 225]]
        assert "forward" not in vars(model.a)


@pytest.mark.parametrize("layers", ["hidden", "mlp"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_no_bit_differs_from_running_anew(architecture, layers):
    model = tiny(architecture)
    model = model.get_encoder() if model.config.is_encoder_decoder else model
    found = resolve_layers(model, layers)
    width = 8 if layers == "hidden" else 12
    layout = NeuronLayout(tuple(layer.name for layer in found), (width,) * len(found))
    for first in range(len(found)):
        groups = [[width * place, width * place + 3] for place in range(first, len(found))]
        given = {**text_arguments(model, IDS, MASK), "by": 2.0}
        outputs = ablated_outputs(model, groups, layout, **given)
        for neurons, output in zip(groups, outputs, strict=True):
            with torch.no_grad():
                expected = ablated_output(model, neurons, layout, **given)
            assert torch.equal(output[0], expected[0])


def test_a_cache_is_filled_in_every_run():
    model = tiny("llama")
    layout = NeuronLayout(("layers.2",), (8,))
    outputs = ablated_outputs(model, [[0], [1]], layout, input_ids=IDS, use_cache=True)
    for neuron, output in enumerate(outputs):
        with torch.no_grad():
            expected = ablated_output(model, [neuron], layout, input_ids=IDS, use_cache=True)
        for place in range(3):
            found, wanted = (each.past_key_values.layers[place].keys for each in (output, expected))
            assert torch.equal(found, wanted)


def test_the_hooks_and_the_forward_functions_are_the_models_own_again():
    model = tiny("bert")
    layer = resolve_layers(model, "encoder.layer.1")
    layout = NeuronLayout(("encoder.layer.1",), (8,))
    with torch.no_grad(), replaying(model, layer), ablating(model, [3], layout):
        model(IDS)
    with pytest.raises((AttributeError, TypeError)), torch.no_grad(), replaying(model, layer):
        model("no ids")
    for module in model.modules():
        assert "forward" not in vars(module)
        assert not module._forward_hooks
