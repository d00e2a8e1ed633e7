"""LCA's classes in the tests that Captum generates for each of its methods from one config.

Captum's own config entries for neuron methods run with LCA around each method, and entries in the
same schema say what LCA alone can do. Of Captum's generated tests, these apply: hook removal in
three modes, targets per example, deep-copied arguments, and CPU against DataParallel on the device
there is (without CUDA, DataParallel only wraps). These do not:

- TorchScript: a traced or scripted module takes no forward hooks, with which layers are read;
- another order of devices: that needs two of them;
- NeuronConductance as LCA's neuron method: it can't select several neurons, and LCA refuses it;
- the type of errors: LCA raises ValueError with what was found, where Captum asserts.
"""

import copy

import pytest
import torch
from captum.attr import NeuronConductance, NeuronIntegratedGradients, NoiseTunnel
from captum.attr._models.base import _set_deep_layer_value
from captum.testing.attr.helpers.gen_test_utils import (
    gen_test_name,
    get_target_layer,
    parse_test_config,
)
from captum.testing.attr.helpers.test_config import config
from captum.testing.helpers.basic import deep_copy_args, set_all_random_seeds
from captum.testing.helpers.basic_models import (
    BasicEmbeddingModel,
    BasicModel_ConvNet,
    BasicModel_MultiLayer,
    BasicModel_MultiLayer_MultiInput,
)
from torch import Tensor, nn

from captum_lca import (
    LayerLinguisticCorrelation,
    LinearProbe,
    LinguisticCorrelationAnalysis,
    NeuronLayout,
)

WIDTHS = {"relu": 4, "linear1": 4, "model.relu": 4, "conv2": 2, "embedding1": 100}
"""Last dimension of the layers' outputs."""


def with_probe(base, layer, method=NeuronIntegratedGradients):
    """The class as Captum's config wants it: made of a model and a layer, and ready.

    The probe's logit for class 1 is the sum of the neurons; for class 0, twice that.
    """
    names = [layer] if isinstance(layer, str) else layer
    widths = tuple(WIDTHS[name] for name in names)
    weight = torch.tensor([[2.0], [1.0]]).expand(2, sum(widths))
    zeros = torch.zeros(sum(widths))
    layout = NeuronLayout(tuple(names), widths)

    class Probed(base):
        def __init__(self, *args):
            super().__init__(*args)
            self.neuron_attr_method = method
            self.probe = LinearProbe(
                weight, zeros[:2], zeros, zeros + 1, classes=["twice", "once"], layout=layout
            )

    Probed.__name__ = f"{base.__name__}_{method.__name__}"
    return Probed


def entry(name, model, layer, base=LinguisticCorrelationAnalysis, **attribute_args):
    """One of LCA's entries in the schema of Captum's config."""
    return {
        "name": name,
        "algorithms": [with_probe(base, layer)],
        "model": model,
        "layer": layer,
        "attribute_args": attribute_args,
    }


torch.manual_seed(0)
SEVERAL = {
    "inputs": (10 * torch.randn(6, 3), 5 * torch.randn(6, 3)),
    "additional_forward_args": (2 * torch.randn(6, 3), 5),
    "target": [0, 1, 1, 0, 0, 1],
}
TOKENS = {
    "inputs": torch.randint(30, (4, 5)),
    "additional_forward_args": torch.randint(30, (4, 5)),
    "target": ["once", "twice", "twice", "once"],
}
FOUR = {"inputs": torch.randn(4, 3), "target": torch.tensor([0, 1, 1, 0])}
OWN = [
    entry(
        "lca_one_target",
        BasicModel_MultiLayer(),
        "relu",
        **{**FOUR, "target": 1},
        neuron_selector=3,
    ),
    entry("lca_tensor_target", BasicModel_MultiLayer(), "relu", **FOUR, neuron_selector=[1, 3]),
    entry(
        "lca_layers", BasicModel_MultiLayer(), ["linear1", "relu"], **FOUR, neuron_selector=[1, 6]
    ),
    entry(
        "lca_inputs", BasicModel_MultiLayer_MultiInput(), "model.relu", **SEVERAL, neuron_selector=3
    ),
    entry(
        "lca_internal_batches",
        BasicModel_MultiLayer_MultiInput(),
        "model.relu",
        **SEVERAL,
        neuron_selector=(3,),
        internal_batch_size=2,
    ),
    entry(
        "lca_conv",
        BasicModel_ConvNet(),
        "conv2",
        inputs=100 * torch.randn(4, 1, 10, 10),
        target=[0, 1, 1, 0],
        neuron_selector=(slice(0, 2), 1, slice(0, 2)),
    ),
    entry("lca_tokens", BasicEmbeddingModel(), "embedding1", **TOKENS, neuron_selector=range(50)),
    entry(
        "layer_tensor_target", BasicModel_MultiLayer(), "relu", LayerLinguisticCorrelation, **FOUR
    ),
    entry(
        "layer_tokens", BasicEmbeddingModel(), "embedding1", LayerLinguisticCorrelation, **TOKENS
    ),
    {
        **entry("lca_noise", BasicModel_MultiLayer(), "relu", **FOUR, neuron_selector=3),
        "noise_tunnel": True,
    },
]
OWN[-1]["attribute_args"] |= {"nt_samples": 3, "stdevs": 0.0}
CAPTUMS = [
    (each, method)
    for each in config
    for method in each["algorithms"]
    if method.__name__.startswith("Neuron") and method is not NeuronConductance
]


