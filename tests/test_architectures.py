"""LCA, extraction and ablation on small random models of many architectures, against hooks."""

import sys
from collections import defaultdict
from pathlib import Path

import pytest
import torch
import transformers
from packaging.version import Version
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForImageClassification,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoModelForTokenClassification,
    ViTConfig,
)

from captum_lca import (
    Corpus,
    LayerLinguisticCorrelation,
    LinguisticCorrelationAnalysis,
    NeuronLayout,
    extract,
)
from captum_lca.ablation import ablating, all_but_first
from captum_lca.activations import resolve_layers

sys.path.insert(0, str(Path(__file__).parent / "activations"))
from tiny_models import (
    DOWN_PROJECTIONS,
    LONE_BLOCK_NAMES,
    encoder_of,
    randomised,
    tiny,
    wordpiece,
)

VIT = ViTConfig(
    hidden_size=8,
    num_hidden_layers=3,
    num_attention_heads=2,
    intermediate_size=12,
    image_size=8,
    patch_size=4,
)
OLD_VIT = Version(transformers.__version__) < Version("5")
BLOCKS = {
    **LONE_BLOCK_NAMES,
    "albert": "encoder.albert_layer_groups.0.albert_layers",
    "vit": "encoder.layer" if OLD_VIT else "layers",
}
MLP = {
    **DOWN_PROJECTIONS,
    "albert": "ffn_output",
    "vit": "output.dense" if OLD_VIT else "mlp.fc2",
}
ATTENTION = {
    **dict.fromkeys(("bert", "roberta", "albert", "electra", "deberta", "vit"), "attention"),
    "distilbert": "attention",
    "gpt2": "attn",
    **dict.fromkeys(("llama", "qwen2", "gemma", "gemma2", "bart"), "self_attn"),
    "t5": "layer.0",
    "xlnet": "rel_attn",
}
"""A module inside a block that returns what attention adds, most often in a tuple with None."""
KINDS = ("hidden", "mlp", "attention")
CORPUS = Corpus([["a", "b", "c"], ["d", "c", "b"]])
IDS = torch.tensor([[2, 4, 5, 6, 3], [2, 7, 6, 5, 3]])
"""The corpus as the tiny tokenizer encodes it."""
LABELS = [["first", None, "a", "b", "last"]] * 2
IMAGES = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
PATCH_LABELS = [[None, "a", "b", "a", "b"]] * 6  # the class token comes before the patches
TARGET_IDS = torch.tensor([[2, 5, 4, 6], [2, 6, 7, 4]])
TARGET_LABELS = [[None, "a", "b", "c"]] * 2


def model_of(architecture, auto_class=AutoModel):
    if architecture == "vit":
        return randomised(auto_class.from_config(VIT))
    return tiny(architecture, auto_class)


def study_of(architecture):
    """Inputs and labels."""
    return (IMAGES, PATCH_LABELS) if architecture == "vit" else (IDS, LABELS)


def layer_names(architecture, kind):
    """The layers of one kind, by name in the base model."""
    inside = {"hidden": None, "mlp": MLP[architecture], "attention": ATTENTION[architecture]}[kind]
    end = (f".{inside}" if inside else "", "[input]" if kind == "mlp" else "")
    if architecture == "albert":  # one block, which runs three times
        return [f"{BLOCKS[architecture]}.0{end[0]}@{call}{end[1]}" for call in range(3)]
    return [f"{BLOCKS[architecture]}.{number}{end[0]}{end[1]}" for number in range(3)]


def hooked(run, model, layers):
    """Activations of some layers, side by side, by plain hooks."""
    seen = defaultdict(list)
    places = [name.removesuffix("[input]").partition("@") for name in layers]
    handles = [
        model.get_submodule(path).register_forward_hook(
            lambda module, inputs, output, path=path: seen[path].append(
                inputs[0] if layers[0].endswith("[input]") else first_of(output)
            )
        )
        for path in dict.fromkeys(path for path, _, _ in places)
    ]
    with torch.no_grad():
        run()
    for handle in handles:
        handle.remove()
    return torch.cat([seen[path][int(call or 0)] for path, _, call in places], -1)


