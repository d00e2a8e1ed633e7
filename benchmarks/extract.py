"""Extraction beside a bare loop of forward passes and NeuroX's extractor, in one run.

The bare loop runs the same batches through the same model, asks for all hidden states and throws
them away: nothing that reads hidden states can be much faster. NeuroX's extractor gets its words
without the writing of a file. Every round runs all of them, in turn; a figure is the best of the
rounds.

    python benchmarks/extract.py [--words 10000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import contextlib
import io

import torch
from measuring import TREEBANKS, seconds, write_results
from neurox.data.extraction.transformers_extractor import (
    extract_sentence_representations,
    get_model_and_tokenizer,
)

from captum_lca import extract, read_conllu
from captum_lca.activations import extraction
from captum_lca.activations.batching import batches
from captum_lca.activations.chunks import chunks
from captum_lca.activations.encoding import SentenceEncoder, model_window
from captum_lca.activations.loading import load_model
from captum_lca.demo_model import demo_model_folder

BATCH_TOKENS = (512, 1024, 2048, 4096)
NEURONS = 2688
DEFAULT = extraction.BATCH_TOKENS["cpu"]


def bare_loop(model, encoded):
    """Forward passes over the batches; nothing is kept."""
    with torch.no_grad():
        for ids, mask in encoded:
            model(input_ids=ids, attention_mask=mask, output_hidden_states=True)


def padded_batches(corpus, model, tokenizer, batch_tokens):
    """Token ids and masks of the batches that extract makes."""
    encoder = SentenceEncoder(tokenizer, model_window(tokenizer, model), "last", "word")
    padded = []
    windows = (
        batch
        for chunk in chunks(corpus, NEURONS, "word")
        for batch in batches(encoder.encode(chunk.sentences).windows, batch_tokens)
    )
    for batch in windows:
        lengths = torch.tensor([len(window.token_ids) for window in batch])
        mask = (torch.arange(int(lengths.max())) < lengths[:, None]).long()
        ids = torch.zeros_like(mask)
        ids[mask.bool()] = torch.tensor([i for window in batch for i in window.token_ids])
        padded.append((ids, mask))
    return padded


def neurox(model, tokenizer, corpus):
    """NeuroX's extractor, a sentence at a time as it works."""
    counts = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for words in corpus.sentences:
            extract_sentence_representations(
                " ".join(words), model, tokenizer, tokenization_counts=counts
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--words", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    model, tokenizer = load_model(str(demo_model_folder()))
    peer_model = get_model_and_tokenizer(str(demo_model_folder()))
    corpus = read_conllu(TREEBANKS / "en_ewt-dev.conllu").limit(options.words)
    words = len(corpus.words)
    encoded = {size: padded_batches(corpus, model, tokenizer, size) for size in BATCH_TOKENS}
    times = {}
    for _ in range(options.rounds):
        for size in BATCH_TOKENS:
            ours = seconds(
                lambda size=size: extract(
                    corpus, model, tokenizer, batch_tokens=size, progress=False
                )
            )
            bare = seconds(lambda size=size: bare_loop(model, encoded[size]))
            times.setdefault(("ours", size), []).append(ours)
            times.setdefault(("bare", size), []).append(bare)
        peer = seconds(lambda: neurox(*peer_model, corpus))
        times.setdefault(("neurox", None), []).append(peer)
    rates = {case: words / min(found) for case, found in times.items()}
    best_bare = max(rate for (name, _), rate in rates.items() if name == "bare")
    print(f"{words} words of UD English EWT dev, all-MiniLM-L6-v2, best of {options.rounds}")
    print(f"{'tokens a batch':>15}{'ours':>9}{'bare loop':>11}{'ours/bare':>11}   (words a second)")
    table = []
    for size in BATCH_TOKENS:
        ours, bare = rates["ours", size], rates["bare", size]
        row = {"batch_tokens": size, "ours": ours, "bare_loop": bare, "ratio": ours / bare}
        table.append(row)
        print(f"{size:>15}{ours:>9.0f}{bare:>11.0f}{ours / bare:>11.2f}")
    default = rates["ours", DEFAULT]
    print(f"ours at the default {DEFAULT} / best bare loop: {default / best_bare:.2f}")
    print(
        f"NeuroX: {rates['neurox', None]:.0f}; ours / NeuroX: {default / rates['neurox', None]:.1f}"
    )
    write_results(
        "extract",
        {
            "words": words,
            "rounds": options.rounds,
            "table": table,
            "neurox": rates["neurox", None],
            "ours_over_best_bare_loop": default / best_bare,
            "ours_over_neurox": default / rates["neurox", None],
        },
    )


if __name__ == "__main__":
    main()
