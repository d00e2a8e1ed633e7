"""Ablation in the model: neurons replaced while it runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from captum_lca.ablation.replacements import Replacement
from captum_lca.activations import ModelLayer, base_model, resolve_layers
from captum_lca.activations.layers import unwrapped
from captum_lca.activations.taps import hook_layer, uncompiled
from captum_lca.neurons import NeuronLayout, as_neuron_ids


@contextmanager
def ablating(
    model: nn.Module,
    neurons: Iterable[int] | Tensor,
    layout: NeuronLayout,
    *,
    by: Replacement = 0.0,
    positions: Tensor | None = None,
) -> Iterator[None]:
    """Within the context, the model runs with the chosen neurons replaced.

    Works in training and evaluation mode, with gradients and without: they flow through what
    stays, and through what a function returns. Hooks are removed at the end, also after an error.
    Within the context compiled code (torch.compile) runs uncompiled, since it would not see the
    hooks. With gradient checkpointing, run the backward pass inside the context too.

    Args:
        model: Which is run; with a head or without, or a DataParallel around it.
        neurons: Global ids, in any layers at once: ``ranking.top(20)``.
        layout: What the ids mean. Its layers are looked up in the base model, as
            :func:`~captum_lca.extract` names them, or else in the model.
        by: What takes their place: a number (0: zero ablation); one value per neuron of the
            layout, such as ``probe.mean`` or :func:`neuron_means`; a function such as
            :class:`Resampled` or ``lambda activations, neurons: 2 * activations``.
        positions: Where; True: there. Shape (batch, tokens), of every batch that is run in the
            context, or (1, tokens). None: everywhere. See :func:`all_but_first`.

    Returns:
        A context manager, of which ``as`` gives nothing.

    Raises:
        ValueError: At the start: an id outside the layout, a layer that is not in the model,
            or values that are not one per neuron. While the model runs: a layer of another width
            than in the layout, or positions of another shape than the batch. At the end: a layer
            that never ran although the model did.

    Examples::

        >>> from captum_lca.ablation import ablating, all_but_first
        >>> layout, top = probe.layout, ranking.top(20)
        >>> with torch.no_grad():
        ...     with ablating(model, top, layout, by=probe.mean, positions=all_but_first(mask)):
        ...         output = model(input_ids=input_ids, attention_mask=mask)
        >>> output.last_hidden_state.shape == (*input_ids.shape, 384)
        True
    """
    ablations = _layer_ablations(model, neurons, layout, by, positions)
    runs: Counter[str] = Counter()

    def begin(*_: object) -> None:
        runs["begun"] += 1
        for ablation in ablations:
            ablation.calls.clear()

    with ExitStack() as stack:
        for module in {id(m): m for m in (model, base_model(model))}.values():
            stack.callback(module.register_forward_pre_hook(begin).remove)
        for ablation in ablations:
            stack.callback(hook_layer(ablation.layer, ablation.visit).remove)
        stack.enter_context(uncompiled())
        yield
    silent = [ablation.layer.name for ablation in ablations if not ablation.seen]
    if runs["begun"] and silent:
        raise ValueError(f"the model ran, but these layers did not: {', '.join(silent)}")


def ablated_output(
    model: nn.Module,
    neurons: Iterable[int] | Tensor,
    layout: NeuronLayout,
    *inputs: Any,
    by: Replacement = 0.0,
    positions: Tensor | None = None,
    **named_inputs: Any,
) -> Any:
    """What the model returns with the chosen neurons replaced; see :func:`ablating`.

    Args:
        model: As for :func:`ablating`.
        neurons: Global ids.
        layout: What they mean.
        *inputs: For the model.
        by: What takes their place.
        positions: Where.
        **named_inputs: For the model, by name.

    Returns:
        What ``model(*inputs, **named_inputs)`` returns.

    Examples::

        >>> from captum_lca.ablation import ablated_output
        >>> top = ranking.top(20)
        >>> output = ablated_output(model, top, probe.layout, input_ids=input_ids, by=probe.mean)
        >>> output.last_hidden_state.shape == (*input_ids.shape, 384)
        True
    """
    with ablating(model, neurons, layout, by=by, positions=positions):
        return model(*inputs, **named_inputs)


def all_but_first(attention_mask: Tensor) -> Tensor:
    """The tokens of each text but its first one.

    In most decoders the first token carries massive activations, on which attention rests when it
    has nothing to attend to (the attention sink); in most encoders it is the special token that a
    classifier reads. A mean over all words says nothing about either.

    Args:
        attention_mask: 1 for tokens, 0 for padding, on either side. Shape (batch, tokens).

    Returns:
        The same shape, bool.

    Examples::

        >>> from captum_lca.ablation import all_but_first
        >>> all_but_first(torch.tensor([[1, 1, 1, 0], [0, 1, 1, 1]])).int().tolist()
        [[0, 1, 1, 0], [0, 0, 1, 1]]
    """
    return attention_mask.bool() & (attention_mask.long().cumsum(-1) > 1)


@dataclass
class _LayerAblation:
    """The replacement of some neurons of one layer."""

    layer: ModelLayer
    width: int
    indices: Tensor
    """Neurons within the layer. Shape (chosen,)."""
    ids: Tensor
    """The same as global ids."""
    by: Replacement
    """As for :func:`ablating`; but of values, those of the chosen neurons. Shape (chosen,)."""
    positions: Tensor | None
    device_ids: tuple[int, ...]
    """Over which DataParallel shares out a batch; empty without it."""
    calls: Counter[torch.device] = field(default_factory=Counter)
    """Calls of the module since the forward pass began, by device."""
    seen: bool = False

    def visit(self, tensor: Tensor) -> Tensor | None:
        """The layer's tensor with the neurons replaced; None for a call that is not the layer's."""
        call = self.calls[tensor.device]
        self.calls[tensor.device] += 1
        if self.layer.call not in (None, call):
            return None
        self.seen = True
        if tensor.shape[-1] != self.width:
            raise ValueError(
                f"layer {self.layer.name!r} has {tensor.shape[-1]} neurons; "
                f"the layout says {self.width}"
            )
        indices = self.indices.to(tensor.device)
        activations = tensor.index_select(-1, indices)
        changed = self._replaced(activations)
        if self.positions is not None:
            here = self._positions_of(tensor).unsqueeze(-1)
            changed = torch.where(here, changed, activations)
        return tensor.index_copy(-1, indices, changed)

    def _replaced(self, activations: Tensor) -> Tensor:
        if callable(self.by):
            changed = self.by(activations, self.ids.to(activations.device))
        else:
            changed = torch.as_tensor(self.by)
        changed = changed.to(activations)
        if not callable(self.by) and not changed.isfinite().all():
            raise ValueError(
                f"the replacement in layer {self.layer.name!r} is not finite "
                f"in the model's precision ({activations.dtype})"
            )
        try:
            return changed.expand_as(activations)
        except RuntimeError as error:
            raise ValueError(
                f"the replacement in layer {self.layer.name!r} has shape {tuple(changed.shape)}; "
                f"expected {tuple(activations.shape)}"
            ) from error

    def _positions_of(self, tensor: Tensor) -> Tensor:
        positions = self._share(tensor.device)
        expected = tuple(tensor.shape[:-1])
        if tuple(positions.shape) not in (expected, (1, *expected[1:])):
            raise ValueError(
                f"positions have shape {tuple(positions.shape)}, layer {self.layer.name!r} "
                f"{tuple(tensor.shape)}; expected {expected} (batch × tokens)"
            )
        return positions.to(tensor.device)

    def _share(self, device: torch.device) -> Tensor:
        """The positions of the part of the batch that DataParallel runs on a device."""
        positions = self.positions
        if positions is None:
            raise ValueError("no positions were given")
        if len(self.device_ids) < 2 or len(positions) == 1:
            return positions
        parts = positions.chunk(len(self.device_ids))
        return parts[self.device_ids.index(device.index)]


def _layer_ablations(
    model: nn.Module,
    neurons: Iterable[int] | Tensor,
    layout: NeuronLayout,
    by: Replacement,
    positions: Tensor | None,
) -> list[_LayerAblation]:
    """One per layer that has chosen neurons, checked."""
    ids = as_neuron_ids(neurons, layout).cpu()
    if isinstance(by, Tensor) and by.dim() and tuple(by.shape) != (layout.size,):
        raise ValueError(
            f"values to put in place must be one per neuron of the layout ({layout.size}); "
            f"found shape {tuple(by.shape)}"
        )
    if positions is not None and not (isinstance(positions, Tensor) and positions.dim() > 1):
        raise ValueError("positions must be a tensor of batch × tokens")
    numbers = layout.layer_numbers(ids)
    ablations = []
    for number in numbers.unique().tolist():
        mine = ids[numbers == number]
        ablations.append(
            _LayerAblation(
                find_layer(model, layout.layers[number]),
                layout.widths[number],
                mine - layout.starts[number],
                mine,
                by[mine.to(by.device)] if isinstance(by, Tensor) and by.dim() else by,
                None if positions is None else positions.bool(),
                tuple(getattr(model, "device_ids", None) or ()),
            )
        )
    return ablations


def ablated_layers(
    model: nn.Module, groups: Iterable[Tensor], layout: NeuronLayout
) -> list[ModelLayer]:
    """The layers in which any of some groups of neurons sit.

    Args:
        model: Which has them.
        groups: Global ids.
        layout: What they mean.
    """
    ids = torch.cat([torch.empty(0, dtype=torch.long), *groups])
    numbers = layout.layer_numbers(ids).unique().tolist()
    return [find_layer(model, layout.layers[number]) for number in numbers]


def find_layer(model: nn.Module, name: str) -> ModelLayer:
    """The layer that a layout means by a name: in the base model, or else in the model itself.

    Raises:
        ValueError: Neither has it, or the name means several.
    """
    model = unwrapped(model)
    try:
        found = resolve_layers(base_model(model), name)
    except ValueError:
        found = resolve_layers(model, name)
    if len(found) > 1:
        raise ValueError(f"{name!r} means {len(found)} layers; name one")
    return found[0]
