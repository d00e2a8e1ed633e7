"""Every example in the docstrings runs, in a folder with the small files that they name."""

import doctest
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

from captum_lca import corpora

FILES = {
    "small.conllu": (
        "1\tShe\tshe\tPRON\tPRP\tNumber=Sing\t2\tnsubj\t_\t_\n"
        "2\tsings\tsing\tVERB\tVBZ\tNumber=Sing|Tense=Pres\t0\troot\t_\t_\n"
        "3\t.\t.\tPUNCT\t.\t_\t2\tpunct\t_\t_\n\n"
    ),
    "small.txt": "Emma NNP B-NP B-PER\nsings VBZ B-VP O\n. . O O\n",
    "small.words": "She sings .\n",
    "small.tags": "PRON VERB PUNCT\n",
}
MODULES = [module.name for module in iter_modules(corpora.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file, text in FILES.items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(import_module(f"captum_lca.corpora.{name}"))
    assert result.failed == 0


def test_examples_are_found() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = {
        test.name
        for name in MODULES
        for test in finder.find(import_module(f"captum_lca.corpora.{name}"))
        if test.examples
    }
    assert {"captum_lca.corpora.conllu_files.read_conllu"} <= found
    assert len(found) >= 14
