from captum_lca import ActivationStore
from captum_lca.cli import main


def test_extract_takes_a_word_limit(folder, tmp_path, capsys):
    command = ["extract", "--corpus", str(folder / "train.json"), "--max-words", "100"]
    assert main([*command, "--model", str(folder / "model"), "--out", str(tmp_path / "s")]) == 0
    assert 80 < ActivationStore.open(tmp_path / "s").rows <= 100
