import json

import pandas as pd
import pytest

from captum_lca import ActivationStore, NeuronRanking, generate_corpus
from captum_lca.cli.answers import ANSWERS
from captum_lca.rankings import anova_f


@pytest.fixture
def answer(analyze, folder, tmp_path):
    def run(*arguments, train=folder / "train.json"):
        halves = ["--train", train, "--test", folder / "test.json"]
        status, printed, said = analyze(*halves, *arguments)
        return status, printed, said, tmp_path / "out"

    return run


def asked(names):
    return [part for name in names for part in ("--answer", name)]


def test_every_answer_has_a_line_a_table_a_plot_and_a_summary(answer):
    quick = [name for name in ANSWERS if name != "rankings"]
    status, printed, _, out = answer("--property", "number", *asked(quick))
    assert status == 0
    results = json.loads((out / "results.json").read_text())
    assert list(results["answers"]) == quick
    for name in quick:
        assert f"\n  {name.replace('-', ' ')}: " in printed
        assert len(pd.read_csv(out / f"{name}.csv"))
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    minimal = results["answers"]["minimal-set"]
    assert minimal["score"] >= minimal["full"] - minimal["delta"]
    assert f"{len(minimal['neurons'])} of 72 neurons" in printed
    assert results["answers"]["selectivity"]["probes"][1]["name"] == "minimal set"
    for part in ("layers-probes", "redundancy-clusters", "redundancy-layers", "stability-neurons"):
        assert len(pd.read_csv(out / f"{part}.csv"))


def test_all_rankings_are_compared_and_drawn(answer):
    status, printed, _, out = answer("--property", "number", *asked(["rankings", "minimal-set"]))
    assert status == 0
    agreement = json.loads((out / "results.json").read_text())["answers"]["rankings"]
    named = {pair["first"] for pair in agreement["pairs"]} | {
        pair["second"] for pair in agreement["pairs"]
    }
    assert {"weight_mass", "probeless", "random_order", "stepwise_selection"} <= named
    curves = set(pd.read_csv(out / "minimal-set.csv")["ranking"])
    assert curves == named - {"random_order"} | {"random"}
    assert "overlap of the top 4 of weight_mass with" in " ".join(printed.split())


def test_another_ranking_is_the_one_that_is_ablated(answer):
    status, _, _, out = answer("--property", "number", "--ranking", "anova_f", *asked(["layers"]))
    assert status == 0
    saved = NeuronRanking.load(out / "ranking.safetensors")
    store = ActivationStore.open(out / "activations" / "train-words")
    assert saved.order.equal(anova_f(store, store.corpus.labels["number"]).order)
    assert pd.read_csv(out / "ranking.csv")["neuron"].tolist() == saved.order.tolist()
    results = json.loads((out / "results.json").read_text())
    assert results["ranking"] == "anova_f"
    assert results["stores"] == {
        "train": "activations/train-words",
        "test": "activations/test-words",
    }
    assert "centres" in results["answers"]["layers"]


def test_numbers_to_predict(answer):
    status, _, _, out = answer("--property", "word.length", *asked(["rankings", "responses"]))
    assert status == 0
    names = set(pd.read_csv(out / "rankings.csv")["second"])
    assert "anova_f" in names
    assert "probeless" not in names
    assert "rank 1" in set(pd.read_csv(out / "responses.csv")["for"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--property", "word.length", "--ranking", "iou"], "--ranking iou needs classes"),
        (["--property", "word.length", "--answer", "selectivity"], "needs classes, not numbers"),
    ],
)
def test_numbers_where_classes_are_needed(answer, arguments, message):
    status, _, said, out = answer(*arguments)
    assert status == 2
    assert message in said
    assert said.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize("name", ["selectivity", "responses"])
def test_sentences_have_no_words(analyze, tmp_path, name):
    corpus = generate_corpus(40, seed=4)
    (tmp_path / "words").write_text("\n".join(map(" ".join, corpus.sentences)) + "\n")
    (tmp_path / "labels").write_text("yes\nno\n" * 20)
    parallel = f"{tmp_path / 'words'}::{tmp_path / 'labels'}"
    status, _, said = analyze("--train", parallel, "--property", "sentence.kind", "--answer", name)
    assert status == 2
    assert f"--answer {name} needs labels of words" in said


@pytest.mark.parametrize("option", ["--answer", "--ranking"])
def test_names_that_are_not_known(analyze, capsys, option):
    with pytest.raises(SystemExit) as stop:
        analyze("--train", "x", "--property", "upos", option, "guess")
    assert stop.value.code == 2
    assert "invalid choice: 'guess'" in capsys.readouterr().err
