"""The pages of benchmarks say what the benchmarks' files of results say."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def pages(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import pages

    return pages


def test_page_and_results_agree(pages):
    assert pages.PAGE.read_text(encoding="utf-8") == pages.page()


def test_readme_and_results_agree(pages):
    text = pages.README.read_text(encoding="utf-8")
    assert pages.readme(text) == text
    assert len(pages.beside_neurox()) > 10


def test_a_number_that_is_wrong_is_put_right(pages):
    text = pages.README.read_text(encoding="utf-8")
    number = pages.beside_neurox()[2].split("|")[2]
    assert pages.readme(text.replace(number, " 0.1 ", 1)) == text
