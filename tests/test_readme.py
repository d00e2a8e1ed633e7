"""The README's Python runs as it stands, and the project's front says what is true."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

import captum_lca

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def test_the_blocks_are_found():
    assert len(BLOCKS) == 2


@pytest.mark.parametrize("block", BLOCKS, ids=["captum", "studies"])
def test_blocks_run(block, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(block, str(README), "exec"), names)
    assert capsys.readouterr().out
    if "attribution" in names:  # what the text says of them
        first, second = (n for n, token in enumerate(names["text"].tokens()) if token == "play")
        values = names["attribution"][0]
        assert values.argmax() == first
        assert values[second] < 0.5 * values[first]


def test_pictures_exist():
    text = README.read_text(encoding="utf-8")
    pictures = re.findall(r"!\[.*?\]\(([^:)]+)\)|<img src=\"([^:\"]+)\"", text)
    assert len(pictures) == 3
    for markdown, html in pictures:
        assert (README.parent / (markdown or html)).is_file()


def test_badges_are_true():
    """What they say is what the package's own description says."""
    badges = dict(re.findall(r"img\.shields\.io/badge/(\w+)-(.+)-blue", README.read_text("utf-8")))
    said = {name: unquote(text).replace("--", "-") for name, text in badges.items()}
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    assert said["licence"] == re.search(r'license="(.+)"', setup)[1]
    assert said["python"] == "≥ " + re.search(r'python_requires=">=(.+)"', setup)[1]
    assert said["captum"] == "≥ " + re.search(r'"captum>=(.+)"', setup)[1]
    assert len(said) == 3


def test_pages_that_it_links_to_are_there():
    for page in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        links = re.findall(r"\]\(([^:)#]+)\)", text)
        assert links
        assert [link for link in links if not (ROOT / link).exists()] == []


def test_citation_has_the_version_of_the_package():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {captum_lca.__version__}\n" in citation
    assert f": {captum_lca.__version__}\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("form", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")), ids=str)
def test_issue_forms_are_well_formed(form):
    content = yaml.safe_load(form.read_text(encoding="utf-8"))
    if form.stem != "config":
        assert {"name", "description", "body"} <= set(content)
        assert all({"type", "attributes"} <= set(field) for field in content["body"])
