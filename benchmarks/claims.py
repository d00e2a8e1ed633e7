"""The paper's findings on real models and treebanks, each with its number, interval and verdict.

The verdict follows from the interval by a rule that stands beside each finding below, fixed before
anything was run: ``confirmed``; ``against``, where the interval says the opposite; ``not seen``.
Intervals are 95 %: over held-out sentences for sizes, over halves of the sentences for depths.

    python benchmarks/claims.py              # about a quarter of an hour on two cores
    python benchmarks/claims.py --quick      # tiny, to see that it runs; writes nothing
    python benchmarks/claims.py --page       # writes docs/claims.md from the results
"""

from __future__ import annotations

import argparse
import copy
import json
import tempfile
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

import torch
from measuring import RESULTS, TREEBANKS, write_results
from probe import model_path
from transformers.utils import logging as transformers_logging

from captum_lca import extract, fit_elastic_net, rankings, read_conllu
from captum_lca.activations.loading import load_model
from captum_lca.analysis import (
    centre_shift,
    compare_fine_tuning,
    compare_languages,
    minimal_set,
    rank_half_samples,
)
from captum_lca.corpora import suffix_rule

PAGE = Path(__file__).parents[1] / "docs" / "claims.md"
PROPERTIES = ["upos", "deprel.universal", "feats.Tense"]
SUFFIXES = ["ing", "ed", "ly", "s", "er", "tion", "ment", "al", "y"]
WORDS = {"minilm": 6000, "multilingual": 6000, "smollm2": 3000}
"""Training words; half as many to test on."""
SMALL = 0.2
"""A minimal set of no more than this share of the neurons is small."""
LEARNING_RATE, EPOCHS, BATCH = 5e-5, 2, 16
SENTENCES = 1500
"""To fine-tune on."""


@dataclass(frozen=True)
class Finding:
    """One finding, measured once."""

    claim: str
    """In words, as the paper has it."""
    case: str
    """Model, text and property."""
    number: str
    """What was measured."""
    value: float
    low: float
    high: float
    verdict: str


def by_sign(low, high):
    """Confirmed, if the interval lies above 0; against, if below."""
    if low > 0:
        return "confirmed"
    return "against" if high < 0 else "not seen"


