"""Tokenizers and models small enough to follow by hand, made without a network."""

import torch
from accelerate import cpu_offload, disk_offload, dispatch_model
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    AlbertConfig,
    AutoModel,
    BartConfig,
    BertConfig,
    ConvBertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    FNetConfig,
    Gemma2Config,
    GemmaConfig,
    GPT2Config,
    LlamaConfig,
    LongformerConfig,
    PretrainedConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    RobertaConfig,
    T5Config,
    XLNetConfig,
)

PAD, UNK, CLS, SEP = range(4)
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcd", *(f"##{letter}" for letter in "abcd")]
"""Of the WordPiece tokenizer: a word of n letters becomes n tokens, ``a``=4 … ``##a``=8 …"""


def wordpiece(special=True, backend_settings=(), **options):
    """Letters a to d; control characters vanish, capitals and accents are folded.

    Args:
        special: Whether [CLS] and [SEP] go around a sentence.
        backend_settings: Functions that change the inner tokenizer, as tokenizer.json may.
        options: For transformers' tokenizer.
    """
    numbered = {piece: number for number, piece in enumerate(PIECES)}
    inner = Tokenizer(models.WordPiece(numbered, unk_token="[UNK]"))
    inner.normalizer = normalizers.BertNormalizer(lowercase=True)
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if special:
        inner.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)]
        )
    for change in backend_settings:
        change(inner)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        **options,
    )


def byte_bpe(merges=(), trim_offsets=True, across_words=False):
    """Bytes, joined by the merges given; a token's space stands in front of its word.

    Args:
        merges: Pairs of pieces; a space is written Ġ.
        trim_offsets: Whether a token's characters leave out its space.
        across_words: Whether merges may join the end of one word to the next.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [*alphabet, *("".join(pair) for pair in merges)]
    inner = Tokenizer(models.BPE({piece: n for n, piece in enumerate(pieces)}, list(merges)))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(
        add_prefix_space=False, use_regex=not across_words
    )
    inner.post_processor = processors.ByteLevel(trim_offsets=trim_offsets)
    inner.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=inner)


def metaspace():
    """Unigram pieces of a, b, c; ``▁`` stands for a space, alone or before a letter."""
    pieces = [("<unk>", -10.0), ("▁", -3.0), ("▁a", -2.0), ("a", -4.0), ("b", -4.0), ("c", -4.0)]
    inner = Tokenizer(models.Unigram(pieces, unk_id=0))
    inner.pre_tokenizer = pre_tokenizers.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>", pad_token="<unk>")


_SIZES = {
    "vocab_size": 16,
    "hidden_size": 8,
    "num_attention_heads": 2,
    "num_hidden_layers": 3,
    "intermediate_size": 12,
    "max_position_embeddings": 40,
    "pad_token_id": PAD,
    "bos_token_id": CLS,
    "eos_token_id": SEP,
}
_LLAMA = {**_SIZES, "num_key_value_heads": 1, "head_dim": 4}
_DEBERTA = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 8}
_BART = {
    "vocab_size": 16,
    "d_model": 8,
    "max_position_embeddings": 40,
    "pad_token_id": PAD,
    "bos_token_id": CLS,
    "eos_token_id": SEP,
    "decoder_start_token_id": CLS,
    "forced_eos_token_id": SEP,
} | {
    f"{side}_{size}": number
    for side in ("encoder", "decoder")
    for size, number in (("layers", 3), ("attention_heads", 2), ("ffn_dim", 12))
}
_OTHER_NAMES = {
    "distilbert": {"dim": 8, "n_layers": 3, "n_heads": 2, "hidden_dim": 12},
    "gpt2": {"n_embd": 8, "n_layer": 3, "n_head": 2, "n_inner": 12, "n_positions": 40},
    "t5": {"d_model": 8, "num_layers": 3, "num_heads": 2, "d_ff": 12, "d_kv": 4},
    "xlnet": {"d_model": 8, "n_layer": 3, "n_head": 2, "d_inner": 12},
}
_IDS = {"vocab_size": 16, "pad_token_id": PAD, "bos_token_id": CLS, "eos_token_id": SEP}

CONFIGS: dict[str, PretrainedConfig] = {
    "bert": BertConfig(**_SIZES),
    "roberta": RobertaConfig(**_SIZES),
    "distilbert": DistilBertConfig(
        **_IDS, max_position_embeddings=40, **_OTHER_NAMES["distilbert"]
    ),
    "albert": AlbertConfig(**_SIZES, embedding_size=6),
    "albert2": AlbertConfig(
        **{**_SIZES, "num_hidden_layers": 4}, embedding_size=6, num_hidden_groups=2
    ),
    "electra": ElectraConfig(**_SIZES, embedding_size=6),
    "deberta": DebertaV2Config(**_SIZES, **_DEBERTA),
    "gpt2": GPT2Config(**_IDS, **_OTHER_NAMES["gpt2"]),
    "llama": LlamaConfig(**_LLAMA),
    "qwen2": Qwen2Config(**_LLAMA),
    "gemma": GemmaConfig(**_LLAMA),
    "gemma2": Gemma2Config(**_LLAMA),
    "t5": T5Config(**_IDS, **_OTHER_NAMES["t5"]),
    "bart": BartConfig(**_BART),
    "fnet": FNetConfig(**_SIZES),
    "convbert": ConvBertConfig(**_SIZES, embedding_size=8),
    "xlnet": XLNetConfig(**_IDS, **_OTHER_NAMES["xlnet"]),
    "longformer": LongformerConfig(**_SIZES, attention_window=4),
}

LONE_BLOCK_NAMES = {
    "bert": "encoder.layer",
    "roberta": "encoder.layer",
    "distilbert": "transformer.layer",
    "electra": "encoder.layer",
    "deberta": "encoder.layer",
    "gpt2": "h",
    "llama": "layers",
    "qwen2": "layers",
    "gemma": "layers",
    "gemma2": "layers",
    "t5": "block",
    "bart": "layers",
    "xlnet": "layer",
}
"""Where each architecture (of those that run a block once) keeps its three blocks."""

DOWN_PROJECTIONS = {
    "bert": "output.dense",
    "roberta": "output.dense",
    "distilbert": "ffn.lin2",
    "electra": "output.dense",
    "deberta": "output.dense",
    "gpt2": "mlp.c_proj",
    "llama": "mlp.down_proj",
    "qwen2": "mlp.down_proj",
    "gemma": "mlp.down_proj",
    "gemma2": "mlp.down_proj",
    "t5": "layer.1.DenseReluDense.wo",
    "bart": "fc2",
    "xlnet": "ff.layer_2",
}
"""The module inside a block that reads the twelve MLP neurons."""

NORMED_AT_THE_END = {"gpt2", "llama", "qwen2", "gemma", "gemma2", "t5"}
"""Their last hidden state, as transformers reports it, is not what the last block returns."""


def randomised(model, seed=0):
    """The model in evaluation mode, every parameter drawn anew: no layer is close to another."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.4)
    return model.eval()


