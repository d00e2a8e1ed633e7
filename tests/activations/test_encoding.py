from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import CLS, SEP, UNK, byte_bpe, encoder_of, metaspace, tiny, wordpiece
from torch import nn
from transformers import PreTrainedTokenizerFast

from captum_lca.activations.encoding import (
    EncodedChunk,
    SentenceEncoder,
    model_window,
    reading_bounds,
    tokens_of_spans,
    word_spans,
)

A, B, C, D, IN_A, IN_B, IN_C, IN_D = range(4, 12)
"""Tokens of the WordPiece tokenizer: a letter at the start of a word, then inside one."""


def readings(chunk):
    """For every row the token ids that it is read from, with their shares."""
    rows = [[] for _ in range(chunk.rows)]
    for window in chunk.windows:
        for row, position, weight in zip(
            window.rows, window.positions, window.weights, strict=True
        ):
            rows[row].append((window.token_ids[position], float(weight)))
    return rows


def tokens_read(chunk):
    return [[token for token, _ in row] for row in readings(chunk)]


def encode(sentences, tokenizer=None, window=None, pooling="mean", unit="word"):
    return SentenceEncoder(tokenizer or wordpiece(), window, pooling, unit).encode(sentences)


def brute_force_tokens(tokenizer, words):
    """Token ids that share a character with each word of the untruncated text."""
    text = " ".join(words)
    inner = tokenizer.backend_tokenizer
    inner.no_truncation()
    encoding = inner.encode(text, add_special_tokens=False)
    owner = [number for number, word in enumerate(words) for _ in range(len(word) + 1)]
    found = [[] for _ in words]
    for token, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
        for number in sorted({owner[place] for place in range(start, end) if text[place] != " "}):
            found[number].append(token)
    return found


class TestWordSpans:
    def test_words_and_the_spaces_between_them(self):
        assert word_spans(["ab", "c", "def"]) == [(0, 2), (3, 4), (5, 8)]

    def test_no_words(self):
        assert word_spans([]) == []

    @given(st.lists(st.text("ab é😀", min_size=1), max_size=8))
    def test_each_span_holds_its_word(self, words):
        text = " ".join(words)
        assert [text[start:end] for start, end in word_spans(words)] == words


class TestTokensOfSpans:
    def of(self, tokens, spans):
        array = np.array(tokens, dtype=np.int64).reshape(-1, 2)
        touches = list(
            zip(*(numbers.tolist() for numbers in tokens_of_spans(array, spans)), strict=False)
        )
        assert touches == sorted(touches, key=lambda touch: (touch[1], touch[0]))
        return [[token for token, span in touches if span == n] for n in range(len(spans))]

    def test_tokens_inside_words(self):
        assert self.of([(0, 1), (1, 2), (3, 5)], [(0, 2), (3, 5)]) == [[0, 1], [2]]

    def test_a_token_over_two_words_belongs_to_both(self):
        assert self.of([(0, 1), (1, 4), (4, 5)], [(0, 2), (3, 5)]) == [[0, 1], [1, 2]]

    def test_a_token_over_three_words_belongs_to_all(self):
        assert self.of([(0, 5)], [(0, 1), (2, 3), (4, 5)]) == [[0], [0], [0]]

    def test_a_token_of_only_space_belongs_to_none(self):
        assert self.of([(0, 1), (1, 2), (2, 3)], [(0, 1), (2, 3)]) == [[0], [2]]

    def test_a_token_that_begins_with_the_space_belongs_to_the_word_behind(self):
        assert self.of([(0, 1), (1, 3)], [(0, 1), (2, 3)]) == [[0], [1]]

    def test_a_token_of_no_characters_belongs_to_none(self):
        assert self.of([(0, 0), (0, 1), (1, 1)], [(0, 1)]) == [[1]]

    def test_a_word_without_tokens(self):
        assert self.of([(0, 1), (4, 5)], [(0, 1), (2, 3), (4, 5)]) == [[0], [], [1]]

    def test_several_tokens_of_the_same_character(self):
        assert self.of([(0, 1), (0, 1), (0, 1), (2, 3)], [(0, 1), (2, 3)]) == [[0, 1, 2], [3]]

    def test_no_tokens_and_no_spans(self):
        assert self.of([], [(0, 1), (2, 3)]) == [[], []]
        assert self.of([(0, 1)], []) == []

    @given(st.data())
    def test_agrees_with_comparing_every_pair(self, data):
        words = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=6))
        spans = word_spans(["x" * length for length in words])
        end = spans[-1][1]
        starts = sorted(data.draw(st.lists(st.integers(0, end), max_size=10)))
        tokens, reach = [], 0
        for start in starts:  # starts and ends both in order, as tokenizers give them
            reach = max(reach, min(end, start + data.draw(st.integers(0, 4))))
            tokens.append((start, reach))
        expected = [
            [n for n, (start, stop) in enumerate(tokens) if max(start, low) < min(stop, high)]
            for low, high in spans
        ]
        assert self.of(tokens, spans) == expected


