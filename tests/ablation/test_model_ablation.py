import gc

import pytest
import torch
from accelerate import cpu_offload, dispatch_model
from tiny_models import tiny, wordpiece
from torch import nn
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM
from transformers.modeling_outputs import BaseModelOutputWithPast

from captum_lca import Corpus, LinearProbe, NeuronLayout, extract, fit_elastic_net
from captum_lca.ablation import (
    Resampled,
    ablated,
    ablated_output,
    ablating,
    all_but_first,
    neuron_means,
)
from captum_lca.ablation.model_ablation import _LayerAblation, find_layer
from captum_lca.activations import evaluate_layers, resolve_layers

IDS = torch.tensor([[4, 5, 6, 7, 8], [9, 10, 11, 12, 13]])
LAYOUT = NeuronLayout(("first", "second"), (2, 3))


class Chain(nn.Module):
    """Two linear maps, whose sum can be followed by hand."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(2, 2), nn.Linear(2, 3)
        with torch.no_grad():
            self.first.weight.copy_(torch.tensor([[1.0, 2], [3, 4]]))
            self.second.weight.copy_(torch.tensor([[1.0, 0], [0, 1], [1, 1]]))
            self.first.bias.zero_()
            self.second.bias.copy_(torch.tensor([0.5, 0, 0]))

    def forward(self, inputs):
        return self.second(self.first(inputs))


INPUTS = torch.tensor([[[1.0, 1], [0, 1]]])  # first: (3, 7), (2, 4); second: (3.5, 7, 10), …


def hooks(model):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


class TestByHand:
    def outputs(self, ids, **options):
        return ablated_output(Chain(), ids, LAYOUT, INPUTS, **options)[0].tolist()

    def test_zero_in_one_layer(self):
        assert self.outputs([1]) == [[3.5, 0, 3], [2.5, 0, 2]]

    def test_layers_at_once(self):
        assert self.outputs([0, 4]) == [[0.5, 7, 0], [0.5, 4, 0]]

    def test_a_constant(self):
        assert self.outputs([1], by=-1.0) == [[3.5, -1, 2], [2.5, -1, 1]]

    def test_values_by_global_id(self):
        values = torch.tensor([100.0, 1, 200, 300, 9])
        assert self.outputs([4, 1], by=values) == [[3.5, 1, 9], [2.5, 1, 9]]

    def test_positions(self):
        where = torch.tensor([[False, True]])
        assert self.outputs([1], positions=where) == [[3.5, 7, 10], [2.5, 0, 2]]

    def test_a_function_amplifies(self):
        assert self.outputs([1], by=lambda values, ids: 2 * values) == [[3.5, 14, 17], [2.5, 8, 10]]

    def test_a_function_is_told_the_ids(self):
        seen = []

        def steer(values, ids):
            seen.append((tuple(values.shape), ids.tolist()))
            return values + ids

        assert self.outputs([3, 0], by=steer) == [[3.5, 10, 10], [2.5, 7, 6]]
        assert seen == [((1, 2, 1), [0]), ((1, 2, 1), [3])]

    def test_resampled(self):
        rows = torch.tensor([[0.0, 5, 0, 0, 0], [0, 6, 0, 0, 0]])
        outputs = self.outputs([1], by=Resampled(rows, seed=0))
        assert {row[1] for row in outputs} <= {5, 6}

    def test_no_neurons(self):
        assert self.outputs([]) == Chain()(INPUTS)[0].tolist()

    def test_contexts_within_each_other(self):
        model = Chain()
        with ablating(model, [1], LAYOUT), ablating(model, [2], LAYOUT, by=7.0):
            assert model(INPUTS)[0].tolist() == [[7, 0, 3], [7, 0, 2]]
        assert model(INPUTS)[0].tolist() == [[3.5, 7, 10], [2.5, 4, 6]]

    def test_mean_ablation_is_an_edit_of_the_weights(self):
        model, edited = Chain(), Chain()
        means = torch.tensor([0, 11.0, 0, 0, 0])
        with torch.no_grad():
            edited.second.bias += edited.second.weight[:, 1] * means[1]
            edited.second.weight[:, 1] = 0
        inputs = torch.randn(4, 6, 2, generator=torch.Generator().manual_seed(0))
        assert torch.allclose(
            ablated_output(model, [1], LAYOUT, inputs, by=means), edited(inputs), atol=1e-6
        )


class TestGradients:
    def test_none_through_a_constant_and_all_through_the_rest(self):
        inputs = INPUTS.clone().requires_grad_()
        model = Chain()
        with ablating(model, [1], LAYOUT):
            model(inputs).sum().backward()
        # the sum of the outputs is 2·first[0] + 0.5 per position, and first[0] = x + 2y
        assert inputs.grad.tolist() == [[[2, 4], [2, 4]]]
        assert model.first.weight.grad[1].tolist() == [0, 0]

    def test_they_flow_through_a_function(self):
        inputs = INPUTS.double().clone().requires_grad_()
        model = Chain().double()

        def run(inputs):
            where = torch.tensor([[True, False]])
            with ablating(
                model, [1, 3], LAYOUT, by=lambda values, _: values.sin() * 3, positions=where
            ):
                return model(inputs)

        assert torch.autograd.gradcheck(run, inputs)

    def test_training(self):
        model = Chain().train()
        optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
        with ablating(model, [1], LAYOUT):
            model(INPUTS).square().sum().backward()
        optimiser.step()
        assert model.training
        assert model.first.weight[1].tolist() == [3, 4]
        assert model.first.weight[0].tolist() != [1, 2]


class TestHooks:
    @pytest.mark.parametrize("fails", [False, True])
    def test_they_are_removed(self, fails):
        model = tiny("llama", AutoModelForCausalLM)
        layout = NeuronLayout(("layers.1", "layers.2.mlp.down_proj[input]"), (8, 12))
        before = hooks(model)
        try:
            with ablating(model, [0, 9], layout):
                assert hooks(model) > before
                model(IDS)
                if fails:
                    raise KeyError("an error of the user's")
        except KeyError:
            pass
        assert hooks(model) == before

    def test_after_an_error_in_the_replacement(self):
        model = Chain()
        with pytest.raises(ZeroDivisionError), ablating(model, [0], LAYOUT, by=lambda *_: 1 / 0):
            model(INPUTS)
        assert hooks(model) == 0

    def test_after_a_generator_is_left(self):
        model = Chain()

        def outputs():
            with ablating(model, [0], LAYOUT):
                while True:
                    yield model(INPUTS)

        generator = outputs()
        next(generator)
        generator.close()
        gc.collect()
        assert hooks(model) == 0


ARCHITECTURES = (
    *("bert", "roberta", "distilbert", "albert", "electra", "deberta"),
    *("gpt2", "llama", "qwen2", "gemma", "gemma2", "t5", "bart", "xlnet"),
)
CASES = [(name, layers) for name in ARCHITECTURES for layers in ("hidden", "mlp")]


def base_run(model, **options):
    return model(IDS, attention_mask=torch.ones_like(IDS), **options)


class TestModels:
    @pytest.mark.parametrize(("architecture", "layers"), CASES)
    def test_the_identity_changes_no_bit_and_zeros_do(self, architecture, layers):
        model = tiny(architecture)
        if architecture in ("t5", "bart"):
            model = model.get_encoder()
        found = resolve_layers(model, layers)
        layout = NeuronLayout(
            tuple(layer.name for layer in found), ((8 if layers == "hidden" else 12),) * len(found)
        )
        clean = base_run(model)[0]
        everything = range(layout.size)
        with ablating(model, everything, layout, by=lambda values, _: values):
            assert torch.equal(base_run(model)[0], clean)
        for name in layout.layers:
            with ablating(model, [layout.global_id(name, 3)], layout, by=5.0):
                assert not torch.equal(base_run(model)[0], clean)

    @pytest.mark.parametrize("architecture", ["bert", "llama", "albert", "gpt2", "xlnet"])
    def test_the_layer_reads_what_was_put_in(self, architecture):
        model = tiny(architecture)
        found = resolve_layers(model, "hidden")
        layout = NeuronLayout(tuple(layer.name for layer in found), (8,) * len(found))
        where = all_but_first(torch.ones_like(IDS))
        clean = evaluate_layers(model, IDS, found)
        for number, name in enumerate(layout.layers):
            with ablating(model, [layout.global_id(name, 3)], layout, by=7.0, positions=where):
                read = evaluate_layers(model, IDS, found)
            assert (read[number][:, 1:, 3] == 7).all()
            assert torch.equal(read[number][:, 0], clean[number][:, 0])
            untouched = [0, 1, 2, 4, 5, 6, 7]
            assert torch.equal(read[number][..., untouched], clean[number][..., untouched])
            for before in range(number):
                assert torch.equal(read[before], clean[before])
            for after in range(number + 1, len(found)):
                assert not torch.equal(read[after], clean[after])

    @pytest.mark.parametrize("architecture", ["bert", "llama", "albert", "gpt2"])
    def test_the_names_of_the_base_model_hold_with_a_head(self, architecture):
        causal = architecture in ("llama", "gpt2")
        model = tiny(architecture, AutoModelForCausalLM if causal else AutoModelForMaskedLM)
        layout = extract(Corpus([["ab"]]), model, wordpiece(), progress=False).layout
        clean = model(IDS).logits
        for name in layout.layers:
            assert not torch.equal(
                ablated_output(model, [layout.global_id(name, 0)], layout, IDS, by=3.0).logits,
                clean,
            )

    @pytest.mark.parametrize("tokens", [3, 2])
    def test_positions_where_a_block_computes_the_tokens_first(self, tokens):
        model, ids = tiny("xlnet"), IDS[:, :tokens]  # also as many tokens as texts
        where = torch.zeros_like(ids, dtype=torch.bool)
        where[0, 1] = True
        clean = model(ids, output_hidden_states=True).hidden_states
        with ablating(model, [3], NeuronLayout(("layer.1",), (8,)), by=7.0, positions=where):
            states = model(ids, output_hidden_states=True).hidden_states
        changed = states[2] != clean[2]
        assert changed.nonzero().tolist() == [[0, 1, 3]]
        assert states[2][0, 1, 3] == 7
        assert torch.equal(states[3][1], clean[3][1])  # the other text
        assert not torch.equal(states[3][0], clean[3][0])

    def test_one_call_of_a_shared_block(self):
        model = tiny("albert")
        names = [layer.name for layer in resolve_layers(model, "hidden")][1:]
        assert names[0].endswith("@0")
        layout = NeuronLayout(tuple(names), (8,) * 3)
        found = resolve_layers(model, names)
        clean = evaluate_layers(model, IDS, found)
        with ablating(model, [layout.global_id(names[1], 2)], layout):
            for _ in range(2):  # calls are counted from each forward pass
                read = evaluate_layers(model, IDS, found)
                assert torch.equal(read[0], clean[0])
                assert (read[1][..., 2] == 0).all()
                assert not (read[2][..., 2] == 0).any()

    def test_outputs_with_none_caches_and_dataclasses(self):
        class Block(nn.Module):
            def forward(self, states):
                return (None, BaseModelOutputWithPast(states, object()), {"cache": object()})

        class Model(nn.Module):
            def __init__(self):
                super().__init__()
                self.block = Block()

            def forward(self, states):
                return self.block(states)[1].last_hidden_state

        layout = NeuronLayout(("block",), (2,))
        assert ablated_output(Model(), [0], layout, INPUTS).tolist() == [[[0, 1], [0, 1]]]

    def test_attention_modules(self):
        model = tiny("llama")
        layout = NeuronLayout(("layers.1.self_attn",), (8,))  # returns (output, None)
        read = []
        model.layers[1].self_attn.register_forward_hook(lambda *call: read.append(call[2][0]))
        clean = model(IDS)[0]
        with ablating(model, range(8), layout):
            changed = model(IDS)[0]
        assert not torch.equal(clean, changed)
        assert torch.equal(model(IDS)[0], clean)

    def test_generation_with_a_cache(self):
        model = tiny("llama", AutoModelForCausalLM)
        layout = NeuronLayout(("layers.1",), (8,))
        with ablating(model, range(8), layout, by=2.0):
            cached = model.generate(IDS, max_new_tokens=4, do_sample=False, eos_token_id=None)
            whole = model(cached[:, :-1]).logits.argmax(-1)[:, IDS.shape[1] - 1 :]
        assert torch.equal(cached[:, IDS.shape[1] :], whole)


class TestWaysToRun:
    def test_half_precision(self):
        for dtype in (torch.float16, torch.bfloat16):
            model = tiny("bert").to(dtype)
            layout = NeuronLayout(("encoder.layer.1",), (8,))
            (read,) = self.read(model, layout, by=torch.full((8,), 0.1))
            assert read.dtype == dtype
            assert (read[..., 3] == torch.tensor(0.1, dtype=dtype)).all()

    def read(self, model, layout, **options):
        layers = resolve_layers(model, layout.layers)
        with ablating(model, [3], layout, **options):
            return evaluate_layers(model, IDS, layers)

    def test_a_mean_beyond_half_precision(self):
        model = tiny("bert").half()
        layout = NeuronLayout(("encoder.layer.1",), (8,))
        with pytest.raises(ValueError, match=r"'encoder.layer.1' is not finite in .*float16"):
            self.read(model, layout, by=torch.full((8,), 1e5))

    @pytest.mark.parametrize("first", ["compiled", "ablated"])
    def test_compiled(self, first):
        torch._dynamo.reset()
        model = tiny("llama", AutoModelForCausalLM)
        layout = NeuronLayout(("layers.1",), (8,))
        clean = model(IDS).logits
        expected = ablated_output(model, [3], layout, IDS).logits
        compiled = torch.compile(model, backend="eager")
        if first == "compiled":
            compiled(IDS)
        assert torch.equal(ablated_output(compiled, [3], layout, IDS).logits, expected)
        assert torch.equal(compiled(IDS).logits, clean)
        torch._dynamo.reset()

    def test_a_compiled_function_around_the_model(self):
        torch._dynamo.reset()
        model = Chain()
        run = torch.compile(lambda inputs: model(inputs) + 1, backend="eager")
        run(INPUTS)
        with ablating(model, [1], LAYOUT):
            assert run(INPUTS)[0].tolist() == [[4.5, 1, 4], [3.5, 1, 3]]
        assert run(INPUTS)[0].tolist() == [[4.5, 8, 11], [3.5, 5, 7]]
        torch._dynamo.reset()

    @pytest.mark.parametrize("place", [cpu_offload, lambda m: dispatch_model(m, {"": "cpu"})])
    def test_a_device_map(self, place):
        layout = NeuronLayout(("embeddings", "layers.1"), (8, 8))
        expected = ablated_output(tiny("llama"), [3, 12], layout, IDS, by=2.0)[0]
        model = place(tiny("llama"))
        assert torch.equal(ablated_output(model, [3, 12], layout, IDS, by=2.0)[0], expected)

    def test_data_parallel_without_devices(self):
        model = nn.DataParallel(Chain())  # on a CPU it just calls the model
        assert ablated_output(model, [1], LAYOUT, INPUTS)[0].tolist() == [[3.5, 0, 3], [2.5, 0, 2]]
        assert hooks(model) == 0

    def test_data_parallel_shares_out_the_positions(self):
        where = torch.tensor([[True], [False], [True]])
        layer = find_layer(Chain(), "first")
        ids = torch.tensor([1])
        ablation = _LayerAblation(layer, 2, ids, ids, 0.0, where, device_ids=(1, 0))
        assert ablation._share(torch.device("cuda", 1)).tolist() == [[True], [False]]
        assert ablation._share(torch.device("cuda", 0)).tolist() == [[True]]
        alike = _LayerAblation(layer, 2, ids, ids, 0.0, where[:1], device_ids=(1, 0))
        assert alike._share(torch.device("cuda", 0)).tolist() == [[True]]

    def test_checkpointing_within_the_context(self):
        grads = []
        for checkpointing in (False, True):
            model = tiny("llama").train()
            if checkpointing:
                model.gradient_checkpointing_enable({"use_reentrant": False})
            with ablating(model, [3], NeuronLayout(("layers.1",), (8,))):
                model(IDS, use_cache=False)[0].square().sum().backward()
            grads.append(model.layers[0].mlp.up_proj.weight.grad)
        assert torch.allclose(*grads)


def test_the_probe_sees_what_ablation_in_the_probe_gives():
    model, tokenizer = tiny("bert"), wordpiece()
    sentences = [["a", "b", "ab"], ["cd", "a"], ["b", "ba", "dc", "d"], ["c", "a", "d"]] * 3
    corpus = Corpus(sentences)
    labels = ["short" if len(word) == 1 else "long" for word in corpus.words]
    store = extract(corpus, model, tokenizer, dtype=torch.float32, progress=False)
    probe = fit_elastic_net(store, labels)
    ids = [3, 12, 20, 31]  # in every layer
    for name in store.layout.layers:  # one layer at a time: what follows from it is another matter
        span = store.layout.slice(name)
        layer_ids = [n for n in ids if span.start <= n < span.stop]
        alone = LinearProbe(
            probe.weight[:, span],
            probe.bias,
            probe.mean[span],
            probe.scale[span],
            classes=probe.classes,
        )
        with ablating(model, layer_ids, store.layout, by=probe.mean):
            changed = extract(
                corpus, model, tokenizer, layers=name, dtype=torch.float32, progress=False
            )
        own = [n - span.start for n in layer_ids]
        expected = ablated(alone, own, "mean").logits(store.tensor()[:, span])
        assert torch.allclose(alone.logits(changed), expected, atol=1e-5)


def test_all_but_the_first():
    mask = torch.tensor([[1, 1, 1, 0], [0, 1, 1, 1], [1, 0, 0, 0]])
    assert all_but_first(mask).long().tolist() == [[0, 1, 1, 0], [0, 0, 1, 1], [0, 0, 0, 0]]


def test_means_of_a_class_are_put_in():
    rows = torch.tensor([[1.0, 2, 0, 0, 0], [3, 4, 0, 0, 0]])
    means = neuron_means(rows, ["NOUN", "VERB"], of="VERB")
    assert ablated_output(Chain(), [0], LAYOUT, INPUTS, by=means)[0].tolist() == [
        [3.5, 7, 10],
        [3.5, 4, 7],
    ]


class TestRefusals:
    def test_before_the_model_runs(self):
        model = Chain()
        for options, message in {
            (("by", torch.zeros(3)),): r"one per neuron of the layout \(5\); found shape \(3,\)",
            (("positions", torch.ones(2)),): r"tensor of batch × tokens",
        }.items():
            with (
                pytest.raises(ValueError, match=message),
                ablating(model, [0], LAYOUT, **dict(options)),
            ):
                pass
        with (
            pytest.raises(ValueError, match="neuron ids must be 0 to 4"),
            ablating(model, [5], LAYOUT),
        ):
            pass
        unknown = NeuronLayout(("third",), (2,))
        with pytest.raises(ValueError, match="no layer 'third'"), ablating(model, [0], unknown):
            pass
        assert hooks(model) == 0

    def test_another_width(self):
        layout = NeuronLayout(("first",), (3,))
        with pytest.raises(ValueError, match="'first' has 2 neurons; the layout says 3"):
            ablated_output(Chain(), [0], layout, INPUTS)

    def test_positions_of_another_batch(self):
        with pytest.raises(ValueError, match=r"positions have shape \(1, 3\), layer 'first'"):
            ablated_output(Chain(), [0], LAYOUT, INPUTS, positions=torch.ones(1, 3))

    def test_a_replacement_of_another_shape(self):
        with pytest.raises(ValueError, match=r"shape \(1, 2, 4\); expected \(1, 2, 1\)"):
            ablated_output(
                Chain(), [0], LAYOUT, INPUTS, by=lambda values, _: values.repeat(1, 1, 4)
            )

    def test_a_layer_that_does_not_run(self):
        class Idle(Chain):
            def forward(self, inputs):
                return self.first(inputs)

        with pytest.raises(ValueError, match="the model ran, but these layers did not: second"):
            ablated_output(Idle(), [0, 3], LAYOUT, INPUTS)