class Study:
    """Models and texts at one size; what was extracted is kept."""

    def __init__(self, scale, samples, folder):
        self.scale, self.samples, self.folder = scale, samples, folder
        self.models, self.fitted = {}, {}

    def words(self, model):
        """How many to train on."""
        return int(WORDS[model] * self.scale)

    def text(self, treebank, part, words):
        """The first words of a treebank's file."""
        corpus = read_conllu(TREEBANKS / f"{treebank}-{part}.conllu", PROPERTIES).limit(words)
        return corpus.derive("suffix", suffix_rule(SUFFIXES))

    def model(self, name):
        """A model and its tokenizer."""
        if name not in self.models:
            self.models[name] = load_model(model_path(name))
        return self.models[name]

    def data(self, name, treebank):
        """Training and test stores of a model on a treebank, which carry their corpora."""
        train = "train" if treebank == "en_ewt" else "dev"
        found = []
        for part, words in ((train, self.words(name)), ("test", self.words(name) // 2)):
            out = self.folder / f"{name}-{treebank}-{part}-{words}"
            corpus = self.text(treebank, part, words)
            found.append(extract(corpus, *self.model(name), out=out))
        return found

    def probe(self, name, store, labels):
        """Probe, ranking, and rankings from halves of the sentences."""
        if name not in self.fitted:
            probe = fit_elastic_net(store, labels)
            halves = rank_half_samples(store, labels, samples=self.samples, init=probe)
            self.fitted[name] = rankings.weight_mass(probe), halves
        return self.fitted[name]


def small_sets_suffice(study, stores):
    """Confirmed: even the interval's upper end is small, and fewer than random neurons needed."""
    for name, (train, test) in stores.items():
        labels, gold = train.corpus.labels["upos"], test.corpus.labels["upos"]
        ranking, _ = study.probe((name, "upos"), train, labels)
        found = minimal_set(train, labels, ranking, test=(test, gold), draws=2)
        size, neurons = len(found.neurons), train.layout.size
        low, high = (end / neurons for end in found.size_interval)
        fewer = size < found.sizes["random"]
        verdict = "confirmed" if high <= SMALL and fewer else "not seen"
        yield Finding(
            "small sets suffice",
            f"{name}, English, UPOS",
            f"share of the neurons within one point of all ({size} of {neurons}; random: "
            f"{found.sizes['random']})",
            *(size / neurons, low, high),
            "against" if low > SMALL else verdict,
        )


def syntax_sits_higher(study, stores):
    """Confirmed: deeper by an interval above 0."""
    for name, (train, _) in stores.items():
        found = {
            prop: study.probe((name, prop), train, train.corpus.labels_of(prop))
            for prop in ("suffix", "upos", "deprel.universal")
        }
        pairs = (("suffix", "deprel.universal"), ("suffix", "upos"))
        for lower, higher in (*pairs, ("upos", "deprel.universal")):
            yield shifted(
                "lexical properties sit lower, syntactic ones higher",
                f"{name}, English, {higher} less {lower}",
                found[lower],
                found[higher],
            )


def shifted(claim, case, before, after):
    """A difference in depth of two rankings, over the same halves."""
    (first, first_halves), (second, second_halves) = before, after
    shift = centre_shift(
        first, second, before_resampled=first_halves, after_resampled=second_halves
    )
    verdict = by_sign(shift.low, shift.high)
    number = "difference of the centres of gravity, in relative depth"
    return Finding(claim, case, number, *asdict(shift).values(), verdict)


def fine_tuning_moves_down(study, stores):
    """Confirmed: the centre of gravity shifts by an interval below 0."""
    train, test = stores["minilm"]
    model, tokenizer = study.model("minilm")
    text = study.text("en_ewt", "train", 10**9).select(range(int(SENTENCES * study.scale)))
    tuned = fine_tuned(model, tokenizer, text)
    after = [extract(store.corpus, tuned, tokenizer) for store in (train, test)]
    for prop in ("upos", "deprel.universal"):
        labels, gold = (store.corpus.labels_of(prop) for store in (train, test))
        rows = [number for number, label in enumerate(gold) if label in set(labels)]
        known = [label if number in set(rows) else None for number, label in enumerate(gold)]
        found = compare_fine_tuning(
            train, after[0], labels, test=(test, after[1], known), samples=study.samples
        )
        yield Finding(
            "fine-tuning moves salient neurons downwards",
            f"minilm, English, {prop}; fine-tuned to tell sentences with a past tense",
            f"shift of the centre of gravity (of {found.count} top neurons, "
            f"{found.overlap.shared} stay)",
            *asdict(found.shift).values(),
            by_sign(-found.shift.high, -found.shift.low),
        )


def fine_tuned(model, tokenizer, corpus):
    """A copy of an encoder, fine-tuned to tell the sentences that have a past tense."""
    torch.manual_seed(0)
    tuned = copy.deepcopy(model).train()
    head = torch.nn.Linear(tuned.config.hidden_size, 2)
    tense, targets, texts = iter(corpus.labels_of("feats.Tense")), [], []
    for sentence in corpus.sentences:
        targets.append(int("Past" in [next(tense) for _ in sentence]))
        texts.append(list(sentence))
    optimiser = torch.optim.AdamW([*tuned.parameters(), *head.parameters()], lr=LEARNING_RATE)
    for _ in range(EPOCHS):
        for some in torch.randperm(len(texts)).split(BATCH):
            batch = tokenizer(
                [texts[number] for number in some],
                is_split_into_words=True,
                truncation=True,
                max_length=128,
                padding=True,
                return_tensors="pt",
            )
            mask = batch["attention_mask"].unsqueeze(-1)
            states = tuned(**batch).last_hidden_state
            logits = head((states * mask).sum(1) / mask.sum(1))
            wanted = torch.tensor([targets[number] for number in some])
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(logits, wanted).backward()
            optimiser.step()
    return tuned.eval()


def architectures_differ(study, stores):
    """Confirmed: the interval of the difference in depth leaves out 0, to either side."""
    for first, second in combinations(stores, 2):
        found = []
        for name in (first, second):
            corpus = stores[name][0].corpus
            found.append(study.probe((name, "upos"), stores[name][0], corpus.labels["upos"]))
        finding = shifted(
            "architectures differ in where a property sits",
            f"{second} less {first}, English, UPOS",
            *found,
        )
        same = finding.verdict == "not seen"
        yield Finding(**{**asdict(finding), "verdict": "not seen" if same else "confirmed"})


def languages_share(study):
    """Confirmed: more than random choices share, at p < 0.05 over the three pairs."""
    stores = {name: study.data("multilingual", name) for name in ("en_ewt", "de_gsd", "fr_gsd")}
    train, test = (
        {name: (both[half], both[half].corpus.labels["upos"]) for name, both in stores.items()}
        for half in (0, 1)
    )
    classes = set.intersection(*(set(labels) for _, labels in train.values())) - {None}
    train, test = (
        {
            name: (store, [label if label in classes else None for label in labels])
            for name, (store, labels) in half.items()
        }
        for half in (train, test)
    )
    found = compare_languages(train, test=test, samples=study.samples)
    transfer = found.transfer()
    for pair in found.pairs:
        across = transfer.loc[pair.first, pair.second], transfer.loc[pair.second, pair.first]
        yield Finding(
            "languages share neurons",
            f"multilingual, {pair.first} and {pair.second}, UPOS",
            f"overlap of the top {found.count} neurons (interval: of random choices; a probe of "
            f"the one is right in the other for {across[0]:.2f} and {across[1]:.2f} of the words)",
            pair.overlap.overlap,
            *pair.overlap.interval,
            "confirmed" if pair.overlap.p_value < 0.05 / len(found.pairs) else "not seen",
        )


def findings(study):
    """All of them, one after the other."""
    stores = {name: study.data(name, "en_ewt") for name in WORDS}
    yield from syntax_sits_higher(study, stores)
    yield from architectures_differ(study, stores)
    yield from languages_share(study)
    yield from fine_tuning_moves_down(study, stores)
    yield from small_sets_suffice(study, stores)


def page(results):
    """docs/claims.md."""
    rows = [
        f"| {row['claim']} | {row['case']} | {row['number']} | {row['value']:.3f} "
        f"[{row['low']:.3f}, {row['high']:.3f}] | {row['verdict']} |"
        for row in results["findings"]
    ]
    words = ", ".join(f"{name} {count:,}" for name, count in results["words"].items())
    return "\n".join(
        [
            "# The paper's findings, measured",
            "",
            "What Durrani, Dalvi & Sajjad (JMLR 2023) report of BERT, RoBERTa and XLNet, looked",
            "for in other models: all-MiniLM-L6-v2 (minilm), SmolLM2-135M-Instruct (smollm2) and",
            "a multilingual-e5-small (multilingual), on Universal Dependencies in English (EWT),",
            f"German and French (GSD). Training words: {words}; half as many to test on.",
            "",
            "Depth is relative: 0 is the embeddings, 1 the last block. Intervals are 95 %: over",
            "held-out sentences for sizes, over random halves of the sentences for depths. The",
            "rule for each verdict stands in `benchmarks/claims.py`, which wrote this page; it",
            "was fixed before the run. Few models and one seed of each: a verdict holds for its",
            "row, not for language models at large. Rows on depth are not corrected for being",
            "many; with a sixteenth of the words (`--quick`) most of them are not seen, and one is",
            "against. Whether a property sits high in absolute terms they don't say. The sentences",
            "that a model is fine-tuned on are among those that its neurons are ranked on.",
            "",
            "| claim | case | what was measured | value | verdict |",
            "| --- | --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny sizes; writes nothing")
    parser.add_argument("--page", action="store_true", help="write docs/claims.md, run nothing")
    options = parser.parse_args()
    if options.page:
        results = json.loads((RESULTS / "claims.json").read_text(encoding="utf-8"))
        PAGE.write_text(page(results), encoding="utf-8")
        return
    transformers_logging.set_verbosity_error()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        study = Study(0.06 if options.quick else 1.0, 3 if options.quick else 10, Path(folder))
        for finding in findings(study):
            found.append(asdict(finding))
            print(
                f"{finding.verdict:10} {finding.value:7.3f} [{finding.low:.3f}, {finding.high:.3f}]"
                f"  {finding.claim}: {finding.case}; {finding.number}",
                flush=True,
            )
            if not options.quick:
                write_results("claims", {"words": WORDS, "findings": found})


if __name__ == "__main__":
    main()