class TestReadingBounds:
    def test_one_window_is_read_whole(self):
        assert reading_bounds([5], 0) == [(0, 5)]

    def test_the_boundary_is_the_middle_of_the_overlap(self):
        # windows of tokens 0-7, 4-11, 8-12: overlaps 4-7 and 8-11, read up to 5 and up to 9
        assert reading_bounds([8, 8, 5], 4) == [(0, 6), (2, 6), (2, 5)]

    @given(content=st.integers(2, 20), tokens=st.integers(1, 120))
    def test_each_token_once_from_where_it_has_most_context(self, content, tokens):
        step = content - content // 2
        starts = [0]
        while starts[-1] + content < tokens:
            starts.append(starts[-1] + step)
        lengths = [min(content, tokens - start) for start in starts]
        bounds = reading_bounds(lengths, step)
        reading_window = [
            number for number, (start, stop) in enumerate(bounds) for _ in range(start, stop)
        ]
        read = [
            starts[number] + place
            for number, (start, stop) in enumerate(bounds)
            for place in range(start, stop)
        ]
        assert read == list(range(tokens))

        def context(token, number):
            """Distance to the nearer edge of a window; -1 outside of it."""
            return min(token - starts[number], starts[number] + lengths[number] - 1 - token)

        for token, number in enumerate(reading_window):
            best = max(context(token, other) for other in range(len(starts)))
            assert context(token, number) == best


class TestEncode:
    def test_tokens_rows_positions_and_shares(self):
        chunk = encode([["ab", "c"], ["d"]])
        assert [window.token_ids for window in chunk.windows] == [
            [CLS, A, IN_B, C, SEP],
            [CLS, D, SEP],
        ]
        assert [window.rows.tolist() for window in chunk.windows] == [[0, 0, 1], [2]]
        assert [window.positions.tolist() for window in chunk.windows] == [[1, 2, 3], [1]]
        assert [window.weights.tolist() for window in chunk.windows] == [[0.5, 0.5, 1], [1]]
        assert chunk.rows == 3
        assert chunk.missing == []

    @pytest.mark.parametrize(
        ("pooling", "expected"),
        [
            ("first", [[(A, 1)], [(D, 1)]]),
            ("last", [[(IN_C, 1)], [(D, 1)]]),
            ("mean", [[(A, pytest.approx(1 / 3)), (IN_B, pytest.approx(1 / 3))]]),
        ],
    )
    def test_pooling_of_words(self, pooling, expected):
        found = readings(encode([["abc", "d"]], pooling=pooling))
        for row, wanted in zip(found, expected, strict=False):
            assert row[: len(wanted)] == wanted
            assert sum(share for _, share in row) == pytest.approx(1)

    @pytest.mark.parametrize(
        ("pooling", "expected"),
        [("first", [A]), ("last", [IN_D]), ("mean", [A, IN_B, C, IN_D]), ("special", [CLS])],
    )
    def test_pooling_of_sentences(self, pooling, expected):
        chunk = encode([["ab", "cd"], ["a"]], pooling=pooling, unit="sentence")
        assert chunk.rows == 2
        assert tokens_read(chunk)[0] == expected
        assert sum(share for _, share in readings(chunk)[0]) == 1

    def test_words_that_become_nothing_have_no_row(self):
        zero_width = "\u200d"
        chunk = encode([["a", zero_width, "b"], [zero_width], ["c"]])
        assert tokens_read(chunk) == [[A], [B], [C]]
        assert chunk.missing == [1, 3]
        assert len(chunk.windows) == 2  # nothing to read in the second sentence

    def test_sentences_that_become_nothing_have_no_row(self):
        chunk = encode([["a"], ["\u200d"], ["b"]], unit="sentence")
        assert tokens_read(chunk) == [[A], [B]]
        assert chunk.missing == [1]

    def test_a_sentence_of_nothing_still_has_its_special_token(self):
        chunk = encode([["\u200d"]], unit="sentence", pooling="special")
        assert tokens_read(chunk) == [[CLS]]

    def test_no_sentences(self):
        assert encode([]) == EncodedChunk([], 0, [])

    def test_empty_text_without_special_tokens(self):
        chunk = encode([["\u200d"], ["a"]], wordpiece(special=False))
        assert tokens_read(chunk) == [[A]]
        assert chunk.missing == [0]

    def test_unknown_words_and_special_tokens_in_the_text_are_words(self):
        assert tokens_read(encode([["xyz", "[SEP]", "a"]])) == [[UNK], [SEP], [A]]

    def test_combining_characters_stay_with_their_word(self):
        # the accent goes away: one token for two characters, and the next word is not shifted
        assert tokens_read(encode([["a\u0301b", "c"]])) == [[A, IN_B], [C]]

    def test_a_zero_width_joiner_inside_a_word(self):
        assert tokens_read(encode([["a\u200db", "c"]])) == [[A, IN_B], [C]]


