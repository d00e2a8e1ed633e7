"""Every block of Python in the documentation's pages runs, page by page."""

import re
import traceback
from pathlib import Path

import pytest
from matplotlib import pyplot as plt

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {str(page.relative_to(DOCS)): page for page in sorted(DOCS.rglob("*.md"))}
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(text):
    """(line that the block's code begins on, code) of each block of Python."""
    return [(text.count("\n", 0, match.start(1)) + 1, match[1]) for match in BLOCK.finditer(text)]


def run_page(page, names):
    """Run a page's blocks one after the other in the same names."""
    for line, code in blocks(page.read_text(encoding="utf-8")):
        run_block(page, line, code, names)


def run_block(page, line, code, names):
    """Run one block; a failure names the page, its line and the block."""
    try:
        exec(compile("\n" * (line - 1) + code, str(page), "exec"), names)
    except Exception:
        pytest.fail(f"{page}, block at line {line}:\n\n{code}\n{traceback.format_exc()}")


@pytest.mark.parametrize(
    "page",
    [name for name, page in PAGES.items() if "```python" in page.read_text(encoding="utf-8")],
)
def test_pages_run(page, example_names, examples_folder, monkeypatch):
    monkeypatch.chdir(examples_folder)
    plt.switch_backend("Agg")
    run_page(PAGES[page], dict(example_names))
    plt.close("all")


def test_a_failure_names_page_line_and_block(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n```python\na = 1\n```\n\n```python\na / 0\n```\n", encoding="utf-8")
    with pytest.raises(
        pytest.fail.Exception, match=r"page\.md, block at line 8:\n\na / 0"
    ) as found:
        run_page(page, {})
    assert 'page.md", line 8' in str(found.value)
    assert "ZeroDivisionError" in str(found.value)


def test_every_page_of_a_question_shows_how_it_is_asked():
    questions = [page for page in (DOCS / "questions").glob("*.md") if page.name != "index.md"]
    assert questions
    for page in questions:
        assert blocks(page.read_text(encoding="utf-8")), page
