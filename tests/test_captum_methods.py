"""Every attribution class of Captum against LCA: it works, and how; or it can't, and why.

The page is made here: ``python tests/test_captum_methods.py > docs/captum_table.md``.
"""

import inspect
from pathlib import Path

import captum.attr
import pytest
import torch
from captum._utils.models.linear_model import SkLearnLinearRegression
from captum.attr import (
    LRP,
    Attribution,
    DataLoaderAttribution,
    Deconvolution,
    DeepLift,
    DeepLiftShap,
    FeatureAblation,
    FeaturePermutation,
    GradientShap,
    GuidedBackprop,
    GuidedGradCam,
    InputXGradient,
    IntegratedGradients,
    InternalInfluence,
    KernelShap,
    LayerActivation,
    LayerConductance,
    LayerDeepLift,
    LayerDeepLiftShap,
    LayerFeatureAblation,
    LayerFeaturePermutation,
    LayerGradCam,
    LayerGradientShap,
    LayerGradientXActivation,
    LayerIntegratedGradients,
    LayerLRP,
    Lime,
    LimeBase,
    LLMAttribution,
    LLMGradientAttribution,
    NeuronConductance,
    NeuronDeconvolution,
    NeuronDeepLift,
    NeuronDeepLiftShap,
    NeuronFeatureAblation,
    NeuronGradient,
    NeuronGradientShap,
    NeuronGuidedBackprop,
    NeuronIntegratedGradients,
    NoiseTunnel,
    Occlusion,
    RemoteLLMAttribution,
    Saliency,
    ShapleyValues,
    ShapleyValueSampling,
)
from captum.metrics import infidelity, sensitivity_max
from captum.testing.helpers.basic import set_all_random_seeds
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from captum_lca import (
    LayerLinguisticCorrelation,
    LinearProbe,
    LinguisticCorrelationAnalysis,
    NeuronLayout,
)
from captum_lca.ablation import layer_baselines

PAGE = Path(__file__).parents[1] / "docs" / "captum_table.md"
TARGET = (1, 2)
"""The logit of class 2 at position 1."""


class Tiny(nn.Module):
    """Two positions of three numbers → four neurons that are probed → anything."""

    def __init__(self):
        super().__init__()
        self.mix, self.act = nn.Linear(3, 5), nn.ReLU()
        self.probed, self.end = nn.Linear(5, 4), nn.Linear(4, 2)

    def forward(self, inputs):
        return self.end(torch.tanh(self.probed(self.act(self.mix(inputs)))))


class WrittenOut(nn.Module):
    """The same model up to the probe's logits, without any of LCA's code."""

    def __init__(self, model, probe):
        super().__init__()
        self.model, self.probe = model, probe

    def neurons(self, inputs):
        return self.model.probed(self.model.act(self.model.mix(inputs)))

    def forward(self, inputs):
        standardised = (self.neurons(inputs) - self.probe.mean) / self.probe.scale
        return standardised @ self.probe.weight.T + self.probe.bias


class WrittenOutNeurons(WrittenOut):
    """What two neurons give to class 2, summed over positions."""

    ids = (3, 1)

    def forward(self, inputs):
        probe, ids = self.probe, list(self.ids)
        standardised = (self.neurons(inputs)[..., ids] - probe.mean[ids]) / probe.scale[ids]
        return (standardised * probe.weight[2, ids]).sum((1, 2))


class Setting:
    """One model, one probe, LCA on them, and the same written out."""

    def __init__(self):
        torch.manual_seed(3)
        self.model = Tiny().eval()
        weight = torch.tensor([[1.0, 0, 0, 0], [0, 1, 2, 0], [0.5, -2, 0.25, 3]])
        self.probe = LinearProbe(
            weight,
            torch.tensor([0.5, -1.0, 0.25]),
            torch.randn(4),
            torch.rand(4) + 0.5,
            classes=["x", "y", "z"],
            layout=NeuronLayout(("probed",), (4,)),
        )
        self.lca = LinguisticCorrelationAnalysis.from_probe(self.model, "probed", self.probe)
        self.logits = WrittenOut(self.model, self.probe)
        self.selected = WrittenOutNeurons(self.model, self.probe)
        self.inputs = torch.randn(4, 2, 3)
        self.baselines = torch.randn(6, 2, 3)


