import json
import warnings

import pytest
import torch
from tiny_models import (
    CLS,
    CONFIGS,
    LONE_BLOCK_NAMES,
    PAD,
    PLACES,
    SEP,
    encoder_of,
    hidden_states,
    tiny,
    wordpiece,
)
from torch import nn
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoModelForTokenClassification,
)

from captum_lca.activations import ActivationStore, StoreError, extract, resolve_layers
from captum_lca.activations.encoding import Window
from captum_lca.activations.layer_reader import LayerReader
from captum_lca.corpora import Corpus
from captum_lca.files import locked

CORPUS = Corpus(
    [["ab", "c", "dd"], ["a"], ["bcd", "a", "a", "b"], ["d", "cab"]],
    {"upos": ["X", "Y", "X", "Z", "X", "Y", None, "Z", "X", "Y"]},
    source="tiny.conllu",
)
TOKENIZER = wordpiece()
DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
CHUNK_ROWS = "captum_lca.activations.chunks.CHUNK_ROWS"
NOTHING = "\u200d"
"""A word that the tokenizer turns into nothing."""


def rows_of(model, corpus=CORPUS, tokenizer=TOKENIZER, **options):
    """Rows in float32 from the code under test."""
    options = {"dtype": torch.float32, "progress": False, **options}
    return extract(corpus, model, tokenizer, **options)


def token_ids(words):
    """As the tiny WordPiece tokenizer cuts words of the letters a to d, and each word's places."""
    ids, places = [CLS], []
    for word in words:
        pieces = [(8 if place else 4) + "abcd".index(letter) for place, letter in enumerate(word)]
        places.append(list(range(len(ids), len(ids) + len(pieces))))
        ids += pieces
    return [*ids, SEP], places


def expected_rows(model, corpus=CORPUS, pool=lambda states: states[-1]):
    """Every sentence alone, without padding; by the hidden states that transformers reports."""
    rows = []
    for words in corpus.sentences:
        ids, places = token_ids(words)
        states = torch.stack(hidden_states(model, ids))
        rows += [torch.cat([pool(layer[own]) for layer in states]) for own in places]
    return torch.stack(rows)


def assert_close(found, expected):
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def calls_of(modules):
    """How often each module runs from now on."""
    calls = [0] * len(modules)

    def count(number):
        calls[number] += 1

    for number, module in enumerate(modules):
        module.register_forward_hook(lambda *call, n=number: count(n))
    return calls


def hooks_of(model):
    return [
        hook
        for module in model.modules()
        for hook in (*module._forward_hooks.values(), *module._forward_pre_hooks.values())
    ]


@pytest.fixture(scope="module")
def bert():
    return tiny("bert")


class TestArchitectures:
    @pytest.mark.parametrize("architecture", [*LONE_BLOCK_NAMES, "albert", "albert2"])
    def test_rows_are_the_hidden_states_of_each_sentence_alone(self, architecture):
        model = encoder_of(tiny(architecture))
        store = rows_of(model)
        assert store.layout.layers[0] == "embeddings"
        assert_close(store.tensor(), expected_rows(model))

    @pytest.mark.parametrize("architecture", LONE_BLOCK_NAMES)
    def test_mlp_rows_are_what_the_down_projection_reads(self, architecture):
        model = encoder_of(tiny(architecture))
        store = rows_of(model, layers="mlp")
        assert store.layout.widths == (12, 12, 12)
        read = []
        for name, module in model.named_modules():
            if f"{name}[input]" in store.layout.layers:
                module.register_forward_hook(lambda module, args, output: read.append(args[0]))
        expected = []
        for words in CORPUS.sentences:
            ids, places = token_ids(words)
            read.clear()
            with torch.no_grad():
                model(input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)))
            states = torch.cat([tensor.reshape(len(ids), 12) for tensor in read], dim=1)
            expected += [states[own[-1]] for own in places]
        assert_close(store.tensor(), torch.stack(expected))

    def test_shared_blocks_are_named_by_their_calls(self):
        layers = rows_of(tiny("albert")).layout.layers
        assert layers[1:] == tuple(f"encoder.albert_layer_groups.0@{call}" for call in range(3))

    @pytest.mark.parametrize("architecture", ["t5", "bart"])
    def test_of_an_encoder_decoder_the_encoder_runs(self, architecture):
        model = tiny(architecture)
        decoder = calls_of([model.get_decoder()])
        assert_close(rows_of(model).tensor(), expected_rows(model.get_encoder()))
        assert decoder == [0]

    @pytest.mark.parametrize("architecture", ["fnet", "convbert"])
    @pytest.mark.parametrize("batch_tokens", [1, 10_000])
    def test_models_that_padding_would_change(self, architecture, batch_tokens):
        model = tiny(architecture)
        assert_close(rows_of(model, batch_tokens=batch_tokens).tensor(), expected_rows(model))

    def test_padding_changes_nothing_in_the_others(self):
        window = Window(token_ids(["ab", "c", "dd"])[0], *[None] * 3)
        for architecture in LONE_BLOCK_NAMES:
            model = encoder_of(tiny(architecture))
            reader = LayerReader(model, resolve_layers(model), PAD)
            assert not reader.notices_padding(window)

    def test_layers_of_more_positions_than_tokens_are_refused(self):
        with pytest.raises(
            ValueError,
            match=r"layer 'embeddings' has shape \(1, 8, 8\) for one sentence of 7 tokens; "
            r"expected \(1, 7, neurons\)",
        ):
            rows_of(tiny("longformer"))  # fills the text up to a multiple of its attention window


