"""Fits by one rank and by two, from ten thousand words to a million; what follows for a cluster.

All-MiniLM-L6-v2 on UD English EWT, 17 parts of speech. Up to the treebank's 204,577 words the
activations are real; beyond, they are these again and again, each time with other noise (a tenth of
a neuron's standard deviation). Every fit is made in processes of its own, from a store on disk, by
one rank on one core, by one rank on all cores, and by two ranks on one core each.

    python benchmarks/scale.py              # results/scale.json and docs/scale.md
    python benchmarks/scale.py --page       # the page alone, from the results
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from measuring import RESULTS, TREEBANKS, PeakMemory, write_results

from captum_lca import ActivationStore, LinearProbe, NeuronLayout, extract, read_conllu
from captum_lca.activations.loading import load_model
from captum_lca.activations.shards import ShardNotes, write_shard
from captum_lca.activations.store_index import StoreIndex
from captum_lca.demo_model import demo_model_folder
from captum_lca.distributed import gathered, process_group, rank
from captum_lca.probes import fit_elastic_net, solver
from captum_lca.probes.labels import encode_labels
from captum_lca.probes.objective import MeanLoss
from captum_lca.rankings import weight_mass

PAGE = Path(__file__).parents[1] / "docs" / "scale.md"
ALL = "all seven layers"
ONE = "one layer"
LAYERS = {ALL: slice(None), ONE: slice(3, 4)}
SIZES = ((10_000, ALL), (50_000, ALL), (200_000, ALL), (1_000_000, ONE))
RUNS = {
    "one rank, one core": (1, 1),
    "one rank, two cores": (1, 2),
    "two ranks, a core each": (2, 1),
}
"""Ranks, and threads of each."""
MEMORY = 2**28
"""Bytes of activations on each rank: from 50,000 words on, rows are read again in every pass."""
NOISE = 0.1
SHARD_ROWS = 25_000


class Watch:
    """What passes over the rows and models cost, and what the ranks tell each other."""

    def __init__(self, words: int) -> None:
        self.words = words
        self.seconds = {"passes": 0.0, "models": 0.0}
        self.gradients = 0
        self.bytes = dict.fromkeys(("all_reduce", "all_gather", "broadcast"), 0)

    def begin(self) -> None:
        """From now on, everything is noted."""
        for name in ("logits", "gradient"):
            setattr(MeanLoss, name, self._timed_pass(getattr(MeanLoss, name)))
        solver._move = self._timed(solver._move, "models")
        for name in self.bytes:
            setattr(dist, name, self._counted(getattr(dist, name), name))

    def _timed(self, work, name):
        def timed(*args, **kwargs):
            began = time.perf_counter()
            found = work(*args, **kwargs)
            self.seconds[name] += time.perf_counter() - began
            return found

        return timed

    def _timed_pass(self, work):
        timed = self._timed(work, "passes")

        def over_all_rows(mean_loss, *args):
            if mean_loss.total < self.words:  # on the way there
                return work(mean_loss, *args)
            self.gradients += work.__name__ == "gradient"
            return timed(mean_loss, *args)

        return over_all_rows

    def _counted(self, work, name):
        def counted(tensor, *args, **kwargs):
            parts = tensor if isinstance(tensor, list) else [tensor]
            self.bytes[name] += sum(part.nbytes for part in parts)
            return work(tensor, *args, **kwargs)

        return counted


def fit_as_rank(folder: Path, threads: int) -> None:
    """Fit a probe in this process, which may be one of several; rank 0 writes what all found."""
    torch.set_num_threads(threads)
    store = ActivationStore.open(folder, verify=False)
    labels = np.load(folder / "labels.npy")
    with process_group():
        watch = Watch(store.rows)
        watch.begin()
        with PeakMemory() as peak:
            began = time.perf_counter()
            probe = fit_elastic_net(store, labels, memory=MEMORY)
            seconds = time.perf_counter() - began
        peaks = gathered(peak.megabytes)
        with PeakMemory() as of_labels:
            encode_labels(labels)
        if rank():
            return
    probe.save(folder / "probe.safetensors")
    found = {
        "seconds": seconds,
        "peak_mb": max(peaks),
        "labels_mb": of_labels.megabytes,
        "steps": watch.gradients,
        "pass_seconds": watch.seconds["passes"],
        "model_seconds": watch.seconds["models"],
        "bytes": watch.bytes,
        "iterations": probe.report.iterations,
        "objective": probe.report.objective,
        "converged": probe.report.converged,
    }
    (folder / "found.json").write_text(json.dumps(found), encoding="utf-8")


def run(folder: Path, ranks: int, threads: int) -> dict:
    """One fit, by so many ranks."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, __file__, "--rank-of", str(folder), "--threads", str(threads)]
    group = {"MASTER_ADDR": "localhost", "MASTER_PORT": port, "WORLD_SIZE": str(ranks)}
    processes = [
        subprocess.Popen(command, env=os.environ | group | {"RANK": str(number)})
        for number in range(ranks)
    ]
    codes = [process.wait() for process in processes]
    if any(codes):
        raise SystemExit(f"a rank of {ranks} failed")
    return json.loads((folder / "found.json").read_text(encoding="utf-8"))


