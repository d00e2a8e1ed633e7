"""Every example in the docstrings runs: on the demo's model, in a folder of small files."""

import doctest
from importlib import import_module
from pkgutil import walk_packages

import pytest

import captum_lca

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
MODULES = [
    module.name
    for module in walk_packages(captum_lca.__path__, "captum_lca.")
    if not module.name.endswith("__main__")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name, example_names, examples_folder, monkeypatch):
    monkeypatch.chdir(examples_folder)
    module = import_module(name)
    result = doctest.testmod(module, globs={**example_names, **vars(module)}, optionflags=FLAGS)
    assert result.failed == 0


def test_examples_are_found():
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = {
        test.name for name in MODULES for test in finder.find(import_module(name)) if test.examples
    }
    assert "captum_lca.lca.LinguisticCorrelationAnalysis" in found
    assert "captum_lca.corpora.conllu_files.read_conllu" in found
    assert len(found) >= 25