def first_of(output):
    """The activations in what a module returns, by hand."""
    return output if isinstance(output, torch.Tensor) else output[0]


def activations_of(model, architecture, layers):
    """Shape (batch, positions, neurons)."""
    inputs, _ = study_of(architecture)
    activations = hooked(lambda: model(inputs), model, layers)
    return activations.transpose(0, 1) if architecture == "xlnet" else activations


def output_of(model, *inputs, **named_inputs):
    return first_of(model(*inputs, **named_inputs).to_tuple())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("architecture", BLOCKS)
class TestLayers:
    def test_contributions_are_those_of_the_hooked_activations(self, architecture, kind):
        model, layers = encoder_of(model_of(architecture)), layer_names(architecture, kind)
        inputs, labels = study_of(architecture)
        lca = LinguisticCorrelationAnalysis(model, layers).fit(inputs, labels)
        activations = activations_of(model, architecture, layers)
        places = (len(inputs), 5)
        assert activations.shape == (*places, lca.probe.layout.size)
        logits = lca.probe(activations.flatten(0, 1)).unflatten(0, places)
        torch.testing.assert_close(lca.forward_func(inputs), logits, rtol=1e-4, atol=1e-4)
        column = lca.probe.classes.index("a")
        expected = logits[..., column] - lca.probe.bias[column]
        if architecture != "vit":  # whose inputs are no tokens
            every = lca.attribute(inputs, range(lca.probe.layout.size), target="a")
            torch.testing.assert_close(every, expected, rtol=1e-4, atol=1e-4)
        parts = LayerLinguisticCorrelation.from_probe(model, layers, lca.probe).attribute(
            inputs, target="a"
        )
        torch.testing.assert_close(
            sum(part.sum(-1) for part in parts), expected, rtol=1e-4, atol=1e-4
        )

    def test_ablation_puts_in_what_was_asked_for(self, architecture, kind):
        model, layers = encoder_of(model_of(architecture)), layer_names(architecture, kind)
        inputs, _ = study_of(architecture)
        layout = NeuronLayout(tuple(layers), (12 if kind == "mlp" else 8,) * len(layers))
        clean = output_of(model, inputs)
        with ablating(model, range(layout.size), layout, by=lambda values, _: values):
            assert torch.equal(output_of(model, inputs), clean)
        where = all_but_first(torch.ones(len(inputs), 5))
        for layer in layers:
            neuron = layout.global_id(layer, 1)
            with ablating(model, [neuron], layout, by=3.0, positions=where):
                assert not torch.equal(output_of(model, inputs), clean)
        assert torch.equal(output_of(model, inputs), clean)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("architecture", [name for name in BLOCKS if name != "vit"])
def test_rows_of_a_corpus_are_the_hooked_activations(architecture, kind):
    model, layers = model_of(architecture), layer_names(architecture, kind)
    store = extract(CORPUS, model, wordpiece(), layers=layers, dtype=torch.float32, progress=False)
    activations = activations_of(encoder_of(model), architecture, layers)
    expected = activations[:, 1:-1].flatten(0, 1)  # without the special tokens
    torch.testing.assert_close(store.tensor(), expected, rtol=1e-5, atol=1e-5)


