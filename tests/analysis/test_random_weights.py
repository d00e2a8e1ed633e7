import math

import matplotlib as mpl
import pytest
import torch
from matplotlib.container import BarContainer
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from captum_lca import Corpus, extract, fit_elastic_net
from captum_lca.activations import random_twin
from captum_lca.analysis import RandomWeights, random_weights

mpl.use("Agg")
CORPUS = Corpus([list("abcd"), list("ba"), list("dca")], {"class": list("XYYZYXZYX")})
TEST = Corpus([list("ab"), list("cca")], {"class": list("XYYYX")})


def tokenizer():
    """Of words of one letter."""
    inner = Tokenizer(models.WordLevel({"[PAD]": 0, "a": 1, "b": 2, "c": 3, "d": 4}, "[PAD]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="[PAD]", unk_token="[PAD]")


def mute():
    """A model that returns zeros, whatever it reads."""
    config = BertConfig(
        vocab_size=5,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        max_position_embeddings=8,
    )
    model = BertModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    return model


@pytest.mark.filterwarnings("ignore:the probe is not at its minimum")  # all is constant
def test_random_weights_tell_more_than_a_model_that_says_nothing():
    options = {"l1": 1e-3, "l2": 1e-4, "seed": 5}
    found = random_weights(
        mute(), tokenizer(), CORPUS, "class", test=TEST, twins=2, progress=False, **options
    )
    assert found.metric == "accuracy"
    assert found.trained == pytest.approx(3 / 5)  # always Y, the class most frequent in training
    assert found.random == (1, 1)  # every word has one class, and an embedding of its own
    assert found.gain == pytest.approx(3 / 5 - 1)
    assert found.spread == 0


def test_a_twin_is_probed_as_the_model_is():
    twin = random_twin(mute(), seed=7)
    found = random_weights(
        twin, tokenizer(), CORPUS, "class", test=TEST, seed=3, l1=0.05, progress=False
    )
    for network, score in ((twin, found.trained), (random_twin(twin, seed=3), found.random[0])):
        rows, held_out = (
            extract(part, network, tokenizer(), progress=False) for part in (CORPUS, TEST)
        )
        predicted = fit_elastic_net(rows, CORPUS.labels["class"], l1=0.05, seed=3).predict(held_out)
        right = [a == b for a, b in zip(predicted, TEST.labels["class"], strict=True)]
        assert score == pytest.approx(sum(right) / len(right))
    assert math.isnan(found.spread)


def test_bars_are_those_of_the_frame():
    found = RandomWeights("accuracy", 0.9, (0.5, 0.7))
    assert found.gain == pytest.approx(0.3)
    assert found.spread == pytest.approx(0.02**0.5)
    frame = found.to_frame().groupby("weights", sort=False)["score"]
    axes = found.plot()
    assert [bar.get_height() for bar in axes.patches] == pytest.approx(frame.mean().tolist())
    (bars,) = (group for group in axes.containers if isinstance(group, BarContainer))
    (low, high) = bars.errorbar.lines[2][0].get_segments()[1][:, 1]
    assert high - low == pytest.approx(2 * frame.std()["random"])
    assert axes.get_ylabel() == "accuracy"


def test_bad_questions():
    with pytest.raises(ValueError, match="at least one random twin; found 0"):
        random_weights(mute(), tokenizer(), CORPUS, "class", test=TEST, twins=0)
    with pytest.raises(ValueError, match="upos"):
        random_weights(mute(), tokenizer(), CORPUS, "upos", test=TEST)
