import subprocess
import sys

from captum_lca import ActivationStore
from captum_lca.cli import main


def test_extract_takes_a_word_limit(folder, tmp_path, capsys):
    command = ["extract", "--corpus", str(folder / "train.json"), "--max-words", "100"]
    assert main([*command, "--model", str(folder / "model"), "--out", str(tmp_path / "s")]) == 0
    assert 80 < ActivationStore.open(tmp_path / "s").rows <= 100


def test_torchrun_gives_the_same_store(folder, tmp_path):
    command = ["-m", "captum_lca", "extract", "--corpus", str(folder / "test.json")]
    command += ["--model", str(folder / "model"), "--out"]
    assert main([*command[2:], str(tmp_path / "alone")]) == 0
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    done = subprocess.run(
        [*torchrun, *command, str(tmp_path / "together")],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for path in (tmp_path / "alone").iterdir():
        assert path.read_bytes() == (tmp_path / "together" / path.name).read_bytes()
