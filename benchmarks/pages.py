"""The tables of docs/benchmarks.md and of the README, from the files that the benchmarks write.

python benchmarks/pages.py      # writes both
"""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"
README = ROOT / "README.md"
FITS = {
    "all-MiniLM-L6-v2, UD English EWT, UPOS": "probe-minilm-en_ewt-upos-49986",
    "all-MiniLM-L6-v2, UD English EWT, XPOS": "probe-minilm-en_ewt-xpos-49986",
    "multilingual-e5-small, German GSD, UPOS": "probe-multilingual-de_gsd-upos-12480",
    "SmolLM2-135M, UD English EWT, UPOS": "probe-smollm2-en_ewt-upos-19991",
}
INTRODUCTION = """# Benchmarks

Each table is made by the command above it, which needs the treebanks of Universal Dependencies
and, where a column names it, NeuroX 1.0.9. `python benchmarks/pages.py` writes this page from
`benchmarks/results/`. In most runs other work was on the machine: compare numbers of one table,
and ratios rather than seconds."""
NEUROX = """## Beside NeuroX

`python benchmarks/probe.py`, `extract.py` and `rank.py`. *Lowest known* is the lowest objective
that any solver reached, however long it took. Where NeuroX is faster, it stops far from the
minimum: after its ten epochs nothing is zero."""
SAGA = """## Beside scikit-learn

`python benchmarks/probe.py --solvers ours neurox saga5 saga20`: the first case above. *Times as
long*: to saga's own objective, in units of the time that captum_lca takes to reach it."""
SIZES = """## Fits by size

`python benchmarks/probe.py --memory`: MiniLM, 17 UPOS, from a store on disk, with 1 GiB allowed.
The longest text exceeds that and is read in blocks."""
EXTRACTION = """## Extraction

`python benchmarks/extract.py`: beside a loop in plain torch that keeps no rows."""
MASKS = """## Ablation in groups

`python benchmarks/masks.py`: how many times as long Captum's LayerFeatureAblation takes as
`ablated_outputs`, for the same numbers."""
RANKINGS = """## Rankings

`python benchmarks/rankings.py`: accuracy on held-out text of a probe trained anew on the top
neurons. *fits*: the time in units of the one fit. Random order is the mean of five draws. German
is trained on GSD's dev file."""


def results(name: str) -> dict:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def beside_neurox() -> list[str]:
    """Fits, extraction and ranking, beside NeuroX."""
    rows = []
    for case, file in FITS.items():
        fit = results(file)
        ours, peer = fit["solvers"]["ours"], fit["solvers"]["neurox"]
        size = f"{fit['words']:,} words × {fit['neurons']:,} neurons, {fit['classes']} classes"
        weights = fit["classes"] * fit["neurons"]
        rows += [
            [f"{case}: {size}: seconds", f"{ours['seconds']:.1f}", f"{peer['seconds']:.1f}"],
            [
                "… objective above the lowest known",
                f"{100 * ours['gap']:.2f} %",
                f"{100 * peer['gap']:.0f} %",
            ],
            [
                f"… weights that are not zero, of {weights:,}",
                f"{ours['nonzeros']:,}",
                f"{peer['nonzeros']:,}",
            ],
            ["… accuracy on the test set", f"{ours['accuracy']:.3f}", f"{peer['accuracy']:.3f}"],
        ]
    extract, rank = results("extract"), results("rank")
    ours = max(row["ours"] for row in extract["table"])
    rows += [
        ["extraction, words a second", f"{ours:,.0f}", f"{extract['neurox']:,.0f}"],
        [
            f"ranking, {rank['classes']} classes × {rank['neurons']:,} neurons: seconds",
            f"{rank['ours_seconds']:.3f}",
            f"{rank['neurox_seconds']:.2f}",
        ],
    ]
    return table(["l1 = 1e-3, l2 = 1e-4", "captum_lca", "NeuroX 1.0.9, ten epochs"], rows)


def beside_saga() -> list[str]:
    fit = results("probe-minilm-en_ewt-upos-49986-saga")
    names = {
        "ours": "captum_lca",
        "saga5": "scikit-learn's saga, 5 passes",
        "saga20": "scikit-learn's saga, 20 passes",
    }
    rows = [
        [
            name,
            f"{found['seconds']:.1f}",
            f"{100 * found['gap']:.2f} %",
            f"{found['nonzeros']:,}",
            f"{found['accuracy']:.3f}",
            f"{found.get('times_ours_to_its_objective', 1):.0f}",
        ]
        for name, found in ((name, fit["solvers"][key]) for key, name in names.items())
    ]
    head = ["solver", "seconds", "above the lowest", "not zero", "accuracy", "times as long"]
    return table(head, rows)


def sizes() -> list[str]:
    rows = [
        [f"{size['words']:,}", f"{size['seconds']:.1f}", f"{size['above_import_mb']:.0f}"]
        for size in results("probe-memory-minilm-upos")["sizes"]
    ]
    return table(["words", "seconds", "MB above what imports take"], rows)


def extraction() -> list[str]:
    rows = [
        [f"{row['batch_tokens']:,}", f"{row['ours']:,.0f}", f"{row['bare_loop']:,.0f}"]
        for row in results("extract")["table"]
    ]
    return table(["tokens in a batch", "captum_lca, words a second", "bare loop"], rows)


def masks() -> list[str]:
    rows = [
        [case, *(f"{ratio:.2f}" for ratio in found["captum's seconds / ours"].values())]
        for case, found in results("masks")["cases"].items()
    ]
    return table(["case", "one group in a run", "ten groups in a run"], rows)


def rankings() -> list[str]:
    found = results("rankings")
    lines = []
    for case in found["cases"]:
        lines += [
            f"**{case['model']}, {case['treebank']}, {case['property']}** "
            f"({case['words']:,} words, {case['classes']} classes; all neurons, by one "
            f"elastic-net fit of {case['fit_seconds']:.1f} s: {case['fit_accuracy']:.3f})",
            "",
            *table(
                ["top", *map(str, found["sizes"]), "seconds", "fits"],
                [
                    [
                        name.replace("_", " "),
                        *(f"{score:.3f}" for score in row["accuracy"]),
                        f"{row['seconds']:.1f}",
                        f"{row['times_fit']:.1f}",
                    ]
                    for name, row in case["rankings"].items()
                ],
            ),
            "",
        ]
    return lines


def page() -> str:
    """docs/benchmarks.md."""
    sections = {
        NEUROX: beside_neurox(),
        SAGA: beside_saga(),
        SIZES: sizes(),
        EXTRACTION: extraction(),
        MASKS: masks(),
        RANKINGS: rankings(),
    }
    tables = [line for text, lines in sections.items() for line in (text, "", *lines, "")]
    return "\n".join([INTRODUCTION, "", *tables]).rstrip() + "\n"


def readme(text: str) -> str:
    """The README with its table as it should be."""
    lines = text.splitlines()
    head = beside_neurox()[0]
    start = lines.index(head)
    end = next(n for n in range(start, len(lines)) if not lines[n].startswith("|"))
    return "\n".join([*lines[:start], *beside_neurox(), *lines[end:], ""])


def main():
    PAGE.write_text(page(), encoding="utf-8")
    README.write_text(readme(README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
