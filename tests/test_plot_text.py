import pytest
from matplotlib.figure import Figure

from captum_lca.plot_text import literal

HOSTILE = [
    "$$",
    "$x_1$",
    "$\\frac{",
    "PRP$ and WP$",
    "\\$",
    "_hidden",
    "a\x00b\x1b",
    "\ud800",
    "%s",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.filterwarnings("ignore:Glyph")
def test_matplotlib_draws_it_as_it_is(text, tmp_path):
    figure = Figure()
    ax = figure.subplots()
    ax.plot([1], [1], label=literal(text))
    ax.set_title(literal(text))
    legend = ax.legend()
    figure.savefig(tmp_path / "plot.png")
    assert len(legend.get_texts()) == 1
    drawn, is_formula = ax.title._preprocess_math(ax.get_title())
    assert not is_formula
    shown = text.replace("\x00", "�").replace("\x1b", "�").replace("\ud800", "�")
    assert drawn.lstrip("\u200b") == shown


def test_long_text_is_cut():
    assert literal("a" * 60) == "a" * 60
    assert literal("a" * 61) == "a" * 59 + "…"
    assert literal("abcdef", 4) == "abc…"
    assert literal("$" * 4, 3) == r"\$\$…"
