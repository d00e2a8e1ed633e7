"""Running a corpus through a model: layers of the model → one row per word."""

from __future__ import annotations

import inspect
import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from captum_lca.activations.batching import batches, padded
from captum_lca.activations.encoding import SentenceEncoder, Window, model_window
from captum_lca.activations.fingerprints import fingerprint_model, fingerprint_tokenizer
from captum_lca.activations.layers import (
    ModelLayer,
    evaluate_layers,
    evaluating,
    resolve_layers,
)
from captum_lca.activations.store import ActivationStore
from captum_lca.activations.store_index import DTYPES, StoreIndex
from captum_lca.activations.store_writing import (
    MODEL_NAME,
    FolderWriter,
    MemoryWriter,
    finished_store,
)
from captum_lca.corpora import Corpus
from captum_lca.neurons import NeuronLayout

logger = logging.getLogger(__name__)

CHUNK_BYTES = 2**27
"""Float32 rows collected before a shard is written. Larger chunks sort into tighter batches."""
CHUNK_ROWS = (1024, 65_536)
"""Fewest and most rows of a chunk, however wide the layers are."""
BATCH_TOKENS = {"cpu": 1024, "cuda": 16_384}
"""Tokens per batch, by the device that the model is on."""
FLOAT16_LARGEST = torch.finfo(torch.float16).max
NAMED_IN_WARNING = 10
PADDING_TOLERANCE = 0.05
"""Change of a layer, as a share of its largest activation, that rounding doesn't explain."""


def extract(
    corpus: Corpus,
    model: nn.Module,
    tokenizer: Any,
    *,
    layers: object = "hidden",
    pooling: str = "last",
    unit: str = "word",
    out: str | Path | None = None,
    dtype: torch.dtype = torch.float16,
    batch_tokens: int | None = None,
    window: int | None = None,
    device: str | torch.device | None = None,
    progress: bool = True,
) -> ActivationStore:
    """Activations of every word of a corpus in the chosen layers of a model.

    Only the base model runs, without a head, in evaluation mode, and no further than the deepest
    layer asked for. Sentences of similar length go through it together; the rows come out in the
    order of the corpus.

    Args:
        corpus: The sentences.
        model: A transformers encoder or decoder, with or without a head. Of an encoder-decoder, the
            encoder is run.
        tokenizer: Its fast tokenizer.
        layers: Which layers; see :func:`~captum_lca.activations.resolve_layers`. Default: the
            embeddings and every block.
        pooling: How a word's row comes from its tokens: ``"first"``, ``"last"`` or ``"mean"``;
            for sentences also ``"special"``, the first special token.
        unit: ``"word"``: one row per word; ``"sentence"``: one row per sentence.
        out: Folder for the store; None: keep it in memory. A complete store of the same model,
            corpus and settings in that folder is opened instead of being made again.
        dtype: ``torch.float16`` or ``torch.float32``. Values too large for float16 make the whole
            store float32, with a warning.
        batch_tokens: Tokens, padding included, that go through the model at once; default: 1,024
            on a CPU (where more was slower in measurements), 16,384 elsewhere.
        window: Most tokens of a sentence read at once; default: the model's own limit.
        device: Where the model runs; default: where it is.
        progress: Show a bar of the words done.

    Returns:
        The store, rows × neurons.

    Raises:
        ValueError: Before the model runs: a tokenizer that is not fast, an unknown layer, a layer
            that never runs or is not batch × tokens × neurons, an empty corpus, a folder that holds
            something else. While it runs: NaN or infinite activations, with the layer's name.

    Examples::

        >>> # model, tokenizer: of transformers, here all-MiniLM-L6-v2 (6 blocks × 384)
        >>> corpus = generate_corpus(sentences=20, seed=0)
        >>> extract(corpus, model, tokenizer, progress=False)
        ActivationStore(... rows × 2688 neurons, memory)
        >>> extract(corpus, model, tokenizer, layers=["mlp"], progress=False).layout.size
        9216
    """
    dtype_name = str(dtype).removeprefix("torch.")
    if dtype_name not in DTYPES:
        raise ValueError(f"dtype must be torch.float16 or torch.float32; found {dtype}")
    base = base_model(model)
    config = getattr(base, "config", None)
    window = model_window(tokenizer, base) if window is None else window
    encoder = SentenceEncoder(tokenizer, window, pooling, unit)
    if device is not None:
        base.to(device)
    with evaluating(base):
        reader = LayerReader(base, resolve_layers(base, layers), tokenizer.pad_token_id or 0)
        settings = {
            MODEL_NAME: getattr(config, "name_or_path", "") or type(base).__name__,
            "model_fingerprint": fingerprint_model(base),
            "tokenizer_fingerprint": fingerprint_tokenizer(tokenizer),
            "corpus_fingerprint": corpus.fingerprint,
            "unit": unit,
            "pooling": pooling,
            "window": window,
            "dtype": dtype_name,
        }
        units = len(corpus.words) if unit == "word" else len(corpus)
        window_to_try = _first_window(corpus, encoder)
        layout = reader.layout(window_to_try)
        index = StoreIndex(layout, dtype_name, units, settings)
        if out is not None and (finished := finished_store(Path(out), index, corpus)):
            return finished
        writer = MemoryWriter(index) if out is None else FolderWriter(index, Path(out))
        pad = not reader.notices_padding(window_to_try)
        batch_tokens = batch_tokens or BATCH_TOKENS.get(reader.device.type, BATCH_TOKENS["cuda"])
        for rows in _rows_of(corpus, encoder, reader, index, batch_tokens, pad, progress):
            writer.append(_storable(rows, writer, corpus.source))
    if index.missing:
        _warn_of_missing(corpus, index)
    return writer.finish(corpus)


