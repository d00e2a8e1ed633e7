import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from captum_lca import LinearProbe, NeuronLayout, fit_elastic_net
from captum_lca.ablation import ablate_probe, ablated
from captum_lca.probes import evaluate
from captum_lca.rankings import weight_mass


@pytest.fixture
def by_hand():
    """Neuron 0 tells the classes apart, neuron 1 a little, neuron 2 is noise."""
    return LinearProbe(
        torch.tensor([[2.0, 1.0, 0.0], [-2.0, -1.0, 0.0]]),
        torch.tensor([0.5, 0.0]),
        torch.tensor([1.0, 10.0, 0.0]),
        torch.tensor([1.0, 2.0, 1.0]),
        classes=["x", "y"],
    )


def test_the_mean_takes_a_neurons_term_away(by_hand):
    silenced = ablated(by_hand, [0], "mean")
    # (12 − 10)/2 = 1: logits 1·1 + .5 and −1·1
    assert silenced(torch.tensor([[99.0, 12.0, 5.0]])).tolist() == [[1.5, -1.0]]
    assert by_hand.weight[0, 0] == 2


@given(
    st.integers(0, 10_000),
    st.sets(st.integers(0, 5)),
    st.sampled_from(["mean", "zero"]),
)
def test_is_the_probe_on_activations_with_the_baseline_put_in(seed, gone, baseline):
    generator = torch.Generator().manual_seed(seed)
    weight, activations = (torch.randn(3, 6, generator=generator).double() for _ in range(2))
    mean, scale = torch.randn(6, generator=generator).double(), torch.full((6,), 0.5).double()
    probe = LinearProbe(weight, weight[:, 0], mean, scale, classes=["a", "b", "c"])
    replaced = activations.clone()
    replaced[:, list(gone)] = mean[list(gone)] if baseline == "mean" else 0.0
    expected = probe(replaced)
    assert torch.allclose(ablated(probe, gone, baseline)(activations), expected, atol=1e-9)


def test_unknown_baselines(by_hand):
    with pytest.raises(ValueError, match="baseline must be 'mean' or 'zero'; found 'median'"):
        ablated(by_hand, [0], "median")


@pytest.fixture(scope="module")
def problem():
    """Six neurons; the label is the sign of neuron 2, and neuron 4 says it with noise."""
    generator = torch.Generator().manual_seed(0)
    activations = torch.randn(600, 6, generator=generator) * torch.tensor([1.0, 1, 5, 1, 5, 1])
    activations[:, 4] = activations[:, 2] + 3 * activations[:, 4] / 5
    labels = ["plus" if value > 0 else "minus" for value in activations[:, 2].tolist()]
    train, test = (activations[:400], labels[:400]), (activations[400:], labels[400:])
    probe = fit_elastic_net(*train, layout=NeuronLayout(("a", "b"), (3, 3)))
    return probe, weight_mass(probe), train, test


def test_top_neurons_are_enough_and_bottom_ones_are_not(problem):
    probe, ranking, train, test = problem
    result = ablate_probe(
        probe,
        ranking,
        *test,
        counts=[1, 2],
        baselines=("mean", "zero", "retrained"),
        train=train,
        draws=4,
        progress=False,
    )
    assert ranking.order[0] == 2
    assert result.metric == "accuracy"
    assert result.full == evaluate(probe, *test).accuracy
    assert len(result.scores) == 3 * 2 * 3 * 2
    for baseline in ("mean", "zero", "retrained"):
        kept = {c: result.find("keep", c, 1, baseline) for c in ("top", "random", "bottom")}
        assert kept["top"].score > 0.95
        assert kept["top"].score > kept["random"].score
        assert kept["bottom"].score < 0.7
        assert kept["random"].draws == 4
        assert (kept["top"].draws, kept["top"].spread) == (1, 0)
        removed = result.find("remove", "top", 2, baseline)
        assert removed.score < 0.7
    # with neuron 2 taken away, a re-trained probe turns to neuron 4; a silenced one can't
    assert (
        result.find("remove", "top", 1, "retrained").score
        > result.find("remove", "top", 1, "mean").score + 0.1
    )


