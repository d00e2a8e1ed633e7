"""What a model predicts at the words of a corpus: the next token, a masked word, a label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from captum_lca.activations import base_model, evaluate_layers, resolve_layers
from captum_lca.activations.calls import input_device, text_arguments
from captum_lca.activations.encoding import SentenceEncoder, Window, model_window, run_edges
from captum_lca.corpora import Corpus
from captum_lca.probes import LinearProbe

TASKS = ("causal-lm", "masked-lm", "token-classification", "sequence-classification", "probe")
_CLASS_ENDINGS = {
    "ForCausalLM": "causal-lm",
    "LMHeadModel": "causal-lm",
    "ForMaskedLM": "masked-lm",
    "ForTokenClassification": "token-classification",
    "ForSequenceClassification": "sequence-classification",
}


@dataclass(frozen=True)
class Passage:
    """Some tokens that go through the model in one piece, and what is predicted there."""

    token_ids: list[int]
    """With the model's special tokens."""
    units: NDArray[np.int64]
    """Word (or sentence) of the corpus that each prediction is about. Shape (predictions,)."""
    positions: NDArray[np.int64]
    """Token whose output predicts it. Shape (predictions,)."""
    targets: NDArray[np.int64]
    """The right answer, as a position among the outputs. Shape (predictions,)."""
    words: NDArray[np.int64]
    """Word of the corpus that each token belongs to; -1: none, or a word that is read in another
    passage of a long sentence. Shape (tokens,)."""