WORKS, HOW = {}, {}
CANNOT = {
    LRP: "runs, but conserves no relevance: there is no propagation rule for the probe (nor for "
    "attention)",
    LayerLRP: "as LRP",
    LLMAttribution: "scores words that a model generates; a probe's classes are no words",
    LLMGradientAttribution: "as LLMAttribution",
    RemoteLLMAttribution: "as LLMAttribution; and a remote model shows no activations",
}
FORWARD = "on `lca.forward_func`"
LAYER = "on `lca.forward_func`, at any layer below the probed ones or at one of them"
LAYERS = (["mix"], ["probed"])
SELECTOR = "with `lca.neuron_selector(…)`; as `neuron_attr_method`"


def works(method, how):
    """Enter a check in the registry: ``method`` works with LCA, in the way said."""

    def enter(check):
        WORKS[method], HOW[method] = check, how
        return check

    return enter


def seeded(call, *args, **options):
    set_all_random_seeds(0)
    return call(*args, **options)


def agree(found, expected):
    """The same numbers, and not for want of any."""
    for one, other in zip(astuple(found), astuple(expected), strict=True):
        assert one.shape == other.shape
        assert torch.allclose(one, other, atol=1e-5), (one - other).abs().max()
        assert other.abs().max() > 1e-3


def astuple(tensors):
    return tensors if isinstance(tensors, tuple) else (tensors,)


def enter_forward_method(method, how=FORWARD, options=None, layers=((),)):
    """The method on ``lca.forward_func`` gives what it gives on the logits written out."""

    @works(method, how)
    def check(setting):
        given = {"target": TARGET, **{k: of(setting) for k, of in (options or {}).items()}}
        for layer in layers:
            at = [setting.model.get_submodule(name) for name in layer]
            found, expected = (
                seeded(method(forward, *at).attribute, setting.inputs, **given)
                for forward in (setting.lca.forward_func, setting.logits)
            )
            agree(found, expected)


def enter_neuron_method(method, primary, options=None):
    """The method with a selector gives what its primary form gives on the scalar written out."""

    @works(method, SELECTOR)
    def check(setting):
        given = {key: of(setting) for key, of in (options or {}).items()}
        expected = seeded(primary(setting.selected).attribute, setting.inputs, **given)
        select = setting.lca.neuron_selector("z", 2)
        there = method(setting.model, setting.model.probed)
        agree(seeded(there.attribute, setting.inputs, select, **given), expected)
        lca = LinguisticCorrelationAnalysis.from_probe(setting.model, "probed", setting.probe)
        lca.neuron_attr_method = method
        agree(seeded(lca.attribute, setting.inputs, [3, 1], "z", **given), expected)


def baselines(setting):
    return setting.baselines


for each in (
    IntegratedGradients,
    InputXGradient,
    Saliency,
    FeatureAblation,
    ShapleyValueSampling,
    ShapleyValues,
    Lime,
    KernelShap,
):
    enter_forward_method(each)
enter_forward_method(FeaturePermutation)
enter_forward_method(Occlusion, options={"sliding_window_shapes": lambda _: (1, 2)})
enter_forward_method(GradientShap, options={"baselines": baselines})
for each in (DeepLift, GuidedBackprop, Deconvolution):
    enter_forward_method(each)
enter_forward_method(DeepLiftShap, options={"baselines": baselines})
enter_forward_method(
    GuidedGradCam,
    f"{FORWARD}; dimension 1 of the layer (positions) is taken for the channels",
    options={"target": lambda _: (0, 0)},  # at most others it is 0
    layers=LAYERS,
)
for each in (
    LayerConductance,
    LayerGradientXActivation,
    LayerIntegratedGradients,
    InternalInfluence,
    LayerDeepLift,
):
    enter_forward_method(each, LAYER, layers=LAYERS)
