"""The page of findings says what the benchmark's file of results says."""

import json
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_page_and_results_agree(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import claims

    results = json.loads((ROOT / "benchmarks/results/claims.json").read_text(encoding="utf-8"))
    assert results["findings"]
    assert claims.PAGE.read_text(encoding="utf-8") == claims.page(results)