def cases(entries):
    """A test case for each class of each entry, under the name that Captum would give it."""
    return [
        pytest.param(
            each,
            algorithm,
            id=gen_test_name("test", each["name"], algorithm, each.get("noise_tunnel", False)),
        )
        for each in entries
        for algorithm in each["algorithms"]
    ]


@deep_copy_args
def prepared(each, algorithm, replace_layer=None):
    """The model, the method on it, and its arguments; all of them copies."""
    _, model, args, layer, noise, _ = parse_test_config(each)
    if replace_layer is not None:
        _set_deep_layer_value(model, layer if isinstance(layer, str) else layer[0], replace_layer)
    method = algorithm(model, get_target_layer(model, layer))
    return model, NoiseTunnel(method) if noise else method, args


def assert_close(found, expected, atol=1e-4):
    found, expected = (x if isinstance(x, tuple | list) else (x,) for x in (found, expected))
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one.cpu(), other.cpu(), atol=atol, rtol=1e-4)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("each", "method"),
    [
        pytest.param(each, method, id=gen_test_name("test", each["name"], method, False))
        for each, method in CAPTUMS
    ],
)
def test_with_a_probe_that_adds_up_lca_is_captums_method(each, method):
    """All weights 1: the contribution of a neuron is its activation."""
    model, captums, args = prepared(each, method)
    set_all_random_seeds()
    expected = captums.attribute(**args)
    ours = with_probe(LinguisticCorrelationAnalysis, each["layer"], method)
    lca = ours(model, get_target_layer(model, each["layer"]))
    set_all_random_seeds()
    assert_close(lca.attribute(**args, target=1), expected)
    set_all_random_seeds()
    twice = lca.attribute(**args, target="twice")
    assert_close(
        twice, tuple(2 * x for x in expected) if isinstance(expected, tuple) else 2 * expected
    )


def test_usage_is_logged_as_captum_does():
    for algorithm in (LinguisticCorrelationAnalysis, LayerLinguisticCorrelation):
        assert algorithm.attribute.__wrapped__.__module__.startswith("captum_lca")


def hooks_of(model):
    return [
        hook
        for module in model.modules()
        for kind in (module._forward_hooks, module._backward_hooks, module._forward_pre_hooks)
        for hook in kind.values()
    ]


class Raises(nn.Module):
    def forward(self, *_):
        raise AssertionError("the layer fails")


@pytest.mark.parametrize(("each", "algorithm"), cases(OWN))
@pytest.mark.parametrize("mode", ["normal", "incorrect_target_or_neuron", "invalid_module"])
def test_hooks_are_removed(each, algorithm, mode):
    broken = Raises() if mode == "invalid_module" else None
    model, method, args = prepared(each, algorithm, broken)
    if mode == "normal":
        method.attribute(**args)
    elif mode == "invalid_module":
        with pytest.raises(AssertionError, match="the layer fails"):
            method.attribute(**args)
    else:
        wrong = {key: (9999,) * 20 for key in ("target", "neuron_selector") if key in args}
        for key, value in wrong.items():
            with pytest.raises(ValueError, match="9999"):
                method.attribute(**{**args, key: value})
    assert not hooks_of(model)


@pytest.mark.parametrize(("each", "algorithm"), cases(OWN))
def test_each_example_alone_gives_the_same(each, algorithm):
    _, method, args = prepared(each, algorithm)
    targets = args["target"]
    whole = method.attribute(**args)
    for n in range(4):
        alone = {key: example(value, n) for key, value in args.items()}
        parts = tuple(x[n : n + 1] for x in whole) if isinstance(whole, tuple) else whole[n : n + 1]
        assert_close(method.attribute(**alone), parts)
        if not isinstance(targets, int):
            assert_close(method.attribute(**{**alone, "target": targets[n]}), parts)


def example(value, n):
    """The part of an argument that belongs to one example."""
    if isinstance(value, Tensor) or (isinstance(value, list) and len(value) > 2):
        return value[n : n + 1]
    if isinstance(value, tuple):
        return tuple(example(each, n) if isinstance(each, Tensor) else each for each in value)
    return value


@pytest.mark.parametrize(("each", "algorithm"), cases(OWN))
def test_arguments_are_left_as_they_were(each, algorithm):
    _, method, args = prepared(each, algorithm)
    before = copy.deepcopy(args)
    method.attribute(**args)
    for key, value in args.items():
        pairs = (
            zip(value, before[key], strict=True)
            if isinstance(value, tuple)
            else [(value, before[key])]
        )
        for one, other in pairs:
            same = torch.equal(one, other) if isinstance(one, Tensor) else one == other
            assert same, key


@pytest.mark.parametrize(("each", "algorithm"), cases(OWN))
def test_data_parallel_gives_the_same(each, algorithm):
    model, method, args = prepared(each, algorithm)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    there = copy.deepcopy(model).to(device)
    parallel = algorithm(nn.DataParallel(there), get_target_layer(there, each["layer"]))
    if each.get("noise_tunnel"):
        parallel = NoiseTunnel(parallel)
    moved = {
        key: tuple(x.to(device) if isinstance(x, Tensor) else x for x in value)
        if isinstance(value, tuple)
        else value.to(device)
        if isinstance(value, Tensor)
        else value
        for key, value in args.items()
    }
    options = {"return_convergence_delta": True} if method.has_convergence_delta() else {}
    set_all_random_seeds()
    expected = method.attribute(**args, **options)
    set_all_random_seeds()
    found = parallel.attribute(**moved, **options)
    if options:
        assert_close(found[1], expected[1])
        found, expected = found[0], expected[0]
    assert_close(found, expected)
