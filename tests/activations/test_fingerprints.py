import pytest
import torch
from tiny_models import wordpiece

from captum_lca.activations.fingerprints import fingerprint_model, fingerprint_tokenizer


class TestFingerprint:
    def test_the_same_for_the_same_parameters(self):
        torch.manual_seed(0)
        model, copy = torch.nn.Linear(50, 50), torch.nn.Linear(50, 50)
        assert fingerprint_model(model) != fingerprint_model(copy)
        copy.load_state_dict(model.state_dict())
        assert fingerprint_model(model) == fingerprint_model(copy)

    def test_any_one_weight_matters(self):
        model = torch.nn.Linear(100, 100)
        before = fingerprint_model(model)
        with torch.no_grad():
            model.weight[0, 1] *= 1.5
        assert fingerprint_model(model) != before

    def test_the_dtype_matters(self):
        model = torch.nn.Linear(4, 4).half()
        assert fingerprint_model(model) != fingerprint_model(model.float())

    def test_names_matter(self):
        def named(name):
            model = torch.nn.Module()
            model.register_buffer(name, torch.ones(3))
            return fingerprint_model(model)

        assert named("one") != named("other")

    @pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.bfloat16, torch.float64])
    def test_buffers_of_any_kind(self, dtype):
        model = torch.nn.Module()
        model.register_buffer("one", torch.ones((), dtype=dtype))
        model.register_buffer("none", torch.ones(0, dtype=dtype))
        assert len(fingerprint_model(model)) == 64

    def test_of_tokenizers(self):
        plain = fingerprint_tokenizer(wordpiece())
        assert fingerprint_tokenizer(wordpiece()) == plain
        assert fingerprint_tokenizer(wordpiece(special=False)) != plain

    def test_use_of_a_tokenizer_does_not_matter(self):
        tokenizer = wordpiece()
        before = fingerprint_tokenizer(tokenizer)
        tokenizer(["a b c"], truncation=True, padding="max_length", max_length=5)
        assert tokenizer.backend_tokenizer.truncation
        assert fingerprint_tokenizer(tokenizer) == before
