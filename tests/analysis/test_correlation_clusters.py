import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from planted import planted

from captum_lca import ActivationStore
from captum_lca.analysis import correlation_clusters
from captum_lca.analysis.neuron_correlations import NeuronCorrelations
from captum_lca.probes import NeuronMoments, Standardisation


def standardisation(rows):
    moments = NeuronMoments(rows.shape[1])
    moments.update(rows)
    return moments.finish()


@settings(max_examples=25)
@given(st.integers(0, 1000), st.integers(2, 40))
def test_correlations_are_numpys_however_they_are_gathered(seed, cut):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(60, 5, generator=generator) * torch.tensor([1.0, 1e4, 1e-3, 1, 1])
    rows[:, 3] = 1000 + rows[:, 0] + 0.1 * rows[:, 3]
    shared = standardisation(rows)
    one, other = NeuronCorrelations(shared), NeuronCorrelations(shared)
    one.update(rows[:cut])
    other.update(rows[cut:])
    one.merge(other)
    expected = np.corrcoef(rows.double().numpy().T)
    assert np.allclose(one.finish().numpy(), expected, atol=2e-3)


def test_a_standardisation_of_other_rows_will_do():
    rows = torch.randn(300, 4, generator=torch.Generator().manual_seed(0)) + 5
    gathered = NeuronCorrelations(standardisation(rows[:20]))
    gathered.update(rows)
    assert np.allclose(gathered.finish().numpy(), np.corrcoef(rows.numpy().T), atol=1e-4)


def test_constant_neurons_correlate_with_nothing():
    rows = torch.randn(50, 3)
    rows[:, 1] = 7
    gathered = NeuronCorrelations(standardisation(rows))
    gathered.update(rows)
    found = gathered.finish()
    assert not found[1].any()
    assert found[0, 0] == pytest.approx(1, abs=1e-5)
    with pytest.raises(ValueError, match="at least two rows; found 0"):
        NeuronCorrelations(Standardisation(rows[0], rows[0], rows[0] > 0)).finish()


@pytest.fixture(scope="module")
def problem():
    """Three informative neurons; each again with its sign changed and a little noise; one flat."""
    (store, labels), (test_store, test_labels), [informative] = planted(noise=9)
    pairs = []
    for one, names in ((store, labels), (test_store, test_labels)):
        matrix = one.tensor()
        noise = torch.randn(len(matrix), 3, generator=torch.Generator().manual_seed(9))
        copies = -2 * matrix[:, informative] + 0.1 * noise
        pairs.append((torch.cat([matrix, copies, torch.ones(len(matrix), 1)], 1), names))
    return *pairs, informative


@pytest.fixture(scope="module")
def found(problem):
    train, test, _ = problem
    return correlation_clusters(*train, test=test, thresholds=[0.9, 0.3], draws=2, progress=False)


def test_copies_are_clustered_and_nothing_else(problem, found):
    _, _, informative = problem
    members = found.membership[0]  # threshold 0.3
    assert found.scores[0].threshold == 0.3
    assert found.scores[0].clusters == 12
    for number, neuron in enumerate(informative):
        assert members[neuron] == members[12 + number]
    assert len(members[:12].unique()) == 12
    assert members[15] == -1  # the constant neuron


def test_one_of_each_cluster_is_as_good_as_all(found):
    score = found.scores[0]
    assert score.score == pytest.approx(found.full, abs=0.02)
    assert score.low <= score.score <= score.high
    assert score.versus_random_low <= score.score - score.random <= score.versus_random_high


def test_representatives_are_members(found):
    for kept, members, score in zip(
        found.representatives, found.membership, found.scores, strict=True
    ):
        assert members[kept].tolist() == list(range(score.clusters))


def test_permuted_neurons_are_clustered_alike(problem, found):
    train, test, _ = problem
    place = torch.randperm(16, generator=torch.Generator().manual_seed(1))
    (rows, labels), (test_rows, test_labels) = train, test
    other = correlation_clusters(
        rows[:, place],
        labels,
        test=(test_rows[:, place], test_labels),
        thresholds=[0.3],
        draws=0,
        progress=False,
    )
    together = found.membership[0][place]
    same = together[:, None] == together
    assert torch.equal(other.membership[0][:, None] == other.membership[0], same)
    assert np.isnan(other.scores[0].random)


def test_some_neurons_only(problem):
    train, test, _ = problem
    found = correlation_clusters(
        *train, test=test, thresholds=[0.5], neurons=range(6), draws=1, progress=False
    )
    assert (found.membership[0][6:] == -1).all()
    assert (found.membership[0][:6] >= 0).all()


def test_long_stores_are_sampled(problem, monkeypatch):
    train, test, _ = problem
    seen = []
    update = NeuronCorrelations.update

    def counted(self, batch):
        seen.append(len(batch))
        update(self, batch)

    monkeypatch.setattr(NeuronCorrelations, "update", counted)
    rows = ActivationStore.from_tensor(train[0].repeat(40, 1))  # 24,000 rows
    correlation_clusters(rows, train[1] * 40, test=test, thresholds=[0.5], draws=0, progress=False)
    assert sum(seen) == 8000  # every third


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"thresholds": [1.0]}, r"above 0 and below 1; found \[1.0\]"),
        ({"thresholds": []}, "above 0 and below 1"),
        ({"draws": -1}, "draws must be at least 0"),
    ],
)
def test_refusals(problem, options, message):
    train, test, _ = problem
    with pytest.raises(ValueError, match=message):
        correlation_clusters(*train, test=test, **options)


def test_too_many_neurons():
    rows = torch.zeros(4, 12_001)
    with pytest.raises(ValueError, match="correlations of 12,001 neurons would take"):
        correlation_clusters(rows, ["a", "b"] * 2, test=(rows, ["a", "b"] * 2))


def test_frame_and_plot(found):
    assert found.to_frame()["threshold"].tolist() == [0.3, 0.9]
    ax = found.plot(Figure().subplots())
    assert [text.get_text() for text in ax.texts] == ["0.3", "0.9"]