def base_model(model: nn.Module) -> nn.Module:
    """The model without its head; of an encoder-decoder, the encoder."""
    base: Any = getattr(model, "base_model", model)
    is_pair = getattr(getattr(base, "config", None), "is_encoder_decoder", False)
    if is_pair and hasattr(base, "get_encoder"):  # an encoder may carry the config of the pair
        base = base.get_encoder()
    if not isinstance(base, nn.Module):
        raise ValueError(f"a model must be a torch module; found {type(model).__name__}")
    return base


class LayerReader:
    """Runs batches of windows through a model and reads its layers off.

    Args:
        model: Run as ``model(input_ids=…, attention_mask=…)``.
        layers: What to read.
        pad_id: Token id that fills windows up to the length of the longest in their batch.
    """

    def __init__(self, model: nn.Module, layers: Sequence[ModelLayer], pad_id: int) -> None:
        self.model = model
        self.layers = layers
        self.pad_id = pad_id
        self.device = next((p.device for p in model.parameters()), torch.device("cpu"))
        accepted = inspect.signature(model.forward).parameters
        self._fixed = {"use_cache": False} if "use_cache" in accepted else {}

    def read(self, windows: Sequence[Window], stop_early: bool = True) -> list[Tensor]:
        """One tensor per layer, each (windows, tokens of the longest, neurons of the layer)."""
        ids, mask = padded(windows, self.pad_id)
        mask = mask.to(self.device)
        return evaluate_layers(
            lambda ids: self.model(input_ids=ids, attention_mask=mask, **self._fixed),
            ids.to(self.device),
            self.layers,
            stop_early=stop_early,
        )

    def layout(self, window: Window) -> NeuronLayout:
        """The layers' widths, from one complete forward pass.

        Raises:
            ValueError: A layer's tensor is not batch × tokens × neurons.
        """
        tensors = self.read([window], stop_early=False)
        expected = (1, len(window.token_ids))
        for layer, tensor in zip(self.layers, tensors, strict=True):
            if tensor.dim() != 3 or tuple(tensor.shape[:2]) != expected:
                raise ValueError(
                    f"layer {layer.name!r} has shape {tuple(tensor.shape)} for one sentence of "
                    f"{expected[1]} tokens; expected (1, {expected[1]}, neurons)"
                )
        names = tuple(layer.name for layer in self.layers)
        return NeuronLayout(names, tuple(tensor.shape[2] for tensor in tensors))

    def notices_padding(self, window: Window) -> bool:
        """Whether the padding behind a text changes the text's activations.

        It does in models that mix positions without regard to the attention mask, such as FNet and
        ConvBERT: in them only windows of the same length can share a batch.
        """
        ids = window.token_ids if len(window.token_ids) > 1 else window.token_ids * 2
        short, whole = (replace(window, token_ids=part) for part in (ids[: len(ids) // 2], ids))
        length = len(short.token_ids)
        for alone, longer in zip(self.read([short]), self.read([short, whole]), strict=True):
            change = (alone[0] - longer[0, :length]).abs().amax()
            if change > PADDING_TOLERANCE * alone.abs().amax():
                logger.info("padding changes this model's activations: batches of equal length")
                return True
        return False


def _first_window(corpus: Corpus, encoder: SentenceEncoder) -> Window:
    for words in corpus.sentences:
        if windows := encoder.encode([words]).windows:
            return windows[0]
    raise ValueError(
        f"the corpus ({corpus.source}) has no words that the tokenizer turns into tokens"
    )


def _rows_of(
    corpus: Corpus,
    encoder: SentenceEncoder,
    reader: LayerReader,
    index: StoreIndex,
    batch_tokens: int,
    pad: bool,
    progress: bool,
) -> Iterator[Tensor]:
    """Chunks of rows in the order of the corpus, float32; notes in the index what is missing."""
    units_done = 0
    with tqdm(total=index.units, unit=encoder.unit, desc="extract", disable=not progress) as bar:
        for sentences in chunks(corpus, index.layout.size):
            chunk = encoder.encode(sentences)
            index.missing += [units_done + unit for unit in chunk.missing]
            rows = torch.zeros(chunk.rows, index.layout.size)
            for batch in batches(chunk.windows, batch_tokens, pad):
                _add_readings(rows, batch, reader.read(batch), index.layout)
                bar.update(sum(len(set(window.rows.tolist())) for window in batch))
            units_done += chunk.rows + len(chunk.missing)
            if len(rows):
                yield rows


def chunks(corpus: Corpus, neurons: int) -> Iterator[list[Sequence[str]]]:
    """Runs of sentences that fill about as many rows as a shard of so many neurons should have."""
    fewest, most = CHUNK_ROWS
    target = min(max(CHUNK_BYTES // (4 * neurons), fewest), most)
    sentences: list[Sequence[str]] = []
    size = 0
    for words in corpus.sentences:
        sentences.append(words)
        size += len(words)
        if size >= target:
            yield sentences
            sentences, size = [], 0
    if sentences:
        yield sentences


def _add_readings(
    rows: Tensor, batch: Sequence[Window], tensors: Sequence[Tensor], layout: NeuronLayout
) -> None:
    """Add to the rows what their words read off the layers' tensors."""
    longest = tensors[0].shape[1]
    targets = torch.cat([torch.from_numpy(window.rows) for window in batch])
    tokens = torch.cat(
        [torch.from_numpy(window.positions) + n * longest for n, window in enumerate(batch)]
    )
    weights = torch.cat([torch.from_numpy(window.weights) for window in batch])[:, None]
    for name, tensor in zip(layout.layers, tensors, strict=True):
        flat = tensor.flatten(0, 1)
        readings = flat[tokens.to(flat.device)].float().cpu()
        rows[:, layout.slice(name)].index_add_(0, targets, readings.mul_(weights))


def _storable(rows: Tensor, writer: MemoryWriter | FolderWriter, source: str) -> Tensor:
    """The rows in the store's dtype, which becomes float32 if they don't fit float16."""
    index = writer.index
    largest = float(torch.stack(rows.aminmax()).abs().max())
    if not math.isfinite(largest):
        _refuse(rows, index.layout, source)
    if index.dtype == "float16" and largest > FLOAT16_LARGEST:
        layer, number = index.layout.locate(int(rows.abs().amax(0).argmax()))
        warnings.warn(
            f"activations up to {largest:.4g} (layer {layer!r}, neuron {number}) are "
            f"too large for float16; the store is float32",
            stacklevel=3,
        )
        index.dtype = "float32"
        writer.convert(torch.float32)
    return rows.to(DTYPES[index.dtype])


def _refuse(rows: Tensor, layout: NeuronLayout, source: str) -> NoReturn:
    """Say where activations are NaN or infinite."""
    wrong = (~rows.isfinite()).any(0).nonzero().flatten()
    layer = layout.layers[int(layout.layer_numbers(wrong)[0])]
    start, stop = layout.slice(layer).start, layout.slice(layer).stop
    neurons = (wrong[(wrong >= start) & (wrong < stop)] - start).tolist()
    raise ValueError(
        f"NaN or infinite activations in layer {layer!r}, neurons {neurons[:5]}, "
        f"for {source}; run the model in a wider dtype (float32)"
    )


def _warn_of_missing(corpus: Corpus, index: StoreIndex) -> None:
    unit = index.settings["unit"]
    examples = index.missing[:NAMED_IN_WARNING]
    shown = [corpus.words[number] for number in examples] if unit == "word" else examples
    warnings.warn(
        f"the tokenizer turned {len(index.missing)} of {index.units} {unit}s into nothing; "
        f"they have no row: {shown}",
        stacklevel=3,
    )
