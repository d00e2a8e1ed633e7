"""Reading labelled text, deriving labels, control tasks, and the built-in grammar."""

from captum_lca.corpora.conllu_files import read_conllu
from captum_lca.corpora.corpus import Corpus, Label

__all__ = ["Corpus", "Label", "read_conllu"]
