"""Coverage-guided fuzzing of whatever reads files: ``make fuzz``, or this file alone.

Each target gets an equal share of the time, in a process of its own. A crash is any exception but
ValueError (of which StoreError is one); its input stays in ``build/fuzz/TARGET``.
"""

import argparse
import io
import json
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import atheris

INSTRUMENTED = ["captum_lca", "conllu", "json"]
with redirect_stderr(io.StringIO()), atheris.instrument_imports(INSTRUMENTED):
    from captum_lca.activations import ActivationStore
    from captum_lca.cli.studies import store_of, study_of
    from captum_lca.corpora import (
        Corpus,
        read_columns,
        read_conllu,
        read_corpus,
        read_sentence_labels,
        read_sentences,
        read_tagged,
    )
    from captum_lca.neurons import NeuronRanking
    from captum_lca.probes import LinearProbe

BUILD = Path("build/fuzz")
MEMORY = Path("/dev/shm")
"""Where files are written fastest, on Linux."""
LARGEST = 4096
"""Bytes of tensors that an input may ask for."""
EXECUTED = re.compile(r"number_of_executed_units: *(\d+)")
LAST_LINES = 40
"""Of a crash, to show."""


class Target(NamedTuple):
    """What is fuzzed."""

    run: Callable[[Path, bytes], object]
    """Reads an input, by way of files in a folder; may raise ValueError."""
    seeds: list[bytes]
    """Inputs to begin with."""


def run_conllu(folder: Path, data: bytes) -> None:
    path = written(folder / "a.conllu", data)
    check(read_conllu(path, ["upos", "feats", "feats.Number", "deprel.universal"]))


def run_columns(folder: Path, data: bytes) -> None:
    separator = "\t" if b"\t" in data else None
    path = written(folder / "a.txt", data)
    check(read_columns(path, {"pos": 1, "ner": -1}, separator=separator))


def run_tagged(folder: Path, data: bytes) -> None:
    words, _, labels = data.partition(b"\x00")
    paths = written(folder / "words", words), written(folder / "labels", labels)
    check(read_sentences(paths[0]))
    check([read_tagged, read_sentence_labels][len(data) % 2](*paths))


def run_corpus(folder: Path, data: bytes) -> None:
    check(Corpus.load(written(folder / "corpus.json", data)))


def run_index(folder: Path, data: bytes) -> None:
    written(folder / SHARD["file"], tensor_file(SHARD_INPUT))
    written(folder / "index.json", data)
    ActivationStore.open(folder, verify=False).tensor()


def run_shard(folder: Path, data: bytes) -> None:
    content = tensor_file(data)
    written(folder / SHARD["file"], content)
    written(folder / "index.json", index_of({**SHARD, "bytes": len(content)}))
    ActivationStore.open(folder, verify=False).tensor()


def run_probe(folder: Path, data: bytes) -> None:
    probe = LinearProbe.load(written(folder / "probe.safetensors", tensor_file(data)))
    probe.save(folder / "again.safetensors")


def run_ranking(folder: Path, data: bytes) -> None:
    ranking = NeuronRanking.load(written(folder / "ranking.safetensors", tensor_file(data)))
    ranking.to_frame()
    ranking.save(folder / "again.safetensors")


def run_study(folder: Path, data: bytes) -> None:
    written(folder / "results.json", data)
    if study := study_of(folder):
        store_of(study, "train")


def run_properties(folder: Path, data: bytes) -> None:
    """``--corpus`` and ``--property`` of the command line: a format, then properties."""
    letter, *properties = data.decode("utf-8", "replace").split("|")
    for name, content in FILES.items():
        written(folder / name, content)
    names = {"c": ["a.conllu"], "j": ["a.json"], "p": ["words", "labels"]}.get(letter, ["a.txt"])
    read_corpus("::".join(str(folder / name) for name in names), properties)


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def check(corpus: Corpus) -> None:
    """What holds for every corpus: labels for all words, and it can be written and read."""
    assert all(len(labels) == len(corpus.words) for labels in corpus.labels.values())
    text = corpus.words, corpus.labels, corpus.sentence_labels
    json.dumps(text, ensure_ascii=False, allow_nan=False).encode()


