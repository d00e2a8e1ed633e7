import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from transformers import AutoModel, BertConfig, BertModel

from captum_lca import generate_corpus
from captum_lca.cli import main


@pytest.fixture(scope="module")
def runs(folder, tmp_path_factory):
    """Studies and stores of three models, two texts and two properties, by name."""
    runs = tmp_path_factory.mktemp("runs")
    _save_other_models(folder, runs)
    for half, sentences in (("train", 150), ("test", 60)):
        generate_corpus(sentences, seed=7 + len(half)).save(runs / f"other-{half}.json")

    def study(name, model, *more, prefix="", of="number"):
        text = runs if prefix else folder
        command = ["analyze", "--model", model, "--property", of, "--out", runs / name]
        command += ["--train", text / f"{prefix}train.json", "--test", text / f"{prefix}test.json"]
        assert main([str(part) for part in [*command, "--draws", "1", *more]]) == 0

    study("base", folder / "model")
    study("tuned", runs / "tuned-model")
    study("small", runs / "small-model")
    study("language", folder / "model", prefix="other-")
    study("part-of-speech", folder / "model", of="upos")
    study("foreign", runs / "small-model", prefix="other-")
    for name in ("model", "tuned-model"):
        model = folder / name if name == "model" else runs / name
        command = ["extract", "--model", model, "--corpus", folder / "train.json"]
        command += ["--property", "upos", "--property", "number"]
        assert main([str(part) for part in [*command, "--out", runs / f"{name}-store"]]) == 0
    return runs


def _save_other_models(folder, runs):
    tuned = AutoModel.from_pretrained(folder / "model")
    config = BertConfig(**{**tuned.config.to_dict(), "hidden_size": 16, "num_hidden_layers": 3})
    torch.manual_seed(1)
    for parameter in tuned.encoder.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    for name, model in (("tuned-model", tuned), ("small-model", BertModel(config))):
        shutil.copytree(folder / "model", runs / name)
        model.save_pretrained(runs / name)


@pytest.fixture
def compare(runs, tmp_path, capsys):
    def run(*arguments):
        given = [runs / part if (runs / part).exists() else part for part in arguments]
        status = main([str(part) for part in ["compare", *given, "--out", tmp_path / "out"]])
        return status, *capsys.readouterr()

    return run


def results(out, kind):
    assert (out / f"{kind}.png").read_bytes().startswith(b"\x89PNG")
    return json.loads((out / f"{kind}.json").read_text()), pd.read_csv(out / f"{kind}.csv")


def test_before_and_after_fine_tuning(compare, tmp_path):
    status, printed, _ = compare("base", "tuned")
    assert status == 0
    assert printed.startswith("number: fine-tuning\n")
    found, table = results(tmp_path / "out", "fine-tuning")
    assert table["layer"].tolist() == ["embeddings", "encoder.layer.0", "encoder.layer.1"]
    assert table["neurons_before"].sum() == table["neurons_after"].sum() == found["count"] == 4
    assert found["shift"]["low"] <= found["shift"]["value"] <= found["shift"]["high"]
    assert found["settings"]["runs"][0].endswith("base")


def test_stores_hold_out_a_fifth(compare, tmp_path):
    stores = ["model-store", "tuned-model-store"]
    status, _, _ = compare(
        *stores, "--property", "number", "--as", "fine-tuning", "--share", "0.125"
    )
    assert status == 0
    found, table = results(tmp_path / "out", "fine-tuning")
    assert table["neurons_after"].sum() == found["count"] == 9


def test_a_model_and_itself(compare, tmp_path):
    assert compare("base", "tuned/../base", "--as", "fine-tuning")[0] == 0
    found, _ = results(tmp_path / "out", "fine-tuning")
    assert found["shift"]["value"] == 0
    assert found["overlap"]["overlap"] == 1


def test_models_on_one_text(compare, tmp_path):
    status, printed, _ = compare("base", "small", "tuned")
    assert status == 0
    assert printed.startswith("number: models\n")
    found, table = results(tmp_path / "out", "models")
    assert table["model"].tolist() == ["base", "small", "tuned"]
    assert table["neurons"].tolist() == [72, 64, 72]
    assert (table["minimal"] <= table["neurons"]).all()
    assert table["centre"].between(0, 1).all()
    layers = pd.DataFrame(found["layers"]).groupby("model", sort=False)
    assert layers["depth"].max().tolist() == [1, 1, 1]
    assert layers["neurons"].sum().tolist() == [4, 3, 4]


