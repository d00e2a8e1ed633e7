"""The check of links finds what leads nowhere, and nothing else."""

import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture
def check(monkeypatch):
    monkeypatch.syspath_prepend(DOCS)
    import check_links

    return check_links


def write(folder, name, body):
    page = folder / name
    page.parent.mkdir(exist_ok=True)
    page.write_text(f"<html><body>{body}</body></html>", encoding="utf-8")


def test_good_links_pass(check, tmp_path):
    write(tmp_path, "index.html", '<a href="sub/a.html#here">a</a><a href="#top" id="top"></a>')
    write(tmp_path, "sub/a.html", '<p id="here"></p><a href="../index.html?q=1">up</a>')
    write(tmp_path, "sub/b.html", '<a href="https://example.org/x#y"></a><a href="a%2Ehtml"></a>')
    assert check.broken_links(tmp_path) == []


@pytest.mark.parametrize("link", ["gone.html", "a.html#gone", "#gone", "../a.html", "sub/"])
def test_broken_links_are_named_with_page_and_line(check, tmp_path, link):
    write(tmp_path, "a.html", "")
    write(tmp_path, "index.html", f'\n<a href="{link}">x</a>')
    assert check.broken_links(tmp_path) == [f"index.html:2: {link}"]


def test_missing_pictures_are_found(check, tmp_path):
    write(tmp_path, "index.html", '<img src="gone.png">')
    assert check.broken_links(tmp_path) == ["index.html:1: gone.png"]


def test_it_fails_if_there_is_something_to_say_or_nothing_to_check(check, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["check_links.py", str(tmp_path)])
    with pytest.raises(SystemExit, match="no pages"):
        check.main()
    write(tmp_path, "index.html", '<a href="gone.html">x</a>')
    with pytest.raises(SystemExit, match="lead nowhere"):
        check.main()