def test_random_draws_are_those_of_the_seeds(problem):
    probe, ranking, _, test = problem
    options = {"counts": [2], "baselines": ["mean"], "actions": ["keep"], "progress": False}
    result = ablate_probe(probe, ranking, *test, draws=3, seed=5, **options)
    scores = torch.tensor(
        [
            evaluate(
                ablated(probe, set(range(6)) - set(ranking.random(2, seed).tolist()), "mean"), *test
            ).accuracy
            for seed in (5, 6, 7)
        ],
        dtype=torch.float64,
    )
    random = result.find("keep", "random", 2, "mean")
    assert random.score == pytest.approx(scores.mean().item())
    assert random.spread == pytest.approx(scores.std().item())


def test_default_counts_are_the_papers_shares(problem):
    probe, ranking, _, test = problem
    result = ablate_probe(probe, ranking, *test, progress=False)
    assert {score.neurons for score in result.scores} == {1}  # 5 to 20 % of 6
    assert {score.baseline for score in result.scores} == {"mean", "zero"}


def test_regression_is_scored_by_r2():
    generator = torch.Generator().manual_seed(0)
    activations = torch.randn(300, 4, generator=generator)
    numbers = 3 * activations[:, 1] + 7
    probe = fit_elastic_net(activations, numbers, l1=1e-4)
    result = ablate_probe(
        probe, weight_mass(probe), activations, numbers, counts=[1], progress=False
    )
    assert result.metric == "r2"
    assert result.full > 0.99
    assert result.find("keep", "top", 1, "mean").score > 0.99
    assert result.find("remove", "top", 1, "mean").score == pytest.approx(0, abs=0.05)


def test_labels_unseen_in_training_count_as_errors(problem):
    probe, ranking, _, (activations, labels) = problem
    half = ["other" if n % 2 else label for n, label in enumerate(labels)]
    result = ablate_probe(probe, ranking, activations, half, counts=[1], progress=False)
    kept_right = evaluate(probe, activations[::2], labels[::2]).accuracy
    assert result.full == pytest.approx(kept_right / 2)


@pytest.mark.parametrize("classes", [None, ["zero", "one", "two", "three"]])
def test_retraining_reads_integer_labels_as_the_probe_did(classes):
    activations = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    labels = 1 + (activations[:, 0] > 0).long()  # 1 and 2: digits, or places in the classes
    probe = fit_elastic_net(activations, labels, classes=classes)
    result = ablate_probe(
        probe,
        weight_mass(probe),
        activations,
        labels,
        counts=[1],
        baselines=["retrained"],
        actions=["keep"],
        train=(activations, labels),
        progress=False,
    )
    assert result.find("keep", "top", 1, "retrained").score > 0.95


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"counts": [6]}, r"can keep or remove 1 to 5 neurons; found \[6\]"),
        ({"baselines": ["median"]}, "give a sequence of baselines out of"),
        ({"baselines": "mean"}, "give a sequence of baselines out of"),
        ({"actions": []}, "give a sequence of actions out of"),
        ({"baselines": ["retrained"]}, "re-training needs train="),
        ({"draws": 0}, "at least one draw"),
    ],
)
def test_refusals(problem, options, message):
    probe, ranking, _, test = problem
    with pytest.raises(ValueError, match=message):
        ablate_probe(probe, ranking, *test, progress=False, **options)


def test_ranking_of_other_neurons(problem, by_hand):
    _, ranking, _, test = problem
    with pytest.raises(ValueError, match="different layouts"):
        ablate_probe(by_hand, ranking, *test)


def test_what_was_not_measured(problem):
    probe, ranking, _, test = problem
    result = ablate_probe(probe, ranking, *test, counts=[1], progress=False)
    with pytest.raises(ValueError, match="not measured"):
        result.find("keep", "top", 5, "mean")


def test_frame_and_plot(problem):
    probe, ranking, _, test = problem
    result = ablate_probe(probe, ranking, *test, counts=[1, 2], progress=False)
    frame = result.to_frame()
    assert len(frame) == len(result.scores)
    ax = result.plot("mean", "keep", Figure().subplots())
    top = next(line for line in ax.lines if line.get_label() == "top")
    assert list(top.get_xdata()) == [1, 2]
    assert list(top.get_ydata()) == [
        result.find("keep", "top", count, "mean").score for count in (1, 2)
    ]
