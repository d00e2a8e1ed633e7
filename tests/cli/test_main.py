import subprocess
import sys

import pytest

from captum_lca import __version__
from captum_lca.cli import main


def test_control_characters_do_not_reach_the_terminal(analyze, folder, tmp_path):
    rows = [f"{w}\t{'bad' + chr(27) + '[31m' if n % 3 else 'ok'}" for n, w in enumerate(["a"] * 90)]
    (tmp_path / "corpus.tsv").write_text("\n".join(rows) + "\n")
    status, printed, said = analyze("--train", tmp_path / "corpus.tsv", "--property", "a\x1b[2J=1")
    assert "\x1b" not in printed + said
    assert status in (0, 2)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--l1", "-1", "must be 0 or more; found -1"),
        ("--l1-grid", "0.1,-1", "must be 0 or more; found -1"),
        ("--l2-grid", "", "must be a number; found ''"),
        ("--l2-grid", "0.1,1e-1", "must differ; found 0.1,1e-1"),
        ("--search", "guess", "invalid choice: 'guess'"),
        ("--draws", "0", "must be 1 or more; found 0"),
        ("--device", "tpu9", "'tpu9' can't be used here"),
        ("--device", "cuda:99", "'cuda:99' can't be used here"),
        ("--pooling", "median", "invalid choice: 'median'"),
    ],
)
def test_options_out_of_range(capsys, option, value, message):
    with pytest.raises(SystemExit) as stop:
        main(["analyze", "--train", "x", "--out", "y", "--property", "upos", option, value])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_python_m_is_the_same_program():
    command = [sys.executable, "-m", "captum_lca", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"captum-lca {__version__}\n"
