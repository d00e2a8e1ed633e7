import pytest
import torch
from tiny_models import PAD

from captum_lca.activations.batching import batches, padded
from captum_lca.activations.encoding import Window


class TestBatches:
    def window(self, length):
        return Window([PAD] * length, *[None] * 3)

    @pytest.mark.parametrize(
        ("tokens", "expected"),
        [
            (1, [[9], [5], [4], [4], [1]]),
            (9, [[9], [5], [4, 4], [1]]),
            (10, [[9], [5, 4], [4, 1]]),
            (1000, [[9, 5, 4, 4, 1]]),
        ],
    )
    def test_longest_first_with_padding_counted(self, tokens, expected):
        windows = [self.window(length) for length in (4, 9, 1, 5, 4)]
        found = [[len(window.token_ids) for window in batch] for batch in batches(windows, tokens)]
        assert found == expected

    def test_none(self):
        assert list(batches([], 5)) == []

    @pytest.mark.parametrize(
        ("tokens", "expected"), [(8, [[9], [5], [4, 4], [1]]), (7, [[9], [5], [4], [4], [1]])]
    )
    def test_of_equal_length(self, tokens, expected):
        windows = [self.window(length) for length in (4, 9, 1, 5, 4)]
        found = [
            [len(window.token_ids) for window in batch]
            for batch in batches(windows, tokens, pad=False)
        ]
        assert found == expected


def test_padding_is_behind_and_masked():
    texts = [Window(ids, *[None] * 3) for ids in ([5, 6, 7], [8])]
    ids, mask = padded(texts, PAD)
    assert torch.equal(ids, torch.tensor([[5, 6, 7], [8, PAD, PAD]]))
    assert torch.equal(mask, torch.tensor([[1, 1, 1], [1, 0, 0]]))