def real_store(cache: Path) -> ActivationStore:
    """Activations of the whole treebank; extracted once and kept in the cache."""
    corpus = read_conllu(TREEBANKS / "en_ewt-train.conllu", properties=["upos"])
    return extract(corpus, *load_model(str(demo_model_folder())), out=cache / "en_ewt-train")


def write_store(real: ActivationStore, words: int, layers: str, folder: Path) -> None:
    """A store of so many words: the real ones first, then these with noise; and its labels."""
    layout = real.layout
    names = layout.layers[LAYERS[layers]]
    columns = torch.cat([torch.arange(layout.size)[layout.slice(name)] for name in names])
    layout = NeuronLayout(tuple(names), tuple(layout.widths[layout.layers.index(n)] for n in names))
    index = StoreIndex(layout, "float16", words, {})
    spread = real.read(0, SHARD_ROWS)[:, columns].float().std(0) * NOISE
    generator = torch.Generator().manual_seed(0)
    folder.mkdir(parents=True)
    for number, first in enumerate(range(0, words, SHARD_ROWS)):
        stop = min(first + SHARD_ROWS, words)
        rows = read_around(real, first, stop)[:, columns]
        if stop > real.rows:
            noise = torch.randn(rows.shape, generator=generator)
            rows = (rows.float() + noise * spread).half()
        notes = ShardNotes(first, stop, [], float(rows.abs().max()), 0)
        index.shards.append(write_shard(folder, number, rows, notes).entry)
    index.complete = True
    index.write(folder)
    names, numbers = np.unique(real.corpus.labels["upos"], return_inverse=True)
    np.save(folder / "labels.npy", np.resize(numbers, words))


def read_around(real: ActivationStore, first: int, stop: int) -> torch.Tensor:
    """Rows of the store repeated without end."""
    start, end = first % real.rows, first % real.rows + stop - first
    return torch.cat([real.read(start, min(end, real.rows)), real.read(0, end - real.rows)])


def measured(real: ActivationStore, words: int, layers: str, folder: Path) -> dict:
    """All runs on one size, and how far their coefficients are from those of the first."""
    write_store(real, words, layers, folder)
    runs, first = {}, None
    for name, (ranks, threads) in RUNS.items():
        found = run(folder, ranks, threads)
        probe = LinearProbe.load(folder / "probe.safetensors")
        first = first or probe
        off = [(probe.weight - first.weight).abs().max(), (probe.bias - first.bias).abs().max()]
        found["largest_difference"] = float(max(off))
        found["same_ranking"] = torch.equal(weight_mass(probe).order, weight_mass(first).order)
        runs[name] = found
        print(
            f"{words:9,} words × {probe.layout.size:,} neurons, {name}: {found['seconds']:.1f} s, "
            f"{found['peak_mb']:.0f} MB, off by {found['largest_difference']:.1e}",
            flush=True,
        )
    shutil.rmtree(folder)
    return {
        "words": words,
        "neurons": probe.layout.size,
        "classes": len(probe.classes),
        "real_words": min(words, real.rows),
        "runs": runs,
    }


