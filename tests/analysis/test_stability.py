import matplotlib as mpl
import numpy as np
import pytest
import torch

from captum_lca import ActivationStore
from captum_lca.analysis import stability
from captum_lca.analysis.stability import bootstrap_weights

mpl.use("Agg")


def planted(rows=300, neurons=30):
    """Neurons 0 to 5 are lifted by one of three classes each."""
    generator = torch.Generator().manual_seed(0)
    numbers = torch.randint(0, 3, (rows,), generator=generator)
    activations = torch.randn(rows, neurons, generator=generator)
    for number in range(3):
        activations[numbers == number, 2 * number : 2 * number + 2] += 3
    return ActivationStore.from_tensor(activations), ["abc"[n] for n in numbers.tolist()]


@pytest.fixture(scope="module")
def found():
    return stability(*planted(), count=6, samples=5, seeds=2, l1=2e-2, progress=False)


def test_planted_neurons_are_always_found(found):
    assert sorted(found.reference.top(6).tolist()) == list(range(6))
    assert found.frequency.tolist() == pytest.approx([1.0] * 6 + [0.0] * 24)
    for source in found.sources:
        assert source.overlap == 1
        assert source.overlap_interval == (1, 1)
        assert source.mutual_overlap == 1
    assert [(s.source, s.rankings) for s in found.sources] == [
        ("bootstrap", 5),
        ("seed", 2),
        ("penalty", 4),
    ]
    assert found.expected == pytest.approx(6 / 30)
    assert found.neurons_frame()["neuron"].tolist() == list(range(6))


def test_noise_is_not_stable():
    store, labels = planted()
    order = torch.randperm(300, generator=torch.Generator().manual_seed(1)).tolist()
    shuffled = [labels[row] for row in order]
    found = stability(store, shuffled, count=6, samples=5, seeds=0, factors=(), progress=False)
    assert found.sources[0].overlap < 0.9
    assert float(found.frequency.sum()) == pytest.approx(6, abs=1e-5)


def test_bootstrap_draws_whole_groups():
    store = ActivationStore.from_tensor(torch.randn(6, 2))
    for weight in bootstrap_weights(store, 20, seed=0, groups=["a", "a", "b", "c", "c", "c"]):
        assert weight[0] == weight[1]
        assert weight[3] == weight[4] == weight[5]
        assert weight[0] + weight[2] + weight[3] == 3
    first, again = (bootstrap_weights(store, 3, seed=5) for _ in range(2))
    assert np.array_equal(first, again)
    assert all(weight.sum() == 6 for weight in first)


def test_bad_questions():
    store, labels = planted()
    with pytest.raises(ValueError, match="nothing to vary"):
        stability(store, labels, samples=0, seeds=0, factors=())
    with pytest.raises(ValueError, match="top 1 to 30 neurons; found 31"):
        stability(store, labels, count=31)
    with pytest.raises(ValueError, match="factors must be positive"):
        stability(store, labels, factors=(0.0,))


def test_points_are_those_of_the_frame(found):
    axes = found.plot()
    frame = found.to_frame()
    points = [group.lines[0].get_ydata()[0] for group in axes.containers]
    assert points == frame["overlap"].tolist()
    for group, (_, row) in zip(axes.containers, frame.iterrows(), strict=True):
        ends = group.lines[2][0].get_segments()[0][:, 1]
        assert ends.tolist() == pytest.approx([row["overlap_low"], row["overlap_high"]])
    names = [text.get_text() for text in axes.get_xticklabels()]
    assert names == ["bootstrap\n(5 fits)", "seed\n(2 fits)", "penalty\n(4 fits)"]


def test_names_of_neurons_and_classes_do_not_matter():
    store, labels = planted()
    options = {"count": 6, "samples": 2, "seeds": 0, "factors": (), "l1": 2e-2, "progress": False}
    plain = stability(store, labels, **options)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(3))
    renamed = [{"a": "z", "b": "x", "c": "y"}[label] for label in labels]
    other = stability(store.tensor()[:, order], renamed, **options)
    assert other.frequency.equal(plain.frequency[order])
    assert other.to_frame()["overlap"].tolist() == plain.to_frame()["overlap"].tolist()
    assert other.reference.salience.tolist() == pytest.approx(
        plain.reference.salience[order].tolist(), abs=2e-3
    )