class TestHeads:
    @pytest.mark.parametrize(
        ("architecture", "auto_class", "head"),
        [
            ("bert", AutoModelForMaskedLM, "cls"),
            ("bert", AutoModelForTokenClassification, "classifier"),
            ("roberta", AutoModelForTokenClassification, "classifier"),
            ("gpt2", AutoModelForCausalLM, "lm_head"),
            ("llama", AutoModelForCausalLM, "lm_head"),
            ("llama", AutoModelForTokenClassification, "score"),
            ("t5", AutoModelForSeq2SeqLM, "lm_head"),
            ("bart", AutoModelForSeq2SeqLM, "lm_head"),
        ],
    )
    def test_the_head_changes_nothing_and_never_runs(self, architecture, auto_class, head):
        model = tiny(architecture, auto_class)
        heads = calls_of([model.get_submodule(head)])
        assert_close(rows_of(model).tensor(), expected_rows(encoder_of(model)))
        assert heads == [0]

    def test_what_is_no_model(self):
        with pytest.raises(ValueError, match="a model must be a torch module; found str"):
            rows_of("bert-base")


class TestDepth:
    def test_nothing_behind_the_deepest_layer_runs(self):
        model = tiny("bert")
        calls = calls_of(model.encoder.layer)
        rows_of(model, layers=["encoder.layer.1", "embeddings"], batch_tokens=1)
        sentences = len(CORPUS)
        assert calls == [sentences + 3, sentences + 3, 1]  # one whole pass tells the widths

    def test_layers_asked_for_in_any_order(self, bert):
        both = rows_of(bert, layers=["encoder.layer.2", "embeddings"])
        assert both.layout.layers == ("encoder.layer.2", "embeddings")
        expected = expected_rows(bert)
        assert_close(both.tensor(), torch.cat([expected[:, 24:], expected[:, :8]], dim=1))

    def test_modules_of_the_users_choice(self, bert):
        store = rows_of(bert, layers=[bert.embeddings, *bert.encoder.layer])
        assert store.layout.layers[0] == "embeddings"
        assert_close(store.tensor(), expected_rows(bert))

    def test_layers_of_several_widths(self, bert):
        store = rows_of(bert, layers=["encoder.layer.0.intermediate", "encoder.layer.0"])
        assert store.layout.widths == (12, 8)
        assert_close(store.tensor()[:, 12:], expected_rows(bert)[:, 8:16])


