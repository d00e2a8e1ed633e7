"""Words and labels that would be markup, formulas or commands, through every file and line."""

import ast
import csv
import logging
from pathlib import Path

import pytest

import captum_lca
from captum_lca import Corpus, generate_corpus
from captum_lca.cli import main
from captum_lca.cli.answers import ANSWERS
from captum_lca.cli.printing import LONGEST_MESSAGE, PrintableFormatter, one_line
from captum_lca.report import read_csv

LABELS = ["$$", "=cmd|' /C calc'!A0", "\x1b[2J\x1b]0;title\x07", "<script>alert(1)</script>\u202e"]
WORDS = ["$", "$\\frac{", "+1", "@SUM(A1)", "\x1b[31m", "<img src=x onerror=alert(1)>", "_w", "\r"]
PROPERTY = "$\\frac{=p\x1b"
FORMULA = tuple("=+-@\t\r\n")


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    for seed, name in enumerate(("train.json", "test.json")):
        plain = generate_corpus(60, seed=seed)
        known = sorted(set(plain.words))[: len(WORDS)]
        other = dict(zip(known, WORDS, strict=True))
        sentences = [[other.get(word, word) for word in words] for words in plain.sentences]
        labels = [LABELS[len(word) % len(LABELS)] for word in plain.words]
        Corpus(sentences, {PROPERTY: labels}).save(folder / name)
    return folder


def assert_harmless(folder, printed):
    tables = list(folder.glob("**/*.csv"))
    assert tables
    for path in tables:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.reader(file):
                for cell in row:
                    is_number = cell.lstrip("-").replace(".", "").replace("e-", "").isdecimal()
                    assert is_number or not cell.startswith(FORMULA), (path, cell)
    assert all(character.isprintable() or character == "\n" for character in printed)
    for path in folder.glob("**/*.html"):
        page = path.read_text(encoding="utf-8")
        assert not [text for text in (*LABELS, *WORDS) if "<" in text and text in page]


@pytest.mark.filterwarnings("ignore:Glyph")
def test_analyze_with_every_answer(analyze, corpora, tmp_path):
    asked = [part for name in ANSWERS if name != "rankings" for part in ("--answer", name)]
    status, printed, said = analyze(
        *("--train", corpora / "train.json", "--test", corpora / "test.json"),
        *("--property", PROPERTY, "--l1", "0.01", "--layers", "embeddings", *asked),
    )
    assert status == 0, said
    assert_harmless(tmp_path / "out", printed + said)
    assert (tmp_path / "out/report.html").is_file()
    ranking = read_csv(tmp_path / "out/ranking.csv")
    assert {f"salience:{label}" for label in LABELS} <= set(ranking.columns)


@pytest.mark.filterwarnings("ignore:Glyph")
def test_compare(corpora, tmp_path, capsys, folder):
    stores = [tmp_path / "=a$$", tmp_path / "+b\x1b$$"]
    for out, layers in zip(stores, ("embeddings", "encoder.layer.0"), strict=True):
        command = ["extract", "--corpus", str(corpora / "train.json"), "--layers", layers]
        command += ["--model", str(folder / "model"), "--property", PROPERTY]
        assert main([*command, "--out", str(out)]) == 0
    out = tmp_path / "found"
    command = ["compare", *map(str, stores), "--as", "models", "--l1", "0.01", "--out", str(out)]
    assert main([*command, "--property", PROPERTY]) == 0
    assert_harmless(out, "".join(capsys.readouterr()))


class TestTerminal:
    def test_everything_is_printed_in_one_place(self):
        package = Path(captum_lca.__file__).parent
        for path in sorted(package.rglob("*.py")):
            if path == package / "cli" / "printing.py":
                continue
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                assert not (isinstance(node, ast.Name) and node.id == "print"), path
                if isinstance(node, ast.Attribute):
                    assert ast.unparse(node) not in ("sys.stdout.write", "sys.stderr.write"), path

    @pytest.mark.parametrize(
        "command",
        [
            ["extract", "--corpus", "no\x1b[2Jne.conllu", "--model", "x", "--out", "x"],
            ["extract", "--corpus", "a\x1b[2J::b", "--model", "x", "--out", "x"],
            ["compare", "a\x1b[2J", "b", "--out", "x"],
            ["ablate", "a\x1b[2J", "--model", "x", "--corpus", "x", "--task", "probe"],
            ["extract", "--\x1b[2J"],
            ["\x1b[2J"],
        ],
    )
    def test_errors(self, command, capsys):
        if command[0] == "ablate":
            command = [*command, "--class", "\x1b"]
        try:
            status = main(command)
        except SystemExit as stop:
            status = stop.code
        assert status == 2
        said = capsys.readouterr().err
        assert said.endswith("\n")
        assert said[:-1].isprintable()

    def test_log_records(self):
        record = logging.LogRecord("x", logging.INFO, "", 0, "%s: done", ("a\x1b[2J",), None)
        assert PrintableFormatter("%(message)s").format(record) == "a�[2J: done"

    def test_very_long_errors_are_cut(self):
        line = one_line(ValueError("a\nb " + "c" * 10_000))
        assert line.startswith("a b ccc")
        assert len(line) == LONGEST_MESSAGE
        assert line.endswith("…")
