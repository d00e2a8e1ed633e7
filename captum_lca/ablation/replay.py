"""Many ablations of one input: what the model computes before the ablated layers, only once."""

from __future__ import annotations

import copy
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from captum_lca.ablation.model_ablation import ablated_layers, ablated_output
from captum_lca.ablation.replacements import Replacement
from captum_lca.activations import ModelLayer
from captum_lca.activations.held_tensors import first_tensor
from captum_lca.activations.taps import hook_layer, uncompiled
from captum_lca.neurons import NeuronLayout, as_neuron_ids

PLAIN = (type(None), bool, int, float, str, torch.dtype, torch.device, torch.Size)
"""Beside tensors, what a module may be given or return and still be replayed."""


@torch.no_grad()
def ablated_outputs(
    model: nn.Module,
    groups: Iterable[Iterable[int] | Tensor],
    layout: NeuronLayout,
    *inputs: Any,
    by: Replacement = 0.0,
    positions: Tensor | None = None,
    **named_inputs: Any,
) -> list[Any]:
    """What the model returns with each of several groups of neurons replaced in turn.

    The same as :func:`ablated_output` for each group, without gradients, and faster the later the
    first of the groups' layers comes: what the model computes before it is computed once, but for
    modules that are given or return a cache, and in training or inference mode or with
    DataParallel.

    Args:
        model: As for :func:`ablating`.
        groups: Global ids of each group.
        layout: What they mean.
        *inputs: For the model.
        by: What takes their place.
        positions: Where.
        **named_inputs: For the model, by name.

    Returns:
        One output per group.

    Raises:
        ValueError: As for :func:`ablating`.

    Examples::

        >>> from captum_lca.ablation import ablated_outputs
        >>> tenths = ranking.order.chunk(10)
        >>> outputs = ablated_outputs(
        ...     model, tenths, probe.layout, by=probe.mean, input_ids=input_ids, attention_mask=mask
        ... )
        >>> len(outputs)
        10
    """
    ids = [as_neuron_ids(neurons, layout).cpu() for neurons in groups]
    with replaying(model, ablated_layers(model, ids, layout)):
        return [
            ablated_output(
                model, neurons, layout, *inputs, by=by, positions=positions, **named_inputs
            )
            for neurons in ids
        ]


@contextmanager
def replaying(model: nn.Module, layers: Iterable[ModelLayer]) -> Iterator[None]:
    """Within the context, the model runs on one input, and repeats nothing before some layers.

    The first run records what each module returned before any of the layers was reached; in later
    runs these modules return a copy of that. A module that is given or returns more than tensors
    and plain values (a cache, say) runs again, and so does one that changes its inputs; what it
    holds is replayed. Hooks on modules inside replayed ones are not called again. Where gradients
    are wanted, in training mode, in inference mode and with DataParallel everything runs again.

    Args:
        model: In evaluation mode, without DataParallel; run on the same input every time.
        layers: What differs between the runs, and all that comes behind.
    """
    tracked = torch.is_grad_enabled() or torch.is_inference_mode_enabled()
    modules = list(model.modules())
    spread = any(isinstance(module, nn.DataParallel) for module in modules)
    if tracked or spread or any(module.training for module in modules):
        yield
        return
    replay = _Replay()
    with ExitStack() as stack:
        stack.enter_context(uncompiled())
        for layer in layers:
            stack.callback(hook_layer(layer, replay.differs).remove)
        for module in modules:
            if not isinstance(module, torch.jit.ScriptModule):
                stack.enter_context(_called_through(module, replay.run))
        yield


class _Replay:
    """Records one run of a model up to a point, and plays it back in later runs."""

    def __init__(self) -> None:
        self._recording = True
        self._recorded: list[tuple[nn.Module, Any]] = []
        """Finished calls and what they returned, in order, in the innermost call that is open."""
        self._left: dict[nn.Module, deque[Any]] = {}
        """What is left to play back in the present run."""
        self._depth = 0

    def differs(self, _: Tensor) -> None:
        """From here on runs are not alike."""
        self._recording = False

    def run(self, module: nn.Module, forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a module's forward function, or play back what it returned."""
        if self._depth == 0:
            self._begin()
        if self._left.get(module):
            return _copied(self._left[module].popleft())
        before, self._recorded = self._recorded, []
        is_plain = self._recording and _is_plain((args, kwargs))
        versions = [tensor._version for tensor in _tensors((args, kwargs))] if is_plain else []
        self._depth += 1
        try:
            output = forward(*args, **kwargs)
        finally:
            self._depth -= 1
            inside, self._recorded = self._recorded, before
            whole = is_plain and self._recording and self._depth > 0
            if not whole:
                self._recorded += inside
        if whole:
            unchanged = versions == [tensor._version for tensor in _tensors((args, kwargs))]
            is_plain = unchanged and _is_plain(output) and first_tensor(output) is not None
            self._recorded += [(module, _copied(output))] if is_plain else inside
        return output

    def _begin(self) -> None:
        if self._recording:
            self._recorded = []
        left: dict[nn.Module, deque[Any]] = defaultdict(deque)
        for module, output in self._recorded:
            left[module].append(output)
        self._left = left


@contextmanager
def _called_through(module: nn.Module, run: Callable[..., Any]) -> Iterator[None]:
    """Within the context, ``run(module, forward, …)`` takes the place of ``forward(…)``."""
    own = module.__dict__.get("forward")
    module.forward = partial(run, module, module.forward)
    try:
        yield
    finally:
        if own is None:
            del module.forward
        else:
            module.forward = own


def _tensors(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from _tensors(list(value.values()))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for part in value:
            yield from _tensors(part)


def _is_plain(value: object) -> bool:
    """Whether a value is made of tensors, plain values and Python's own containers of these."""
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    return isinstance(value, (Tensor, *PLAIN))


def _copied(value: Any) -> Any:
    """The value with copies of its tensors, which the model may change in place."""
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, dict):
        copied = copy.copy(value)
        for key, part in value.items():
            copied[key] = _copied(part)
        return copied
    if isinstance(value, tuple | list):
        parts = map(_copied, value)
        return value._make(parts) if hasattr(value, "_make") else type(value)(parts)
    return value
