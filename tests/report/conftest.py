import pytest
import torch

from captum_lca import ActivationStore, NeuronLayout
from captum_lca.analysis import LabelledActivations, study_property


@pytest.fixture(scope="session")
def study():
    """A small study: neuron 3 tells the two classes apart."""
    generator = torch.Generator().manual_seed(0)
    activations = torch.randn(200, 40, generator=generator)
    labels = ["yes" if value > 0 else "no" for value in activations[:, 3].tolist()]
    layout = NeuronLayout(("low", "high"), (20, 20))
    store = ActivationStore.from_tensor(activations, layout)
    data = LabelledActivations(store, labels)
    return study_property("sign", data, data, draws=2, progress=False)
