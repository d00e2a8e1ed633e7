import matplotlib as mpl
import pytest
import torch
from planted import planted

from captum_lca import ActivationStore, NeuronLayout
from captum_lca.analysis import compare_models

mpl.use("Agg")
FAST = {"l1": 0.03, "samples": 2, "progress": False}
FIRST, LAST = (0, 1, 2), (12, 13, 14)  # of 15 neurons in three layers


def planted_at(where):
    return planted(where=[*where, *(n for n in range(15) if n not in where)])[:2]


@pytest.fixture(scope="module")
def comparison():
    (first, labels), (first_test, test_labels) = planted_at(FIRST)
    (last, _), (last_test, _) = planted_at(LAST)
    wide = [
        ActivationStore.from_tensor(store.read(0, store.rows), NeuronLayout(("a", "b"), (10, 5)))
        for store in (last, last_test)
    ]
    models = {"first": first, "again": first, "last": last, "two layers": wide[0]}
    held_out = {"first": first_test, "again": first_test, "last": last_test, "two layers": wide[1]}
    return compare_models(models, labels, test=(held_out, test_labels), share=0.2, **FAST)


def test_a_model_beside_itself(comparison):
    first, again = (comparison.to_frame().iloc[row].drop("model") for row in (0, 1))
    assert first.equals(again)


def test_where_the_planted_neurons_are(comparison):
    table = comparison.to_frame().set_index("model")
    assert table["centre"].tolist() == [0, 0, 1, 1]
    assert table["minimal"].max() <= 3
    assert table.loc["first", "layer_entropy"] < 0.3
    layers = comparison.layers().set_index(["model", "layer"])
    assert layers.loc["first", "density"].tolist() == [3, 0, 0]  # all of 3, in 5 of 15 neurons
    assert layers.loc["two layers", "depth"].tolist() == [0, 1]
    assert layers.loc["two layers", "density"].tolist() == [0, 3]
    assert layers.loc["last", "score"].idxmax() == "layer.2"


def test_plot_has_a_line_per_model(comparison):
    labels = [text.get_text() for text in comparison.plot().get_legend().get_texts()]
    assert [label.split(" (")[0] for label in labels] == ["first", "again", "last", "two layers"]


@pytest.mark.parametrize(
    ("models", "test", "message"),
    [
        ({}, {}, "at least one"),
        ({"a": torch.ones(4, 2)}, {"b": torch.ones(4, 2)}, "the same names"),
        ({"a": torch.ones(4, 2), "b": torch.ones(5, 2)}, None, "'a' has 4, 'b' 5"),
    ],
)
def test_what_cannot_be_compared(models, test, message):
    with pytest.raises(ValueError, match=message):
        compare_models(models, ["x", "y"] * 2, test=(models if test is None else test, ["x", "y"]))
