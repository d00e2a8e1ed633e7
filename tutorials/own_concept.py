"""Your own concept from a regular expression, in five minutes
===========================================================

Any rule that says *yes* or *no* about a word is a concept whose neurons can be found. Here:
words in *-ing*.
"""

from captum_lca import extract, fit_elastic_net, generate_corpus, rankings
from captum_lca.ablation import ablate_probe
from captum_lca.activations.loading import load_model
from captum_lca.analysis import neuron_responses
from captum_lca.corpora import pattern
from captum_lca.demo_model import demo_model_folder
from captum_lca.probes import evaluate

# %%
# A label from a rule
# -------------------
# ``pattern`` labels words that match as a whole. Your own text takes the place of the built-in
# one: ``read_sentences("text.txt")``, a sentence a line.

rule = pattern(r"\w+ing", inside="ing", outside="other")
train = generate_corpus(2500, seed=0).derive("ing", rule)
test = generate_corpus(1000, seed=1).derive("ing", rule)
print(train.class_counts("ing"))
print(sorted({word for word in train.words if rule(word) == "ing"})[:12])

# %%
# The rule sees letters only: *During* and *bring* are among them too. And most words are not:
# always guessing *other* would nearly always be right. So both texts keep as many *other* as
# *ing*, drawn at random; the rest of the words stay in the text, unlabelled.

train, test = train.balance("ing", seed=0), test.balance("ing", seed=0)
model, tokenizer = load_model(str(demo_model_folder()))
store = extract(train, model, tokenizer, progress=False)
test_store = extract(test, model, tokenizer, progress=False)
labels, test_labels = train.labels["ing"], test.labels["ing"]
probe = fit_elastic_net(store, labels, l1=1e-2)
ranking = rankings.weight_mass(probe)
print(f"{int(probe.weight.any(0).sum())} neurons in the probe")
ranking.for_class("ing").to_frame().head(8)

# %%
# Which words move the first one?

neuron = int(ranking.top(1))
ax = neuron_responses(store, neuron, count=10).plot()

# %%
# **How to read it.** Words in *-ing* should be at one end, and the other end shows what the
# neuron is low for. Words in between are not shown, and are most of the text.
#
# How few are enough?
# -------------------

effect = ablate_probe(
    probe, ranking, test_store, test_labels, counts=[1, 2, 5, 10, 20, 50], progress=False
)
ax = effect.plot()
ax.set_xscale("log")
_ = ax.set_xticks([1, 2, 5, 10, 20, 50], ["1", "2", "5", "10", "20", "50"])

# %%
# **How to read it.** The accuracy with only the top 1, 2, 5 … neurons left, the others held at
# their mean. Random and bottom neurons give what guessing gives.
#
# The ending, or words known by heart?
# ------------------------------------
# Whether a word ends in *-ing* hangs on the word alone, so a probe could have learned the list
# of words. Take a third of all words out of the training labels, and test on these alone:

held_out = set(sorted({*train.words, *test.words})[::3])
known = [None if word in held_out else label for word, label in zip(train.words, labels)]
new = [label if word in held_out else None for word, label in zip(test.words, test_labels)]
general = fit_elastic_net(store, known, l1=1e-2)
evaluate(general, test_store, new).to_frame().round(3)

# %%
# **How to read it.** ``recall`` of *ing*: the share of words in *-ing* that the probe finds
# though none of them was in the training labels. ``precision``: the share of its finds that are
# right. Near 1, the neurons stand for the ending, or for what words with it have in common,
# such as being participles; near 0, the probe had learned a list.
#
# On the command line, the same is
#
# .. code-block:: bash
#
#    captum-lca analyze --model MODEL --train text.txt:: --property 'word.regex=\w+ing' --out OUT
