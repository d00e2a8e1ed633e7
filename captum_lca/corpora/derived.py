r"""Rules that read a label off a word, for ``Corpus.derive``.

A rule is any function from a word to a label (or None, for a word that it leaves unlabelled); the
functions here make the common ones.

Examples:
    >>> from captum_lca.corpora import Corpus
    >>> corpus = Corpus([["Emma", "was", "singing", "softly", "in", "1998"]])
    >>> corpus = corpus.derive("suffix", suffix_rule(["ing", "ly"], otherwise="none"))
    >>> corpus.labels["suffix"]
    ('none', 'none', 'ing', 'ly', 'none', 'none')
    >>> corpus.derive("casing", casing).labels["casing"]
    ('title', 'lower', 'lower', 'lower', 'lower', 'none')
"""

import re
from collections.abc import Callable, Iterable

from captum_lca.corpora.label_checks import Label

Rule = Callable[[str], Label]

ENGLISH_SUFFIXES = (
    *("able", "al", "ance", "ed", "ence", "er", "est", "ful", "ible", "ic", "ing", "ish", "ism"),
    *("ist", "ity", "ive", "ize", "less", "ly", "ment", "ness", "or", "ous", "s", "ship", "sion"),
    *("tion", "ward", "y"),
)
"""Common inflectional and derivational suffixes of English."""


def suffix_rule(
    inventory: Iterable[str] = ENGLISH_SUFFIXES, otherwise: str | None = None
) -> Callable[[str], str | None]:
    """Label words by the longest suffix of an inventory that they end in, whatever their casing.

    A word that is nothing but the suffix does not count as ending in it.

    Args:
        inventory (iterable of str): Suffixes, such as ``["ing", "ly"]``; a leading hyphen is
            dropped. Default: ``ENGLISH_SUFFIXES``.
        otherwise (str, optional): Label of the words without any. Default: None, unlabelled.

    Returns:
        From a word to its label, for :meth:`~captum_lca.Corpus.derive`.

    Raises:
        ValueError: The inventory is empty, or holds an empty suffix.

    Examples:
        >>> rule = suffix_rule(["s", "ness", "less", "ss"])
        >>> [rule(word) for word in ("dogs", "kindness", "Glass", "tree", "ness")]
        ['s', 'ness', 'ss', None, 'ss']
    """
    suffixes = sorted({suffix.lstrip("-") for suffix in inventory}, key=len, reverse=True)
    if not suffixes or not suffixes[-1]:
        raise ValueError(f"a suffix inventory of non-empty suffixes is needed, found {suffixes}")

    def rule(word: str) -> str | None:
        lower = word.lower()
        endings = (s for s in suffixes if lower.endswith(s.lower()) and len(lower) > len(s))
        return next(endings, otherwise)

    return rule


def word_set(
    words: Iterable[str], inside: str = "yes", outside: str | None = "no"
) -> Callable[[str], str | None]:
    """Label words by whether they belong to a set, casing included.

    Args:
        words (iterable of str): The set.
        inside (str): Label of its words. Default: ``"yes"``.
        outside (str, optional): Label of all others. Default: ``"no"``.

    Returns:
        From a word to its label, for :meth:`~captum_lca.Corpus.derive`.

    Raises:
        ValueError: The set is empty, or a single string.

    Examples:
        >>> rule = word_set({"January", "May"}, inside="month")
        >>> rule("May"), rule("may")
        ('month', 'no')
    """
    members = frozenset(words)
    if not members or isinstance(words, str):
        raise ValueError(f"a set of words is needed, found {words!r}")
    return lambda word: inside if word in members else outside


def pattern(
    expression: str | re.Pattern[str], inside: str = "yes", outside: str | None = "no"
) -> Callable[[str], str | None]:
    r"""Label words by whether a regular expression matches the whole word.

    Args:
        expression (str or re.Pattern): The regular expression.
        inside (str): Label of the words that match. Default: ``"yes"``.
        outside (str, optional): Label of all others. Default: ``"no"``.

    Returns:
        From a word to its label, for :meth:`~captum_lca.Corpus.derive`.

    Raises:
        ValueError: The expression is not a valid regular expression.

    Examples:
        >>> rule = pattern(r"\d{4}", inside="year")
        >>> rule("1998"), rule("19987")
        ('year', 'no')
    """
    try:
        compiled = re.compile(expression)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"not a regular expression: {expression!r}: {error}") from error
    return lambda word: inside if compiled.fullmatch(word) else outside


def casing(word: str) -> str:
    """The casing of a word: ``lower``, ``title``, ``upper``, ``mixed`` or ``none``.

    A single capital letter ("A", "I") is ``title``, a word without cased letters ``none``.

    Args:
        word (str): Any word.

    Returns:
        One of the five.

    Examples:
        >>> [casing(word) for word in ("dog", "Rose", "NATO", "iPhone", "I", "12")]
        ['lower', 'title', 'upper', 'mixed', 'title', 'none']
    """
    cased = [letter for letter in word if letter.lower() != letter.upper()]
    if not cased:
        return "none"
    if all(map(str.islower, cased)):
        return "lower"
    if not cased[0].islower() and all(map(str.islower, cased[1:])):
        return "title"
    return "mixed" if any(map(str.islower, cased)) else "upper"


def word_length(word: str) -> float:
    """Number of characters of a word: a numeric property.

    Args:
        word (str): Any word.

    Returns:
        The number, as a float.

    Examples:
        >>> word_length("house")
        5.0
    """
    return float(len(word))