MASKED = ("bert", "roberta", "distilbert", "albert", "electra", "deberta")
HEADS = {
    **dict.fromkeys(MASKED, AutoModelForMaskedLM),
    "xlnet": AutoModelForTokenClassification,
    **dict.fromkeys(("gpt2", "llama", "qwen2", "gemma", "gemma2"), AutoModelForCausalLM),
    **dict.fromkeys(("t5", "bart"), AutoModelForSeq2SeqLM),
    "vit": AutoModelForImageClassification,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("architecture", HEADS)
def test_a_model_with_a_head_has_the_layers_of_the_one_without(architecture, kind):
    model = model_of(architecture, HEADS[architecture])
    base = encoder_of(model)
    layers = resolve_layers(base, layer_names(architecture, kind))
    inputs, labels = study_of(architecture)
    others = (None, inputs) if model.config.is_encoder_decoder else None  # mask, decoder's ids
    with_head = LinguisticCorrelationAnalysis(model, layers).fit(inputs, labels, others)
    without = LinguisticCorrelationAnalysis(base, layers).fit(inputs, labels)
    torch.testing.assert_close(with_head.probe.weight, without.probe.weight)
    assert with_head.probe.weight.any()
    layout = with_head.probe.layout
    clean = model(inputs, *(others or ())).logits
    for name in layout.layers:
        with ablating(model, [layout.global_id(name, 1)], layout, by=3.0):
            assert not torch.equal(model(inputs, *(others or ())).logits, clean)


DECODERS = {
    ("t5", "hidden"): "decoder.block.{}",
    ("t5", "mlp"): "decoder.block.{}.layer.2.DenseReluDense.wo[input]",
    ("t5", "attention"): "decoder.block.{}.layer.0",
    ("t5", "attention to the encoder"): "decoder.block.{}.layer.1",
    ("bart", "hidden"): "decoder.layers.{}",
    ("bart", "mlp"): "decoder.layers.{}.fc2[input]",
    ("bart", "attention"): "decoder.layers.{}.self_attn",
    ("bart", "attention to the encoder"): "decoder.layers.{}.encoder_attn",
}


@pytest.mark.parametrize(("architecture", "kind"), DECODERS)
class TestDecodersThatReadAnEncoder:
    """Their positions are the decoder's tokens: four, where the encoder has five."""

    def test_contributions_are_those_of_the_hooked_activations(self, architecture, kind):
        model = tiny(architecture)
        layers = [DECODERS[architecture, kind].format(number) for number in range(3)]

        def run(target_ids, ids):
            return model(input_ids=ids, decoder_input_ids=target_ids)

        lca = LinguisticCorrelationAnalysis(run, resolve_layers(model, layers))
        lca.fit(TARGET_IDS, TARGET_LABELS, IDS, l2=0.1)
        activations = hooked(lambda: run(TARGET_IDS, IDS), model, layers)
        logits = lca.probe(activations.flatten(0, 1)).unflatten(0, TARGET_IDS.shape)
        every = lca.attribute(TARGET_IDS, range(lca.probe.layout.size), "b", IDS)
        column = lca.probe.classes.index("b")
        expected = logits[..., column] - lca.probe.bias[column]
        torch.testing.assert_close(every, expected, rtol=1e-4, atol=1e-4)
        batch = {"input_ids": IDS, "decoder_input_ids": TARGET_IDS, "labels": TARGET_LABELS}
        collated = LinguisticCorrelationAnalysis(model, layers).fit_dataloader([batch], l2=0.1)
        assert torch.equal(collated.probe.weight, lca.probe.weight)

    def test_ablation_beside_the_encoders(self, architecture, kind):
        model = tiny(architecture)
        inputs = {"input_ids": IDS, "decoder_input_ids": TARGET_IDS}
        decoder = [DECODERS[architecture, kind].format(number) for number in range(3)]
        encoder = layer_names(architecture, "hidden")  # named as extraction names them
        widths = (12 if kind == "mlp" else 8,) * 3 + (8,) * 3
        layout = NeuronLayout((*decoder, *encoder), widths)
        clean = model(**inputs)
        with ablating(model, range(layout.size), layout, by=lambda values, _: values):
            assert torch.equal(model(**inputs).last_hidden_state, clean.last_hidden_state)
        where = all_but_first(torch.ones_like(TARGET_IDS))
        for name in layout.layers:
            positions = where if name in decoder else None
            with ablating(model, [layout.global_id(name, 1)], layout, by=3.0, positions=positions):
                changed = model(**inputs)
            assert not torch.equal(changed.last_hidden_state, clean.last_hidden_state)
            assert (name in decoder) == torch.equal(
                changed.encoder_last_hidden_state, clean.encoder_last_hidden_state
            )


def test_xlnet_run_by_a_function():
    model = tiny("xlnet")
    named = LinguisticCorrelationAnalysis(model, "layer.1").fit(IDS, LABELS)
    unnamed = LinguisticCorrelationAnalysis(lambda ids: model(input_ids=ids), model.layer[1])
    assert torch.equal(unnamed.fit(IDS, LABELS).probe.weight, named.probe.weight)
