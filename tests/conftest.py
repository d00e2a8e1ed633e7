"""What many tests share: real data, what examples may use, a run in which nothing is skipped."""

import os
from pathlib import Path

import pytest
import torch
import transformers
from hypothesis import HealthCheck, settings

import captum_lca
from captum_lca import extract, fit_elastic_net, generate_corpus, rankings
from captum_lca.activations.loading import load_model
from captum_lca.demo_model import demo_model_folder

settings.register_profile("untimed", deadline=None, max_examples=40)  # no test asserts a time
settings.register_profile(
    "thorough", deadline=None, max_examples=10_000, suppress_health_check=list(HealthCheck)
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "untimed"))

SHARED = Path(__file__).parents[2] / "shared"
NO_SKIPS = "CAPTUM_LCA_NO_SKIPS"
EXAMPLE_FILES = {
    "small.conllu": (
        "1\tShe\tshe\tPRON\tPRP\tNumber=Sing\t2\tnsubj\t_\t_\n"
        "2\tsings\tsing\tVERB\tVBZ\tNumber=Sing|Tense=Pres\t0\troot\t_\t_\n"
        "3\t.\t.\tPUNCT\t.\t_\t2\tpunct\t_\t_\n\n"
    ),
    "small.txt": "Emma NNP B-NP B-PER\nsings VBZ B-VP O\n. . O O\n",
    "small.words": "She sings .\n",
    "small.tags": "PRON VERB PUNCT\n",
    "small.tone": "statement\n",
}


def pytest_report_header():
    return f"transformers {transformers.__version__}"


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if skipped and os.environ.get(NO_SKIPS):
        reporter.write_line(f"{len(skipped)} tests were skipped, but {NO_SKIPS} is set", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def treebanks():
    """Folder of the real treebanks."""
    folder = SHARED / "data" / "ud"
    if not folder.is_dir():
        pytest.skip(f"no treebanks: {folder} is not there")
    return folder


@pytest.fixture(scope="session")
def examples_folder(tmp_path_factory):
    """Where the examples of docstrings and pages run."""
    folder = tmp_path_factory.mktemp("examples")
    for file, text in EXAMPLE_FILES.items():
        (folder / file).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def example_names(examples_folder):
    """What examples in docstrings and pages may use without making it themselves."""
    model, tokenizer = load_model(str(demo_model_folder()))
    corpus, test_corpus = generate_corpus(300, seed=0), generate_corpus(100, seed=1)
    store = extract(
        corpus, model, tokenizer, out=examples_folder / "runs" / "minilm", progress=False
    )
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
