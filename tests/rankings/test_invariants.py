"""What holds for every ranking, whatever the numbers: ties, constants, huge and tiny values."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from captum_lca import LinearProbe, NeuronLayout, NeuronRanking, rankings

QUICK = {
    "probeless": lambda x, y: rankings.probeless(x, y, standardise=True),
    "iou": rankings.iou,
    "average_precision": rankings.average_precision,
    "anova_f": rankings.anova_f,
}
NEURONS = 5
numbers = st.sampled_from([0.0, 1.0, -1.0, 0.5, 3.0, -2.0]) | st.floats(-100, 100, width=16)
tables = st.lists(
    st.tuples(st.sampled_from("ab"), st.lists(numbers, min_size=NEURONS, max_size=NEURONS)),
    min_size=3,
    max_size=12,
).map(lambda rows: [("a", [0.0] * NEURONS), ("b", [1.0] * NEURONS), *rows])
layers = st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=4, unique=True)
names = st.lists(st.text(max_size=6), min_size=2, max_size=4, unique=True)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """So few numbers lose more by threads that wait for each other than they gain."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def activations_of(table):
    return torch.tensor([values for _, values in table], dtype=torch.float64)


def assert_is_an_order(ranking):
    everything = list(range(ranking.layout.size))
    for order, salience in (
        (ranking.order, ranking.salience),
        *zip(ranking.class_order, ranking.class_salience, strict=True),
    ):
        assert sorted(order.tolist()) == everything
        assert not salience.isnan().any()


@pytest.mark.parametrize("name", QUICK)
class TestByScore:
    @given(tables)
    def test_orders_hold_every_neuron_once(self, name, table):
        ranking = QUICK[name](activations_of(table), [label for label, _ in table])
        assert_is_an_order(ranking)
        assert ranking.classes == ("a", "b")

    @given(tables, st.permutations(range(NEURONS)))
    def test_permuting_neurons_permutes_their_salience(self, name, table, neurons):
        labels, activations = [label for label, _ in table], activations_of(table)
        plain = QUICK[name](activations, labels)
        moved = QUICK[name](activations[:, neurons], labels)
        torch.testing.assert_close(moved.salience, plain.salience[list(neurons)])
        torch.testing.assert_close(moved.class_salience, plain.class_salience[:, list(neurons)])

    @given(tables, st.sampled_from([2.0**-20, 0.25, 2.0, 1024.0]), st.integers(0, NEURONS - 1))
    def test_scaling_a_neuron_changes_nothing(self, name, table, factor, neuron):
        labels, activations = [label for label, _ in table], activations_of(table)
        plain = QUICK[name](activations, labels)
        activations[:, neuron] *= factor
        scaled = QUICK[name](activations, labels)
        torch.testing.assert_close(scaled.salience, plain.salience)


weights = st.lists(st.lists(numbers, min_size=6, max_size=6), min_size=2, max_size=4)


def probe_of(weight, classes=None, layout=None):
    weight = torch.tensor(weight)
    outputs, neurons = weight.shape
    return LinearProbe(
        weight,
        torch.zeros(outputs),
        torch.zeros(neurons),
        torch.ones(neurons),
        classes=classes or [f"c{number}" for number in range(outputs)],
        layout=layout,
    )


class TestWeightMass:
    @given(weights, st.permutations(range(6)), st.sampled_from([0.25, 2.0, 64.0]))
    def test_neurons_may_be_renamed_and_weights_scaled(self, weight, neurons, factor):
        plain = rankings.weight_mass(probe_of(weight))
        assert_is_an_order(plain)
        moved = torch.tensor(weight)[:, list(neurons)] * factor
        found = rankings.weight_mass(probe_of(moved.tolist()))
        torch.testing.assert_close(found.salience, plain.salience[list(neurons)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


class TestFiles:
    @given(names, layers, st.data())
    def test_what_is_written_is_read(self, folder, names, layers, data):
        widths = data.draw(st.lists(st.integers(1, 3), min_size=len(layers), max_size=len(layers)))
        layout = NeuronLayout(tuple(layers), tuple(widths))
        row = st.lists(numbers, min_size=layout.size, max_size=layout.size)
        weight = data.draw(st.lists(row, min_size=len(names), max_size=len(names)))
        probe = probe_of(weight, names, layout)
        probe.save(folder / "probe.safetensors")
        loaded = LinearProbe.load(folder / "probe.safetensors")
        assert (loaded.classes, loaded.layout, loaded.report) == (tuple(names), layout, None)
        assert torch.equal(loaded.weight, probe.weight)
        ranking = rankings.weight_mass(probe)
        ranking.save(folder / "ranking.safetensors")
        again = NeuronRanking.load(folder / "ranking.safetensors")
        assert (again.classes, again.layout, again.method) == (tuple(names), layout, "weight_mass")
        for field in ("order", "salience", "class_order", "class_salience"):
            assert torch.equal(getattr(again, field), getattr(ranking, field))