class TestRows:
    @pytest.mark.parametrize("batch_tokens", [1, 7, 12, 10_000])
    def test_the_order_of_the_corpus_whatever_the_batches(self, bert, batch_tokens):
        assert_close(rows_of(bert, batch_tokens=batch_tokens).tensor(), expected_rows(bert))

    @pytest.mark.parametrize("out", [False, True])
    def test_chunks(self, bert, monkeypatch, tmp_path, out):
        monkeypatch.setattr(CHUNK_ROWS, (1, 3))
        store = rows_of(bert, out=tmp_path / "store" if out else None)
        assert_close(store.tensor(), expected_rows(bert))
        shards = len(list(tmp_path.glob("store/shard-*")))
        assert shards == (3 if out else 0)  # 3 words; 1 + 4 words; 2 words

    @pytest.mark.parametrize(
        ("pooling", "pool"),
        [
            ("first", lambda states: states[0]),
            ("last", lambda states: states[-1]),
            ("mean", lambda states: states.mean(0)),
        ],
    )
    def test_pooling(self, bert, pooling, pool):
        assert_close(rows_of(bert, pooling=pooling).tensor(), expected_rows(bert, pool=pool))

    @pytest.mark.parametrize(
        ("pooling", "pool"),
        [
            ("special", lambda states: states[0]),
            ("first", lambda states: states[1]),
            ("last", lambda states: states[-2]),
            ("mean", lambda states: states[1:-1].mean(0)),
        ],
    )
    def test_sentences(self, bert, pooling, pool):
        store = rows_of(bert, unit="sentence", pooling=pooling)
        expected = [
            torch.cat([pool(state) for state in hidden_states(bert, token_ids(words)[0])])
            for words in CORPUS.sentences
        ]
        assert_close(store.tensor(), torch.stack(expected))
        assert store.align(list("abcd")) == list("abcd")

    def test_a_long_sentence_is_read_in_windows(self, bert):
        words = list("abcdabcdab")
        store = rows_of(bert, Corpus([words, ["c"]]), window=8)
        ids = token_ids(words)[0]
        # of the letters 0-9, the windows 0-5, 3-8 and 6-9 are read for 0-4, 5-7 and 8-9
        expected = []
        for start, stop, first, last in ((0, 6, 0, 4), (3, 9, 5, 7), (6, 10, 8, 9)):
            states = hidden_states(bert, [CLS, *ids[1 + start : 1 + stop], SEP])
            expected += [
                torch.cat([layer[1 + letter - start] for layer in states])
                for letter in range(first, last + 1)
            ]
        assert_close(store.tensor()[:10], torch.stack(expected))

    @pytest.mark.parametrize("architecture", ["bert", "roberta", "gpt2"])
    def test_the_models_own_limit_holds(self, architecture):
        store = rows_of(tiny(architecture), Corpus([["abcd"] * 30]))
        assert store.rows == 30
        assert store.settings["window"] == (39 if architecture == "roberta" else 40)

    def test_without_a_limit_a_sentence_is_one_piece(self):
        model = tiny("t5")
        corpus = Corpus([["abcd"] * 30])
        assert_close(rows_of(model, corpus).tensor(), expected_rows(model.get_encoder(), corpus))

    def test_a_tokenizer_without_padding(self, bert):
        tokenizer = wordpiece()
        tokenizer.pad_token = None
        assert_close(rows_of(bert, tokenizer=tokenizer).tensor(), expected_rows(bert))

    def test_a_model_that_reports_everything(self):
        model = tiny("bert", output_hidden_states=True, return_dict=False)
        model.config.output_attentions = False
        assert_close(rows_of(model).tensor(), expected_rows(tiny("bert")))

    def test_the_store_carries_corpus_and_settings(self, bert):
        store = rows_of(bert, pooling="mean")
        assert store.corpus == CORPUS
        expected = {"unit": "word", "pooling": "mean", "window": 40, "dtype": "float32"}
        assert expected.items() <= store.settings.items()
        assert store.settings["corpus_fingerprint"] == CORPUS.fingerprint

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_a_model_in_half_precision(self, dtype):
        found = rows_of(tiny("bert").to(dtype)).tensor()
        torch.testing.assert_close(found, expected_rows(tiny("bert")), atol=0.2, rtol=0.1)

    @pytest.mark.parametrize("architecture", ["bert", "llama", "xlnet"])
    @pytest.mark.parametrize("place", PLACES)
    def test_weights_that_are_held_back(self, architecture, place, tmp_path):
        expected = rows_of(tiny(architecture), out=tmp_path / "store").tensor()
        model = PLACES[place](tiny(architecture), tmp_path / "weights")
        assert torch.equal(rows_of(model).tensor(), expected)
        again = rows_of(model, out=tmp_path / "store")  # the same weights: opened, not refused
        assert torch.equal(again.tensor(), expected)

    def test_weights_that_were_never_loaded(self):
        with torch.device("meta"):
            model = AutoModel.from_config(CONFIGS["bert"])
        with pytest.raises(ValueError, match=r"weights are not loaded: embeddings\.word_emb"):
            rows_of(model)

    @pytest.mark.parametrize("device", DEVICES)
    def test_rows_come_back_to_the_processor(self, device):
        found = rows_of(tiny("bert"), device=device).tensor()
        assert found.device.type == "cpu"
        torch.testing.assert_close(found, expected_rows(tiny("bert")), atol=1e-3, rtol=1e-3)


