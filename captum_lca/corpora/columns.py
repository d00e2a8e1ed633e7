"""Reading files with a word a line and its labels beside it, as in CoNLL-2000 and CoNLL-2003."""

from collections.abc import Mapping, Sequence
from os import PathLike

from captum_lca.corpora.corpus import Corpus
from captum_lca.corpora.label_checks import Label
from captum_lca.corpora.text_lines import numbered_lines

DOCUMENT_START = "-DOCSTART-"

_Row = list[str]


def read_columns(
    path: str | PathLike[str],
    properties: Mapping[str, int] | Sequence[str | None],
    *,
    word: int = 0,
    separator: str | None = None,
    missing: str | None = "_",
    comment: str | None = None,
) -> Corpus:
    """Read a file with a word a line, its labels in further columns, a blank line after a sentence.

    Lines that begin with ``-DOCSTART-`` are left out.

    Args:
        path (str or path-like): The file, in UTF-8. All its lines have the same number of columns.
        properties (mapping or sequence): Either property names with their column numbers, from 0
            or, as in Python, from -1 backwards; or the names of all columns but the word's, from
            left to right, with None for a column to leave out.
        word (int): Column of the words. Default: 0.
        separator (str, optional): What separates columns. Default: None, any white space.
        missing (str, optional): Label that stands for no label. Default: ``"_"``.
        comment (str, optional): Lines that begin with this are left out. Default: None, since the
            words of a CoNLL-2003 file may begin with any character.

    Returns:
        The corpus, with the given properties.

    Raises:
        ValueError: A line has another number of columns than the first one, a column does not
            exist or labels no word, or the file has no words; the message names file and line.

    Examples:
        >>> read_columns("small.txt", {"pos": 1, "ner": -1}).labels["pos"]
        ('NNP', 'VBZ', '.')
        >>> read_columns("small.txt", ["pos", "chunk", "ner"]).labels["ner"]
        ('B-PER', 'O', 'O')
    """
    sentences = _read_sentences(path, separator, comment)
    width = len(sentences[0][0])
    _check_column(path, "the word", word, width)
    labels: dict[str, list[Label]] = {}
    for name, column in _named_columns(path, properties, word % width, width).items():
        _check_column(path, f"property {name!r}", column, width)
        cells = [row[column] for sentence in sentences for row in sentence]
        labels[name] = [None if cell in ("", missing) else cell for cell in cells]
        if all(label is None for label in labels[name]):
            raise ValueError(f"{path}: no word has a label for {name!r} (column {column})")
    words = [[row[word] for row in sentence] for sentence in sentences]
    return Corpus(words, labels, source=str(path))


def _read_sentences(
    path: str | PathLike[str], separator: str | None, comment: str | None
) -> list[list[_Row]]:
    """The rows of each sentence; there is at least one, and all have as many columns."""
    sentences: list[list[_Row]] = []
    rows: list[_Row] = []
    first: tuple[int, int] | None = None
    for number, line in numbered_lines(path):
        if comment and line.startswith(comment):
            continue
        if not line.strip() or line.startswith(DOCUMENT_START):
            if rows:
                sentences.append(rows)
            rows = []
            continue
        row = line.split(separator)
        first = first or (number, len(row))
        if len(row) != first[1]:
            raise ValueError(
                f"{path}:{number}: {len(row)} columns, expected {first[1]} as in line {first[0]}"
            )
        rows.append(row)
    if rows:
        sentences.append(rows)
    if not sentences:
        raise ValueError(f"{path}: no words: expected a word and its labels on each line")
    return sentences


def _named_columns(
    path: str | PathLike[str],
    properties: Mapping[str, int] | Sequence[str | None],
    word: int,
    width: int,
) -> dict[str, int]:
    if isinstance(properties, Mapping):
        return dict(properties)
    others = [column for column in range(width) if column != word]
    if isinstance(properties, str) or len(properties) != len(others):
        raise ValueError(
            f"{path}: {width - 1} columns beside the word, but the names given are {properties!r}; "
            "name each one (None to leave it out) or map names to column numbers"
        )
    return {
        name: column for name, column in zip(properties, others, strict=True) if name is not None
    }


def _check_column(path: str | PathLike[str], what: str, column: int, width: int) -> None:
    if not -width <= column < width:
        raise ValueError(
            f"{path}: no column {column} for {what}: the file has columns 0 to {width - 1}"
        )
