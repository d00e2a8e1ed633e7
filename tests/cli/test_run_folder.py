import json

import pytest

from captum_lca.cli.run_folder import RUN_FILE, UNFINISHED, run_folder
from captum_lca.files import write_text
from captum_lca.kept import is_keeping

OPTIONS = {"l1": 0.1, "grid": (1, 2), "out": "here", "device": "cpu"}
INPUTS = {"train words": "abc"}


def made(folder, options=OPTIONS, inputs=INPUTS, text="found"):
    """Make a part of a run, if it is not there; whether it was made."""
    with run_folder(folder, options) as run:
        run.begin(inputs)
        if run.has("upos", folder / "upos"):
            return False
        with run.making("upos", folder / "upos"):
            assert is_keeping()
            write_text(folder / "upos" / "results.json", text)
            write_text(folder / "upos" / "report.html", text)
        return True


def test_a_part_is_made_once(tmp_path):
    assert made(tmp_path)
    assert not made(tmp_path)
    assert not made(tmp_path, {**OPTIONS, "out": "there", "device": "cuda"})
    assert not (tmp_path / "upos" / UNFINISHED).exists()


def test_a_part_that_was_cut_short_is_made(tmp_path):
    with pytest.raises(UnicodeError):
        made(tmp_path, text="\ud800")
    assert made(tmp_path)
    assert (tmp_path / "upos" / "results.json").read_text() == "found"


def test_what_was_kept_of_a_complete_part_is_removed(tmp_path):
    made(tmp_path)
    (tmp_path / "upos" / UNFINISHED).mkdir()
    assert not made(tmp_path)
    assert not (tmp_path / "upos" / UNFINISHED).exists()


@pytest.mark.parametrize(
    ("options", "inputs", "named"),
    [
        ({**OPTIONS, "l1": 0.2}, INPUTS, "l1: 0.1 there, 0.2 here"),
        ({**OPTIONS, "l2": 0.2}, INPUTS, "l2: None there, 0.2 here"),
        ({**OPTIONS, "grid": (1,)}, INPUTS, r"grid: \[1, 2\] there, \[1\] here"),
        (OPTIONS, {"train words": "abd"}, "train words: 'abc' there, 'abd' here"),
    ],
)
def test_another_run_is_refused(tmp_path, options, inputs, named):
    made(tmp_path)
    before = (tmp_path / RUN_FILE).read_text()
    with pytest.raises(ValueError, match=rf"holds the results of another run \({named}\); choose"):
        made(tmp_path, options, inputs)
    assert (tmp_path / RUN_FILE).read_text() == before


def test_a_changed_file_is_named_and_made_again_once_it_is_deleted(tmp_path):
    made(tmp_path)
    path = tmp_path / "upos" / "results.json"
    path.write_text("forged")
    with pytest.raises(ValueError, match=r"results\.json: changed since it was written; delete it"):
        made(tmp_path)
    path.unlink()
    assert made(tmp_path)


def test_the_page_may_grow(tmp_path):
    made(tmp_path)
    (tmp_path / "upos" / "report.html").write_text("grown")
    assert not made(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"format": "captum_lca.run/2"}', "found format 'captum_lca.run/2', expected '.*run/1'"),
        ("[]", "found format None"),
        ("{", r"run\.json: not JSON"),
        ('{"format": "captum_lca.run/1", "options": {}}', "damaged record of a run"),
        (
            '{"format": "captum_lca.run/1", "options": {}, "inputs": {}, "parts": {"upos": []}}',
            "damaged record of a run",
        ),
    ],
)
def test_a_record_that_can_not_be_read(tmp_path, text, message):
    (tmp_path / RUN_FILE).write_text(text)
    with pytest.raises(ValueError, match=message):
        made(tmp_path)


def test_the_record_is_json(tmp_path):
    made(tmp_path)
    content = json.loads((tmp_path / RUN_FILE).read_text())
    assert content["options"] == {"l1": 0.1, "grid": [1, 2]}
    assert list(content["parts"]["upos"]) == ["results.json"]


def test_the_record_leads_nowhere_else(tmp_path):
    made(tmp_path / "run")
    (tmp_path / "secret").write_text("secret")
    path = tmp_path / "run" / RUN_FILE
    path.write_text(path.read_text().replace('"results.json"', '"../../secret"'))
    assert made(tmp_path / "run")  # there is no file of that name in the folder
