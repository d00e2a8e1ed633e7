import re

import pandas as pd
import torch

from captum_lca import NeuronLayout, NeuronRanking
from captum_lca.notebook import MOST_COLUMNS, MOST_ROWS, NotebookTable


class Shown(NotebookTable):
    def __init__(self, frame):
        self.frame = frame

    def to_frame(self):
        return self.frame


def test_text_is_escaped_and_cut():
    hostile = "<script>alert(1)</script>"
    html = Shown(pd.DataFrame({hostile: [hostile, "long " * 100]}))._repr_html_()
    assert "<script" not in html
    assert html.count("&lt;script&gt;") == 2
    assert len(html) < 1000


def test_a_wide_ranking_stays_small():
    order = torch.arange(9984)
    classes = tuple(f"c{n}" for n in range(45))
    ranking = NeuronRanking(
        order,
        order.flip(0) / 9984,
        NeuronLayout(("low", "high"), (4992, 4992)),
        "weight_mass",
        classes,
        order.expand(45, -1),
        torch.rand(45, 9984),
    )
    html = ranking._repr_html_()
    assert "<strong>NeuronRanking</strong>" in html
    assert "9984 rows × 50 columns" in html
    assert html.count("<tr") <= MOST_ROWS + 2
    assert html.count("<th>") <= MOST_COLUMNS + 1
    assert len(html) < 20_000
    assert not re.search(r"color|background|style=\"(?!text-align)", html)