class TestWordsThatBecomeNothing:
    CORPUS = Corpus([["a", NOTHING, "b"], [NOTHING], ["c"]], {"n": list("12345")})

    def test_they_have_no_row_and_are_counted(self, bert):
        with pytest.warns(UserWarning, match=r"2 of 5 words into nothing; they .*u200d"):
            store = rows_of(bert, self.CORPUS)
        assert store.missing == [1, 3]
        assert_close(store.tensor(), expected_rows(bert, Corpus([["a", "b"], ["c"]])))
        assert store.align(self.CORPUS.labels["n"]) == ["1", "3", "5"]

    def test_sentences(self, bert):
        with pytest.warns(UserWarning, match=r"1 of 3 sentences into nothing; .* \[1\]"):
            store = rows_of(bert, self.CORPUS, unit="sentence")
        assert store.rows == 2
        assert store.align(["x", "y", "z"]) == ["x", "z"]

    def test_the_warning_names_ten_at_most(self, bert):
        corpus = Corpus([["a", *[NOTHING] * 30]])
        with pytest.warns(UserWarning, match="30 of 31 words") as caught:
            rows_of(bert, corpus)
        assert str(caught[0].message).count("u200d") == 10

    @pytest.mark.parametrize("out", [False, True])
    def test_a_chunk_of_nothing_else(self, bert, monkeypatch, tmp_path, out):
        monkeypatch.setattr(CHUNK_ROWS, (1, 1))
        with pytest.warns(UserWarning, match="2 of 5 words"):
            store = rows_of(
                bert, self.CORPUS, dtype=torch.float16, out=tmp_path / "store" if out else None
            )
        assert store.rows == 3
        assert store.missing == [1, 3]

    def test_no_word_is_left(self, bert):
        corpus = Corpus([[NOTHING], [NOTHING, NOTHING]], source="empty.txt")
        with pytest.raises(ValueError, match=r"the corpus \(empty\.txt\) has no words that"):
            rows_of(bert, corpus)


class TestNumbers:
    @pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
    def test_nan_and_infinity_name_the_layer(self, value):
        model = tiny("bert")
        with torch.no_grad():
            model.encoder.layer[1].output.LayerNorm.bias[3] = value
        with pytest.raises(
            ValueError,
            match=r"NaN or infinite activations in layer 'encoder\.layer\.1', neurons \[3\], "
            r"for tiny\.conllu; run the model in a wider dtype",
        ):
            rows_of(model)
        assert not hooks_of(model)

    def test_float16_is_the_default(self, bert):
        store = extract(CORPUS, bert, TOKENIZER, progress=False)
        assert store.dtype == torch.float16
        assert torch.equal(store.tensor(), rows_of(bert).tensor().half())

    @pytest.mark.parametrize("out", [False, True])
    def test_too_large_for_float16(self, monkeypatch, tmp_path, out):
        monkeypatch.setattr(CHUNK_ROWS, (1, 1))
        model = tiny("bert")

        def enlarge(module, args, kwargs, output):
            letter_d = kwargs["input_ids"] == 7
            return torch.where(letter_d[..., None] & (torch.arange(8) == 5), 70000.0, output)

        model.embeddings.register_forward_hook(enlarge, with_kwargs=True)
        corpus = Corpus([["a", "b"], ["d"], ["c", "a"]])
        folder = tmp_path / "store"
        with pytest.warns(
            UserWarning,
            match=r"activations up to 7e\+04 \(layer 'embeddings', neuron 5\) are too large for "
            r"float16; the store is float32",
        ):
            store = rows_of(
                model, corpus, dtype=torch.float16, layers="embeddings", out=folder if out else None
            )
        assert store.dtype == torch.float32
        assert store.tensor()[2, 5] == 70000
        exact = rows_of(model, corpus, layers="embeddings").tensor()
        assert torch.equal(store.tensor()[2], exact[2])
        others = [0, 1, 3, 4]  # whether read before or behind
        assert torch.equal(store.tensor()[others], exact[others].half().float())
        if out:
            assert torch.equal(ActivationStore.open(folder).tensor(), store.tensor())

    def test_a_dtype_that_no_store_has(self, bert):
        with pytest.raises(
            ValueError,
            match=r"dtype must be torch\.float16 or .*; found torch\.bfloat16",
        ):
            rows_of(bert, dtype=torch.bfloat16)