def tensor_file(data: bytes) -> bytes:
    """A safetensors file of a header's line and the tensors' bytes: as many as the header says."""
    header, _, content = data.partition(b"\n")
    with suppress(ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        entries = json.loads(header)
        stop = max(e["data_offsets"][1] for name, e in entries.items() if name != "__metadata__")
        content = content.ljust(min(stop, LARGEST), b"\0")[: max(stop, 0)]
    return struct.pack("<Q", len(header)) + header + content


def tensors(metadata: dict[str, str], *entries: tuple[str, str, list[int], bytes]) -> bytes:
    """A header's line and the bytes of tensors: name, type, shape, content."""
    header, content = {"__metadata__": metadata}, b""
    for name, dtype, shape, data in entries:
        offsets = [len(content), len(content) + len(data)]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        content += data
    return json.dumps(header).encode() + b"\n" + content


def index_of(shard: dict[str, object]) -> bytes:
    content = {"format": "captum_lca.activations/1", "layout": LAYOUT, "dtype": "float16"}
    content |= {"units": 3, "settings": {}, "shards": [shard], "complete": True}
    return json.dumps(content).encode()


def corpus_of(labels: dict[str, list[object]]) -> bytes:
    content = {
        "format": "captum_lca corpus",
        "version": 1,
        "source": "s",
        "sentences": [["a", "b"]],
    }
    return json.dumps({**content, "labels": labels, "sentence_labels": {"t": ["x"]}}).encode()


ROW = b"1\tShe\tshe\tPRON\tPRP\tNumber=Sing|Case=Nom\t2\tnsubj:pass\t_\tSpaceAfter=No\n"
FILES = {
    "a.conllu": ROW,
    "a.txt": b"Emma NNP B-PER\nsings VBZ O\n",
    "a.json": corpus_of({"p": ["X", None]}),
    "words": b"She sings\n",
    "labels": b"PRON VERB\n",
}
LAYOUT = {"layers": ["a"], "widths": [2]}
SHARD_INPUT = tensors({"format": "pt"}, ("activations", "F16", [3, 2], bytes(12)))
SHARD = {"file": "shard-00000.safetensors", "rows": 3, "sha256": "0"}
SHARD["bytes"] = len(tensor_file(SHARD_INPUT))
ONES, FOUR, ORDER = (
    struct.pack("<" + form, *n)
    for form, n in (("2f", (1, 1)), ("4f", (1, 0, 2, 3)), ("2q", (0, 1)))
)
CLASSES = {"classes": '["a", "b"]', "layout": json.dumps(LAYOUT)}
COUNTS = (
    "fitted_neurons nonzeros objective optimality target iterations seconds rows seed l1 l2 group"
)
REPORT = {"loss": "cross-entropy", "class_rows": [1, 1], **dict.fromkeys(COUNTS.split(), 1)}
PROBE = {**CLASSES, "format": "captum_lca.probe/1", "report": json.dumps(REPORT)}
RANKING = {**CLASSES, "format": "captum_lca.ranking/1", "method": "m"}
PROPERTIES = [
    "c|upos|feats.Number|deprel.universal|word.suffix=ing,ly", "t|pos=1|ner=-1|word.regex=\\d+",
    "j|p|word.set=he,she", "p|pos|word.casing", "p|sentence.tone|word.length", "t|1|misc.A",
]  # fmt: skip

TARGETS = {
    "conllu": Target(run_conllu, [ROW + b"\n", b"# a\n1-2\tx" + b"\t_" * 8 + b"\n" + ROW]),
    "columns": Target(run_columns, [FILES["a.txt"] + b"\n-DOCSTART-\n", b"a\tX\r\n\r\nb\tY\n"]),
    "tagged": Target(run_tagged, [b"She sings\n\x00PRON VERB\n", b"a\n\nb\x00X\n\nY"]),
    "corpus": Target(run_corpus, [corpus_of({}), FILES["a.json"], corpus_of({"p": [1.5, None]})]),
    "index": Target(run_index, [index_of(SHARD), index_of({**SHARD, "rows": 1}), b"{}"]),
    "shard": Target(run_shard, [SHARD_INPUT]),
    "probe": Target(
        run_probe,
        [
            tensors(
                PROBE,
                ("weight", "F32", [2, 2], FOUR),
                *((name, "F32", [2], ONES) for name in ("bias", "mean", "scale")),
            )
        ],
    ),
    "ranking": Target(
        run_ranking,
        [
            tensors(
                {**RANKING, "classes": json.dumps(classes)},
                ("order", "I64", [2], ORDER),
                ("salience", "F32", [2], ONES),
                ("class_order", "I64", shape, ORDER * len(classes)),
                ("class_salience", "F32", shape, ONES * len(classes)),
            )
            for classes, shape in (([], [0, 0]), (["a"], [1, 2]))
        ],
    ),
    "study": Target(
        run_study,
        [b'{"property": "p", "stores": {"train": "../a"}, "settings": {"numeric": ["p"]}}'],
    ),
    "properties": Target(run_properties, [text.encode() for text in PROPERTIES]),
}


def fuzz(name: str, seconds: float, scratch: Path) -> None:
    """Fuzz one target in this process, which ends with it."""
    target, folder = TARGETS[name], BUILD / name
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (folder / f"seed-{number}").write_bytes(seed)

    def one_input(data: bytes) -> None:
        with suppress(ValueError):
            target.run(scratch, data)

    options = [f"-max_total_time={seconds:.0f}", f"-artifact_prefix={folder}/", "-timeout=20"]
    options += ["-rss_limit_mb=4096", "-max_len=4096", "-print_final_stats=1", "-verbosity=0"]
    atheris.Setup([sys.argv[0], *options, str(folder)], one_input)
    atheris.Fuzz()


def crashes(name: str, seconds: float) -> bool:
    """Fuzz one target in a process of its own, and print what became of it."""
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as scratch:
        command = [sys.executable, __file__, "--alone", name, "--seconds", str(seconds)]
        done = subprocess.run(
            [*command, "--scratch", scratch],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    inputs = EXECUTED.search(done.stderr)
    print(f"{name}: {inputs[1] if inputs else 'unknown number of'} inputs", flush=True)
    if done.returncode:
        print("\n".join((done.stdout + done.stderr).splitlines()[-LAST_LINES:]), flush=True)
    return bool(done.returncode)


def main() -> int:
    """Fuzz the targets one after the other; 1 if one of them crashed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="in all (%(default)s)")
    parser.add_argument("--target", action="append", choices=list(TARGETS), help="(all)")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    parser.add_argument("--scratch", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        fuzz(options.alone, options.seconds, options.scratch)
    names = options.target or list(TARGETS)
    crashed = [name for name in names if crashes(name, options.seconds / len(names))]
    print(f"crashed: {', '.join(crashed)}" if crashed else "no crash")
    return bool(crashed)


if __name__ == "__main__":
    sys.exit(main())
