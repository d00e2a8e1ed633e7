import pytest
import torch

from captum_lca import ActivationStore, fit_elastic_net
from captum_lca.ablation import Resampled, neuron_means
from captum_lca.ablation.replacements import RESAMPLED_ROWS

ROWS = torch.tensor([[1.0, 10], [2, 20], [3, 30], [6, 60]])
LABELS = ["NOUN", "VERB", "NOUN", None]


class TestMeans:
    def test_of_all_rows_by_hand(self):
        assert neuron_means(ROWS).tolist() == [3, 30]

    def test_of_labelled_rows_and_of_a_class(self):
        assert neuron_means(ROWS, LABELS).tolist() == [2, 20]
        assert neuron_means(ROWS, LABELS, of="NOUN").tolist() == [2, 20]
        assert neuron_means(ROWS, LABELS, of="VERB").tolist() == [2, 20]
        assert neuron_means(ROWS, ["A", "B", "B", "B"], of="B").tolist() == pytest.approx(
            [11 / 3, 110 / 3]
        )

    def test_those_of_a_probe(self):
        probe = fit_elastic_net(ROWS, ["A", "B", "A", "B"])
        assert torch.allclose(neuron_means(ROWS), probe.mean)

    def test_of_a_store_in_blocks(self):
        rows = torch.randn(9000, 3, generator=torch.Generator().manual_seed(0)).half()
        labels = ["A" if n % 3 else "B" for n in range(9000)]
        found = neuron_means(ActivationStore.from_tensor(rows), labels, of="B")
        assert torch.allclose(found, rows[::3].float().mean(0), atol=1e-6)

    def test_refusals(self):
        with pytest.raises(ValueError, match=r"no rows of class 'X'; the labels are \['NOUN'"):
            neuron_means(ROWS, LABELS, of="X")
        with pytest.raises(ValueError, match="without labels"):
            neuron_means(ROWS, of="NOUN")
        with pytest.raises(ValueError, match="misaligned"):
            neuron_means(ROWS, ["NOUN"])


class TestResampling:
    def test_values_come_from_one_row(self):
        draw = Resampled(ROWS, seed=0)(torch.zeros(5, 40, 2), torch.tensor([0, 1]))
        assert draw.shape == (5, 40, 2)
        assert torch.equal(draw[..., 1], 10 * draw[..., 0])
        assert set(draw[..., 0].flatten().tolist()) == {1, 2, 3, 6}

    def test_neurons_by_their_ids(self):
        draw = Resampled(ROWS, seed=0)(torch.zeros(2, 3, 1), torch.tensor([1]))
        assert draw.min() >= 10

    def test_seeds(self):
        def drawn(seed):
            return Resampled(ROWS, seed)(torch.zeros(50, 2), torch.tensor([0, 1])).tolist()

        assert drawn(0) == drawn(0)
        assert drawn(0) != drawn(1)

    def test_each_call_draws_anew(self):
        resampled = Resampled(ROWS, seed=0)
        like, ids = torch.zeros(50, 2), torch.tensor([0, 1])
        assert not torch.equal(resampled(like, ids), resampled(like, ids))

    def test_of_a_class(self):
        draw = Resampled(ROWS, seed=0, labels=LABELS, of="NOUN")(
            torch.zeros(50, 1), torch.tensor([0])
        )
        assert set(draw.flatten().tolist()) == {1, 3}

    def test_a_large_store_is_sampled_throughout(self):
        rows = torch.arange(10_000.0)[:, None]
        kept = Resampled(ActivationStore.from_tensor(rows), seed=0).rows
        assert len(kept) == len(kept.unique()) == RESAMPLED_ROWS
        assert kept.min() < 100
        assert kept.max() > 9900
