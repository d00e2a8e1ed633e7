import pytest
import torch
from accelerate import cpu_offload
from tiny_models import tiny
from torch import nn

from captum_lca.activations.calls import input_device, text_arguments

IDS, MASK = torch.tensor([[2, 4, 3]]), torch.tensor([[1, 1, 0]])


class Encoder(nn.Module):
    def forward(self, input_ids):
        return input_ids


class Decoder(nn.Module):
    def forward(self, input_ids, attention_mask=None, use_cache=True):
        return input_ids


class Open(nn.Module):
    def forward(self, input_ids, **kwargs):
        return input_ids


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (Encoder(), ["input_ids"]),
        (Decoder(), ["input_ids", "attention_mask", "use_cache"]),
        (Open(), ["input_ids", "attention_mask"]),
        (tiny("llama"), ["input_ids", "attention_mask", "use_cache"]),
        (cpu_offload(tiny("llama")), ["input_ids", "attention_mask", "use_cache"]),
    ],
)
def test_a_model_is_given_what_it_takes(model, names):
    arguments = text_arguments(model, IDS, MASK)
    assert list(arguments) == names
    assert arguments["input_ids"] is IDS
    assert arguments.get("attention_mask", MASK) is MASK
    assert not arguments.get("use_cache")
    model(**arguments)


def test_inputs_go_to_the_first_parameters_that_are_there():
    assert input_device(nn.Identity()) == torch.device("cpu")
    assert input_device(nn.Linear(2, 2)) == torch.device("cpu")
    assert input_device(nn.Linear(2, 2, device="meta")) == torch.device("cpu")
    assert input_device(cpu_offload(tiny("llama"))) == torch.device("cpu")