for each in (LayerGradientShap, LayerDeepLiftShap):
    enter_forward_method(each, LAYER, options={"baselines": baselines}, layers=LAYERS)
enter_forward_method(
    LayerGradCam, f"{LAYER}; dimension 1 (positions) is taken for the channels", layers=LAYERS
)
enter_neuron_method(NeuronIntegratedGradients, IntegratedGradients)
enter_neuron_method(NeuronDeepLift, DeepLift)
enter_neuron_method(NeuronFeatureAblation, FeatureAblation)
enter_neuron_method(NeuronGuidedBackprop, GuidedBackprop)
enter_neuron_method(NeuronDeconvolution, Deconvolution)
enter_neuron_method(NeuronGradientShap, GradientShap, {"baselines": baselines})
enter_neuron_method(NeuronDeepLiftShap, DeepLiftShap, {"baselines": baselines})


@works(NeuronGradient, SELECTOR)
def check_neuron_gradient(setting):
    leaf = setting.inputs.clone().requires_grad_()
    (expected,) = torch.autograd.grad(setting.selected(leaf).sum(), leaf)
    method = NeuronGradient(setting.model, setting.model.probed)
    agree(method.attribute(setting.inputs, setting.lca.neuron_selector("z", 2)), expected)


@works(NeuronConductance, "one neuron at a time, (position, index); not `lca.neuron_selector(…)`")
def check_neuron_conductance(setting):
    """Through a neuron, the probe's logit at a position gets that neuron's own contribution."""
    method = NeuronConductance(setting.lca.forward_func, setting.model.probed)

    def through(selector):
        return method.attribute(setting.inputs, selector, target=TARGET, method="gausslegendre")

    total = through((1, 3)) + through((1, 1))
    contribution = IntegratedGradients(lambda x: at_position_one(setting, x))
    here = contribution.attribute(setting.inputs, method="gausslegendre")
    agree(total, here)
    assert not torch.allclose(through(setting.lca.neuron_selector("z", 2)), total, rtol=0.1)
    lca = LinguisticCorrelationAnalysis.from_probe(setting.model, "probed", setting.probe)
    lca.neuron_attr_method = NeuronConductance
    with pytest.raises(ValueError, match="NeuronConductance can't be the neuron_attr_method"):
        lca.attribute(setting.inputs, [3, 1], "z")


def at_position_one(setting, inputs):
    """What neurons 3 and 1 give to class 2 at position 1."""
    probe, ids = setting.probe, [3, 1]
    neurons = setting.selected.neurons(inputs)[:, 1, ids]
    return ((neurons - probe.mean[ids]) / probe.scale[ids] * probe.weight[2, ids]).sum(1)


@works(NoiseTunnel, "around gradient methods on `lca.forward_func`, and around `lca` itself")
def check_noise_tunnel(setting):
    options = {"nt_samples": 3, "stdevs": 0.3}
    found, expected = (
        seeded(NoiseTunnel(Saliency(f)).attribute, setting.inputs, target=TARGET, **options)
        for f in (setting.lca.forward_func, setting.logits)
    )
    agree(found, expected)
    own = seeded(
        NoiseTunnel(setting.lca).attribute,
        setting.inputs,
        neuron_selector=[3, 1],
        target=2,
        **options,
    )
    peer = seeded(
        NoiseTunnel(IntegratedGradients(setting.selected)).attribute, setting.inputs, **options
    )
    agree(own, peer)


@works(DataLoaderAttribution, "around FeatureAblation on `lca.forward_func`")
def check_data_loader(setting):
    loader = DataLoader(TensorDataset(setting.inputs), batch_size=2)

    def total(forward):
        return lambda x: forward(x)[(slice(None), *TARGET)].sum(0, keepdim=True)

    found = DataLoaderAttribution(FeatureAblation(total(setting.lca.forward_func))).attribute(
        loader, reduce=lambda total, each, _: each if total is None else total + each
    )
    agree(found, FeatureAblation(total(setting.logits)).attribute(setting.inputs))


