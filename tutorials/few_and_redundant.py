"""How few neurons, and how redundant?
===================================

A property may need few neurons and yet be in many: the smallest set that is enough, the next
one that shares no neuron with it, and the layers that can go.
"""

from captum_lca import extract, fit_elastic_net, generate_corpus, rankings
from captum_lca.activations.loading import load_model
from captum_lca.analysis import correlation_clusters, disjoint_sets, layer_redundancy, minimal_set
from captum_lca.demo_model import demo_model_folder

model, tokenizer = load_model(str(demo_model_folder()))
train, test = generate_corpus(500, seed=0), generate_corpus(200, seed=1)
store = extract(train, model, tokenizer, progress=False)
test_store = extract(test, model, tokenizer, progress=False)
labels, held_out = train.labels["number"], (test_store, test.labels["number"])
print(train.class_counts("number"))

# %%
# How few are enough?
# -------------------
# Probes are trained anew on the top 1, 2, 5, 10 … neurons and nothing else, until one comes
# within a point of the probe of all. Random neurons grow in the same way.

ranking = rankings.weight_mass(fit_elastic_net(store, labels))
few = minimal_set(
    store,
    labels,
    ranking,
    test=held_out,
    others={"ANOVA F": rankings.anova_f(store, labels)},
    draws=2,
    progress=False,
)
print(few.sizes)
print("sizes that this text can't tell apart:", few.size_interval)
_ = few.plot()

# %%
# **How to read it.** Each line is one order of the neurons; where it enters the band below the
# dotted line, the neurons are enough. The sooner, the better the order. That random neurons get
# there too, later, says that the property is in many places.
#
# How often is it there?
# ----------------------
# Take the minimal set away and look for another; and again, until what is left is not enough.

sets = disjoint_sets(store, labels, test=held_out, most=5, progress=False)
sets.to_frame().round(3)

# %%
# **How to read it.** Each row is a set that shares no neuron with those above and is still
# enough. Two rows: the property is there at least twice over. The number is a lower bound.
#
# Which layers can go?
# --------------------

layers = layer_redundancy(store, labels, test=held_out, progress=False)
print("can go, one at a time:", layers.redundant())
print("enough alone:", layers.sufficient())
_ = layers.plot()

# %%
# **How to read it.** For each layer, what is lost by missing it and by having nothing else. A
# layer that can go and is enough alone is no contradiction: that is what redundant means.
#
# Do neurons repeat each other?
# -----------------------------
# Neurons that are correlated over the text, whatever the property, form clusters; one neuron
# stands for each.

clusters = correlation_clusters(
    store, labels, test=held_out, thresholds=[0.3, 0.5, 0.7, 0.85], draws=2, progress=False
)
_ = clusters.plot()

# %%
# **How to read it.** The fewer clusters, the more neurons were thrown out. Where the
# representatives keep the accuracy of all neurons, the others repeat them, as far as a linear
# probe of this property can tell. Beside them, as many random neurons: where the lines meet,
# choosing by correlation is no better than choosing blindly.
#
# All of this is about probes. Redundant for a probe is not redundant for the model:
# :doc:`ablation_in_the_model`.
