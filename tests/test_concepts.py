import pytest
import torch
from captum.concept import TCAV, Concept
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from captum_lca import LinearProbe, NeuronLayout
from captum_lca.concepts import ProbeClassifier, concept_vectors


def examples(sign, seed):
    """Inputs whose first number is above (below) 0; the others are noise."""
    inputs = torch.randn(60, 4, generator=torch.Generator().manual_seed(seed))
    inputs[:, 0] = sign * (inputs[:, 0].abs() + 0.5)
    return inputs


class Small(nn.Module):
    """Reads the first number of its layer for output 0, the second for output 1."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4, bias=False)
        self.layer.weight.data = torch.eye(4)

    def forward(self, inputs):
        return torch.tanh(self.layer(inputs))[:, :2]


def test_directions_undo_the_standardisation():
    probe = LinearProbe(
        torch.tensor([[2.0, 0.0, 3.0], [0.0, 1.0, 0.0]]),
        torch.zeros(2),
        torch.ones(3),
        torch.tensor([4.0, 1.0, 0.5]),
        classes=["x", "y"],
        layout=NeuronLayout(("a", "b"), (1, 2)),
    )
    assert concept_vectors(probe).tolist() == [[0.5, 0.0, 6.0], [0.0, 1.0, 0.0]]
    assert concept_vectors(probe, "b").tolist() == [[0.0, 6.0], [1.0, 0.0]]
    activations = torch.randn(5, 3, requires_grad=True)
    probe(activations)[:, 0].sum().backward()  # the gradient of a logit is its direction
    assert torch.allclose(activations.grad, concept_vectors(probe)[0].expand(5, 3))


def test_in_tcav(tmp_path):
    concepts = [
        Concept(number, name, DataLoader(examples(sign, number), 20))
        for number, name, sign in [(3, "above", 1), (7, "below", -1)]
    ]
    classifier = ProbeClassifier(l1=1e-2)
    tcav = TCAV(Small().eval(), ["layer"], classifier=classifier, save_path=str(tmp_path))
    scores = tcav.interpret(examples(1, 5), [concepts], target=0)
    assert classifier.classes() == [3, 7]
    assert classifier.weights()[:, 1:].abs().max() < 0.1 * classifier.weights()[:, 0].abs().max()
    assert scores["3-7"]["layer"]["sign_count"].tolist() == [1.0, 0.0]
    assert tcav.cavs["3-7"]["layer"].stats["accs"] == 1


def test_refused():
    loader = DataLoader(TensorDataset(torch.randn(4, 2), torch.tensor([0, 1, 0, 1])), 2)
    with pytest.raises(ValueError, match="not trained yet"):
        ProbeClassifier().weights()
    with pytest.raises(ValueError, match="nothing"):
        ProbeClassifier().train_and_eval(loader, test_split_ratio=0.0)
