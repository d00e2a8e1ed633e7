import json

import pandas as pd
import pytest

from captum_lca.cli import main


@pytest.fixture(scope="module")
def study(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("study")
    command = ["analyze", "--model", folder / "model", "--property", "upos", "--out", out]
    command += ["--train", folder / "train.json", "--test", folder / "test.json", "--draws", "2"]
    assert main(list(map(str, command))) == 0
    return out


@pytest.fixture
def ablate(folder, study, tmp_path, capsys):
    def run(*arguments, task="probe", study=study):
        command = ["ablate", study, "--model", folder / "model", "--task", task]
        command += ["--corpus", folder / "test.json", "--max-words", "150", "--draws", "2"]
        status = main([str(part) for part in [*command, "--out", tmp_path / "out", *arguments]])
        return status, *capsys.readouterr()

    return run


@pytest.mark.parametrize("baseline", ["mean", "zero", "resample"])
def test_what_it_writes_and_prints(ablate, tmp_path, baseline):
    options = ["--class", "NOUN", "--class", "VERB", "--count", "5", "--baseline", baseline]
    status, printed, _ = ablate(*options, "--layers", "encoder.layer.0,encoder.layer.1")
    assert status == 0
    assert "top − random" in printed
    results = json.loads((tmp_path / "out" / "model_ablation.json").read_text())
    assert results["settings"]["baseline"] == baseline
    table = pd.read_csv(tmp_path / "out" / "model_ablation.csv")
    assert set(table["target"]) == {"NOUN", "VERB"}
    assert len(table) == len(results["effects"])
    assert (tmp_path / "out" / "model_ablation.png").read_bytes().startswith(b"\x89PNG")


def changes(folder):
    table = pd.read_csv(folder / "model_ablation.csv")
    table = table[(table["choice"] == "top") & (table["measure"] == "loss")]
    return dict(zip(table["words"], table["change"], strict=True))


def test_where_and_of_what(ablate, tmp_path):
    found = {}
    for name, options in {
        "default": [],
        "at": ["--at", "class"],
        "of": ["--of", "VERB"],
        "resampled": ["--of", "VERB", "--baseline", "resample"],
    }.items():
        layers = ["--layers", "encoder.layer.1", "--count", "5"]
        status, _, error = ablate("--class", "NOUN", *layers, *options)
        assert status == 0, error
        found[name] = changes(tmp_path / "out")
    assert found["at"]["others"] != found["default"]["others"] != found["of"]["others"]
    assert found["of"] != found["resampled"]
    results = json.loads((tmp_path / "out" / "model_ablation.json").read_text())
    assert results["at"] == "later"


def refused(found, message):
    status, _, error = found
    assert status == 2
    assert error.count("\n") == 1
    assert message in error


def test_refusals(ablate, tmp_path):
    refused(ablate("--class", "NONE"), "no class 'NONE'; it has ['ADJ'")
    refused(ablate("--class", "NOUN", study=tmp_path), "no study of analyze")
    refused(ablate("--class", "NOUN", "--count", "500"), "can choose 1 to 72 neurons; found 500")
    refused(ablate("--class", "NOUN", "--layers", "x"), "no layer named 'x'")
    refused(ablate("--class", "NOUN", "--of", "NONE"), "no rows of class 'NONE'; the labels are")
    refused(ablate("--class", "NOUN", "--of", "VERB", "--baseline", "zero"), "zeros are from none")
