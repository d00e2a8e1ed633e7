"""A corpus of five words, one of which has no row, and stores of it."""

import json

import torch

from captum_lca.activations.store_index import StoreIndex
from captum_lca.corpora import Corpus
from captum_lca.neurons import NeuronLayout

LAYOUT = NeuronLayout(("low", "high"), (2, 1))
CORPUS = Corpus([["one", "two"], ["three"], ["four", "five"]], {"upos": list("ABCDE")})
ROWS = torch.arange(12.0).reshape(4, 3)
"""Of the words but for "two", which has none."""


def new_index(**changes):
    settings = {"model_fingerprint": "m", "corpus_fingerprint": CORPUS.fingerprint, "unit": "word"}
    fields = {"layout": LAYOUT, "dtype": "float16", "units": 5, "settings": settings}
    return StoreIndex(**{**fields, "missing": [1], **changes})


def written(writer, shards=(ROWS[:3], ROWS[3:])):
    for rows in shards:
        writer.append(rows.half())
    return writer.finish(CORPUS)


def change_index(folder, change):
    content = json.loads((folder / "index.json").read_text("utf-8"))
    change(content)
    (folder / "index.json").write_text(json.dumps(content), "utf-8")
