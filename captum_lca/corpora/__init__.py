"""Reading labelled text, deriving labels, control tasks, and the built-in grammar."""

from captum_lca.corpora.conllu_files import read_conllu
from captum_lca.corpora.corpus import Corpus, Label
from captum_lca.corpora.grammar import generate_corpus

__all__ = ["Corpus", "Label", "generate_corpus", "read_conllu"]
