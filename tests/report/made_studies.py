"""Studies whose neurons, words and labels are made up."""

import torch

from captum_lca import ActivationStore, Corpus, LinearProbe, NeuronLayout, rankings
from captum_lca.ablation import AblationScore, ProbeAblation
from captum_lca.activations.store import MemoryShard
from captum_lca.activations.store_index import StoreIndex
from captum_lca.analysis import (
    LabelledActivations,
    MassiveActivations,
    PropertyStudy,
    study_property,
)
from captum_lca.probes.metrics import ClassificationScores

HOSTILE = (
    "<script>document.title = 'taken'</script>",
    "</script><img src=x onerror=\"document.title = 'taken'\">",
    "\"quoted\" & 'single' $x^2$ {{ 7 * 7 }}",
    "very long " * 40,
    "\u202eright to left \u05e9\u05dc\u05d5\u05dd \u2028",
)
"""Labels, words and names of layers that a page must show as text."""


def store_of(activations, layout, sentences, labels):
    corpus = Corpus(sentences, {"kind": labels}, source="/home/somebody/texts/train.conllu")
    settings = {"unit": "word", "model": "/home/somebody/models/mini"}
    index = StoreIndex(layout, "float32", len(labels), settings)
    store = ActivationStore([MemoryShard(activations)], index, corpus)
    return LabelledActivations(store, labels, corpus.words)


def hostile_study():
    """Of five classes; neuron n tells class n apart, for words that are as hostile as labels."""
    generator = torch.Generator().manual_seed(0)
    numbers = torch.randint(5, (400,), generator=generator)
    activations = torch.randn(400, 40, generator=generator) * 0.3
    activations[torch.arange(400), numbers] += 3
    words = [HOSTILE[number] for number in numbers.tolist()]
    sentences = [words[start : start + 8] for start in range(0, 400, 8)]
    layout = NeuronLayout((HOSTILE[1], HOSTILE[3]), (20, 20))
    train = store_of(activations, layout, sentences, words)
    study = study_property(HOSTILE[0], train, train, draws=2, progress=False)
    return study, train


def wide_study(layers=13, width=768, classes=45, rows=2000):
    """As wide as BERT-base, with as many classes as there are English part-of-speech tags."""
    generator = torch.Generator().manual_seed(0)
    layout = NeuronLayout(
        tuple(f"encoder.layer.{number}" for number in range(layers)), (width,) * layers
    )
    names = tuple(f"CLASS-{number}" for number in range(classes))
    labels = [names[number % classes] for number in range(rows)]
    vocabulary = [f"wordnumber{number}" for number in range(rows // 4)]
    words = [vocabulary[number % len(vocabulary)] for number in range(rows)]
    sentences = [words[start : start + 25] for start in range(0, rows, 25)]
    activations = torch.randn(rows, layout.size, generator=generator)
    weight = torch.randn(classes, layout.size, generator=generator)
    probe = LinearProbe(
        weight,
        torch.zeros(classes),
        torch.zeros(layout.size),
        torch.ones(layout.size),
        classes=names,
        layout=layout,
    )
    scores = tuple(
        AblationScore(action, choice, neurons, "mean", 0.5, 0.0, 1)
        for action in ("keep", "remove")
        for choice in ("top", "random", "bottom")
        for neurons in (500, 1000)
    )
    none = torch.empty(0)
    study = PropertyStudy(
        "xpos",
        probe,
        ClassificationScores(rows, 0.9, 0.1, 0.8, 0.9, 0.9, ()),
        rankings.weight_mass(probe),
        ProbeAblation("accuracy", 0.9, scores),
        MassiveActivations(none.long(), none, none, layout),
    )
    return study, store_of(activations, layout, sentences, labels)