class TestByteLevel:
    @pytest.mark.parametrize("trim_offsets", [True, False])
    def test_an_emoji_is_several_tokens_of_one_word(self, trim_offsets):
        tokenizer = byte_bpe(trim_offsets=trim_offsets)
        words = ["a", "😀", "b"]
        ids = tokenizer.backend_tokenizer.get_vocab()
        found = tokens_read(encode([words], tokenizer))
        assert found[0] == [ids["a"]]
        assert len([token for token in found[1] if token != ids["Ġ"]]) == 4  # bytes in UTF-8
        assert found[2][-1] == ids["b"]

    def test_a_family_joined_by_zero_width_joiners_is_one_word(self):
        family = "👩\u200d👧"
        found = tokens_read(encode([[family, "a"]], byte_bpe()))
        assert len(found[0]) == len(family.encode())
        assert len(found[1]) == 1

    @pytest.mark.parametrize("trim_offsets", [True, False])
    def test_a_token_with_its_space_belongs_to_the_word_behind(self, trim_offsets):
        tokenizer = byte_bpe([("Ġ", "b")], trim_offsets)
        ids = tokenizer.backend_tokenizer.get_vocab()
        found = tokens_read(encode([["a", "bc"]], tokenizer))
        assert found == [[ids["a"]], [ids["Ġb"], ids["c"]]]

    def test_a_token_over_two_words_is_read_for_both(self):
        tokenizer = byte_bpe([("b", "Ġ"), ("bĠ", "c")], across_words=True)
        ids = tokenizer.backend_tokenizer.get_vocab()
        sentences = [["ab", "cd"]]
        both = ids["bĠc"]
        assert tokens_read(encode(sentences, tokenizer)) == [[ids["a"], both], [both, ids["d"]]]
        assert tokens_read(encode(sentences, tokenizer, pooling="last")) == [[both], [ids["d"]]]
        assert tokens_read(encode(sentences, tokenizer, pooling="first")) == [[ids["a"]], [both]]


class TestMetaspace:
    def test_a_token_of_only_space_is_never_pooled(self):
        tokenizer = metaspace()
        # ▁a b | ▁ | c: the lone ▁ covers the space, or the place before the word, or the word
        found = tokens_read(encode([["ab", "c"]], tokenizer, pooling="last"))
        names = [[tokenizer.convert_ids_to_tokens(token) for token in row] for row in found]
        assert names == [["b"], ["c"]]

    def test_every_letter_is_read_from_its_own_word(self):
        tokenizer = metaspace()
        words = ["ab", "ca", "a", "b"]
        found = tokens_read(encode([words], tokenizer))
        names = ["".join(tokenizer.convert_ids_to_tokens(row)).lstrip("▁") for row in found]
        assert names == words


WORDS = [*"abcd", "ab", "bb", "cab", "dd", "a", "b", "abc", "dcba", "ab", "cc", "ad", "d"]


