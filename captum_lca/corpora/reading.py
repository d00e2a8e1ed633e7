r"""Reading a corpus whose format follows from its file name, for the command line.

What ``path`` names, and how its properties are written:

- ``*.conllu``: a treebank. ``upos``, ``deprel``, ``feats.Number``, …: see ``read_conllu``.
- ``*.json``: a saved corpus. The names of its properties.
- ``WORDS::LABELS``: two parallel files, a sentence a line. One property, under any name; the
  labels are those of words, or of sentences where the name begins with ``sentence.``
  (``sentence.tone``). ``WORDS::`` is a text without labels.
- anything else: columns separated by white space (``*.tsv``: by tabs), the word in the first one.
  A column number from 0, with a name or without (``pos=1``, ``1``, ``ner=-1``); without a name, it
  is called ``column1``.

With any format, a property may also be derived from the words: ``word.casing``, ``word.length``,
``word.suffix`` (or ``word.suffix=ing,ly``), ``word.set=he,she,it`` and ``word.regex=\d+``.
"""

from collections.abc import Callable, Sequence
from os import PathLike, fspath
from pathlib import Path

from captum_lca.corpora import derived
from captum_lca.corpora.columns import read_columns
from captum_lca.corpora.conllu_files import read_conllu
from captum_lca.corpora.corpus import Corpus
from captum_lca.corpora.tagged import read_sentence_labels, read_sentences, read_tagged

PARALLEL = "::"
DERIVED = "word."
SENTENCE = "sentence."

_DERIVED_RULES: dict[str, Callable[[str], derived.Rule]] = {
    "casing": lambda _: derived.casing,
    "length": lambda _: derived.word_length,
    "suffix": lambda listed: (
        derived.suffix_rule(listed.split(",")) if listed else derived.suffix_rule()
    ),
    "set": lambda listed: derived.word_set([word for word in listed.split(",") if word]),
    "regex": derived.pattern,
}


def read_corpus(path: str | PathLike[str], properties: Sequence[str]) -> Corpus:
    """Read a corpus of any supported format, which its name tells (see the module's description).

    Args:
        path (str or path-like): The file, or two of them as ``WORDS::LABELS``.
        properties (sequence of str): What to read as labels, in the format's own way of naming it.

    Returns:
        The corpus, with each property under the name asked for (``pos=1`` is named ``pos``).

    Raises:
        ValueError: As the format's reader does, or the properties are not written as it needs them.
        FileNotFoundError: There is no such file.

    Examples:
        >>> read_corpus("small.conllu", ["upos", "word.casing"]).labels["word.casing"]
        ('title', 'lower', 'none')
        >>> read_corpus("small.txt", ["ner=-1"]).properties
        ('ner',)
        >>> read_corpus("small.words::small.tags", ["pos"]).labels["pos"]
        ('PRON', 'VERB', 'PUNCT')
    """
    rules = {name: _rule(name) for name in properties if name.startswith(DERIVED)}
    corpus = _read_with(fspath(path), [name for name in properties if name not in rules])
    for name, rule in rules.items():
        corpus = corpus.derive(name, rule)
    return corpus


def _read_with(path: str, properties: list[str]) -> Corpus:
    if PARALLEL in path:
        return _read_parallel(path, properties)
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file, nor a store that extract wrote")
    extension = Path(path).suffix.lower()
    if extension == ".conllu":
        return read_conllu(path, properties)
    if extension == ".json":
        return _load(path, properties)
    columns = dict(_named_column(path, name) for name in properties)
    return read_columns(path, columns, separator="\t" if extension == ".tsv" else None)


def _read_parallel(path: str, properties: list[str]) -> Corpus:
    words, _, labels = path.partition(PARALLEL)
    if not properties:
        return read_sentences(words)
    if len(properties) > 1:
        raise ValueError(f"{path}: parallel files hold one property, found {properties}")
    (name,) = properties
    if name.startswith(SENTENCE):
        return read_sentence_labels(words, labels, name)
    return read_tagged(words, labels, name)


def _load(path: str, properties: list[str]) -> Corpus:
    corpus = Corpus.load(path)
    for name in properties:
        corpus.labels_of(name)  # says which properties there are, should it be missing
    return Corpus(
        corpus.sentences,
        {name: labels for name, labels in corpus.labels.items() if name in properties},
        {name: labels for name, labels in corpus.sentence_labels.items() if name in properties},
        source=path,
    )


def _named_column(path: str, property: str) -> tuple[str, int]:  # noqa: A002
    name, equals, number = property.rpartition("=")
    try:
        return (name if equals else f"column{number}"), int(number)
    except ValueError as error:
        raise ValueError(
            f"{path}: property {property!r}: a file of columns needs a column number "
            "(1) or a name and a number (pos=1)"
        ) from error


def _rule(name: str) -> derived.Rule:
    kind, _, argument = name.removeprefix(DERIVED).partition("=")
    if kind not in _DERIVED_RULES:
        known = ", ".join(DERIVED + known for known in _DERIVED_RULES)
        raise ValueError(f"unknown property {name!r} of words; expected {known}")
    return _DERIVED_RULES[kind](argument)
