import pytest
import torch
from captum.attr import LayerFeatureAblation, LayerFeaturePermutation
from torch import nn

from captum_lca import ActivationStore, LinearProbe, NeuronLayout, NeuronRanking
from captum_lca.ablation import ablated_output, layer_baselines, layer_mask

LAYOUT = NeuronLayout(("a", "b"), (2, 4))
RANKING = NeuronRanking(
    torch.tensor([4, 0, 2, 5, 1, 3]),
    torch.tensor([5.0, 2.0, 4.0, 1.0, 6.0, 3.0]),
    LAYOUT,
    "by hand",
    ("x", "y"),
    torch.tensor([[4, 0, 2, 5, 1, 3], [5, 4, 0, 2, 1, 3]]),
    torch.tensor([[2.0, 0.0, 1.0, 0.0, 3.0, 0.0], [0.0, 0.0, 0.0, 0.0, 1.0, 4.0]]),
)


def test_groups_by_hand():
    # layer b holds 2, 3, 4, 5; by salience 4, 2, 5, 3
    assert layer_mask(RANKING, "b", "neuron").tolist() == [[[1, 3, 0, 2]]]
    assert layer_mask(RANKING, "b", "neuron", groups=1).tolist() == [[[1, 1, 0, 1]]]
    assert layer_mask(RANKING, "b", "decile", groups=2, dims=2).tolist() == [[0, 1, 0, 1]]
    assert layer_mask(RANKING, "b", "class", dims=1).tolist() == [0, 2, 0, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": "c"}, "no layer named 'c'"),
        ({"layer": "b", "by": "depth"}, "found 'depth'"),
        ({"layer": "b", "groups": 5}, "1 to 4 groups; found 5"),
        ({"layer": "b", "by": "class", "groups": 2}, "leave out groups"),
    ],
)
def test_refused(options, message):
    with pytest.raises(ValueError, match=message):
        layer_mask(RANKING, **options)


def test_no_classes():
    with pytest.raises(ValueError, match="no classes"):
        layer_mask(RANKING.for_class("x"), "b", "class")


def test_baselines():
    activations = torch.arange(18.0).reshape(3, 6)  # means 6 to 11
    store = ActivationStore.from_tensor(activations, LAYOUT)
    probe = LinearProbe(
        torch.zeros(2, 6),
        torch.zeros(2),
        torch.arange(6.0),
        torch.ones(6),
        classes=["x", "y"],
        layout=LAYOUT,
    )
    assert layer_baselines(store, "b").tolist() == [[[8.0, 9.0, 10.0, 11.0]]]
    assert layer_baselines(probe, "b").tolist() == [[[2.0, 3.0, 4.0, 5.0]]]
    assert layer_baselines(probe, "b", "zero", dims=2).tolist() == [[0.0] * 4]
    with pytest.raises(ValueError, match="'mean' or 'zero'"):
        layer_baselines(probe, "b", "median")


class Tokens(nn.Module):
    """(batch, positions, 3) → layer b of 4 neurons → one number per example."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.b = nn.Linear(3, 4)
        self.head = nn.Sequential(nn.Tanh(), nn.Linear(4, 2))

    def forward(self, inputs):
        return self.head(self.b(inputs)).sum((1, 2))


@pytest.mark.parametrize("by", ["decile", "class", "neuron"])
@pytest.mark.parametrize("perturbations", [1, 3])
def test_captum_ablates_the_same_groups(by, perturbations):
    model, inputs = Tokens().eval(), torch.randn(5, 6, 3)
    options = {"groups": 2} if by == "decile" else {}
    mask = layer_mask(RANKING, "b", by, **options)
    baseline = torch.tensor([[[0.1, -0.2, 0.3, 0.4]]])
    found = LayerFeatureAblation(model, model.b).attribute(
        inputs, baseline, layer_mask=mask, perturbations_per_eval=perturbations
    )
    with torch.no_grad():
        hidden = model.b(inputs)
        for group in mask.unique():
            ablated = torch.where(mask == group, baseline, hidden)
            change = model(inputs) - model.head(ablated).sum((1, 2))
            expected = change.reshape(5, 1, 1).expand(5, 6, int((mask == group).sum()))
            torch.testing.assert_close(found[..., (mask == group).flatten()], expected)


def test_captum_permutes_the_groups():
    model, inputs = Tokens().eval(), torch.randn(5, 6, 3)
    mask = layer_mask(RANKING, "b", "decile", groups=2)
    found = LayerFeaturePermutation(model, model.b).attribute(inputs, layer_mask=mask)
    assert torch.equal(found[..., 0], found[..., 2])  # neurons 2 and 4: group 0
    assert not torch.equal(found[..., 0], found[..., 1])


@pytest.mark.parametrize("by", ["decile", "class", "neuron"])
def test_the_models_ablation_gives_captums_numbers(by):
    model, inputs = Tokens().eval(), torch.randn(5, 6, 3)
    layout = NeuronLayout(("b",), (4,))
    values = torch.tensor([0.1, -0.2, 0.3, 0.4])
    mask = layer_mask(RANKING, "b", by, **({"groups": 2} if by == "decile" else {}))
    captums = LayerFeatureAblation(model, model.b).attribute(
        inputs, values.reshape(1, 1, 4), layer_mask=mask
    )
    with torch.no_grad():
        for group in mask.unique():
            neurons = (mask.flatten() == group).nonzero().flatten()
            change = model(inputs) - ablated_output(model, neurons, layout, inputs, by=values)
            torch.testing.assert_close(captums[:, 0, neurons[0]], change)
