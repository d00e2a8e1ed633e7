import json
import shutil

import pandas as pd
import pytest
from demo_study import check_order_when_a_fifth_is_kept

from captum_lca import ActivationStore, LinearProbe, __version__, generate_corpus
from captum_lca.cli import main
from captum_lca.demo_model import demo_model_folder
from captum_lca.probes import evaluate


def texts(folder):
    return "--train", folder / "train.json", "--test", folder / "test.json"


def test_analyze_writes_what_it_prints(analyze, folder, tmp_path):
    status, printed, _ = analyze(*texts(folder), "--property", "upos")
    assert status == 0
    out = tmp_path / "out"
    results = json.loads((out / "results.json").read_text())
    assert f"accuracy {results['test']['accuracy']:.3f}" in printed
    assert f"word identity {results['test']['word_accuracy']:.3f}" in printed
    assert results["settings"]["l1"] == 1e-3
    assert results["settings"]["captum_lca"] == __version__
    assert results["neurons"] == 72
    assert sum(results["top_neurons_by_layer"]["counts"].values()) == 4  # 5 % of 72
    ranking = pd.read_csv(out / "ranking.csv")
    assert list(ranking.columns[:5]) == ["rank", "neuron", "layer", "index", "salience"]
    assert {f"salience:{name}" for name in results["classes"]} == set(ranking.columns[5:])
    assert sorted(ranking["neuron"]) == list(range(72))
    for name in ("layers.png", "ablation.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    assert not list(out.rglob("*.part"))


def test_the_probe_in_the_folder_is_the_one_scored(analyze, folder, tmp_path):
    analyze(*texts(folder), "--property", "upos")
    out = tmp_path / "out"
    probe = LinearProbe.load(out / "probe.safetensors")
    test = ActivationStore.open(out / "activations" / "test-words")
    scores = evaluate(probe, test, test.corpus.labels["upos"], unseen="wrong")
    assert scores.accuracy == json.loads((out / "results.json").read_text())["test"]["accuracy"]


def test_stores_give_the_same_as_texts(analyze, folder, tmp_path, capsys):
    analyze(*texts(folder), "--property", "upos")
    from_text = (tmp_path / "out" / "ranking.csv").read_text()
    shutil.rmtree(tmp_path / "out")
    for name in ("train", "test"):
        command = ["extract", "--corpus", str(folder / f"{name}.json"), "--property", "upos"]
        command += ["--model", str(folder / "model"), "--out", str(tmp_path / name)]
        assert main(command) == 0
        assert "rows × 72 neurons" in capsys.readouterr().out
    status, _, _ = analyze(
        "--train",
        tmp_path / "train",
        "--test",
        tmp_path / "test",
        "--property",
        "upos",
        model=False,
    )
    assert status == 0
    assert (tmp_path / "out" / "ranking.csv").read_text() == from_text


def test_several_properties_have_a_folder_each(analyze, folder, tmp_path):
    status, printed, said = analyze(
        *texts(folder), "--property", "number", "--property", "word.casing"
    )
    assert status == 0
    for name in ("number", "word.casing"):
        assert (
            json.loads((tmp_path / "out" / name / "results.json").read_text())["property"] == name
        )
        assert f"\n{name}\n" in f"\n{printed}"
    assert "complete already" not in said  # one extraction serves both


def test_numbers_are_predicted(analyze, folder, tmp_path):
    status, printed, _ = analyze(*texts(folder), "--property", "word.length")
    assert status == 0
    assert "Pearson" in printed
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["ablation"]["metric"] == "r2"
    assert results["classes"] == []


def test_numbers_written_as_text(analyze, folder, tmp_path):
    rows = [f"{word}\t{len(word)}" for word in generate_corpus(60, seed=3).words]
    (tmp_path / "lengths.tsv").write_text("\n".join(rows) + "\n")
    options = ["--train", tmp_path / "lengths.tsv", "--test", tmp_path / "lengths.tsv"]
    status, printed, _ = analyze(*options, "--property", "length=1", "--numeric", "length")
    assert status == 0
    assert "Pearson" in printed


def test_column_files_and_a_held_out_fifth(analyze, folder, tmp_path):
    corpus = generate_corpus(120, seed=2)
    words = iter(zip(corpus.words, corpus.labels["upos"], strict=True))
    blocks = ["\n".join(" ".join(next(words)) for _ in sentence) for sentence in corpus.sentences]
    (tmp_path / "corpus.conll").write_text("\n\n".join(blocks) + "\n")
    status, printed, _ = analyze("--train", tmp_path / "corpus.conll", "--property", "pos=1")
    assert status == 0
    assert printed.startswith("pos\n")


def test_labels_of_sentences(analyze, folder, tmp_path):
    corpus = generate_corpus(200, seed=4)
    (tmp_path / "words").write_text("\n".join(map(" ".join, corpus.sentences)) + "\n")
    kinds = ["question" if s[-1] == "?" else "other" for s in corpus.sentences]
    (tmp_path / "labels").write_text("\n".join(kinds) + "\n")
    parallel = f"{tmp_path / 'words'}::{tmp_path / 'labels'}"
    status, printed, _ = analyze("--train", parallel, "--property", "sentence.kind")
    assert status == 0
    assert "on 40 test rows" in printed
    store = ActivationStore.open(tmp_path / "out" / "activations" / "train-sentences")
    assert store.rows == 160


def test_a_word_limit_and_layers(analyze, folder, tmp_path):
    options = ["--max-words", "300", "--layers", "embeddings,encoder.layer.1", "--pooling", "first"]
    status, _, _ = analyze(*texts(folder), "--property", "upos", *options)
    assert status == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["layers"]["layers"] == ["embeddings", "encoder.layer.1"]
    assert 250 < results["fit"]["rows"] <= 300


@pytest.mark.parametrize("method", ["ablation", "cv"])
def test_a_search_chooses_the_penalties(analyze, folder, tmp_path, method):
    grid = ["--search", method, "--l1-grid", "3,0.01", "--l2-grid", "1e-2,1e-3"]
    status, printed, _ = analyze(*texts(folder), "--property", "number", *grid)
    assert status == 0
    out = tmp_path / "out"
    results = json.loads((out / "results.json").read_text())
    search = results["penalty_search"]
    assert search["method"] == method
    assert search["l1"] == 0.01  # with 3 no weight is left
    assert (results["fit"]["l1"], results["fit"]["l2"]) == (search["l1"], search["l2"])
    train = ActivationStore.open(out / "activations" / "train-words")
    labelled = sum(label is not None for label in train.corpus.labels["number"])
    assert results["fit"]["rows"] == labelled  # the study's probe sees what was held out
    table = pd.read_csv(out / "penalties.csv")
    assert sorted(zip(table.l1, table.l2, strict=True)) == [
        (0.01, 1e-3),
        (0.01, 1e-2),
        (3, 1e-3),
        (3, 1e-2),
    ]
    assert f"chosen: l1 = 0.01, l2 = {search['l2']:g}" in printed
    assert (out / "penalties.png").read_bytes().startswith(b"\x89PNG")


def test_a_search_does_not_see_the_test_half(analyze, folder, tmp_path):
    found = []
    for seed in (1, 5):
        generate_corpus(20, seed=seed).save(tmp_path / "test.json")
        grid = ["--search", "ablation", "--l1-grid", "0.03,0.01", "--l2-grid", "1e-3"]
        analyze(
            "--train",
            folder / "train.json",
            "--test",
            tmp_path / "test.json",
            "--property",
            "upos",
            *grid,
        )
        points = pd.read_csv(tmp_path / "out" / "penalties.csv")
        found.append(points)
        shutil.rmtree(tmp_path / "out")
    pd.testing.assert_frame_equal(*found)


def test_retraining(analyze, folder, tmp_path):
    status, printed, _ = analyze(*texts(folder), "--property", "number", "--retrain")
    assert status == 0
    assert "retrained" in printed


def test_same_seed_same_result(analyze, folder, tmp_path):
    found = []
    for _ in range(2):
        analyze(*texts(folder), "--property", "upos", "--seed", "3")
        found.append((tmp_path / "out" / "ranking.csv").read_bytes())
        shutil.rmtree(tmp_path / "out")
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--train", "none.conllu", "--property", "upos"], "none.conllu"),
        (["--train", "{f}/train.json", "--property", "mood"], "no property 'mood'; it has: upos"),
        (["--train", "{f}/train.json", "--property", "upos", "--max-words", "1"], "limit of 1"),
        (
            ["--train", "{f}/train.json", "--property", "word.set=zzz"],
            "train.json: property 'word.set=zzz': a probe needs at least two classes",
        ),
        (["--train", "{f}/model", "--property", "1"], "{f}/model"),
        (
            ["--train", "{f}/train.json", "--property", "upos", "--layers", "head"],
            "no layer 'head'",
        ),
        (["--train", "{f}/train.json", "--property", "upos", "--numeric", "upos"], "a number"),
    ],
)
def test_bad_input_gets_one_line_and_status_2(analyze, folder, arguments, message):
    status, _, said = analyze(*(argument.format(f=folder) for argument in arguments))
    assert status == 2
    assert said.startswith("captum-lca: error: ")
    assert said.count("\n") == 1
    assert message.format(f=folder) in said