class Predictor:
    """A model that predicts something at each word, and how a corpus is put to it.

    Args:
        model: With a head of transformers; any model for ``"probe"``.
        tokenizer: Its fast tokenizer.
        task: One of :data:`TASKS`. ``"causal-lm"``: every token of a word from what comes before
            it; the first token of a text is not predicted. ``"masked-lm"``: all tokens of a word
            at once, with a mask in their place; one run per word. ``"token-classification"``: the
            label of a word at its first token. ``"sequence-classification"``: the label of a
            sentence. ``"probe"``: the label of a word, by a probe on its last token. Default: what
            the model's class says; ``"probe"`` if one is given.
        probe: For ``"probe"``: reads the layers of its layout.

    Raises:
        ValueError: No task is given and the model's class tells none; a task without what it needs.
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Any,
        task: str | None = None,
        probe: LinearProbe | None = None,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.probe = probe
        self.task = task or ("probe" if probe is not None else task_of(model))
        if self.task not in TASKS:
            raise ValueError(f"task must be one of {TASKS}; found {self.task!r}")
        if (self.task == "probe") != (probe is not None):
            raise ValueError("a probe and the task 'probe' go together")
        if self.task == "masked-lm" and tokenizer.mask_token_id is None:
            raise ValueError("the tokenizer has no mask token, which a masked model needs")
        self._encoder = SentenceEncoder(tokenizer, model_window(tokenizer, model), "mean", "word")
        self._layers = resolve_layers(base_model(model), probe.layout.layers) if probe else ()
        self.device = input_device(model)

    @property
    def predicts_labels(self) -> bool:
        """Whether the right answers are labels, and not the text itself."""
        return self.task not in ("causal-lm", "masked-lm")

    def passages(self, corpus: Corpus, labels: Sequence[str | None]) -> list[Passage]:
        """The corpus as passages.

        Args:
            corpus: The text.
            labels: One per word (for ``"sequence-classification"``: per sentence); only those that
                are set are predicted, if labels are what is predicted.

        Raises:
            ValueError: A label that the head or the probe doesn't know, or nothing to predict.
        """
        targets = self._label_targets(labels)
        made = {
            "causal-lm": self._next_tokens,
            "masked-lm": self._masked_words,
            "sequence-classification": self._sentence_labels,
        }.get(self.task, self._word_labels)
        found = [
            passage
            for sentence, windows in self._windows(corpus)
            for passage in made(sentence, windows, targets)
            if len(passage.units)
        ]
        if not found:
            raise ValueError(f"there is nothing to predict in {corpus.source}")
        return found

    def outputs(self, token_ids: Tensor, mask: Tensor) -> Tensor:
        """Logits at every token. Shape (batch, tokens, classes); (batch, 1, classes) of sentences.

        Args:
            token_ids: Shape (batch, tokens).
            mask: 1 for tokens, 0 for padding. The same shape.
        """
        if self.probe is None:
            logits: Tensor = self.model(**text_arguments(self.model, token_ids, mask)).logits
            return logits[:, None] if logits.dim() == 2 else logits
        base = base_model(self.model)
        tensors = evaluate_layers(
            lambda ids: base(**text_arguments(base, ids, mask)),
            token_ids,
            self._layers,
        )
        outputs: Tensor = self.probe(torch.cat([tensor.float() for tensor in tensors], -1))
        return outputs

    def _windows(self, corpus: Corpus) -> Iterator[tuple[int, list[Window]]]:
        """Number of each sentence and its windows, whose rows are words of the corpus."""
        first = 0
        for number, words in enumerate(corpus.sentences):
            chunk = self._encoder.encode([words])
            present = np.setdiff1d(np.arange(len(words)), chunk.missing)
            windows = [replace(each, rows=first + present[each.rows]) for each in chunk.windows]
            if windows:
                yield number, windows
            first += len(words)

    def _label_targets(self, labels: Sequence[str | None]) -> NDArray[np.int64]:
        """Position of each label among the outputs; -1 for none."""
        if not self.predicts_labels:
            return np.full(len(labels), -1)
        if self.probe is not None:
            known = {name: number for number, name in enumerate(self.probe.classes)}
        else:
            config: Any = self.model.config
            known = {str(name): int(number) for name, number in config.label2id.items()}
        if unknown := sorted({name for name in labels if name is not None} - known.keys()):
            raise ValueError(
                f"labels that the model doesn't predict: {unknown[:5]}; "
                f"it predicts {list(known)[:20]}"
            )
        return np.array([-1 if name is None else known[name] for name in labels])

    def _next_tokens(
        self, _: int, windows: Sequence[Window], __: NDArray[np.int64]
    ) -> Iterator[Passage]:
        for window in windows:
            later = window.positions > 0
            positions = window.positions[later]
            targets = np.array(window.token_ids)[positions]
            yield _passage(window, window.rows[later], positions - 1, targets)

    def _masked_words(
        self, _: int, windows: Sequence[Window], __: NDArray[np.int64]
    ) -> Iterator[Passage]:
        for window in windows:
            original = np.array(window.token_ids)
            for word in np.unique(window.rows).tolist():
                mine = window.positions[window.rows == word]
                masked = original.copy()
                masked[mine] = self.tokenizer.mask_token_id
                hidden = replace(window, token_ids=masked.tolist())
                yield _passage(hidden, np.full(len(mine), word), mine, original[mine])

    def _word_labels(
        self, _: int, windows: Sequence[Window], targets: NDArray[np.int64]
    ) -> Iterator[Passage]:
        side = "last" if self.task == "probe" else "first"
        read = run_edges(np.concatenate([window.rows for window in windows]), side)
        ends = np.cumsum([len(window.rows) for window in windows])[:-1]
        for window, here in zip(windows, np.split(read, ends), strict=True):
            labelled = here & (targets[window.rows] >= 0)
            units = window.rows[labelled]
            yield _passage(window, units, window.positions[labelled], targets[units])

    def _sentence_labels(
        self, sentence: int, windows: Sequence[Window], targets: NDArray[np.int64]
    ) -> Iterator[Passage]:
        place, first = np.array([sentence]), np.array([0])
        if targets[sentence] >= 0:
            for window in windows:
                yield _passage(window, place, first, targets[place])


def _passage(
    window: Window,
    units: NDArray[np.int64],
    positions: NDArray[np.int64],
    targets: NDArray[np.int64],
) -> Passage:
    words = np.full(len(window.token_ids), -1)
    words[window.positions] = window.rows
    return Passage(window.token_ids, units, positions, targets, words)


def task_of(model: nn.Module) -> str:
    """What a model of transformers predicts, by its class.

    Raises:
        ValueError: The name of its class doesn't say.
    """
    name = type(model).__name__
    for ending, task in _CLASS_ENDINGS.items():
        if name.endswith(ending):
            return task
    raise ValueError(
        f"{name} has no head that predicts words or labels: load one with "
        f"load_model(…, task=…), or give a probe"
    )
