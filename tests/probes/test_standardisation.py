import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from captum_lca.probes import NeuronMoments


def moments_of(activations, *cuts):
    moments = NeuronMoments(activations.shape[1])
    for batch in activations.tensor_split(list(cuts)):
        moments.update(batch)
    return moments


@given(
    st.integers(0, 10_000),
    st.lists(st.integers(0, 40), max_size=4).map(sorted),
    st.sampled_from([torch.float32, torch.float64]),
)
def test_batches_give_what_the_whole_gives(seed, cuts, dtype):
    generator = torch.Generator().manual_seed(seed)
    activations = torch.randn(40, 5, generator=generator).to(dtype) * 3 + 100
    found = moments_of(activations, *cuts).finish()
    exact = activations.double()
    torch.testing.assert_close(found.mean, exact.mean(0), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(found.scale, exact.std(0, correction=0), rtol=1e-5, atol=1e-7)


def test_merged_moments_are_those_of_all_rows():
    activations = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    left, right = moments_of(activations[:20]), moments_of(activations[20:])
    left.merge(right)
    left.merge(NeuronMoments(3))  # of no rows
    whole = moments_of(activations).finish()
    torch.testing.assert_close(left.finish().scale, whole.scale)
    torch.testing.assert_close(left.finish().mean, whole.mean)


@pytest.mark.parametrize("size", [1e-36, 1e-32, 1e-6, 1.0, 29_571.0, 1e30])
def test_neurons_of_any_size_come_out_alike(size):
    plain = torch.randn(300, 1, generator=torch.Generator().manual_seed(0))
    activations = plain * size
    standardised = moments_of(activations.clone()).finish().apply_(activations)
    expected = (plain - plain.mean()) / plain.std(correction=0)
    torch.testing.assert_close(standardised, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("value", [0.0, 5.0, 0.1, -3e4, 1e-40])
def test_constant_neurons_become_zero(value):
    activations = torch.full((1000, 2), value)
    activations[:, 1] = torch.arange(1000)
    found = moments_of(activations, 300, 700).finish()
    assert found.constant.tolist() == [True, False]
    assert found.scale[0] == 1
    assert found.apply_(activations)[:, 0].abs().max() == 0


def test_no_rows():
    with pytest.raises(ValueError, match="at least one row"):
        NeuronMoments(3).finish()
