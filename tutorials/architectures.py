"""Compare architectures
=====================

The same question to several models: where do they carry a property, and in how many neurons?
Here a trained encoder, the same encoder with random weights, and a small decoder that is
trained on this page.
"""

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from captum_lca import extract, generate_corpus
from captum_lca.activations import random_twin
from captum_lca.activations.loading import load_model
from captum_lca.analysis import compare_models
from captum_lca.demo_model import demo_model_folder

encoder, tokenizer = load_model(str(demo_model_folder()))
untrained = random_twin(encoder, seed=0)

# %%
# A decoder, made in half a minute
# --------------------------------
# Four layers that see only what comes before, trained to predict the next word of sentences of
# the same grammar. It is small, knows one kind of text and has a tokenizer of whole words: a
# toy, but of another architecture. Your own models go in its place (``load_model(name)``), as
# many as you like, each with its own tokenizer.

text = [list(words) for words in generate_corpus(3000, seed=2).sentences]
vocabulary = ["[PAD]", "[UNK]", *sorted({word for words in text for word in words})]
numbers = {word: number for number, word in enumerate(vocabulary)}
splitter = Tokenizer(WordLevel(numbers, unk_token="[UNK]"))
splitter.pre_tokenizer = WhitespaceSplit()
words_as_tokens = PreTrainedTokenizerFast(
    tokenizer_object=splitter, pad_token="[PAD]", unk_token="[UNK]"
)
torch.manual_seed(0)
decoder = GPT2LMHeadModel(
    GPT2Config(
        vocab_size=len(vocabulary),
        n_positions=64,
        n_embd=128,
        n_layer=4,
        n_head=4,
        bos_token_id=None,
        eos_token_id=None,
    )
)
optimizer = torch.optim.AdamW(decoder.parameters(), lr=1e-3)
decoder.train()
losses = []
for start in range(0, 2 * len(text), 60):
    chosen = [text[place % len(text)] for place in range(start, start + 60)]
    batch = words_as_tokens(chosen, is_split_into_words=True, padding=True, return_tensors="pt")
    ids, mask = batch["input_ids"], batch["attention_mask"]
    wanted = ids.masked_fill(mask == 0, -100)
    loss = decoder(input_ids=ids, attention_mask=mask, labels=wanted).loss
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(float(loss.detach()))
decoder.eval()
print(f"loss of the next word {losses[0]:.1f} at first, {losses[-1]:.1f} at the end")

# %%
# One text, three models
# ----------------------
# The role of a word (subject, object, …), which hangs on the words around it.

train, test = generate_corpus(200, seed=0), generate_corpus(150, seed=1)
models = {
    "MiniLM": (encoder, tokenizer),
    "random twin": (untrained, tokenizer),
    "small decoder": (decoder, words_as_tokens),
}
rows, test_rows = (
    {name: extract(corpus, *model, progress=False) for name, model in models.items()}
    for corpus in (train, test)
)
found = compare_models(
    rows,
    train.labels["role"],
    test=(test_rows, test.labels["role"]),
    l1=3e-3,
    samples=3,
    progress=False,
)
found.to_frame()[
    ["model", "neurons", "score", "minimal", "centre", "centre_low", "centre_high"]
].round(3)

# %%
_ = found.plot()

# %%
# **How to read it.** ``score`` is the accuracy of a probe on all neurons of the model.
# ``minimal`` is how many neurons a probe needs to come within a point of that: of *its own*
# score, so a model that knows less needs fewer. ``centre`` is where the salient neurons sit,
# from 0, the first layer, to 1, the last. In the picture, a density of 1 is what an equal
# spread over the layers would give, and depth is relative, so that models of 5 and of 7 layers
# share an axis.
#
# - The random twin shows what an architecture gives without training: its embeddings still tell
#   words apart, and words tell much about roles.
# - The decoder was trained for seconds, and its probe knows hardly more than word identity. That
#   its salient neurons sit low says the same: they are in the embeddings. A decoder sees only
#   what comes before a word, so what a role owes to the words behind it, no amount of training
#   can tell it there.
#
# **What it doesn't show.** These models differ in more than architecture: size, text, training.
# Two models never tell which of these it was; and the same relative depth isn't the same stage
# of processing.
