"""Groups of a layer's neurons ablated by captum_lca and by Captum's LayerFeatureAblation.

MiniLM, sentences of UD English EWT; every group is held at the probe's mean, and the change of the
first token's output is taken. Both sides run in turn, and their numbers are compared.

    python benchmarks/masks.py [--sentences 16] [--words 2000] [--groups 10 50] [--rounds 3]
"""

from __future__ import annotations

import argparse
from statistics import median

import torch
from captum.attr import LayerFeatureAblation
from measuring import TREEBANKS, seconds, write_results

from captum_lca import extract, fit_elastic_net, read_conllu
from captum_lca.ablation import ablated_outputs, layer_baselines, layer_mask
from captum_lca.activations.loading import load_model
from captum_lca.demo_model import demo_model_folder
from captum_lca.rankings import weight_mass

LAYERS = ("encoder.layer.0", "encoder.layer.2", "encoder.layer.5")


class Groups:
    """One mask on one layer, and both ways to ablate its groups."""

    def __init__(self, model, inputs, probe, layer, groups):
        self.model, self.inputs, self.probe = model, inputs, probe
        ranking = weight_mass(probe)
        self.mask = layer_mask(ranking, layer, "decile", groups=groups)
        self.baselines = layer_baselines(probe, layer)
        start = probe.layout.slice(layer).start
        own = self.mask.flatten()
        self.firsts = [int((own == group).nonzero()[0]) for group in range(groups)]
        self.groups = [(own == group).nonzero().flatten() + start for group in range(groups)]
        self.method = LayerFeatureAblation(self.output, model.get_submodule(layer))

    def output(self, input_ids, attention_mask):
        """First number of the first token's output. Shape (examples,)."""
        return self.model(input_ids, attention_mask).last_hidden_state[:, 0, 0]

    def captums(self, perturbations=1):
        """Change of the output per group. Shape (examples, groups)."""
        ids, mask = self.inputs
        found = self.method.attribute(
            ids,
            self.baselines,
            additional_forward_args=mask,
            layer_mask=self.mask,
            perturbations_per_eval=perturbations,
        )
        return found[:, 0, self.firsts]

    def ours(self):
        """The same by hooks on the model, one group after the other; the first is empty."""
        whole, *parts = ablated_outputs(
            self.model, [[], *self.groups], self.probe.layout, *self.inputs, by=self.probe.mean
        )
        first = whole.last_hidden_state[:, 0, 0]
        return torch.stack([first - part.last_hidden_state[:, 0, 0] for part in parts], 1)


def measured(case, rounds):
    """Seconds of each side, the sides in turn, and how far their numbers are apart."""
    sides = {
        "captum_lca": case.ours,
        "captum, one group per run": case.captums,
        "captum, ten groups per run": lambda: case.captums(10),
    }
    expected = case.captums()
    times = {name: [] for name in sides}
    for _ in range(rounds):
        for name, work in sides.items():
            times[name].append(seconds(work))
    medians = {name: median(each) for name, each in times.items()}
    return {
        "seconds": times,
        "captum's seconds / ours": {
            name: medians[name] / medians["captum_lca"] for name in sides if name != "captum_lca"
        },
        "largest difference": float((case.ours() - expected).abs().max()),
        "largest change": float(expected.abs().max()),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sentences", type=int, default=16)
    parser.add_argument("--words", type=int, default=2000)
    parser.add_argument("--groups", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    model, tokenizer = load_model(str(demo_model_folder()))
    train = read_conllu(TREEBANKS / "en_ewt-train.conllu", properties=["upos"])
    train = train.limit(options.words)
    probe = fit_elastic_net(extract(train, model, tokenizer), train.labels["upos"])
    text = [" ".join(words) for words in train.sentences[: options.sentences]]
    encoded = tokenizer(text, padding=True, return_tensors="pt")
    inputs = encoded["input_ids"], encoded["attention_mask"]
    results = {}
    for layer in LAYERS:
        for groups in options.groups:
            case = Groups(model, inputs, probe, layer, groups)
            results[f"{layer}, {groups} groups"] = found = measured(case, options.rounds)
            print(layer, groups, {key: found[key] for key in list(found)[1:]})
    write_results("masks", {"settings": vars(options), "cases": results})


if __name__ == "__main__":
    main()
