"""The README's Python runs as it stands."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
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
