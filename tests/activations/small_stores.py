"""A corpus of five words, one of which has no row, and stores of it."""

import json

import torch

from captum_lca.activations.shards import ShardNotes
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
    return StoreIndex(**{**fields, **changes})


def notes_of(rows, first=0, missing=()):
    stop = first + len(rows) + len(missing)
    return ShardNotes(first, stop, list(missing), float(rows.abs().max()), 0)


SHARDS = ((ROWS[:3], notes_of(ROWS[:3], 0, [1])), (ROWS[3:], notes_of(ROWS[3:], 4)))
"""Rows of both shards, with what is noted of them."""
BOUNDS = [(0, 4), (4, 5)]


def written(writer, shards=SHARDS):
    for number, (rows, notes) in enumerate(shards):
        writer.append(number, rows, notes)
    return writer.finish(CORPUS)


def change_index(folder, change):
    content = json.loads((folder / "index.json").read_text("utf-8"))
    change(content)
    (folder / "index.json").write_text(json.dumps(content), "utf-8")