INTRODUCTION = """# Scale

`torchrun --nproc-per-node N -m captum_lca analyze …` shares the work between N processes (ranks),
on one machine or on many. Every rank opens the same store and reads its own part of the rows; sums
over rows are those of all ranks. In Python the same happens within a group:

    from captum_lca.distributed import process_group

    with process_group():
        probe = fit_elastic_net(store, labels)  # the same on every rank

Rows are summed in groups that do not depend on the number of ranks, and which rows the solver looks
at closely depends on their numbers alone: any number of ranks takes the same steps. What is left is
rounding, as between one thread and two: neurons of next to equal salience may change places.

## Measured

`python benchmarks/scale.py` wrote this page: all-MiniLM-L6-v2 on UD English EWT, 17 parts of
speech, fits with 256 MiB allowed for activations on each rank. The treebank has 204,577 words; the
million are these again and again, each time with other noise, of one of the seven layers to bound
the time. *MB* is the most that a rank's memory grew during the fit, pages of the store's files
included. *Off* is the largest difference of a coefficient from the first run of that size, which is
by one rank on one core. The machine has two cores; nothing else was running. A second
rank brings little on it: rank 0 alone minimises the model of the loss (`model_seconds` in the
results), and the passes over the rows, which ranks share, were little shorter (`pass_seconds`)."""
PROJECTION = """## A billion words of a 70-billion-parameter model

Nobody has run this: it is arithmetic from the figures above, for {neurons:,} neurons ({layers}
layers × {width:,}) and {classes} classes. Assumed:

- {nodes} machines, alike, none failing; on each one rank with {cores} cores as fast as those above
  were, and {memory_gib} GiB allowed for activations;
- each machine's part of the store on its own disks, at {disk_gb} GB/s, and a network of
  {network_gb} GB/s;
- for the extraction {gpus} GPUs on each machine at {gpu_flops:.0e} operations a second, and 1.3
  tokens a word;
- as many steps of the solver as the longest of the fits above took: {steps}."""
LIMITS = """Disks decide: a fit reads the store {passes} times. On some layers, or a sample of the
words, it takes that share of the hours. GPUs would shorten what takes {compute:.0f} minutes
here, not the reading; tensors on GPUs go through NCCL, which was not run for this page.

What more machines do not shrink: the labels, which every rank holds for all words, beside the
corpus itself (numbering them takes the most, and only then); the model of the loss, which rank 0
alone minimises in every step; and the curvature sample, which `memory` bounds to {sample:,} rows of
so many neurons, where the fits above had several thousand: steps may gain less, and there may be
more of them."""
CLUSTER = {
    "words": 10**9,
    "layers": 80,
    "width": 8192,
    "classes": 17,
    "nodes": 128,
    "cores": 64,
    "memory_gib": 16,
    "disk_gb": 6,
    "network_gb": 12.5,
    "gpus": 8,
    "gpu_flops": 3e14,
}
"""The assumptions of the projection."""


def page(results: dict) -> str:
    """The page of the documentation, from the results."""
    parts = [INTRODUCTION, table(results), projection(results)]
    return "\n\n".join(parts) + "\n"