@works(LimeBase, FORWARD)
def check_lime_base(setting):
    """Of a linear function, the linear model that Lime fits is that function."""
    lime = LimeBase(
        setting.lca.forward_func,
        SkLearnLinearRegression(),
        lambda *_, **__: torch.tensor(1.0),
        lambda x, **__: x + 1e-3 * torch.randn_like(x),
        False,
        None,
        lambda x, original, **_: (x - original).flatten(1),
    )
    one = setting.inputs[:1].clone().requires_grad_()
    found = seeded(lime.attribute, one.detach(), target=TARGET, n_samples=100)
    (slope,) = torch.autograd.grad(setting.logits(one)[(0, *TARGET)], one)
    assert torch.allclose(found.reshape(2, 3), slope[0], atol=0.05)
    assert slope.abs().max() > 0.1


@works(LayerActivation, "on `lca.forward_func`: what `LayerLinguisticCorrelation` weighs")
def check_layer_activation(setting):
    lca, probe = setting.lca, setting.probe
    activation = LayerActivation(lca.forward_func, setting.model.probed).attribute(setting.inputs)
    agree(activation, setting.logits.neurons(setting.inputs))
    layered = LayerLinguisticCorrelation.from_probe(setting.model, "probed", probe)
    weighed = (activation - probe.mean) / probe.scale * probe.weight[2]
    agree(layered.attribute(setting.inputs, "z"), weighed)


@works(
    LayerFeatureAblation, "on `lca.forward_func`, with `ablation.layer_mask` and `layer_baselines`"
)
def check_layer_feature_ablation(setting):
    """Held at its mean, a neuron takes its contribution with it."""
    method = LayerFeatureAblation(setting.lca.forward_func, setting.model.probed)
    found = method.attribute(setting.inputs, layer_baselines(setting.probe, "probed"), TARGET)
    layered = LayerLinguisticCorrelation.from_probe(setting.model, "probed", setting.probe)
    agree(found[:, 1], layered.attribute(setting.inputs, "z")[:, 1])
    assert found[:, 0].abs().max() < 1e-6


@works(
    LayerFeaturePermutation,
    "on one logit of `lca.forward_func` (given a target of several dimensions, it fails on any "
    "model), with `ablation.layer_mask`",
)
def check_layer_feature_permutation(setting):
    """A neuron of another example takes that example's contribution along."""

    def logit(inputs):
        return setting.lca.forward_func(inputs)[(slice(None), *TARGET)]

    with pytest.raises(AssertionError, match="Cannot choose target column"):
        LayerFeaturePermutation(setting.logits, setting.model.probed).attribute(
            setting.inputs, TARGET
        )
    method = LayerFeaturePermutation(logit, setting.model.probed)
    found = seeded(method.attribute, setting.inputs)[:, 1]
    layered = LayerLinguisticCorrelation.from_probe(setting.model, "probed", setting.probe)
    own = layered.attribute(setting.inputs, "z")[:, 1]
    agree((own - found).sort(0).values, own.sort(0).values)
    assert found.abs().max() > 1e-3


def attribution_classes():
    """Captum's public attribution classes, less those that only others inherit from."""
    public = {getattr(captum.attr, name) for name in captum.attr.__all__}
    classes = {c for c in public if inspect.isclass(c) and issubclass(c, Attribution)}
    return sorted((c for c in classes if callable(getattr(c, "attribute", None))), key=name_of)


def name_of(method):
    return method.__name__


def table():
    """The page: a row for each class."""
    rows = [
        f"| {name_of(method)} | {'yes' if method in WORKS else 'no'} | "
        f"{HOW.get(method) or CANNOT.get(method)} |"
        for method in attribution_classes()
    ]
    head = (
        "# Every attribution class of Captum, and LCA\n\n"
        "Each *yes* is a test that compares numbers: with the same method on the probe's logit or\n"
        "the neurons' contribution written out without LCA, or with what the definition says.\n"
        "Methods that hook activation functions (DeepLift, guided back-propagation, …) see those\n"
        "that are modules of the model, of the kinds that they know.\n\n"
        "| class | works | how, or why not |\n| --- | --- | --- |\n"
    )
    return head + "\n".join(rows) + "\n"