def test_languages_in_one_model(compare, tmp_path):
    status, printed, _ = compare("base", "language")
    assert status == 0
    assert printed.startswith("number: languages\n")
    found, table = results(tmp_path / "out", "languages")
    assert len(table) == 1
    assert 0 <= table["profiles"][0] <= 1
    assert found["classes"] == ["Plur", "Sing"]
    transfer = pd.DataFrame(found["transfer"]).T  # trained in a row, tested in a column
    study = json.loads((tmp_path / "out" / "languages.json").read_text())["settings"]["runs"][0]
    own = json.loads((Path(study) / "results.json").read_text())["test"]["accuracy"]
    assert transfer.loc["base", "base"] == pytest.approx(
        own
    )  # a study's probe has the same penalties


def test_a_text_and_itself_as_languages(compare, tmp_path):
    assert compare("base", "tuned/../base", "--as", "languages")[0] == 0
    table = results(tmp_path / "out", "languages")[1]
    for column in ("overlap", "spearman", "profiles"):
        assert table[column][0] == pytest.approx(1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["base"], "a comparison needs two runs or more"),
        (["base", "base"], "the runs must differ"),
        (["base", "part-of-speech"], "the properties differ: 'number' and 'upos'"),
        (["base", "none"], "none: neither a folder that analyze wrote for one property nor"),
        (["base", "tuned-model"], "neither a folder that analyze wrote for one property nor"),
        (["base", "foreign"], "neither of one text nor of one model"),
        (["base", "model-store"], "give --property: a store says not which"),
        (["base", "tuned", "--property", "upos"], "a study of 'number', not of 'upos'"),
        (["model-store", "base", "--property", "mood"], "no property 'mood'; it has: upos"),
        (["base", "small", "--as", "fine-tuning"], "the layouts differ"),
        (["base", "language", "--as", "fine-tuning"], "on one text; the corpora differ"),
        (["base", "language", "--as", "models"], "on one text; the corpora differ"),
        (["base", "tuned", "--as", "languages"], "compared in one model; the models differ"),
        (["base", "tuned", "small", "--as", "fine-tuning"], "between two runs; found 3"),
    ],
)
def test_what_can_not_be_compared(compare, tmp_path, arguments, message):
    status, _, said = compare(*arguments)
    assert status == 2
    assert said.startswith("captum-lca: error: ")
    assert said.count("\n") == 1
    assert message in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("share", ["0", "1.1", "few"])
def test_shares_out_of_range(compare, capsys, share):
    with pytest.raises(SystemExit) as stop:
        compare("base", "tuned", "--share", share)
    assert stop.value.code == 2
    assert "argument --share: must be" in capsys.readouterr().err


def test_labels_that_differ(compare, folder, runs, tmp_path):
    test = generate_corpus(60, seed=1)
    flipped = {"Sing": "Plur", "Plur": "Sing"}
    others = {
        "swapped": [flipped.get(label) for label in test.labels["number"]],
        "renamed": [label and label.lower() for label in test.labels["number"]],
    }
    for name, labels in others.items():
        test.with_labels("number", labels).save(tmp_path / "other.json")
        for run, file in ((name, tmp_path / "other.json"), ("plain", folder / "test.json")):
            command = ["extract", "--corpus", file, "--model", folder / "model"]
            command += ["--property", "number"]
            assert main([str(part) for part in [*command, "--out", tmp_path / run]]) == 0
        status, _, said = compare(
            tmp_path / "plain", tmp_path / name, "--property", "number", "--as", "fine-tuning"
        )
        assert status == 2
        assert ("the labels of 'number' differ" if name == "swapped" else "classes differ") in said


def test_languages_need_classes_in_common(compare, folder, tmp_path):
    corpus = generate_corpus(40, seed=1)
    renamed = [label and label.lower() for label in corpus.labels["number"]]
    for name, labels in (("one", corpus.labels["number"]), ("two", renamed)):
        corpus.with_labels("number", labels).save(tmp_path / "text.json")
        command = ["extract", "--corpus", tmp_path / "text.json", "--model", folder / "model"]
        command += ["--property", "number", "--out", tmp_path / name]
        assert main([str(part) for part in command]) == 0
    stores = [tmp_path / "one", tmp_path / "two"]
    status, _, said = compare(*stores, "--property", "number", "--as", "languages")
    assert status == 2
    assert "fewer than two classes are in all of them" in said


def test_activations_that_are_gone(compare, runs, tmp_path):
    shutil.copytree(runs / "base", tmp_path / "base")
    shutil.rmtree(tmp_path / "base" / "activations")
    status, _, said = compare("tuned", tmp_path / "base")
    assert status == 2
    assert "not a store of activations" in said
