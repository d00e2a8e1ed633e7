"""What both Captum classes share: a model, some of its layers, and the probe that reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast

import torch
from captum._utils.common import _format_additional_forward_args, _format_tensor_into_tuples
from captum.attr._utils.attribution import InternalAttribution
from torch import Tensor, nn
from tqdm.auto import tqdm

from captum_lca.activations import ModelLayer, evaluate_layers, evaluating, layers_of
from captum_lca.activations.calls import input_device
from captum_lca.contributions import class_index, joined_activations
from captum_lca.labelled_rows import LabelledRows
from captum_lca.neurons import NeuronRanking
from captum_lca.probed_model import ProbedModel
from captum_lca.probes import LinearProbe, fit_elastic_net
from captum_lca.rankings import weight_mass

Inputs = Tensor | tuple[Tensor, ...]
Self = TypeVar("Self", bound="ProbedLayers")


class NotFittedError(ValueError):
    """The class was asked for results before it had a probe."""


class ProbedLayers(InternalAttribution):  # type: ignore[misc]
    """A model, some of its layers, and a probe on their activations.

    Args:
        forward_func (Callable or torch.nn.Module): The model, or any function that runs it.
        layer (torch.nn.Module, str or a sequence of them): The layers whose neurons are studied.
            What :func:`~captum_lca.activations.resolve_layers` takes, if ``forward_func`` is a
            module; else modules.
        device_ids (list[int], optional): As in Captum, if ``forward_func`` applies a DataParallel
            model without being one.
    """

    probe: LinearProbe | None
    """The fitted probe; None before a fit."""

    def __init__(
        self,
        forward_func: Callable[..., Any],
        layer: nn.Module | str | ModelLayer | Sequence[nn.Module | str | ModelLayer],
        device_ids: list[int] | None = None,
    ) -> None:
        super().__init__(forward_func, layer, device_ids)
        self.model_func = forward_func
        self.layers = layers_of(forward_func, layer)
        self.probe = None
        self.forward_func = ProbedModel(forward_func, self.probe_logits)

    @classmethod
    def from_probe(
        cls: type[Self],
        forward_func: Callable[..., Any],
        layer: Any,
        probe: LinearProbe,
        device_ids: list[int] | None = None,
    ) -> Self:
        """The same with a probe that was trained or loaded elsewhere.

        Args:
            forward_func (Callable or torch.nn.Module): As for the constructor.
            layer (torch.nn.Module, str or a sequence of them): The layers that the probe was
                trained on, in that order.
            probe (LinearProbe): The probe.
            device_ids (list[int], optional): As for the constructor.

        Raises:
            ValueError: The probe has another number of layers, or the same in another order.
        """
        made = cls(forward_func, layer, device_ids)
        names = [layer.name for layer in made.layers]
        expected = list(probe.layout.layers)
        if len(names) != len(expected) or (sorted(names) == sorted(expected) and names != expected):
            raise ValueError(f"the probe reads the layers {expected}; found {names}")
        made.probe = probe
        return made

    def fit(
        self: Self,
        inputs: Inputs,
        labels: Tensor | Sequence[Any],
        additional_forward_args: object = None,
        internal_batch_size: int | None = None,
        show_progress: bool = False,
        **fit_options: Any,
    ) -> Self:
        """Train the probe on the layers' activations for these inputs.

        The model runs in evaluation mode and without gradients.

        Args:
            inputs (Tensor or tuple[Tensor, ...]): As the forward function takes them; dimension 0
                counts the examples.
            labels (Tensor or sequence): One label per position, with the shape of the layers'
                output less its last dimension: (batch, sequence) for transformers. Integers (-100:
                unlabelled), or nested sequences of strings (None: unlabelled; rows may be shorter
                than the sequence), or floating-point numbers for a regression (NaN: unlabelled).
                A word's label belongs on one of its subwords.
            additional_forward_args (Any, optional): As in Captum.
            internal_batch_size (int, optional): Examples that go through the model at once.
                Default: all.
            show_progress (bool, optional): Show a bar of the batches done. Default: False.
            **fit_options: For :func:`~captum_lca.fit_elastic_net`: ``l1``, ``l2``, ``classes``, …

        Returns:
            This object, fitted.

        Raises:
            ValueError: Labels of another shape than the activations; and whatever
                :func:`~captum_lca.fit_elastic_net` refuses.
        """
        inputs = _format_tensor_into_tuples(inputs)
        args = _format_additional_forward_args(additional_forward_args) or ()
        examples = len(inputs[0])
        size = internal_batch_size or examples
        rows = LabelledRows(self.layers)
        with self._evaluating():
            starts = range(0, examples, size)
            for start in tqdm(starts, desc="activations", disable=not show_progress):
                part = slice(start, start + size)
                tensors = self._activations(
                    tuple(tensor[part] for tensor in inputs),
                    tuple(
                        a[part] if isinstance(a, Tensor) and len(a) == examples else a for a in args
                    ),
                )
                rows.add(tensors, labels[part])
        return self._fitted(rows, fit_options)

    def fit_dataloader(
        self: Self,
        loader: Iterable[Any],
        label_key: str = "labels",
        show_progress: bool = False,
        **fit_options: Any,
    ) -> Self:
        """Train the probe on batches, such as a token-classification collator makes.

        Args:
            loader (iterable): Of mappings with ``label_key`` among the keyword arguments of the
                forward function; or of tuples (inputs …, labels). Tensors are moved to the model.
            label_key (str, optional): Where a mapping holds the labels. Default: ``labels``.
            show_progress (bool, optional): Show a bar of the batches done. Default: False.
            **fit_options: For :func:`~captum_lca.fit_elastic_net`.

        Returns:
            This object, fitted.

        Raises:
            ValueError: No batch, a batch without labels, and whatever :meth:`fit` refuses.
        """
        rows = LabelledRows(self.layers)
        with self._evaluating():
            for batch in tqdm(loader, desc="activations", disable=not show_progress):
                inputs, forward, labels = self._unpacked(batch, label_key)
                rows.add(evaluate_layers(forward, inputs, self.layers), labels)
        return self._fitted(rows, fit_options)

    def rank(self, target: str | int | None = None) -> NeuronRanking:
        """The paper's ranking of the neurons by the probe's weights.

        Args:
            target (str or int, optional): Class whose ranking is wanted. Default: over all classes.

        Raises:
            NotFittedError: There is no probe yet.
            ValueError: No such class.
        """
        probe = self.fitted_probe()
        ranking = weight_mass(probe)
        if target is None:
            return ranking
        return ranking.for_class(probe.classes[class_index(probe, target)])

    def probe_logits(self, *args: Any) -> Tensor:
        """Model → probe: the forward function for any other Captum attribution.

        Args:
            *args: Inputs and additional arguments of the model.

        Returns:
            Logits of the probe at every position. Shape (batch, sequence, classes) for
            transformers; a Captum target is then a tuple (position, class).

        Raises:
            NotFittedError: There is no probe yet.
        """
        probe = self.fitted_probe()
        tensors = evaluate_layers(
            self.model_func,
            args,
            self.layers,
            device_ids=self.device_ids,
            grad_enabled=torch.is_grad_enabled(),
        )
        joined = joined_activations(tensors, probe.layout)
        return cast(Tensor, probe.to(joined.device)(joined))

    def fitted_probe(self) -> LinearProbe:
        """The probe.

        Raises:
            NotFittedError: There is none yet.
        """
        if self.probe is None:
            raise NotFittedError(
                f"{type(self).__name__} has no probe yet: call fit or fit_dataloader first, or "
                f"make it with from_probe"
            )
        return self.probe

    def _evaluating(self) -> Any:
        modules = [self.model_func] if isinstance(self.model_func, nn.Module) else []
        return evaluating(*modules, *(layer.module for layer in self.layers))

    def _activations(self, inputs: Inputs, additional_forward_args: object) -> list[Tensor]:
        return evaluate_layers(
            self.model_func,
            inputs,
            self.layers,
            additional_forward_args=additional_forward_args,
            device_ids=self.device_ids,
        )

    def _unpacked(
        self, batch: Any, label_key: str
    ) -> tuple[tuple[Tensor, ...], Callable[..., Any], Any]:
        """Inputs of a loader's batch, a forward function that takes them, and its labels."""
        device = input_device(*(layer.module for layer in self.layers))
        if isinstance(batch, Mapping):
            if label_key not in batch:
                raise ValueError(f"a batch has no {label_key!r}; it has {sorted(batch)}")
            given = {
                key: value.to(device) if isinstance(value, Tensor) else value
                for key, value in batch.items()
                if key != label_key
            }
            names = [key for key, value in given.items() if isinstance(value, Tensor)]
            others = {key: value for key, value in given.items() if key not in names}

            def forward(*tensors: Tensor) -> Any:
                return self.model_func(**dict(zip(names, tensors, strict=True)), **others)

            return tuple(given[key] for key in names), forward, batch[label_key]
        if not isinstance(batch, tuple | list) or len(batch) < 2:
            raise ValueError(
                f"a batch must be a mapping, or a tuple (inputs …, labels); "
                f"found {type(batch).__name__}"
            )
        return tuple(tensor.to(device) for tensor in batch[:-1]), self.model_func, batch[-1]

    def _fitted(self: Self, rows: LabelledRows, fit_options: dict[str, Any]) -> Self:
        self.probe = fit_elastic_net(rows.store(), rows.labels, **fit_options)
        return self
