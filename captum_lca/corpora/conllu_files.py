"""Reading treebanks in the CoNLL-U format of Universal Dependencies."""

import re
from collections.abc import Callable, Iterator, Sequence
from os import PathLike

import conllu

from captum_lca.corpora.corpus import Corpus
from captum_lca.corpora.text_lines import numbered_lines

COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
LABEL_COLUMNS = ("upos", "xpos", "lemma", "feats", "deprel")
UNIVERSAL_RELATION = "deprel.universal"
KEYED_COLUMNS = ("feats", "misc")
EXPECTED = (
    f"{', '.join(LABEL_COLUMNS)}, {UNIVERSAL_RELATION}, "
    f"{' or '.join(column + '.NAME' for column in KEYED_COLUMNS)}"
)

WORD_ID = re.compile(r"[1-9][0-9]*")
SKIPPED_ID = re.compile(r"[1-9][0-9]*-[1-9][0-9]*|[0-9]+\.[1-9][0-9]*")
"""Multiword ranges (3-4) and empty nodes (3.1), which are no words of their own."""

_Row = dict[str, str]
_LabelReader = Callable[[_Row], str | None]


def read_conllu(path: str | PathLike[str], properties: Sequence[str] = ("upos",)) -> Corpus:
    """Read a CoNLL-U treebank.

    The words are the syntactic words: multiword tokens ("zum") are read as the words they consist
    of ("zu", "dem"), and empty nodes are left out.

    Args:
        path (str or path-like): The file, in UTF-8.
        properties (sequence of str): What to read as labels. Default: ``("upos",)``. Each is one of

            - ``upos``, ``xpos``, ``lemma``, ``feats``: that column;
            - ``deprel``: the relation with its subtype (``nsubj:pass``);
            - ``deprel.universal``: the relation without its subtype (``nsubj``);
            - ``feats.NAME``, ``misc.NAME``: one feature of that column (``feats.Number``).

            A word whose column is ``_``, or which lacks the feature, is unlabelled.

    Returns:
        The corpus, with every property under the name it was asked for.

    Raises:
        ValueError: A line is malformed (the message names file and line), the file has no words, a
            property is unknown or no word has it (the message lists what the file has).

    Examples:
        >>> corpus = read_conllu("small.conllu", ["upos", "feats.Number"])
        >>> corpus.words, corpus.labels["feats.Number"]
        (('She', 'sings', '.'), ('Sing', 'Sing', None))
    """
    if isinstance(properties, str):
        properties = (properties,)
    readers = {name: _label_reader(name) for name in properties}
    sentences: list[list[str]] = []
    labels: dict[str, list[str | None]] = {name: [] for name in readers}
    for rows in _sentences(path):
        sentences.append([row["form"] for row in rows])
        for name, reader in readers.items():
            labels[name].extend(map(reader, rows))
    if not sentences:
        raise ValueError(f"{path}: no words: expected CoNLL-U sentences")
    for name, values in labels.items():
        if all(value is None for value in values):
            raise ValueError(f"{path}: no word has {name!r}; the file has: {_available(path)}")
    return Corpus(sentences, labels, source=str(path))


def _label_reader(name: str) -> _LabelReader:
    column, _, key = name.partition(".")
    if name in LABEL_COLUMNS:
        return lambda row: _labelled(row.get(name))
    if name == UNIVERSAL_RELATION:
        return lambda row: _labelled(row.get("deprel", "").partition(":")[0])
    if column in KEYED_COLUMNS and key:
        return lambda row: _labelled(_pairs(row.get(column, "")).get(key))
    raise ValueError(f"unknown property {name!r} of a CoNLL-U file; expected {EXPECTED}")


def _labelled(value: str | None) -> str | None:
    return None if value in (None, "", "_") else value


def _pairs(value: str) -> dict[str, str]:
    """``A=x|B=y`` as a dictionary; a value may itself contain an equals sign."""
    parts = (part.partition("=") for part in value.split("|"))
    return {key: label for key, _, label in parts if label}


def _sentences(path: str | PathLike[str]) -> Iterator[list[_Row]]:
    """The words of each sentence, columns by name."""
    as_text = dict.fromkeys(COLUMNS, lambda line, column: line[column])
    for block in conllu.parse_sentences(_checked_lines(path)):
        tokens = conllu.parse_token_and_metadata(block, COLUMNS, as_text)
        words = [token for token in tokens if token["id"].isdecimal()]
        if words:
            yield words


def _checked_lines(path: str | PathLike[str]) -> Iterator[str]:
    """The lines of the file, each checked: the conllu library's own errors name no line."""
    expected_id = 1
    for number, line in numbered_lines(path):
        if not line.strip():
            expected_id = 1
            yield "\n"
        elif line.startswith("#"):
            continue
        else:
            expected_id += _check_token(f"{path}:{number}", line, expected_id)
            # The library would take two spaces inside a word for a column boundary.
            yield re.sub(" {2,}", " ", line) + "\n"


def _check_token(where: str, line: str, expected_id: int) -> bool:
    """Whether a token line is a word (and not a multiword range or an empty node)."""
    columns = line.split("\t")
    if len(columns) != len(COLUMNS):
        raise ValueError(
            f"{where}: {len(columns)} tab-separated columns, expected {len(COLUMNS)} (CoNLL-U)"
        )
    token_id, form = columns[:2]
    if not form.strip():
        raise ValueError(f"{where}: the word (column 2) is empty")
    if SKIPPED_ID.fullmatch(token_id):
        return False
    if not WORD_ID.fullmatch(token_id):
        raise ValueError(f"{where}: word id {token_id!r}, expected a whole number, a-b or a.b")
    if token_id != str(expected_id):
        raise ValueError(
            f"{where}: word id {token_id}, expected {expected_id} "
            "(ids count up from 1 in each sentence; a blank line ends a sentence)"
        )
    return True


def _available(path: str | PathLike[str]) -> str:
    """The properties that at least one word has, for a message."""
    found: dict[str, None] = {}
    for row in (row for rows in _sentences(path) for row in rows):
        found.update(dict.fromkeys(name for name in LABEL_COLUMNS if _labelled(row.get(name))))
        for column in KEYED_COLUMNS:
            pairs = _pairs(row.get(column, ""))
            found.update(dict.fromkeys(f"{column}.{key}" for key in pairs))
    return ", ".join(sorted(found)) or "words alone"
