"""The functions of tutorials/fine_tuning.py, at a tiny size."""

import importlib.util
from pathlib import Path

import pytest
import torch

from captum_lca import generate_corpus
from captum_lca.activations.loading import load_model
from captum_lca.demo_model import demo_model_folder

SCRIPT = Path(__file__).parents[2] / "tutorials" / "fine_tuning.py"


@pytest.fixture(scope="module")
def tutorial():
    spec = importlib.util.spec_from_file_location("fine_tuning_tutorial", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_labelled_word_is_trained_on_once(tutorial):
    _, tokenizer = load_model(str(demo_model_folder()))
    corpus = generate_corpus(10, seed=0)
    wanted = [labels for _, labels in tutorial.batches(corpus, tokenizer, "number", size=4)]
    assert len(wanted) == 3
    labels = [label for label in corpus.labels_of("number") if label is not None]
    in_order = torch.cat([labels[labels != tutorial.UNLABELLED] for labels in wanted])
    assert [("Plur", "Sing")[number] for number in in_order.tolist()] == labels


def test_runs_and_leaves_the_given_model_alone(tutorial):
    model, tokenizer = load_model(str(demo_model_folder()))
    before = [weight.clone() for weight in model.parameters()]
    tuned = tutorial.fine_tune(model, tokenizer, generate_corpus(8, seed=0), "number", epochs=1)
    assert all(map(torch.equal, before, model.parameters()))
    assert not all(map(torch.equal, before, tuned.parameters()))


def test_compares(tutorial):
    found = tutorial.compare(40, "number", epochs=1, samples=0)
    assert len(found.to_frame()) == 7
