"""Every test that the page of faults names is there."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "faults.md"
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")
ROWS = [line for line in PAGE.read_text("utf-8").splitlines() if re.match(r"\| (?!case|---)", line)]


@pytest.mark.parametrize("row", ROWS, ids=[row.split("|")[1].strip() for row in ROWS])
def test_every_row_names_tests_that_exist(row):
    named = NAMED.findall(row.split("|")[-2])
    assert named
    for file, test in named:
        assert re.search(rf"^ *def {test}\(", (TESTS / file).read_text("utf-8"), re.MULTILINE)
