"""Scaling out
===========

Larger texts and models need room on disk, several processes, or several GPUs. Nothing else
changes: this page runs it all at a small size, with the commands for large ones.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from captum_lca import NeuronRanking, extract, fit_elastic_net, generate_corpus, rankings
from captum_lca.activations.loading import load_model
from captum_lca.demo_model import demo_model_folder

model_folder = str(demo_model_folder())
model, tokenizer = load_model(model_folder)
corpus = generate_corpus(1000, seed=0)
runs = Path(tempfile.mkdtemp())

# %%
# Activations on disk
# -------------------
# With ``out``, rows go to shards of safetensors as they come, and are memory-mapped when read.

store = extract(corpus, model, tokenizer, out=runs / "one", progress=False)
for file in sorted((runs / "one").iterdir()):
    print(f"{file.name:28} {file.stat().st_size / 2**20:8.1f} MB")

# %%
# A complete store of the same model, corpus and settings is opened instead of being made again,
# and one that was cut short is gone on with: the same call can be made until it is through.
#
# Several processes
# -----------------
# ``torchrun`` starts a command several times, and the processes share the work: one machine
# with several GPUs, or many machines that see one folder. Each has its part of the text, and
# writes its own shards of the same store. Here, two processes on a CPU; with
# ``--nproc-per-node=8`` and ``--device cuda`` it is eight GPUs, each with a copy of the model.

corpus.save(runs / "corpus.json")


def torchrun(*command):
    """Run captum-lca in two processes; what it prints."""
    launcher = ["torch.distributed.run", "--nproc-per-node=2"]
    start = [sys.executable, "-m", *launcher, "-m", "captum_lca"]
    done = subprocess.run([*start, *map(str, command)], capture_output=True, text=True, check=True)
    return done.stdout


text = ["--corpus", runs / "corpus.json", "--property", "upos"]
print(torchrun("extract", "--model", model_folder, *text, "--out", runs / "two"))

# %%
# The store is the same to the last byte, however many processes wrote it:

shards = [sorted((runs / name).glob("*.safetensors")) for name in ("one", "two")]
for ours, theirs in zip(*shards):
    print(ours.name, "same" if ours.read_bytes() == theirs.read_bytes() else "different")

# %%
# So is the rest: ``analyze`` under ``torchrun`` shares the rows among the processes, and each
# keeps its own part in memory. In Python, the same goes for what runs within
# :func:`captum_lca.distributed.process_group`.

extract(generate_corpus(300, seed=1), model, tokenizer, out=runs / "test", progress=False)
stores = ["--train", runs / "two", "--test", runs / "test"]
print(torchrun("analyze", *stores, "--property", "upos", "--out", runs / "study"))

# %%
# The folder holds what any ``analyze`` writes, to go on with in one process:

_ = NeuronRanking.load(runs / "study" / "ranking.safetensors").plot(100)

# %%
# **How to read it.** The lines are those of any ``analyze``: the accuracy beside its baselines,
# where the salient neurons sit (the bars; the line is an equal spread), and the ablation. They
# do not depend on the number of processes.
#
# Less memory for the fit
# -----------------------
# Where the rows don't fit the memory allowed, every pass reads them from disk again. It may
# take longer, and goes to the same minimum:

labels = corpus.labels["upos"]
allowed = {"1 GiB": 2**30, "16 MiB": 16 * 2**20}
probes = {
    name: fit_elastic_net(store, labels, memory=memory, tolerance=1e-4)
    for name, memory in allowed.items()
}
for name, probe in probes.items():
    print(f"{name:8} objective {probe.report.objective:.5f} in {probe.report.seconds:.1f} s")
tops = [set(rankings.weight_mass(probe).top(100).tolist()) for probe in probes.values()]
print(f"of the top 100 neurons, {len(tops[0] & tops[1])} are the same")

# %%
# What is left of a difference is the tolerance of the fits: neurons whose places in the ranking
# depend on it are as good as each other.
#
# A model that doesn't fit on one GPU
# -----------------------------------
# Load it with ``device_map="auto"`` of transformers: its layers are read where they are. More
# on all of this: :doc:`/howto/large_models` and :doc:`/howto/several_gpus`.
