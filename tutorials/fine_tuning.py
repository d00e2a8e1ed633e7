"""What fine-tuning moves
======================

A small model learns a label in plain torch; the same probes, fitted before and after, say which
neurons carry the label then and now.
"""

from copy import deepcopy

import torch
from torch import nn

from captum_lca import extract, generate_corpus
from captum_lca.activations.loading import load_model
from captum_lca.analysis import compare_fine_tuning
from captum_lca.demo_model import demo_model_folder

SENTENCES, PROPERTY, EPOCHS = 250, "role", 2
UNLABELLED = -100  # what torch's cross-entropy leaves out

# %%
# Three texts that share no sentence
# ----------------------------------
# One to fine-tune on, one to fit probes on, one to test them. The label is the role of a word:
# subject, object, …

corpus = generate_corpus(2 * SENTENCES + SENTENCES // 2, seed=0)
tuning = corpus.select(range(SENTENCES))
train = corpus.select(range(SENTENCES, 2 * SENTENCES))
test = corpus.select(range(2 * SENTENCES, len(corpus)))
model, tokenizer = load_model(str(demo_model_folder()))

# %%
# Fine-tuning
# -----------
# A head on the last layer reads each word's label at its last subword. This is any training
# loop: the rest of this page takes two models, wherever they come from.


def batches(corpus, name, size):
    """Pairs of the tokenizer's output and class numbers, shape (sentences, subwords)."""
    labels = corpus.labels_of(name)
    numbers = {label: number for number, label in enumerate(sorted({*labels} - {None}))}
    found, first = [], 0
    for start in range(0, len(corpus), size):
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


torch.manual_seed(0)
tuned = deepcopy(model).train()
head = nn.Linear(model.config.hidden_size, len({*tuning.labels[PROPERTY]} - {None}))
optimizer = torch.optim.AdamW([*tuned.parameters(), *head.parameters()], lr=1e-4)
losses = []
for encoded, wanted in batches(tuning, PROPERTY, 32) * EPOCHS:
    logits = head(tuned(**encoded).last_hidden_state)
    loss = nn.functional.cross_entropy(
        logits.flatten(0, 1), wanted.flatten(), ignore_index=UNLABELLED
    )
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(float(loss))
tuned.eval()
print(f"loss {losses[0]:.2f} at first, {losses[-1]:.2f} at the end")

# %%
# The same questions to both models
# ---------------------------------

before, before_test, after, after_test = (
    extract(text, net, tokenizer, progress=False)
    for net in (model, tuned)
    for text in (train, test)
)
found = compare_fine_tuning(
    before,
    after,
    train.labels[PROPERTY],
    test=(before_test, after_test, test.labels[PROPERTY]),
    samples=5,
    progress=False,
)
found.to_frame().round(3)

# %%
print(f"accuracy, all layers: {found.probes_before.full} → {found.probes_after.full}")
print(f"shift of the centre of gravity: {found.shift} of the depth")
print(f"overlap of the top {found.count}: {found.overlap.overlap:.2f}")
print(f"    by chance {found.overlap.expected:.2f}")
_ = found.plot()

# %%
# **How to read it.** The bars are how many of the salient neurons each layer holds before and
# after; whiskers are 95 % intervals over halves of the sentences. The table has, layer by
# layer, how well the layer alone knows the label. A shift below 0 is towards the input, above 0
# towards the output; an interval that holds 0 means that no movement was seen. The overlap says
# how many top neurons are still the same: more than by chance, but two samples of text for
# *one* model don't overlap fully either.
#
# One run with one seed is one fine-tuning. Others may end elsewhere, and the interval doesn't
# know them.
