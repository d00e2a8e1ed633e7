"""``captum-lca ablate``: the neurons that ``analyze`` found, ablated in the model itself."""

from __future__ import annotations

import argparse
from pathlib import Path

from captum_lca.ablation import Replacement, Resampled, neuron_means
from captum_lca.activations import ActivationStore
from captum_lca.activations.loading import HEADS, load_model
from captum_lca.activations.store_index import INDEX_FILE, inside
from captum_lca.analysis import model_effects
from captum_lca.analysis.model_effects import AT
from captum_lca.cli.analyze import settings_of
from captum_lca.cli.options import FORMATS, Parser, device, positive
from captum_lca.cli.printing import is_watched, say
from captum_lca.cli.studies import RESULTS_FILE, beside, study_of
from captum_lca.corpora import read_corpus
from captum_lca.files import locked, written_once
from captum_lca.neurons import NeuronRanking
from captum_lca.probes import LinearProbe
from captum_lca.report import write_effects
from captum_lca.report.folder import REPORT_FILE

BASELINES = ("mean", "zero", "resample")


def add_options(parser: Parser) -> None:
    """Add what ``ablate`` takes."""
    parser.epilog = FORMATS
    parser.add_argument("study", help="folder that analyze wrote for one property")
    parser.add_argument("--model", required=True, help="the model that was studied")
    parser.add_argument("--corpus", required=True, help="labelled text that was not trained on")
    parser.add_argument(
        "--task",
        choices=(*HEADS, "probe"),
        required=True,
        help="what the model predicts; probe: the study's probe is read instead of a head",
    )
    parser.add_argument("--property", help="what to read as labels (the study's property)")
    parser.add_argument(
        "--class", dest="classes", action="append", required=True, metavar="NAME",
        help="whose neurons to ablate; repeat it for several",
    )  # fmt: skip
    parser.add_argument(
        "--count", dest="counts", action="append", type=positive, metavar="NUMBER",
        help="of neurons; repeat it for several (30)",
    )  # fmt: skip
    parser.add_argument("--layers", help="choose neurons of these only, separated by commas (all)")
    parser.add_argument(
        "--baseline", choices=BASELINES, default="mean", help="in the neurons' place (%(default)s)"
    )
    parser.add_argument(
        "--of", metavar="NAME",
        help="class whose training words the mean, or resampled values, are taken from (any)",
    )  # fmt: skip
    parser.add_argument(
        "--at", choices=AT, default=AT[0],
        help="where to ablate: at every token but the first (%(default)s), at the words of the "
        "class only, everywhere",
    )  # fmt: skip
    parser.add_argument("--max-words", type=positive, help="read only so many words")
    parser.add_argument("--draws", type=positive, default=5, help="of random neurons (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    parser.add_argument("--batch-tokens", type=positive, default=512, help="at once (%(default)s)")
    parser.add_argument("--device", type=device, default="cpu", help="cpu, cuda, … (%(default)s)")
    parser.add_argument("--trust-remote-code", action="store_true", help="run the author's code")
    parser.add_argument("--out", help="folder for the results (the study's)")


def run(options: argparse.Namespace) -> None:
    """Ablate, and write and print the results."""
    folder = Path(options.study)
    probe, ranking, name = _study(folder)
    if unknown := [target for target in options.classes if target not in probe.classes]:
        raise ValueError(f"{folder}: no class {unknown[0]!r}; it has {list(probe.classes)}")
    asked = options.property or name
    corpus = read_corpus(options.corpus, [asked])
    corpus = corpus.limit(options.max_words) if options.max_words else corpus
    labels = [None if value is None else str(value) for value in corpus.labels_of(name)]
    store = _training_store(folder)
    by = _replacement(options, store, name)
    model, tokenizer = load_model(
        options.model,
        task=None if options.task == "probe" else options.task,
        device=options.device,
        trust_remote_code=options.trust_remote_code,
    )
    effects = model_effects(
        model,
        tokenizer,
        corpus,
        labels,
        ranking,
        classes=options.classes,
        counts=options.counts or (30,),
        layers=options.layers.split(",") if options.layers else None,
        activations=store,
        by=by,
        at=options.at,
        task=options.task,
        probe=probe if options.task == "probe" else None,
        draws=options.draws,
        seed=options.seed,
        batch_tokens=options.batch_tokens,
        progress=is_watched(),
    )
    out = Path(options.out or folder)
    with locked(out), written_once():
        write_effects(effects, out, settings_of(options))
    table = effects.to_frame()
    shown = table[(table["measure"] == "loss") & (table["words"] != "all")]
    columns = ["target", "neurons", "choice", "massive", "words", "change", "low", "high", "p"]
    say(f"change of the loss (nats) by ablation, {effects.predictions:,} predictions")
    say(shown[columns].round(4).to_string(index=False))
    say(f"  {len(effects.massive.neurons)} neurons with massive activations")
    say(f"  results in {out}: open {REPORT_FILE}")


def _study(folder: Path) -> tuple[LinearProbe, NeuronRanking, str]:
    """The probe of a study, its ranking, and the name of its property."""
    files = (RESULTS_FILE, "probe.safetensors", "ranking.safetensors")
    results, probe, ranking = (inside(folder, name) for name in files)
    if missing := [name for name in files if not (folder / name).is_file()]:
        raise ValueError(f"{folder}: no study of analyze: there is no {missing[0]}")
    study = study_of(folder)
    if study is None:
        raise ValueError(f"{results}: not what analyze writes for one property")
    return LinearProbe.load(probe), NeuronRanking.load(ranking), study.subject


def _training_store(folder: Path) -> ActivationStore | None:
    """The activations that the probe was fitted on, if they are beside it."""
    for place in (".", ".."):
        store = beside(folder, Path(place) / "activations" / "train-words")
        if (store / INDEX_FILE).is_file():
            return ActivationStore.open(store)
    return None


def _replacement(
    options: argparse.Namespace, store: ActivationStore | None, name: str
) -> Replacement | None:
    """What takes the neurons' place; None: their mean over all training words but first ones."""
    if options.of is not None and options.baseline == "zero":
        raise ValueError("--of names the words that values are taken from; zeros are from none")
    if options.baseline == "zero":
        return 0.0
    if options.baseline == "mean" and options.of is None:
        return None
    if store is None or store.corpus is None:
        raise ValueError(
            f"{options.study}: resampling and --of need the study's activations beside it"
        )
    labels = store.corpus.labels_of(name) if options.of is not None else None
    if options.baseline == "mean":
        return neuron_means(store, labels, of=options.of)
    return Resampled(store, options.seed, labels, options.of)
