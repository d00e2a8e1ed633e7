"""The page on scale says what the benchmark's file of results says."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def scale(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import scale

    return scale


@pytest.fixture
def results():
    return json.loads((ROOT / "benchmarks/results/scale.json").read_text(encoding="utf-8"))


def test_page_and_results_agree(scale, results):
    assert scale.PAGE.read_text(encoding="utf-8") == scale.page(results)


def test_two_ranks_are_within_a_hundred_thousandth(results):
    assert max(size["words"] for size in results["sizes"]) == 1_000_000
    for size in results["sizes"]:
        assert all(found["largest_difference"] <= 1e-5 for found in size["runs"].values())
        assert size["runs"]["two ranks, a core each"]["same_ranking"]