class TestWindows:
    @pytest.mark.parametrize("window", range(4, 16))
    @pytest.mark.parametrize("make", [wordpiece, lambda: wordpiece(special=False), byte_bpe])
    def test_every_token_of_the_text_is_read_once(self, make, window):
        expected = brute_force_tokens(make(), WORDS)
        chunk = encode([WORDS, ["a"], WORDS[:3]], make(), window)
        found = tokens_read(chunk)
        assert all(len(piece.token_ids) <= window for piece in chunk.windows)
        assert found[: len(WORDS)] == expected
        assert len(found) == len(WORDS) + 1 + 3

    def test_windows_overlap_by_half_and_are_read_up_to_the_middle(self):
        # ten tokens; six of them fit beside [CLS] and [SEP]: windows 0-5, 3-8 and 6-9
        chunk = encode([list("abcdabcdab")], window=8)
        assert [window.token_ids for window in chunk.windows] == [
            [CLS, A, B, C, D, A, B, SEP],
            [CLS, D, A, B, C, D, A, SEP],
            [CLS, C, D, A, B, SEP],
        ]
        assert [window.rows.tolist() for window in chunk.windows] == [
            [0, 1, 2, 3, 4],
            [5, 6, 7],
            [8, 9],
        ]
        assert [window.positions.tolist() for window in chunk.windows] == [
            [1, 2, 3, 4, 5],
            [3, 4, 5],
            [3, 4],
        ]

    def test_a_word_cut_by_the_boundary_is_pooled_from_both_windows(self):
        chunk = encode([["abcdabcdab"]], window=8)
        assert len(chunk.windows) == 3
        found = readings(chunk)[0]
        assert [token for token, _ in found] == [
            A,
            IN_B,
            IN_C,
            IN_D,
            *[IN_A, IN_B, IN_C, IN_D],
            8,
            9,
        ]
        assert sum(share for _, share in found) == pytest.approx(1)

    def test_a_sentence_that_just_fits_is_one_window(self):
        assert len(encode([list("abcdab")], window=8).windows) == 1
        assert len(encode([list("abcdabc")], window=8).windows) == 2

    def test_the_special_token_is_that_of_the_first_window(self):
        chunk = encode([list("abcdabcdab")], window=8, pooling="special", unit="sentence")
        assert tokens_read(chunk) == [[CLS]]
        assert len(chunk.windows) == 1

    @pytest.mark.parametrize(
        "options",
        [
            {"truncation_side": "left"},
            {"padding_side": "left"},
            {"backend_settings": [lambda inner: inner.enable_truncation(5)]},
            {"backend_settings": [lambda inner: inner.enable_truncation(5, direction="left")]},
            {"backend_settings": [lambda inner: inner.enable_padding(length=30)]},
            {
                "backend_settings": [
                    lambda inner: inner.enable_padding(direction="left", pad_to_multiple_of=16),
                    lambda inner: inner.enable_truncation(4, stride=1),
                ]
            },
        ],
        ids=["cut left", "pad left", "preset cut", "preset left cut", "preset pad", "all preset"],
    )
    @pytest.mark.parametrize("window", [None, 8, 12])
    def test_what_the_tokenizer_is_set_to_does_not_matter(self, options, window):
        plain = encode([WORDS, ["a", "b"]], wordpiece(), window)
        set_up = encode([WORDS, ["a", "b"]], wordpiece(**options), window)
        assert readings(set_up) == readings(plain)
        assert [w.token_ids for w in set_up.windows] == [w.token_ids for w in plain.windows]

    def test_a_preset_of_a_saved_tokenizer_does_not_matter(self, tmp_path):
        cut_and_padded = wordpiece(
            backend_settings=[
                lambda inner: inner.enable_truncation(5),
                lambda inner: inner.enable_padding(length=30),
            ]
        )
        cut_and_padded.save_pretrained(tmp_path)
        loaded = PreTrainedTokenizerFast.from_pretrained(tmp_path)
        chunk = encode([WORDS], loaded, 12)
        assert tokens_read(chunk) == brute_force_tokens(wordpiece(), WORDS)

    def test_the_tokenizers_truncation_side_is_left_as_it_was(self):
        tokenizer = wordpiece(truncation_side="left")
        encode([WORDS], tokenizer, 8)
        assert tokenizer.truncation_side == "left"


