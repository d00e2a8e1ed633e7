"""LCA beside Integrated Gradients and other methods of Captum
===========================================================

LCA says which neurons carry a property. Captum's other methods say which *inputs* drive a
number that a model computes. Put together, they say which words drive the neurons that carry
it.
"""

import torch
from captum.attr import (
    FeatureAblation,
    LayerGradientXActivation,
    LayerIntegratedGradients,
)
from matplotlib import pyplot as plt

from captum_lca import LinguisticCorrelationAnalysis, extract, fit_elastic_net, generate_corpus
from captum_lca.activations.loading import load_model
from captum_lca.demo_model import demo_model_folder

model, tokenizer = load_model(str(demo_model_folder()))
train = generate_corpus(800, seed=0)
store = extract(train, model, tokenizer, progress=False)
probe = fit_elastic_net(store, train.labels["upos"])

# %%
# Two questions about one word
# ----------------------------
# The sentence has *play* twice: a verb, then a noun.

lca = LinguisticCorrelationAnalysis.from_probe(model, "hidden", probe)
text = tokenizer("The guests play a song at the play .", return_tensors="pt")
ids, mask, tokens = text["input_ids"], text["attention_mask"], text.tokens()
verb, noun = (place for place, token in enumerate(tokens) if token == "play")
target = probe.class_index("VERB")
top = lca.rank("VERB").top(50)

# %%
# *Where is the evidence?* ``attribute`` gives, for token ids, what the neurons contribute at
# each token:

own = lca.attribute(ids, top, "VERB", mask)[0]

# %%
# *Where does the evidence at the first* play *come from?* ``lca.forward_func`` is the model
# with the probe on top, so any Captum method runs on it. Its output has a logit per token and
# class, and Captum's target is the pair:

words = model.embeddings.word_embeddings
options = {"additional_forward_args": mask}


def effects(place):
    """What each input token adds to the logit for VERB at one place, by three methods."""
    target_there = (place, target)
    integrated = LayerIntegratedGradients(lca.forward_func, words)
    gradient = LayerGradientXActivation(lca.forward_func, words)
    removal = FeatureAblation(lca.forward_func)
    return {
        "Integrated Gradients": integrated.attribute(
            ids, target=target_there, n_steps=50, **options
        ).sum(-1)[0],
        "gradient × activation": gradient.attribute(ids, target=target_there, **options).sum(-1)[0],
        "token replaced by [MASK]": removal.attribute(
            ids, baselines=tokenizer.mask_token_id, target=target_there, **options
        )[0],
    }


def draw(ax, rows, title):
    """Rows of numbers as colours, each row by its own largest."""
    values = torch.stack([row.detach() for row in rows.values()])
    scaled = values / values.abs().amax(1, keepdim=True)
    ax.imshow(scaled, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    for (row, column), value in zip(
        torch.cartesian_prod(*map(torch.arange, values.shape)), values.flatten()
    ):
        strong = abs(float(scaled[row, column])) > 0.6
        ax.text(column, row, f"{value:.1f}", ha="center", va="center", fontsize=8,
                color="white" if strong else "black")  # fmt: skip
    ax.set_xticks(range(len(tokens)), tokens)
    ax.set_yticks(range(len(rows)), list(rows))
    ax.set_title(title, fontsize="medium")


figure, axes = plt.subplots(3, 1, figsize=(9, 6), layout="constrained", height_ratios=[1, 3, 3])
draw(
    axes[0], {"contributions (LCA)": own}, "evidence for VERB at each token, of the top 50 neurons"
)
draw(axes[1], effects(verb), f"what drives the logit for VERB at token {verb}, the first play")
draw(axes[2], effects(noun), f"what drives the logit for VERB at token {noun}, the second play")

# %%
# **How to read it.** The top row is *at* the tokens: red where the neurons speak for a verb.
# The rows below are about one token's logit, and spread it over the *inputs*: red words raise
# it, blue ones lower it. Rows are coloured by their own largest value, since the methods
# measure different things: Integrated Gradients adds up to the change of the logit from a
# sentence without words, gradient × activation looks at the slope only, and masking a token at
# what happens without it. Where they agree, the word matters; where they don't, a method's
# assumption does.
#
# From the neurons back to the words
# ----------------------------------
# The rows of the first picture are at the tokens, those of the others about a logit of *all*
# neurons. With embeddings in place of token ids, ``attribute`` carries what the *selected*
# neurons contribute back to the inputs; by Integrated Gradients unless ``neuron_attr_method``
# names another neuron attribution of Captum. What is carried back is the sum over all places,
# so a selector picks one place here:


def run(embeddings, attention_mask):
    """The model on word embeddings."""
    return model(inputs_embeds=embeddings, attention_mask=attention_mask)


layers = [model.embeddings, *model.encoder.layer]
on_embeddings = LinguisticCorrelationAnalysis.from_probe(run, layers, probe)
embeddings = words(ids).detach()
rows = {}
for place in (verb, noun):

    def selected(parts, place=place):
        """What the top neurons contribute at one place."""
        return torch.cat(parts, -1)[:, place, top].sum(-1)

    carried = on_embeddings.attribute(
        embeddings, selected, "VERB", additional_forward_args=mask, n_steps=20
    )
    rows[f"top 50, token {place}"] = carried.sum(-1)[0]
figure, ax = plt.subplots(figsize=(9, 2), layout="constrained")
draw(ax, rows, "which words drive the top 50 neurons for VERB, at the two plays")

# %%
# **How to read it.** The same as above, for fifty neurons instead of 2,688. If the picture is
# much like that of the whole logit, the evidence runs through these neurons; what differs runs
# through others.
#
# None of this shows that the model *uses* the neurons for anything of its own. That takes
# ablation: :doc:`ablation_in_the_model`.
