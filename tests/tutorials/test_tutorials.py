"""The tutorials are run by the build of the docs; here, that it finds them all."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "tutorials").glob("*.py"))


def test_every_tutorial_has_its_place(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    import tutorial_order

    assert sorted(tutorial_order.TUTORIALS) == [script.stem for script in SCRIPTS]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_every_tutorial_says_how_to_read_its_pictures(script):
    text = script.read_text(encoding="utf-8")
    compile(text, str(script), "exec")
    assert "**How to read it.**" in text
