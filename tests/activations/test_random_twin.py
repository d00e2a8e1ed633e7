import pytest
import torch
from tiny_models import tiny

from captum_lca.activations import random_twin


@pytest.mark.parametrize("architecture", ["bert", "llama", "gpt2", "t5", "bart"])
def test_same_shape_other_weights(architecture):
    model = tiny(architecture)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.random.get_rng_state()
    twin, again, other = (random_twin(model, seed) for seed in (3, 3, 4))
    assert torch.random.get_rng_state().equal(state)
    assert type(twin) is type(model)
    assert not twin.training
    assert {n: v.shape for n, v in twin.state_dict().items()} == {
        n: v.shape for n, v in before.items()
    }
    assert all(v.equal(again.state_dict()[n]) for n, v in twin.state_dict().items())
    assert all(v.equal(before[n]) for n, v in model.state_dict().items())
    drawn = [name for name, value in twin.named_parameters() if value.std() > 0]
    assert drawn
    for name in drawn:
        assert not twin.state_dict()[name].equal(before[name])
        assert not twin.state_dict()[name].equal(other.state_dict()[name])


def test_precision_is_kept():
    assert next(random_twin(tiny("bert").half(), seed=0).parameters()).dtype == torch.float16


def test_other_modules_have_no_twin():
    with pytest.raises(ValueError, match=r"needs a transformers model.*found Linear"):
        random_twin(torch.nn.Linear(2, 2), seed=0)
