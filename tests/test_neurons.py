import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from safetensors.torch import save_file

from captum_lca import NeuronLayout, NeuronRanking
from captum_lca.neurons import as_neuron_ids

LAYOUT = NeuronLayout(("a", "b", "c"), (2, 3, 1))


def ranking_of(salience, layout=None):
    salience = torch.tensor(salience)
    order = salience.argsort(descending=True, stable=True)
    return NeuronRanking(order, salience, layout or NeuronLayout.single(len(salience)), "by_hand")


@pytest.fixture
def ranking():
    per_class = torch.tensor([[6.0, 5, 4, 3, 2, 1], [1.0, 2, 3, 4, 5, 6]])
    return NeuronRanking(
        torch.tensor([4, 0, 2, 5, 1, 3]),
        torch.tensor([0.9, 0.3, 0.8, 0.1, 1.0, 0.5]),
        LAYOUT,
        "by_hand",
        ("X", "Y"),
        per_class.argsort(dim=1, descending=True),
        per_class,
    )


widths = st.lists(st.integers(1, 5), min_size=1, max_size=6)


@given(widths, st.data())
def test_locate_and_global_id_are_inverse(sizes, data):
    layout = NeuronLayout(tuple(f"l{n}" for n in range(len(sizes))), tuple(sizes))
    neuron = data.draw(st.integers(0, layout.size - 1))
    assert layout.global_id(*layout.locate(neuron)) == neuron


def test_global_ids_count_through_the_layers():
    assert LAYOUT.size == 6
    assert LAYOUT.starts == (0, 2, 5)
    assert [LAYOUT.locate(n) for n in range(6)] == [
        ("a", 0),
        ("a", 1),
        ("b", 0),
        ("b", 1),
        ("b", 2),
        ("c", 0),
    ]
    assert LAYOUT.slice("b") == slice(2, 5)
    assert LAYOUT.layer_numbers(torch.tensor([[5, 0], [2, 1]])).tolist() == [[2, 0], [1, 0]]


def test_layout_survives_json():
    assert NeuronLayout.from_json(LAYOUT.to_json()) == LAYOUT


@pytest.mark.parametrize(
    ("layers", "sizes", "message"),
    [
        ((), (), "at least one layer"),
        (("a",), (1, 2), "1 layers and 2 widths"),
        (("a", "a"), (1, 2), r"repeated: \['a'\]"),
        (("a", "b"), (1, 0), "at least one neuron"),
    ],
)
def test_layout_refuses(layers, sizes, message):
    with pytest.raises(ValueError, match=message):
        NeuronLayout(layers, sizes)


def test_layout_names_what_it_does_not_have():
    with pytest.raises(ValueError, match=r"no layer named 'z'; this layout has \['a', 'b', 'c'\]"):
        LAYOUT.slice("z")
    with pytest.raises(ValueError, match="layer 'b' has neurons 0 to 2, not 3"):
        LAYOUT.global_id("b", 3)
    with pytest.raises(ValueError, match=r"ids must be 0 to 5; found \[6\]"):
        LAYOUT.locate(6)


def test_neuron_ids_are_checked():
    assert as_neuron_ids((n for n in (3, 1)), LAYOUT).tolist() == [3, 1]
    assert as_neuron_ids([], LAYOUT).tolist() == []
    with pytest.raises(ValueError, match=r"given twice: \[1\]"):
        as_neuron_ids([1, 2, 1], LAYOUT)
    with pytest.raises(ValueError, match=r"found \[-1\]"):
        as_neuron_ids([-1], LAYOUT)


def test_top_bottom_and_random(ranking):
    assert ranking.top(2).tolist() == [4, 0]
    assert ranking.bottom(2).tolist() == [3, 1]
    assert ranking.random(3, seed=1).tolist() == ranking.random(3, seed=1).tolist()
    assert len(set(ranking.random(6, seed=2).tolist())) == 6
    assert ranking.random(6, seed=1).tolist() != ranking.random(6, seed=2).tolist()
    with pytest.raises(ValueError, match="can't take 7 neurons of 6"):
        ranking.top(7)


def test_random_neurons_are_drawn_evenly():
    ranking = ranking_of([0.0] * 10)
    drawn = torch.stack([ranking.random(3, seed=seed) for seed in range(2000)])
    counts = torch.bincount(drawn.flatten(), minlength=10)
    # each count is binomial(2000, 0.3): mean 600, standard deviation 20.5
    assert (counts - 600).abs().max() < 5 * 20.5


def test_ranking_of_a_class(ranking):
    assert ranking.for_class("Y").top(2).tolist() == [5, 4]
    with pytest.raises(ValueError, match=r"no class 'Z' in this ranking; it has \['X', 'Y'\]"):
        ranking.for_class("Z")


def test_layer_counts(ranking):
    assert ranking.layer_counts(3).to_dict() == {"a": 1, "b": 2, "c": 0}


def test_frame_has_a_row_per_neuron_most_salient_first(ranking):
    frame = ranking.to_frame()
    assert frame["neuron"].tolist() == [4, 0, 2, 5, 1, 3]
    assert frame["layer"].tolist() == ["b", "a", "b", "c", "a", "b"]
    assert frame["index"].tolist() == [2, 0, 0, 0, 1, 1]
    assert frame["rank"].tolist() == [1, 2, 3, 4, 5, 6]
    assert frame["salience:Y"].tolist() == [5.0, 1.0, 3.0, 6.0, 2.0, 4.0]


def test_ranking_survives_a_file(ranking, tmp_path):
    ranking.save(tmp_path / "ranking.safetensors")
    loaded = NeuronRanking.load(tmp_path / "ranking.safetensors")
    assert loaded.to_frame().equals(ranking.to_frame())
    assert (loaded.layout, loaded.classes, loaded.method) == (LAYOUT, ("X", "Y"), "by_hand")


def test_files_that_are_no_rankings(tmp_path):
    text = tmp_path / "text.safetensors"
    text.write_text("not safetensors at all")
    with pytest.raises(ValueError, match="not a ranking in safetensors format"):
        NeuronRanking.load(text)
    other = tmp_path / "other.safetensors"
    save_file({"x": torch.ones(1)}, other)
    with pytest.raises(ValueError, match=r"found format None, expected 'captum_lca\.ranking/1'"):
        NeuronRanking.load(other)


def test_orders_that_are_none():
    with pytest.raises(ValueError, match="every neuron exactly once"):
        NeuronRanking(torch.tensor([0, 0]), torch.ones(2), NeuronLayout.single(2), "by_hand")
    with pytest.raises(ValueError, match="a ranking of 2 neurons and 0 classes needs shapes"):
        NeuronRanking(torch.tensor([0, 1]), torch.ones(3), NeuronLayout.single(2), "by_hand")


def test_plot_shows_the_counts_and_the_equal_spread(ranking):
    ax = ranking.plot(3, Figure().subplots())
    assert [bar.get_height() for bar in ax.patches] == [1, 2, 0]
    (line,) = ax.lines
    assert list(line.get_ydata()) == [1.0, 1.0, 1.5, 0.5]
