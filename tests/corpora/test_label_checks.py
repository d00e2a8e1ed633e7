from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from captum_lca.corpora.label_checks import checked_labels


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["a", None, ""], ("a", None, "")),
        ([1, 2.5, float("nan")], (1.0, 2.5, None)),
        (np.array([1, 2], dtype=np.int16), (1.0, 2.0)),
        (np.array([0.5, np.nan], dtype=np.float32), (0.5, None)),
        ([Fraction(1, 4)], (0.25,)),
        (np.array(["x"]), ("x",)),
    ],
)
def test_labels_become_plain(given: list[object], kept: tuple[object, ...]) -> None:
    checked = checked_labels("c", "p", given, len(given), "words")
    assert checked == kept
    assert {type(label) for label in checked} <= {str, float, type(None)}


@pytest.mark.parametrize("label", [True, ["X"], b"X", Decimal(1), 1j, float("-inf")])
def test_other_labels_name_their_place(label: object) -> None:
    with pytest.raises(ValueError, match=r"c: property 'p': label 1 is .*, expected a string"):
        checked_labels("c", "p", [None, label], 2, "words")
