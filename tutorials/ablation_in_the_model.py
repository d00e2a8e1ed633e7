"""Do ablated neurons hurt the model?
==================================

A ranking says which neurons a *probe* reads. Whether the *model* needs them is another
question: hold them at their mean while it runs, and see which words it gets wrong.
"""

from matplotlib import pyplot as plt
from transformers import AutoModelForTokenClassification

from captum_lca import extract, fit_elastic_net, generate_corpus, rankings
from captum_lca.ablation import ablating, all_but_first
from captum_lca.activations.loading import load_model
from captum_lca.analysis import model_effects
from captum_lca.demo_model import demo_model_folder

# %%
# A model that does something with words
# --------------------------------------
# MiniLM makes sentence vectors and has no head. So it gets one, a tagger of parts of speech: a
# linear map from the last layer, which is what :func:`~captum_lca.fit_elastic_net` fits. With a
# model of your own, this step falls away.

folder = str(demo_model_folder())
model, tokenizer = load_model(folder)
train, test = generate_corpus(800, seed=0), generate_corpus(150, seed=1)
last = extract(train, model, tokenizer, layers="encoder.layer.5", pooling="first", progress=False)
head = fit_elastic_net(last, train.labels["upos"], l1=1e-4)

tagger = AutoModelForTokenClassification.from_pretrained(
    folder,
    id2label=dict(enumerate(head.classes)),
    label2id={n: i for i, n in enumerate(head.classes)},
)
slope = head.weight / head.scale
tagger.classifier.weight.data = slope
tagger.classifier.bias.data = head.bias - slope @ head.mean
tagger.eval()
encoded = tokenizer("The guests play a song .", return_tensors="pt")
tags = tagger(**encoded).logits[0].argmax(-1).tolist()
print(*(f"{token}/{tagger.config.id2label[tag]}" for token, tag in zip(encoded.tokens(), tags)))

# %%
# Neurons, lower down
# -------------------
# The ranking is from a probe on the lower half of the model, so that there is something left
# above for the change to go through.

lower = ["embeddings", "encoder.layer.0", "encoder.layer.1", "encoder.layer.2"]
store = extract(train, model, tokenizer, layers=lower, progress=False)
probe = fit_elastic_net(store, train.labels["upos"])
ranking = rankings.weight_mass(probe)
verbs = ranking.for_class("VERB").top(50)

# %%
# One sentence by hand
# --------------------
# Within ``ablating``, the tagger runs with the neurons held at their means, at every token but
# the first:

where = all_but_first(encoded["attention_mask"])
with ablating(tagger, verbs, ranking.layout, by=probe.mean, positions=where):
    changed = tagger(**encoded).logits[0]
whole = tagger(**encoded).logits[0]
verb = head.class_index("VERB")
for token, before, after in zip(encoded.tokens(), whole, changed):
    print(f"{token:8} logit of VERB {float(before[verb]):+.2f} → {float(after[verb]):+.2f}")

# %%
# Whole text, against random neurons
# ----------------------------------
# ``model_effects`` does that for the top, random and bottom neurons of a class, all from the
# same layers, on the words of the class and on all others.

effects = model_effects(
    tagger,
    tokenizer,
    test,
    test.labels["upos"],
    ranking,
    classes=["VERB", "DET"],
    counts=[10, 30, 100],
    activations=store,
    draws=3,
    progress=False,
)
figure, axes = plt.subplots(1, 2, figsize=(12, 4), layout="constrained", sharey=True)
for ax, name in zip(axes, ("VERB", "DET")):
    effects.plot(name, ax=ax)
    ax.set_title(f"neurons for {name}")

# %%
# **How to read it.** How much the tagger's loss rises with so many neurons held at their mean.
# Full marks and lines: words of the class; hollow marks and dots: all other words. Two gaps
# matter:
#
# - blue above grey: these neurons matter more than random ones of the same layers;
# - full above hollow: they matter for this class more than for others.
#
# Only both together say that the model uses these neurons for this class in particular.
# Whiskers are 95 % intervals over sentences, and over the random draws. In numbers:

table = effects.to_frame().query("measure == 'loss' and neurons == 100 and massive == 'kept'")
table[["target", "choice", "words", "clean", "change", "low", "high", "p"]].round(3)

# %%
# **What it doesn't show.** A mean is an unusual state for a hundred neurons at a time; part of
# the damage may be that. And no damage may mean that other neurons say the same: see
# :doc:`few_and_redundant`.
