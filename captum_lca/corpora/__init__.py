"""Reading labelled text, deriving labels, control tasks, and the built-in grammar."""

from captum_lca.corpora.columns import read_columns
from captum_lca.corpora.conllu_files import read_conllu
from captum_lca.corpora.control import control_task
from captum_lca.corpora.corpus import Corpus
from captum_lca.corpora.derived import casing, pattern, suffix_rule, word_length, word_set
from captum_lca.corpora.grammar import generate_corpus
from captum_lca.corpora.label_checks import Label
from captum_lca.corpora.reading import read_corpus
from captum_lca.corpora.tagged import read_sentence_labels, read_sentences, read_tagged

__all__ = [
    "Corpus",
    "Label",
    "casing",
    "control_task",
    "generate_corpus",
    "pattern",
    "read_columns",
    "read_conllu",
    "read_corpus",
    "read_sentence_labels",
    "read_sentences",
    "read_tagged",
    "suffix_rule",
    "word_length",
    "word_set",
]
