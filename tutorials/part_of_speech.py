"""Find the neurons of a part of speech
====================================

From a model and labelled sentences to the neurons that carry *verb*: the whole method, once.
"""

from matplotlib import pyplot as plt

from captum_lca import (
    LinguisticCorrelationAnalysis,
    extract,
    fit_elastic_net,
    generate_corpus,
    rankings,
)
from captum_lca.ablation import ablate_probe
from captum_lca.activations.loading import load_model
from captum_lca.analysis import activation_histograms, neuron_responses
from captum_lca.demo_model import demo_model_folder
from captum_lca.probes import evaluate

# %%
# A model and a text
# ------------------
# The built-in grammar makes sentences whose parts of speech are known, and whose words are
# ambiguous: *walk* is a noun and a verb. One row of activations per word, over the embeddings
# and all six blocks:

model, tokenizer = load_model(str(demo_model_folder()))
train, test = generate_corpus(800, seed=0), generate_corpus(300, seed=1)
store = extract(train, model, tokenizer, progress=False)
test_store = extract(test, model, tokenizer, progress=False)
labels, test_labels = train.labels["upos"], test.labels["upos"]
print(store)
print(*zip(train.sentences[0], labels))

# %%
# The probe
# ---------
# A linear probe reads the labels off the rows, with a penalty that leaves most weights exactly
# zero.

probe = fit_elastic_net(store, labels, l1=1e-3, l2=1e-4)
scores = evaluate(
    probe, test_store, test_labels, words=test.words, train_words=train.words, train_labels=labels
)
print(f"accuracy            {scores.accuracy:.3f}")
print(f"the word's label    {scores.word_accuracy:.3f}   (most frequent in training)")
print(f"the majority class  {scores.majority_accuracy:.3f}")
print(f"weights that are not zero: {probe.report.nonzeros:,} of {probe.weight.numel():,}")

# %%
# **How to read it.** The probe has to be better than guessing each word's most frequent label,
# or it has found nothing but the word. Here the difference is what the model knows from the
# context.
#
# The ranking
# -----------
# A neuron's salience says how early it comes when the heaviest weights of a class are taken one
# by one. Over all classes, and for verbs alone:

ranking = rankings.weight_mass(probe)
verbs = ranking.for_class("VERB")
verbs.to_frame().head()

# %%
# Where do they sit?

figure, axes = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained", sharey=True)
for ax, order, name in zip(axes, (ranking, verbs), ("all classes", "VERB")):
    order.plot(100, ax)
    ax.set_title(name)

# %%
# **How to read it.** Bars above the line: the layer has more of the top 100 neurons than an
# equal spread over the network would give it. That says where this probe takes the property
# from. It does not say where the model computes it, since every layer passes on what it got.
#
# Is the order right?
# -------------------
# Hold all neurons but some at their mean, and let the probe try again.

effect = ablate_probe(probe, ranking, test_store, test_labels, progress=False)
figure, axes = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained", sharey=True)
for ax, action in zip(axes, ("keep", "remove")):
    effect.plot(action=action, ax=ax)

# %%
# **How to read it.** Left: a few hundred top neurons keep nearly all of the accuracy, as many
# random ones much less, the bottom ones nothing. Right: taking the top away costs most. The
# band is the spread of five random draws; where the lines are further apart than that, the
# order means something.
#
# What is the first verb neuron?
# ------------------------------

neuron = int(verbs.top(1))
layer, index = probe.layout.locate(neuron)
print(f"layer {layer}, neuron {index}")
figure, axes = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
activation_histograms(store, labels, neuron).plot(["VERB", "NOUN", "DET"], ax=axes[0])
_ = neuron_responses(store, neuron, count=8).plot(ax=axes[1])

# %%
# **How to read it.** Left, the neuron's activations at verbs, nouns and determiners: the more
# apart they are, the more this one neuron tells. Right, the words that move it most, up and
# down. A neuron can stand for verbs by being low at them: then the probe's weight is negative.
# If the histograms overlap, the neuron helps only together with others: that is the usual case.
#
# What do verb neurons say of one sentence?
# -----------------------------------------
# Their contributions to the probe's logit for ``VERB``, at each token:

lca = LinguisticCorrelationAnalysis.from_probe(model, "hidden", probe)
text = tokenizer("The guests play a song at the play .", return_tensors="pt")
found = lca.attribute(text["input_ids"], verbs.top(20), "VERB", text["attention_mask"])[0]

figure, ax = plt.subplots(figsize=(8, 3), layout="constrained")
ax.bar(range(len(found)), found.tolist(), color=["#D55E00" if v > 0 else "#0072B2" for v in found])
ax.axhline(0, color="black", linewidth=0.8)
ax.set_xticks(range(len(found)), text.tokens())
_ = ax.set_ylabel("part of the logit for VERB")

# %%
# **How to read it.** The first *play* is a verb, the second is not, and twenty neurons of 2,688
# tell them apart. What the bars do not show is the bias and all other neurons: with them, the
# sum is the logit.
