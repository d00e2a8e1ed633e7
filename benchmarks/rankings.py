"""How well a probe does on the top k neurons of every ranking, and how long each ranking takes.

Each ranking is made from the training words alone. A probe is then trained anew on its top k
neurons, with the same weak penalty for all, and scored on the treebank's test file. Beside ours are
the rankings by NeuroX's probe (if it is installed): as the paper has it, and with its weights times
the neurons' standard deviations. Random neurons are drawn several times; the table has the mean.

    python benchmarks/rankings.py                          # two models, treebanks and properties
    python benchmarks/rankings.py --model minilm --treebank en_ewt --property upos xpos
    python benchmarks/rankings.py --rankings stepwise_selection weight_mass
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import tempfile
import time
from dataclasses import asdict
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import torch
from measuring import write_results
from probe import stores

from captum_lca import fit_elastic_net
from captum_lca.probes import ElasticNet, NeuronMoments, evaluate, fit_probe
from captum_lca.rankings import METHODS

SIZES = (10, 20, 50, 100, 200)
RETRAINED = ElasticNet(l1=1e-5, l2=1e-4)
"""Penalty of the probes that are trained on the top k."""
RANDOM = "random_order"
DRAWS = 5
EPOCHS, BATCH = 10, 128
CASES = [
    ("minilm", "en_ewt", "upos"),
    ("minilm", "en_ewt", "deprel"),
    ("multilingual", "de_gsd", "upos"),
    ("multilingual", "de_gsd", "deprel"),
]
"""Models, treebanks and properties, unless others are asked for."""


class Case:
    """Training and test activations of one model on one treebank, with one property."""

    def __init__(self, model, treebank, name, options):
        chosen = SimpleNamespace(model=model, treebank=treebank, property=name, cache=options.cache)
        (self.store, self.labels), (self.test, self.test_labels) = stores(chosen, options.words)
        self.classes = sorted({label for label in self.labels if label is not None})

    def accuracy(self, neurons):
        """Of a probe trained on some neurons, on the test words."""
        probe = fit_probe(self.store, self.labels, RETRAINED, neurons=neurons)
        return evaluate(probe, self.test, self.test_labels, unseen="wrong").accuracy


def neurox_order(case, strength, scaled):
    """The ranking by NeuroX's probe, on the activations as they are."""
    from neurox.interpretation import linear_probe as peer  # noqa: PLC0415  (an optional peer)

    number = {name: position for position, name in enumerate(case.classes)}
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        probe = peer.train_logistic_regression_probe(
            case.store.tensor().float().numpy(),
            torch.tensor([number[label] for label in case.labels]).numpy(),
            lambda_l1=strength,
            lambda_l2=strength,
            num_epochs=EPOCHS,
            batch_size=BATCH,
        )
        if scaled:
            probe.linear.weight.data *= standard_deviations(case.store)
        return torch.as_tensor(peer.get_neuron_ordering(probe, number)[0])


def standard_deviations(store):
    """Of every neuron. Shape (neurons,)."""
    moments = NeuronMoments(store.layout.size)
    for _, block in store.blocks():
        moments.update(block.float())
    return moments.finish().scale.float()


def rankings():
    """Every ranking as a function from a case and a seed to an order, by name."""
    ours = {
        name: lambda case, seed, method=method: method(case.store, case.labels, seed=seed).order
        for name, method in METHODS.items()
    }
    if find_spec("neurox") is None:
        return ours
    return {
        **ours,
        "neurox 1e-5": lambda case, _: neurox_order(case, 1e-5, scaled=False),
        "neurox × scale 1e-3": lambda case, _: neurox_order(case, 1e-3, scaled=True),
    }


def measured(case, make, draws):
    """Seconds that a ranking takes, and the accuracies of its top neurons."""
    times, found = [], []
    for seed in range(draws):
        torch.manual_seed(seed)  # NeuroX draws its batches from the global generator
        began = time.perf_counter()
        order = make(case, seed)
        times.append(time.perf_counter() - began)
        found.append([case.accuracy(order[:size]) for size in SIZES])
    row = {"seconds": statistics.median(times), "draws": draws}
    row["accuracy"] = [statistics.mean(column) for column in zip(*found, strict=True)]
    if draws > 1:
        row["spread"] = [statistics.stdev(column) for column in zip(*found, strict=True)]
    return row


def compare(names, options):
    """One table: all rankings of one case."""
    case = Case(*names, options)
    model, treebank, prop = names
    print(
        f"\n{model}, {treebank}, {prop}: {case.store.rows} words × {case.store.layout.size} "
        f"neurons, {len(case.classes)} classes",
        flush=True,
    )
    probe = fit_elastic_net(case.store, case.labels)
    fit, full = (
        probe.report.seconds,
        evaluate(probe, case.test, case.test_labels, unseen="wrong").accuracy,
    )
    print(f"one elastic-net fit {fit:.1f} s, accuracy {full:.4f}", flush=True)
    print(f"{'ranking':22}" + "".join(f"{size:>8}" for size in SIZES) + "  seconds   fits")
    table = {}
    for name, make in rankings().items():
        if options.rankings and name not in options.rankings:
            continue
        row = measured(case, make, DRAWS if name == RANDOM else 1)
        row["times_fit"] = row["seconds"] / fit
        table[name] = row
        scores = "".join(f"{score:8.4f}" for score in row["accuracy"])
        print(f"{name:22}{scores} {row['seconds']:8.1f} {row['times_fit']:6.2f}", flush=True)
    return {
        "model": model,
        "treebank": treebank,
        "property": prop,
        "words": case.store.rows,
        "test_words": case.test.rows,
        "neurons": case.store.layout.size,
        "classes": len(case.classes),
        "fit_seconds": fit,
        "fit_accuracy": full,
        "rankings": table,
    }


def cases(options):
    """Those asked for; all combinations, if any option narrows them."""
    if not (options.model or options.treebank or options.property):
        return CASES
    return list(
        product(
            options.model or ["minilm"],
            options.treebank or ["en_ewt"],
            options.property or ["upos"],
        )
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", nargs="+", choices=["minilm", "smollm2", "multilingual"])
    parser.add_argument("--treebank", nargs="+", help="en_ewt, de_gsd, fr_gsd")
    parser.add_argument("--property", nargs="+", choices=["upos", "xpos", "deprel"])
    parser.add_argument("--rankings", nargs="+", choices=list(rankings()))
    parser.add_argument("--words", type=int, default=50_000, help="most words to rank on")
    parser.add_argument("--cache", type=Path, help="folder of stores (a temporary one)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--name", default="rankings", help="of the file of results")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        options.cache = options.cache or Path(folder)
        options.cache.mkdir(parents=True, exist_ok=True)
        found = []
        for names in cases(options):
            found.append(compare(names, options))
            content = {"sizes": SIZES, "retrained": asdict(RETRAINED), "cases": found}
            write_results(options.name, content)


if __name__ == "__main__":
    main()
