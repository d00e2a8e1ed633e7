import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from captum_lca import LinearProbe, NeuronLayout
from captum_lca.analysis import focus

LAYOUT = NeuronLayout(("a", "b"), (2, 2))


def probe_of(weight, layout=LAYOUT, classes=("x", "y")):
    weight = torch.tensor(weight)
    zeros, ones = torch.zeros(weight.shape[1]), torch.ones(weight.shape[1])
    return LinearProbe(
        weight, torch.zeros(len(weight)), zeros, ones, classes=classes, layout=layout
    )


def test_by_hand():
    found = focus(probe_of([[1.0, -1, 1, -1], [0, 0, 0, 2]]))
    overall, even, single = found.classes
    assert (even.neurons, even.half, even.layer_entropy) == (4, 2, 1)
    assert even.effective == pytest.approx(4)
    assert (single.neurons, single.half, single.layer_entropy) == (1, 1, 0)
    assert single.effective == pytest.approx(1)
    # mean shares: ⅛, ⅛, ⅛, ⅝; layers ¼ and ¾
    assert overall.name == "all"
    assert overall.half == 1
    assert found.mass(1) == pytest.approx({"all": 5 / 8, "x": 0.25, "y": 1})
    assert found.mass(0)["all"] == 0
    bits = -(0.25 * math.log2(0.25) + 0.75 * math.log2(0.75))
    assert overall.layer_entropy == pytest.approx(bits)


def test_a_class_without_weights():
    found = focus(probe_of([[1.0, 1, 0, 0], [0, 0, 0, 0]]))
    assert found.classes[2].neurons == 0
    assert found.classes[0].neurons == 2
    assert found.mass(4) == {"all": 1, "x": 1, "y": 0}


def test_a_regression_has_only_the_whole():
    found = focus(probe_of([[1.0, 2, 3, 4]], classes=()))
    assert [one.name for one in found.classes] == ["all"]
    assert found.curve().shape == (4, 1)


def test_one_layer_has_no_entropy():
    found = focus(probe_of([[1.0, 2], [2, 1]], NeuronLayout.single(2)))
    assert math.isnan(found.classes[0].layer_entropy)


@given(st.permutations(range(6)), st.integers(0, 1000))
def test_order_of_neurons_within_layers_and_scale_change_nothing(order, seed):
    weight = torch.randn(3, 6, generator=torch.Generator().manual_seed(seed))
    single, classes = NeuronLayout.single(6), ("x", "y", "z")
    one = focus(probe_of(weight.tolist(), single, classes))
    other = focus(probe_of((3 * weight[:, order]).tolist(), single, classes))
    for left, right in zip(one.classes, other.classes, strict=True):
        assert left.effective == pytest.approx(right.effective, rel=1e-4)
        assert (left.neurons, left.half) == (right.neurons, right.half)
        assert 1 <= left.effective <= left.neurons + 1e-9


def test_curve_frame_and_plot():
    found = focus(probe_of([[1.0, -1, 1, -1], [0, 0, 0, 2]]))
    curve = found.curve()
    assert curve["x"].tolist() == [0.25, 0.5, 0.75, 1]
    assert len(found.to_frame()) == 3
    assert len(found.plot(Figure().subplots()).lines) == 4
    with pytest.raises(ValueError, match="count must be 0 to 4; found 5"):
        found.mass(5)
