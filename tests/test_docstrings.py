"""Every example in the docstrings runs: on the demo's model, in a folder of small files."""

import doctest
from importlib import import_module
from pkgutil import walk_packages

import pytest
import torch

import captum_lca
from captum_lca import extract, fit_elastic_net, generate_corpus, rankings
from captum_lca.activations.loading import load_model
from captum_lca.demo_model import demo_model_folder

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
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
MODULES = [
    module.name
    for module in walk_packages(captum_lca.__path__, "captum_lca.")
    if not module.name.endswith("__main__")
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the examples run."""
    folder = tmp_path_factory.mktemp("examples")
    for file, text in FILES.items():
        (folder / file).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def names(folder):
    """What the examples may use without making it themselves."""
    model, tokenizer = load_model(str(demo_model_folder()))
    corpus, test_corpus = generate_corpus(300, seed=0), generate_corpus(100, seed=1)
    store = extract(corpus, model, tokenizer, out=folder / "runs" / "minilm", progress=False)
    probe = fit_elastic_net(store, corpus.labels["upos"])
    encoded = tokenizer(
        [list(words) for words in corpus.sentences[:8]],
        is_split_into_words=True,
        padding=True,
        return_tensors="pt",
    )
    labels = torch.full(encoded["input_ids"].shape, -100)
    upos, start = corpus.labels["upos"], 0
    for row, words in enumerate(corpus.sentences[:8]):
        for place, word in enumerate(encoded.word_ids(row)):
            if word is not None:
                labels[row, place] = probe.class_index(upos[start + word])
        start += len(words)
    return {
        **{name: getattr(captum_lca, name) for name in captum_lca.__all__},
        "captum_lca": captum_lca,
        "torch": torch,
        "rankings": rankings,
        "model": model,
        "tokenizer": tokenizer,
        "corpus": corpus,
        "test_corpus": test_corpus,
        "store": store,
        "test_store": extract(test_corpus, model, tokenizer, progress=False),
        "probe": probe,
        "ranking": rankings.weight_mass(probe),
        "input_ids": encoded["input_ids"],
        "mask": encoded["attention_mask"],
        "labels": labels,
    }


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name, names, folder, monkeypatch):
    monkeypatch.chdir(folder)
    module = import_module(name)
    result = doctest.testmod(module, globs={**names, **vars(module)}, optionflags=FLAGS)
    assert result.failed == 0


def test_examples_are_found():
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = {
        test.name for name in MODULES for test in finder.find(import_module(name)) if test.examples
    }
    assert "captum_lca.lca.LinguisticCorrelationAnalysis" in found
    assert "captum_lca.corpora.conllu_files.read_conllu" in found
    assert len(found) >= 25