class TestTheModelIsLeftAsItWas:
    def test_mode_and_hooks(self):
        model = tiny("bert").train()
        model.encoder.layer[1].eval()
        rows_of(model)
        assert model.training
        assert model.encoder.layer[0].training
        assert not model.encoder.layer[1].training
        assert not hooks_of(model)

    def test_training_does_not_change_the_rows(self):
        model = tiny("bert", hidden_dropout_prob=0.5).train()
        assert_close(rows_of(model).tensor(), expected_rows(model.eval()))

    @pytest.mark.parametrize("layers", ["pooler", "embeddings.nothing", "encoder"])
    def test_also_after_an_error(self, layers):
        model = tiny("bert").train()
        model.encoder.layer[2].register_forward_hook(lambda *call: 1 / 0)
        before = len(hooks_of(model))
        with pytest.raises((ValueError, ZeroDivisionError)):
            rows_of(model, layers=layers)
        assert model.training
        assert len(hooks_of(model)) == before

    def test_no_gradients_are_kept(self, bert):
        assert not rows_of(bert).tensor().requires_grad


class TestRefusals:
    def test_a_layer_that_never_ran(self):
        model = tiny("bert")
        model.spare = nn.Linear(8, 8)
        with pytest.raises(ValueError, match="these layers never ran in the forward pass: spare"):
            rows_of(model, layers=["spare", "embeddings"])

    def test_an_unknown_layer(self, bert):
        with pytest.raises(
            ValueError,
            match=r"no layer 'encoder\.layer\.9' in BertModel; its blocks are "
            r"encoder\.layer\.0 to encoder\.layer\.2",
        ):
            rows_of(bert, layers="encoder.layer.9")

    def test_a_repeated_module_without_a_call(self):
        with pytest.raises(ValueError, match="runs more than once in a forward pass; say which"):
            rows_of(tiny("albert"), layers="encoder.albert_layer_groups.0")

    def test_a_layer_without_positions(self):
        with pytest.raises(ValueError, match=r"layer 'pooler' has shape \(1, 8\) for one sentence"):
            rows_of(tiny("bert"), layers="pooler")

    def test_a_slow_tokenizer(self, bert):
        class SlowTokenizer:
            is_fast = False

        with pytest.raises(ValueError, match="SlowTokenizer is not a fast tokenizer"):
            rows_of(bert, tokenizer=SlowTokenizer())

    def test_an_unknown_pooling(self, bert):
        with pytest.raises(ValueError, match=r"pooling of a word must be one of .* found 'max'"):
            rows_of(bert, pooling="max")

    @pytest.mark.parametrize("window", [0, 3])
    def test_a_window_without_room(self, bert, window):
        with pytest.raises(ValueError, match=f"a window of {window} tokens leaves no room"):
            rows_of(bert, window=window)

    def test_they_come_before_anything_is_written(self, bert, tmp_path):
        with pytest.raises(ValueError, match="no layer"):
            rows_of(bert, layers="encoder.layer.9", out=tmp_path / "store")
        assert not (tmp_path / "store").exists()


