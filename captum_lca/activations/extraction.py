"""Running a corpus through a model: layers of the model → one row per word."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, cast

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from captum_lca.activations.batching import batches
from captum_lca.activations.chunks import Chunk, chunks
from captum_lca.activations.encoding import SentenceEncoder, Window, model_window
from captum_lca.activations.fingerprints import fingerprint_model, fingerprint_tokenizer
from captum_lca.activations.layer_reader import LayerReader
from captum_lca.activations.layers import resolve_layers, unwrapped
from captum_lca.activations.shards import ShardNotes
from captum_lca.activations.store import ActivationStore
from captum_lca.activations.store_index import DTYPES, StoreIndex
from captum_lca.activations.store_writing import MODEL_NAME, finished_store, store_writer
from captum_lca.activations.taps import evaluating
from captum_lca.corpora import Corpus
from captum_lca.distributed import rank
from captum_lca.neurons import NeuronLayout

BATCH_TOKENS = {"cpu": 1024, "cuda": 16_384}
"""Tokens per batch, by the device that the model is on."""
NAMED_IN_WARNING = 10


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

    In processes that ``torchrun`` started, each reads its share of the corpus and writes its own
    shards of the one store, on a folder that all machines see; any number of them writes the same
    files. Where an extraction was cut short, the next one of the same model, corpus and settings
    verifies the shards that are there, and goes on behind them.

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
        out: Folder for the store; None: keep it in memory (of each process, all of it). A complete
            store of the same model, corpus and settings in that folder is opened instead of being
            made again.
        dtype: ``torch.float16`` or ``torch.float32``. Values too large for float16 make the whole
            store float32, with a warning: the chunks that hold them exactly, all others with the
            precision of float16.
        batch_tokens: Tokens, padding included, that go through the model at once; default: 1,024
            on a CPU (where more was slower in measurements), 16,384 elsewhere.
        window: Most tokens of a sentence read at once; default: the model's own limit.
        device: Where the model runs; default: where it is. A model may be spread over several
            devices (``device_map``): its layers are read where they are.
        progress: Show a bar of the words done.

    Returns:
        The store, rows × neurons.

    Raises:
        ValueError: Before the model runs: a tokenizer that is not fast, an unknown layer, a layer
            that never runs or is not batch × tokens × neurons, an empty corpus, a folder that holds
            something else. While it runs: NaN or infinite activations, with the layer's name.
        StoreError: A shard in the folder is truncated or changed.
        BlockingIOError: Another run writes to the folder.
        ConnectionError: Another process of this run ended.

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
        if getattr(model, "hf_device_map", None):
            raise ValueError("the model is spread by a device_map: it can't be moved to a device")
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
        folder = None if out is None else Path(out)
        if folder and (finished := finished_store(folder, index, corpus)):
            return finished
        plan = chunks(corpus, layout.size, unit)
        pad = not reader.notices_padding(window_to_try)
        batch_tokens = batch_tokens or BATCH_TOKENS.get(reader.device.type, BATCH_TOKENS["cuda"])
        with store_writer(index, folder) as writer:
            todo = [plan[number] for number in writer.todo([chunk.bounds for chunk in plan])]
            shown = progress and rank() == 0
            for found in _rows_of(todo, encoder, reader, layout, batch_tokens, pad, shown):
                writer.append(found[0].number, found[1], _notes(*found, layout, corpus.source))
            store = writer.finish(corpus)
    if rank() == 0:
        if store.dtype != dtype:
            _warn_of_widening(writer.notes, layout)
        if store.missing:
            _warn_of_missing(corpus, store)
    return store


def base_model(model: nn.Module) -> nn.Module:
    """The model without its head, as it is before it is compiled or made parallel.

    Of an encoder-decoder, the encoder.

    Args:
        model: With or without a head.

    Returns:
        A part of the model, or the model itself; not a copy.

    Raises:
        ValueError: The model is not a torch module.

    Examples::

        >>> from captum_lca.activations import base_model
        >>> base_model(model) is model                    # it has no head
        True
    """
    if not isinstance(model, nn.Module):
        raise ValueError(f"a model must be a torch module; found {type(model).__name__}")
    inner = unwrapped(model)
    base: Any = getattr(inner, "base_model", inner)
    is_pair = getattr(getattr(base, "config", None), "is_encoder_decoder", False)
    if is_pair and hasattr(base, "get_encoder"):  # an encoder may carry the config of the pair
        base = base.get_encoder()
    return cast(nn.Module, base)


def _first_window(corpus: Corpus, encoder: SentenceEncoder) -> Window:
    for words in corpus.sentences:
        if windows := encoder.encode([words]).windows:
            return windows[0]
    raise ValueError(
        f"the corpus ({corpus.source}) has no words that the tokenizer turns into tokens"
    )


def _rows_of(
    todo: Sequence[Chunk],
    encoder: SentenceEncoder,
    reader: LayerReader,
    layout: NeuronLayout,
    batch_tokens: int,
    pad: bool,
    progress: bool,
) -> Iterator[tuple[Chunk, Tensor, list[int]]]:
    """Every chunk with its rows, float32, and the units of the corpus that have none."""
    units = sum(chunk.units for chunk in todo)
    with tqdm(total=units, unit=encoder.unit, desc="extract", disable=not progress) as bar:
        for chunk in todo:
            encoded = encoder.encode(chunk.sentences)
            rows = torch.zeros(encoded.rows, layout.size)
            for batch in batches(encoded.windows, batch_tokens, pad):
                _add_readings(rows, batch, reader.read(batch), layout)
                bar.update(sum(len(set(window.rows.tolist())) for window in batch))
            yield chunk, rows, [chunk.first + unit for unit in encoded.missing]


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


def _notes(
    chunk: Chunk, rows: Tensor, missing: list[int], layout: NeuronLayout, source: str
) -> ShardNotes:
    """What is noted of a chunk; refuses NaN and infinity."""
    largest, neuron = 0.0, 0
    if len(rows):
        low, high = rows.aminmax(dim=0)
        column = torch.maximum(-low, high)
        largest, neuron = float(column.max()), int(column.argmax())
    if not math.isfinite(largest):
        _refuse(rows, layout, source)
    return ShardNotes(*chunk.bounds, missing, largest, neuron)


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


def _warn_of_widening(notes: Sequence[ShardNotes], layout: NeuronLayout) -> None:
    """Say that activations were too large for float16, and which."""
    worst = max(notes, key=lambda one: one.largest)
    layer, number = layout.locate(worst.neuron)
    warnings.warn(
        f"activations up to {worst.largest:.4g} (layer {layer!r}, neuron {number}) are "
        f"too large for float16; the store is float32",
        stacklevel=3,
    )


def _warn_of_missing(corpus: Corpus, store: ActivationStore) -> None:
    unit = store.settings["unit"]
    units = len(corpus.words) if unit == "word" else len(corpus)
    examples = store.missing[:NAMED_IN_WARNING]
    shown = [corpus.words[number] for number in examples] if unit == "word" else examples
    warnings.warn(
        f"the tokenizer turned {len(store.missing)} of {units} {unit}s into nothing; "
        f"they have no row: {shown}",
        stacklevel=3,
    )