def table(results: dict) -> str:
    """What was measured, a row per run."""
    lines = [
        "| words × neurons | run | seconds | MB | off | same ranking |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for size in results["sizes"]:
        for name, found in size["runs"].items():
            off = found["largest_difference"]
            lines.append(
                f"| {size['words']:,} × {size['neurons']:,} | {name} | {found['seconds']:.1f} | "
                f"{found['peak_mb']:.0f} | {f'{off:.0e}' if off else 0} | "
                f"{'yes' if found['same_ranking'] else 'no'} |"
            )
    return "\n".join(lines)


def projection(results: dict) -> str:
    """The arithmetic for a cluster, each line with its figures."""
    size = results["sizes"][-1]
    found = list(size["runs"].values())[-1]
    c = CLUSTER
    neurons = c["layers"] * c["width"]
    steps = max(one["steps"] for each in results["sizes"] for one in each["runs"].values())
    store = 2 * c["words"] * neurons
    passes = 2 * steps + 1
    rate = 2 * found["steps"] * size["words"] * size["neurons"] / found["pass_seconds"] / 2
    disk = store / (c["nodes"] * c["disk_gb"] * 1e9)
    compute = c["words"] * neurons / (c["nodes"] * c["cores"] * rate)
    memory = c["memory_gib"] * 2**30
    sample = int(solver.SAMPLE_MEMORY * memory / (4 * neurons))
    columns = c["classes"] * solver.LARGEST_SET
    coefficients = c["classes"] * neurons
    sent = {
        "gradient": 2 * 8 * coefficients,
        "step": 4 * coefficients,
        "columns": 4 * sample * columns,
        "chances": 8 * c["nodes"] * (sample + 1),
    }
    once = 4 * sample * neurons
    step_bytes = sum(sent.values())
    fit_bytes = steps * step_bytes + once
    logits = 4 * 4 * c["words"] // c["nodes"] * c["classes"]
    label_bytes = round(found["labels_mb"] * 2**20 / size["words"])
    numbers = 24 * c["words"]
    held = memory + logits + numbers + 10 * 4 * coefficients
    hours = passes * max(disk, compute) / 3600
    flops = 2 * 70e9 * 1.3 * c["words"]
    extraction = flops / (c["nodes"] * c["gpus"] * c["gpu_flops"])
    rows = [
        (
            "extraction, the model",
            f"2 × 70 · 10⁹ × 1.3 × {c['words']:,} operations ÷ ({c['nodes']} × {c['gpus']} × "
            f"{c['gpu_flops']:.0e})",
            f"{extraction / 60:.0f} min",
        ),
        ("store on disk", f"2 bytes × {c['words']:,} × {neurons:,}", f"{store / 1e15:.2f} PB"),
        ("one machine's part", f"÷ {c['nodes']}", f"{store / c['nodes'] / 1e12:.1f} TB"),
        (
            "reading or writing it once",
            f"÷ ({c['nodes']} × {c['disk_gb']} GB/s)",
            f"{disk / 60:.0f} min",
        ),
        (
            "computing, a pass",
            f"÷ ({c['nodes']} × {c['cores']} cores × {rate / 1e9:.2f} · 10⁹ activations a second "
            f"and core, as measured)",
            f"{compute / 60:.0f} min",
        ),
        (
            "network a step, each rank",
            f"gradient 2 × 8 × {coefficients:,} + step 4 × {coefficients:,} + working sets at most "
            f"4 × {sample:,} × {columns:,} + chances 8 × {c['nodes']} × {sample + 1:,}",
            f"{step_bytes / 1e9:.2f} GB, {step_bytes / c['network_gb'] / 1e9:.2f} s",
        ),
        (
            "network a fit, each rank",
            f"{steps} × that + the path's rows 4 × {sample:,} × {neurons:,}",
            f"{fit_bytes / 1e9:.0f} GB, {fit_bytes / c['network_gb'] / 1e9:.0f} s",
        ),
        (
            "memory a rank",
            f"activations {memory / 1e9:.0f} GB + logits and their like 4 × 4 × words ÷ "
            f"{c['nodes']} × {c['classes']} + labels 24 × words + ten of the coefficients' size",
            f"{held / 1e9:.0f} GB",
        ),
        (
            "memory a rank, while labels are numbered",
            f"{label_bytes} bytes a word, as measured, × {c['words']:,}",
            f"{label_bytes * c['words'] / 1e9:.0f} GB",
        ),
        (
            "a fit",
            f"2 × {steps} steps + 1 for mean and scale = {passes} passes, each as long as the "
            f"slower of reading and computing",
            f"{hours:.0f} h",
        ),
    ]
    text = PROJECTION.format(neurons=neurons, steps=steps, **c)
    lines = ["| what | arithmetic | result |", "| --- | --- | --- |"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    limits = LIMITS.format(passes=passes, compute=compute / 60, sample=sample)
    return "\n\n".join([text, "\n".join(lines), limits])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--page", action="store_true", help="write the page from the results")
    parser.add_argument("--cache", type=Path, help="folder of stores (a temporary one)")
    parser.add_argument("--sizes", type=int, default=len(SIZES), help="how many of the sizes")
    parser.add_argument("--rank-of", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rank_of:
        fit_as_rank(options.rank_of, options.threads)
        return
    if not options.page:
        with tempfile.TemporaryDirectory() as folder:
            cache = options.cache or Path(folder)
            real = real_store(cache)
            sizes = [
                measured(real, words, layers, cache / f"{words} {layers}")
                for words, layers in SIZES[: options.sizes]
            ]
        write_results("scale", {"memory_budget": MEMORY, "noise": NOISE, "sizes": sizes})
    results = json.loads((RESULTS / "scale.json").read_text(encoding="utf-8"))
    PAGE.write_text(page(results), encoding="utf-8")


if __name__ == "__main__":
    main()