class TestFolders:
    def test_a_complete_store_is_opened_and_the_model_rests(self, tmp_path):
        model = tiny("bert")
        first = rows_of(model, out=tmp_path / "store")
        calls = calls_of([model.encoder.layer[0]])
        again = rows_of(model, out=str(tmp_path / "store"))
        assert calls == [1]  # the pass that tells the widths
        assert torch.equal(first.tensor(), again.tensor())

    def test_also_after_the_tokenizer_was_used(self, bert, tmp_path):
        tokenizer = wordpiece()
        rows_of(bert, tokenizer=tokenizer, out=tmp_path)
        tokenizer(["a b"], padding="max_length", max_length=9, truncation=True)
        rows_of(bert, tokenizer=tokenizer, out=tmp_path)

    def test_also_when_it_became_float32(self, tmp_path):
        model = tiny("bert")
        with torch.no_grad():
            model.encoder.layer[0].output.LayerNorm.bias[0] = 1e6
        with pytest.warns(UserWarning, match="too large for float16"):
            rows_of(model, dtype=torch.float16, out=tmp_path)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            store = rows_of(model, dtype=torch.float16, out=tmp_path)
        assert store.dtype == torch.float32

    @pytest.mark.parametrize(
        ("options", "named"),
        [
            ({"pooling": "first"}, "pooling"),
            ({"window": 8}, "window"),
            ({"dtype": torch.float16}, "dtype"),
            ({"layers": "mlp"}, "layers"),
            ({"tokenizer": wordpiece(special=False)}, "tokenizer_fingerprint"),
            ({"corpus": CORPUS.select([0])}, "corpus_fingerprint"),
            ({"unit": "sentence"}, "unit"),
        ],
    )
    def test_other_settings_are_refused(self, bert, tmp_path, options, named):
        rows_of(bert, out=tmp_path)
        with pytest.raises(StoreError, match=rf"a store with other settings \({named} differ\)"):
            rows_of(bert, out=tmp_path, **options)

    def test_another_model_is_refused(self, bert, tmp_path):
        rows_of(bert, out=tmp_path)
        other = tiny("bert")
        with torch.no_grad():
            other.encoder.layer[0].output.dense.weight[0, 1] += 1
        with pytest.raises(StoreError, match=r"other settings \(model_fingerprint differ\)"):
            rows_of(other, out=tmp_path)

    def test_what_was_cut_short_goes_on(self, monkeypatch, tmp_path, caplog):
        monkeypatch.setattr(CHUNK_ROWS, (1, 1))
        model = tiny("bert")
        remaining = [6]  # three to look at the model, three sentences

        def fail(module, args, output):
            remaining[0] -= 1
            if remaining[0] < 0:
                raise RuntimeError("out of memory")

        handle = model.encoder.layer[2].register_forward_hook(fail)
        with pytest.raises(RuntimeError, match="out of memory"):
            rows_of(model, out=tmp_path)
        handle.remove()
        with pytest.raises(StoreError, match="incomplete: extraction stopped after 3 shards"):
            ActivationStore.open(tmp_path)
        calls = calls_of([model.encoder.layer[0]])
        with caplog.at_level("INFO", "captum_lca"):
            store = rows_of(model, out=tmp_path)
        assert calls == [4]  # three to look at the model, the sentence that was left
        assert "3 of 4 shards are there" in caplog.text
        assert_close(store.tensor(), expected_rows(model))

    def test_a_changed_shard_is_named_and_made_again_once_it_is_deleted(
        self, bert, monkeypatch, tmp_path
    ):
        monkeypatch.setattr(CHUNK_ROWS, (1, 1))
        rows_of(bert, out=tmp_path)
        files = {path: path.read_bytes() for path in tmp_path.iterdir()}
        index, shard = tmp_path / "index.json", tmp_path / "shard-00002.safetensors"
        unfinished = json.loads(index.read_text()) | {"complete": False, "shards": []}
        for text in (index.read_text(), json.dumps(unfinished)):
            index.write_text(text)
            for content in (files[shard][:-1], files[shard][:-1] + b"!", b""):
                shard.write_bytes(content)
                with pytest.raises(StoreError, match=r"shard-00002.* changed.*; delete it and"):
                    rows_of(bert, out=tmp_path)
            shard.unlink()
            rows_of(bert, out=tmp_path)
            assert {path: path.read_bytes() for path in tmp_path.iterdir()} == files

    def test_another_run_in_the_same_folder(self, bert, tmp_path):
        with locked(tmp_path), pytest.raises(BlockingIOError, match="another run is writing here"):
            rows_of(bert, out=tmp_path)
        rows_of(bert, out=tmp_path)
        with locked(tmp_path):
            rows_of(bert, out=tmp_path)  # a complete store is only read


class TestProgress:
    def test_the_bar_counts_words(self, bert, capsys):
        rows_of(bert, progress=True)
        shown = capsys.readouterr().err
        assert "extract" in shown
        assert "10/10" in shown

    def test_it_can_be_silent(self, bert, capsys):
        rows_of(bert)
        assert capsys.readouterr() == ("", "")