def test_a_test_file_may_hold_one_class_but_not_none(analyze, folder, tmp_path):
    test = generate_corpus(10, seed=9)
    for label, expected in (("NOUN", 0), (None, 2)):
        test.with_labels("upos", [label] * len(test.words)).save(tmp_path / "test.json")
        arguments = ["--train", folder / "train.json", "--test", tmp_path / "test.json"]
        status, _, said = analyze(*arguments, "--property", "upos")
        assert status == expected
    assert "test.json: property 'upos': there are no labels to test on" in said


@pytest.mark.parametrize(
    ("model", "message"),
    [("./nowhere", "no such file or folder"), ("{f}", "can't be loaded"), (None, "give --model")],
)
def test_models_that_are_none(analyze, folder, model, message):
    given = [] if model is None else ["--model", model.format(f=folder)]
    status, _, said = analyze(*texts(folder), "--property", "upos", *given, model=False)
    assert status == 2
    assert message in said
    assert said.count("\n") == 1


def test_damaged_stores(analyze, folder, tmp_path, capsys):
    command = ["extract", "--corpus", str(folder / "test.json"), "--property", "upos"]
    main([*command, "--model", str(folder / "model"), "--out", str(tmp_path / "store")])
    capsys.readouterr()
    shard = tmp_path / "store" / "shard-00000.safetensors"
    shard.write_bytes(shard.read_bytes()[:-1])
    store = tmp_path / "store"
    status, _, said = analyze("--train", store, "--test", store, "--property", "upos", model=False)
    assert status == 2
    assert "truncated or changed" in said


def test_a_store_alone_is_not_split(analyze, folder, tmp_path, capsys):
    command = ["extract", "--corpus", str(folder / "test.json"), "--property", "upos"]
    main([*command, "--model", str(folder / "model"), "--out", str(tmp_path / "store")])
    status, _, said = analyze("--train", tmp_path / "store", "--property", "upos", model=False)
    assert status == 2
    assert "give --test: a store can't be split" in said


def test_a_real_treebank(treebanks, tmp_path, capsys):
    command = ["analyze", "--model", str(demo_model_folder()), "--max-words", "4000"]
    command += ["--train", str(treebanks / "en_ewt-dev.conllu"), "--property", "upos"]
    command += ["--test", str(treebanks / "en_ewt-test.conllu"), "--out", str(tmp_path / "out")]
    assert main(command) == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert 3900 < results["fit"]["rows"] <= 4000
    assert results["test"]["rows"] == 25_094  # as the data's own README says
    assert results["test"]["accuracy"] > results["test"]["word_accuracy"] + 0.1
    check_order_when_a_fifth_is_kept(results)
    assert "17 classes" in capsys.readouterr().out
