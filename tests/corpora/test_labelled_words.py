import pytest

from captum_lca.corpora.labelled_words import Dice, Word, chunked


def test_chunked_marks_the_first_word() -> None:
    words = chunked("NP", [Word(text, "X", "dep") for text in "abc"])
    assert [word.chunk for word in words] == ["B-NP", "I-NP", "I-NP"]


def test_dice_branch_follows_the_weights() -> None:
    dice = Dice(0)
    drawn = [dice.branch(((0.7, "a"), (0.3, "b"))) for _ in range(2000)]
    assert drawn.count("a") / 2000 == pytest.approx(0.7, abs=0.05)  # five standard deviations