def tiny(architecture, auto_class=AutoModel, **changes):
    """A random model of three blocks of 8 neurons, with 12 MLP neurons each."""
    config = type(CONFIGS[architecture])(**{**CONFIGS[architecture].to_diff_dict(), **changes})
    return randomised(auto_class.from_config(config))


PLACES = {
    "cpu": lambda model, folder: cpu_offload(model),
    "disk": disk_offload,
    "one block on the disk": lambda model, folder: dispatch_model(
        model,
        {"": "cpu", f"{LONE_BLOCK_NAMES[model.config.model_type]}.2": "disk"},
        main_device="cpu",
        offload_dir=folder,
    ),
}
"""Where accelerate may keep a base model's weights until they are needed."""


def encoder_of(model):
    """The part that is run: of an encoder-decoder the encoder, of the others the base model."""
    base = model.base_model
    return base.get_encoder() if model.config.is_encoder_decoder else base


def hidden_states(model, token_ids):
    """What the first block receives and every block returns, by hooks of our own.

    Args:
        model: The base model.
        token_ids: Of one sentence.

    Returns:
        One (tokens, 8) tensor per layer, embeddings first: transformers' own hidden states, save
        for the last of the models that apply a norm behind it, which comes from a plain hook.
    """
    ids = torch.tensor([token_ids])
    last = []
    name = LONE_BLOCK_NAMES.get(model.config.model_type.removesuffix("-v2"))
    blocks = model.get_submodule(name) if name else None
    handle = blocks and blocks[-1].register_forward_hook(lambda *call: last.append(call[2]))
    with torch.no_grad():
        states = model(input_ids=ids, output_hidden_states=True).hidden_states
    states = [state[0] for state in states]
    if handle:
        handle.remove()
    if model.config.model_type in NORMED_AT_THE_END:
        returned = last[0] if isinstance(last[0], torch.Tensor) else last[0][0]
        states[-1] = returned[0]
    return states


def expected_word_rows(model, tokenizer, corpus, pooling):
    """Rows of a corpus by transformers' hidden states, each sentence alone; of the base model.

    A word's tokens are found by going through the characters of each token.
    """
    pool = {
        "first": lambda own: own[0],
        "last": lambda own: own[-1],
        "mean": lambda own: own.mean(0),
    }[pooling]
    rows = []
    for words in corpus.sentences:
        text = " ".join(words)
        owners = [number for number, word in enumerate(words) for _ in f"{word} "]
        encoded = tokenizer(text, return_tensors="pt", return_offsets_mapping=True)
        offsets = encoded.pop("offset_mapping")[0].tolist()
        touched = [
            {owners[place] for place in range(*span) if text[place] != " "} for span in offsets
        ]
        with torch.no_grad():
            states = model(**encoded, output_hidden_states=True).hidden_states
        for number in range(len(words)):
            own = [token for token, words_of_it in enumerate(touched) if number in words_of_it]
            rows.append(torch.cat([pool(layer[0, own]) for layer in states]))
    return torch.stack(rows)
