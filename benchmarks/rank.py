"""The paper's ranking beside NeuroX's ``get_neuron_ordering``, on a BERT-base-sized probe.

45 classes × 9,984 neurons of random weights: the time of either depends on the size, not on what
the weights are. The sets at all of NeuroX's cut-offs are compared too.

    python benchmarks/rank.py [--rounds 5]
"""

from __future__ import annotations

import argparse
import contextlib
import io

import torch
from measuring import seconds, write_results
from neurox.interpretation.linear_probe import get_neuron_ordering

from captum_lca import LinearProbe
from captum_lca.rankings import weight_mass

CLASSES, NEURONS = 45, 9984


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(CLASSES, NEURONS, generator=generator)
    weight *= torch.rand(1, NEURONS, generator=generator) ** 3
    names = [str(number) for number in range(CLASSES)]
    zero, one = torch.zeros(NEURONS), torch.ones(NEURONS)
    probe = LinearProbe(weight, torch.zeros(CLASSES), zero, one, classes=names)
    peer = torch.nn.Linear(NEURONS, CLASSES, bias=False)
    peer.weight.data = weight
    indices = {name: number for number, name in enumerate(names)}
    ours, theirs = [], []
    for _ in range(options.rounds):
        ours.append(seconds(lambda: weight_mass(probe)))
        with contextlib.redirect_stderr(io.StringIO()):
            theirs.append(seconds(lambda: get_neuron_ordering(peer, indices)))
    order, cutoffs = get_neuron_ordering(peer, indices)
    ranking = weight_mass(probe)
    same = [set(ranking.top(n).tolist()) == set(order[:n]) for n in cutoffs]
    ratio = min(theirs) / min(ours)
    print(f"{CLASSES} classes × {NEURONS} neurons, best of {options.rounds}")
    print(f"ours {min(ours):.4f} s, NeuroX {min(theirs):.3f} s, ratio {ratio:.0f}")
    print(f"the same sets at {sum(same)} of NeuroX's {len(cutoffs)} cut-offs")
    write_results(
        "rank",
        {
            "classes": CLASSES,
            "neurons": NEURONS,
            "ours_seconds": min(ours),
            "neurox_seconds": min(theirs),
            "ratio": ratio,
            "same_sets": sum(same),
            "cutoffs": len(cutoffs),
        },
    )


if __name__ == "__main__":
    main()
