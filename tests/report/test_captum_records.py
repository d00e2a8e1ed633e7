import re
import sys

import pytest
import torch
from captum.attr import visualization

from captum_lca.report import visualization_records

TOKENS = [["a", "<script>alert(1)</script>", "&"], ["b"]]
VALUES = torch.tensor([[0.5, -2.0, 0], [0, 9, 9]])
LOGITS = torch.tensor([[[0.0, 1], [2, 0], [0, 0]], [[0, 3], [9, 9], [9, 9]]])
CLASSES = ["up & <b>", "down"]


def records(**changes):
    given = {
        "tokens": TOKENS,
        "attributions": VALUES,
        "logits": LOGITS,
        "classes": CLASSES,
        "target": CLASSES[0],
    } | changes
    return visualization_records(**given)


def test_records_by_hand():
    first, second = records(labels=["<i>", None], deltas=torch.tensor([0.25, 0]))
    assert first.word_attributions.tolist() == [0.25, -1, 0]
    assert (first.pred_class, first.true_class) == ("up &amp; &lt;b&gt;", "&lt;i&gt;")
    assert first.pred_prob == pytest.approx(torch.tensor([2.0, 0]).softmax(0)[0].item())
    assert (first.attr_score, first.convergence_score) == (-1.5, 0.25)
    assert second.word_attributions.tolist() == [0]  # its padding is left out
    assert (second.pred_class, second.true_class) == ("down", "unlabelled")
    [at_first, _] = records(positions=[0, 0])
    assert at_first.pred_class == "down"
    by_feature = records(attributions=torch.stack([VALUES, VALUES], -1) / 2)
    assert by_feature[0].word_attributions.tolist() == [0.25, -1, 0]


def test_captum_shows_text_not_markup(monkeypatch):
    captums = sys.modules["captum.attr._utils.visualization"]
    monkeypatch.setattr(captums, "HAS_IPYTHON", True)  # the page is read here, not displayed
    monkeypatch.setattr(captums, "HTML", str, raising=False)
    monkeypatch.setattr(captums, "display", lambda page: None, raising=False)
    page = visualization.visualize_text(records(labels=["<script>", None]))
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert re.findall(r"<b>([^<]*)</b></text>", page)[0] == "&lt;script&gt;"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tokens": ["a", "b"]}, "one sequence of strings per text"),
        ({"logits": LOGITS[:, 0]}, r"logits of \(texts, positions, 2\); found \(2, 3\)"),
        ({"target": "left"}, "no class 'left'"),
        ({"labels": ["x"]}, "2 texts have attributions; found 1 labels"),
        ({"tokens": [["a"] * 4, ["b"]]}, "text 0 has 4 tokens; expected 1 to 3"),
        ({"positions": [0, 1]}, "text 1 has no token 1: it has 1"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        records(**changes)
