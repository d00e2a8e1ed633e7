import csv

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from captum_lca.report import read_csv, write_csv


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "'=1", "''=1", "＝1", "-", "="]
)
def test_text_never_begins_like_a_formula(text, tmp_path):
    table = pd.DataFrame({text: [text, "plain"], "number": [-1.5, 2.0]})
    write_csv(table, tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(encoding="utf-8", newline="") as file:
        cells = [row[0] for row in csv.reader(file)]
    assert cells == [f"'{text}", f"'{text}", "plain"]
    pd.testing.assert_frame_equal(read_csv(tmp_path / "table.csv"), table)


def test_numbers_and_other_text_stay_as_they_are(tmp_path):
    table = pd.DataFrame({"label": ["''", "'", "a=b", "1 - 2", "_"], "n": [-1, -2, -3, -4, -5]})
    write_csv(table, tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_bytes().decode().split("\r\n") == [
        *("label,n", "'',-1", "',-2", "a=b,-3", "1 - 2,-4", "_,-5", "")
    ]


def test_a_missing_label_is_not_the_word_none(tmp_path):
    table = pd.DataFrame({"label": ["None", None, "nan"]})
    write_csv(table, tmp_path / "table.csv")
    assert read_csv(tmp_path / "table.csv")["label"].fillna("missing").tolist() == [
        *("None", "missing", "nan")
    ]


cells = st.text(st.sampled_from("=+-@\t\r\n',\"a\x00é＝🙂 ")) | st.text()


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=5))
def test_what_is_written_is_read(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "table.csv"
    marked = [(f"{a}x", f"{b}x") for a, b in rows]  # no cell is empty or a number
    write_csv(pd.DataFrame(marked, columns=["a", "b"]), path)
    assert list(read_csv(path).itertuples(index=False, name=None)) == marked
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.reader(file):
            assert not any(cell.startswith(tuple("=+-@\t\r\n＝")) for cell in row)
