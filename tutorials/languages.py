"""One model, several languages
============================

Do the same neurons carry a property in two languages? The probes of both are compared, and each
is tried on the other.

Run as a script, this takes your own model and treebanks:

.. code-block:: bash

   python languages.py MODEL en=en_ewt-dev.conllu de=de_gsd-dev.conllu fr=fr_gsd-dev.conllu

Without any, as on this page, it has a model that knows English only and a corpus in English
only. So it makes do with stand-ins: two samples of English, which say what *one* language gives
when it is compared with itself, and English with the words of every sentence in reverse, which
has the same words and another syntax. What real languages share, this page can't show; a page
of :doc:`questions </questions/languages>` has numbers for three.
"""

import sys

from captum_lca import Corpus, extract, generate_corpus, read_conllu
from captum_lca.activations.loading import load_model
from captum_lca.analysis import compare_languages
from captum_lca.demo_model import demo_model_folder

WORDS = 6000  # of each language, a third of them to test on


def reversed_words(corpus):
    """Every sentence from its last word to its first, each word with its own label."""
    labels, turned = iter(corpus.labels["upos"]), []
    for sentence in corpus.sentences:
        turned += reversed([next(labels) for _ in sentence])
    return Corpus([sentence[::-1] for sentence in corpus.sentences], {"upos": turned})


if sys.argv[1:]:
    name, *files = sys.argv[1:]
    corpora = {
        language: read_conllu(file, ["upos"])
        for language, _, file in (argument.partition("=") for argument in files)
    }
else:
    name = str(demo_model_folder())
    corpora = {
        "English": generate_corpus(650, seed=0),
        "more English": generate_corpus(650, seed=1),
        "reversed English": reversed_words(generate_corpus(650, seed=2)),
    }
for language, corpus in corpora.items():
    print(language, *corpus.sentences[0])

# %%
# One model, one property
# -----------------------

model, tokenizer = load_model(name)
rows, test_rows = {}, {}
for language, corpus in corpora.items():
    parts = corpus.limit(WORDS).split([2 / 3, 1 / 3], seed=0)
    rows[language], test_rows[language] = (
        (extract(part, model, tokenizer, progress=False), part.labels["upos"]) for part in parts
    )

# Classes that all languages have, often enough to be learned
frequent = [
    {label for label, count in corpus.class_counts("upos").items() if count >= 20}
    for corpus in corpora.values()
]
classes = sorted(set.intersection(*frequent))
found = compare_languages(rows, test=test_rows, classes=classes, samples=4, progress=False)
found.to_frame()[["first", "second", "overlap", "expected", "chance_high", "p_value"]].round(3)

# %%
# Does a probe of the one read the other?

found.transfer().round(3)

# %%
_ = found.plot()

# %%
# **How to read it.**
#
# - ``overlap``: the share of the top 5 % of neurons that two languages have in common. Above
#   ``chance_high``, it is more than random choices would share. Even two samples of one language
#   don't overlap fully, since a sparse probe picks one of several neurons that say the same; that
#   pair is the measure for all others.
# - ``transfer``: the accuracy of the row's probe on the column's text. The diagonal is each
#   language's own. What is lost off the diagonal is what the two don't share *as directions*;
#   neurons may be shared and yet be read in another way.
# - Between English and its reverse, the words are the same. So what they share may be about
#   words, and what they don't is what the model makes of their order.
#
# With real languages, words and annotation differ too; low transfer can come from either.
