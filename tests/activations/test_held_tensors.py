from collections import OrderedDict, namedtuple
from dataclasses import dataclass

import pytest
import torch
from transformers.modeling_outputs import BaseModelOutputWithPast

from captum_lca.activations.held_tensors import first_tensor, with_first_tensor

OLD, NEW = torch.zeros(2), torch.ones(2)
Pair = namedtuple("Pair", "cache state")


@dataclass(frozen=True)
class Frozen:
    cache: object
    state: torch.Tensor
    more: torch.Tensor | None = None


class Cache:
    """A container that is nobody's business."""


CACHE = Cache()
VALUES = {
    "tensor": OLD,
    "tuple": (None, OLD, CACHE),
    "list": [torch.tensor([1]), OLD, None],
    "namedtuple": Pair(CACHE, OLD),
    "dictionary": {"cache": CACHE, "state": OLD, "more": torch.full((1,), 2.0)},
    "ordered": OrderedDict(cache=CACHE, state=OLD),
    "dataclass": Frozen(CACHE, OLD),
    "model output": BaseModelOutputWithPast(last_hidden_state=OLD, past_key_values=CACHE),
    "nested": ((None, [Frozen(None, OLD)]), {"cache": CACHE}),
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_the_tensor_is_replaced_in_a_copy(value):
    assert first_tensor(value) is OLD
    changed = with_first_tensor(value, NEW)
    assert type(changed) is type(value)
    assert first_tensor(changed) is NEW
    assert first_tensor(value) is OLD
    assert first_tensor(with_first_tensor(changed, OLD)) is OLD


def test_everything_else_stays():
    changed = with_first_tensor(VALUES["dictionary"], NEW)
    assert list(changed) == ["cache", "state", "more"]
    assert changed["cache"] is CACHE
    assert changed["more"] is VALUES["dictionary"]["more"]
    output = with_first_tensor(VALUES["model output"], NEW)
    assert output.last_hidden_state is NEW
    assert output["past_key_values"] is CACHE
    assert with_first_tensor(VALUES["namedtuple"], NEW).state is NEW


@pytest.mark.parametrize("value", [None, "text", (None, CACHE), torch.tensor([1])])
def test_nothing_to_replace(value):
    assert first_tensor(value) is None
    with pytest.raises(ValueError, match="no floating-point tensor"):
        with_first_tensor(value, NEW)
