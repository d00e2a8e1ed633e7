"""Reading plain text with a sentence a line, and labels from a second, parallel file."""

from collections.abc import Iterator
from itertools import zip_longest
from os import PathLike

from captum_lca.corpora.corpus import Corpus
from captum_lca.corpora.text_lines import numbered_lines

Path = str | PathLike[str]


def read_sentences(path: Path) -> Corpus:
    """Read plain text, a sentence a line, its words separated by white space.

    Blank lines are left out.

    Args:
        path (str or path-like): The file, in UTF-8.

    Returns:
        The corpus, without labels.

    Raises:
        ValueError: The file has no words, or is not UTF-8.

    Examples::

        >>> read_sentences("small.words").words
        ('She', 'sings', '.')
    """
    sentences = [line.split() for _, line in numbered_lines(path) if line.strip()]
    if not sentences:
        raise ValueError(f"{path}: no words: expected a sentence on each line")
    return Corpus(sentences, source=str(path))


def read_tagged(words_path: Path, labels_path: Path, property: str = "label") -> Corpus:  # noqa: A002
    """Read two parallel files: a sentence a line, and on that line of the other its words' labels.

    Words, and labels, are separated by white space. Lines that are blank in both files are left
    out.

    Args:
        words_path (str or path-like): The words, in UTF-8.
        labels_path (str or path-like): The labels, one per word.
        property (str): Name of the property. Default: ``"label"``.

    Returns:
        The corpus, with the property in ``labels``.

    Raises:
        ValueError: A line has another number of labels than words, one file has more lines, or
            there are no words; the message names file, line and both counts.

    Examples:
        >>> read_tagged("small.words", "small.tags", property="pos").labels
        {'pos': ('PRON', 'VERB', 'PUNCT')}
    """
    sentences: list[list[str]] = []
    labels: list[str] = []
    for number, words, tags in _parallel(words_path, labels_path):
        if len(words.split()) != len(tags.split()):
            raise ValueError(
                f"{labels_path}:{number}: {len(tags.split())} labels for the "
                f"{len(words.split())} words of {words_path}:{number}"
            )
        sentences.append(words.split())
        labels.extend(tags.split())
    return Corpus(sentences, {property: labels}, source=str(words_path))


def read_sentence_labels(
    words_path: Path,
    labels_path: Path,
    property: str = "label",  # noqa: A002
) -> Corpus:
    """Read two parallel files: a sentence a line, and on the same line of the other its label.

    The label is the whole line, without white space around it. Lines that are blank in both files
    are left out.

    Args:
        words_path (str or path-like): The words, separated by white space, in UTF-8.
        labels_path (str or path-like): One label per sentence.
        property (str): Name of the property. Default: ``"label"``.

    Returns:
        The corpus, with the property in ``sentence_labels``.

    Raises:
        ValueError: A sentence has no label or a label no sentence, or there are no words; the
            message names file and line.

    Examples::

        >>> read_sentence_labels("small.words", "small.tone", property="tone").sentence_labels
        {'tone': ('statement',)}
    """
    sentences: list[list[str]] = []
    labels: list[str] = []
    for number, words, label in _parallel(words_path, labels_path):
        if not words.strip() or not label.strip():
            blank, other = (words_path, labels_path) if label.strip() else (labels_path, words_path)
            raise ValueError(f"{blank}:{number}: blank, but {other}:{number} is not")
        sentences.append(words.split())
        labels.append(label.strip())
    return Corpus(sentences, sentence_labels={property: labels}, source=str(words_path))


def _parallel(first: Path, second: Path) -> Iterator[tuple[int, str, str]]:
    """Line number and both lines, where not both are blank."""
    empty = True
    lines = zip_longest(numbered_lines(first), numbered_lines(second))
    for number, (left, right) in enumerate(lines, start=1):
        texts = [pair[1] if pair else "" for pair in (left, right)]
        if not any(map(str.strip, texts)):
            continue
        if left is None or right is None:
            ended, longer = (first, second) if left is None else (second, first)
            raise ValueError(f"{ended}: ends before line {number}, but {longer} does not")
        empty = False
        yield number, texts[0], texts[1]
    if empty:
        raise ValueError(f"{first}: no words: expected a sentence on each line")