class TestRefusals:
    def test_slow_tokenizer(self):
        class SlowTokenizer:
            is_fast = False

        with pytest.raises(ValueError, match="SlowTokenizer is not a fast tokenizer"):
            SentenceEncoder(SlowTokenizer(), None, "last", "word")

    @pytest.mark.parametrize(
        ("pooling", "unit", "message"),
        [
            ("max", "word", "pooling of a word must be one of .*'mean'.*; found 'max'"),
            ("special", "word", "pooling of a word must be one of .*; found 'special'"),
            ("cls", "sentence", "pooling of a sentence must be .*'special'.*; found 'cls'"),
            ("last", "token", "unit must be 'word' or 'sentence'; found 'token'"),
        ],
    )
    def test_unknown_pooling_or_unit(self, pooling, unit, message):
        with pytest.raises(ValueError, match=message):
            SentenceEncoder(wordpiece(), None, pooling, unit)

    @pytest.mark.parametrize("window", [-1, 0, 2, 3])
    def test_a_window_without_room(self, window):
        with pytest.raises(ValueError, match=f"a window of {window} tokens leaves no room"):
            SentenceEncoder(wordpiece(), window, "last", "word")

    def test_no_special_token_to_pool(self):
        with pytest.raises(ValueError, match="needs a tokenizer that adds special tokens"):
            encode([["a"]], wordpiece(special=False), pooling="special", unit="sentence")


class TestModelWindow:
    @pytest.mark.parametrize(
        ("tokenizer_limit", "positions", "expected"),
        [
            (512, 514, 512),  # what RoBERTa's files say
            (10**30, 40, 40),  # a tokenizer without a limit
            (512, None, 512),
            (10**30, None, None),
            (None, 40, 40),
            (512, -1, 512),  # some configurations write -1 for no limit
            (128, 512, 128),
        ],
    )
    def test_the_smaller_of_the_limits_that_are_known(self, tokenizer_limit, positions, expected):
        tokenizer = wordpiece()
        tokenizer.model_max_length = tokenizer_limit
        model = nn.Linear(1, 1)
        model.config = SimpleNamespace(max_position_embeddings=positions)
        assert model_window(tokenizer, model) == expected

    def test_a_tokenizer_and_a_model_that_say_nothing(self):
        assert model_window(object(), nn.Linear(1, 1)) is None

    @pytest.mark.parametrize(
        ("architecture", "expected"),
        [
            ("bert", 40),
            ("roberta", 39),  # its first position is the one behind the padding index, 0
            ("gpt2", 40),
            ("bart", 40),
            ("t5", None),
            ("xlnet", None),
        ],
    )
    def test_limits_of_architectures(self, architecture, expected):
        assert model_window(wordpiece(), encoder_of(tiny(architecture))) == expected

    def test_the_padding_index_of_published_roberta_models(self):
        model = tiny("roberta", pad_token_id=1)
        assert model_window(wordpiece(), model) == 38  # of the real ones: 512 of 514


any_words = st.lists(
    st.text("abcd", min_size=1, max_size=9)
    | st.sampled_from(["\u200d", "\u0301", "\x00", "é", "A", "🙂", "ab\u0301", "a\u200db", "x"])
    | st.text(st.characters(codec="utf-8", exclude_characters=" "), min_size=1, max_size=4),
    min_size=1,
    max_size=12,
)
TOKENIZERS = {"wordpiece": wordpiece(), "bytes": byte_bpe(), "metaspace": metaspace()}


class TestAnyWords:
    @pytest.mark.parametrize("name", TOKENIZERS)
    @given(st.lists(any_words, min_size=1, max_size=3), st.sampled_from([None, 5, 6, 9, 16]))
    def test_each_has_one_row_or_is_missing(self, name, sentences, window):
        chunk = encode(sentences, TOKENIZERS[name], window, "mean")
        count = sum(map(len, sentences))
        assert chunk.rows + len(set(chunk.missing)) == count
        assert sorted(set(chunk.missing)) == chunk.missing
        assert all(0 <= unit < count for unit in chunk.missing)
        rows = readings(chunk)
        assert all(rows)
        assert [sum(share for _, share in row) for row in rows] == pytest.approx([1] * chunk.rows)

    @pytest.mark.parametrize("name", TOKENIZERS)
    @given(any_words, st.sampled_from([5, 6, 9, 16]), st.sampled_from(["first", "last", "mean"]))
    def test_windows_change_no_reading(self, name, words, window, pooling):
        """The tokens of each word, by comparing characters one by one in the text in one piece."""
        tokenizer = TOKENIZERS[name]
        whole = [tokens for tokens in brute_force_tokens(tokenizer, words) if tokens]
        kept = {"first": slice(1), "last": slice(-1, None), "mean": slice(None)}[pooling]
        chunk = encode([words], tokenizer, window, pooling)
        assert tokens_read(chunk) == [tokens[kept] for tokens in whole]
        assert all(len(piece.token_ids) <= window for piece in chunk.windows)
