import torch

from captum_lca import ActivationStore, NeuronLayout
from captum_lca.analysis import massive_activations


def test_finds_the_planted_neurons():
    activations = torch.rand(200, 6, generator=torch.Generator().manual_seed(0)) * 0.1
    activations[17, 4] = -3000.0  # 60,000 times the median of its layer
    activations[18, 1] = 150.0  # 3,000 times
    activations[19, 0] = 20.0  # many times the median, but below 100
    activations[:, 3] = 500.0  # large, but like its layer
    activations[:, 5] = 500.0
    layout = NeuronLayout(("first", "second"), (3, 3))
    found = massive_activations(ActivationStore.from_tensor(activations, layout))
    assert found.neurons.tolist() == [1]
    activations[:, [3, 5]] = 0.05
    found = massive_activations(ActivationStore.from_tensor(activations, layout))
    assert found.neurons.tolist() == [4, 1]
    assert found.largest.tolist() == [3000.0, 150.0]
    frame = found.to_frame()
    assert frame["layer"].tolist() == ["second", "first"]
    assert frame["index"].tolist() == [1, 1]
    assert (frame["layer_median"] < 0.1).all()


def test_most_networks_have_none():
    found = massive_activations(torch.randn(50, 8))
    assert len(found.to_frame()) == 0