@pytest.fixture(scope="module")
def setting():
    return Setting()


@pytest.mark.parametrize("method", sorted(WORKS, key=name_of), ids=name_of)
def test_works(method, setting):
    WORKS[method](setting)


def test_the_table_lists_every_class():
    assert {*WORKS, *CANNOT} == set(attribution_classes())
    assert not WORKS.keys() & CANNOT.keys()


def test_the_page_is_the_table():
    assert PAGE.read_text(encoding="utf-8") == table(), "remake it: see the top of this file"


@pytest.mark.parametrize("of", [lambda f, _: LRP(f), lambda f, model: LayerLRP(f, model.mix)])
def test_lrp_conserves_nothing(of, setting):
    """As the table says; were it to conserve relevance one day, the table should say that."""
    found = of(setting.lca.forward_func, setting.model).attribute(setting.inputs, target=TARGET)
    logit = setting.logits(setting.inputs)[(slice(None), *TARGET)]
    assert not torch.isclose(found.sum((1, 2)), logit, rtol=0.1).any()


def test_the_selector_takes_the_most_salient_of_the_class(setting):
    neurons = setting.model.probed(setting.model.act(setting.model.mix(setting.inputs)))
    found = setting.lca.neuron_selector("z", 2)(neurons)
    assert torch.allclose(found, setting.selected(setting.inputs), atol=1e-5)


def test_integrated_gradients_are_complete(setting):
    method = IntegratedGradients(setting.lca.forward_func)
    found = method.attribute(setting.inputs, target=TARGET, n_steps=200)
    ends = (setting.logits(x)[(slice(None), *TARGET)] for x in (setting.inputs, 0 * setting.inputs))
    end, start = ends
    assert torch.allclose(found.sum((1, 2)), end - start, atol=1e-2)


class Line(nn.Module):
    """h = (x0 + x1, x0 − x1)."""

    def __init__(self):
        super().__init__()
        self.mix = nn.Linear(2, 2, bias=False)
        self.mix.weight.data = torch.tensor([[1.0, 1.0], [1.0, -1.0]])

    def forward(self, inputs):
        return self.mix(inputs)


@pytest.fixture
def line():
    """Class 1's logit is 1.5·(x0 − x1)."""
    weight = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
    mean, scale = torch.tensor([1.0, 0.0]), torch.tensor([1.0, 2.0])
    probe = LinearProbe(weight, torch.zeros(2), mean, scale, classes=["sum", "difference"])
    model = Line()
    return LinguisticCorrelationAnalysis.from_probe(model, model.mix, probe)


def test_infidelity_by_hand(line):
    line.neuron_attr_method = NeuronGradient
    inputs, step = torch.tensor([[3.0, 1.0]]), torch.tensor([0.2, 0.1])
    slopes = line.attribute(inputs, [0, 1], target=1)
    assert slopes.tolist() == [[1.5, -1.5]]

    def perturb(x):
        return step.expand_as(x), x - step

    right = infidelity(line.forward_func, perturb, inputs, slopes, target=1)
    assert right.item() == pytest.approx(0, abs=1e-9)
    # one too many for each input: off by 0.2 + 0.1
    wrong = infidelity(line.forward_func, perturb, inputs, slopes + 1, target=1)
    assert wrong.item() == pytest.approx(0.09, rel=1e-4)


def test_sensitivity_by_hand(line):
    inputs = torch.tensor([[3.0, 1.0]])

    def nudge(tensors, *_):
        return tuple(x + torch.tensor([0.02, 0.0]) for x in astuple(tensors))

    found = sensitivity_max(line.attribute, inputs, nudge, neuron_selector=[1], target=1)
    # attributions 1.5·(x0, −x1) = (4.5, −1.5); nudged (4.53, −1.5)
    assert found.item() == pytest.approx(0.03 / 22.5**0.5, rel=1e-3)


if __name__ == "__main__":
    print(table(), end="")
