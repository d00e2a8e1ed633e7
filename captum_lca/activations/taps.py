"""Reading and replacing a model's layers while it runs."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from typing import Any

import torch
from captum._utils.gradient import _forward_layer_eval
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from captum_lca.activations.held_tensors import first_tensor, with_first_tensor
from captum_lca.activations.layers import CALL_MARK, INPUT_MARK, ModelLayer, layers_of


def evaluate_layers(
    forward_func: Callable[..., Any],
    inputs: Tensor | tuple[Tensor, ...],
    layers: Sequence[ModelLayer],
    *,
    additional_forward_args: object = None,
    device_ids: list[int] | None = None,
    grad_enabled: bool = False,
    stop_early: bool = False,
) -> list[Tensor]:
    """The layers' tensors for one batch, through Captum's ``_forward_layer_eval``.

    Args:
        forward_func: The model, or a function that runs it.
        inputs: As the forward function takes them.
        layers: From :func:`resolve_layers`.
        additional_forward_args: As in Captum.
        device_ids: As in Captum, for DataParallel models.
        grad_enabled: Whether gradients flow from the tensors to the inputs.
        stop_early: End the forward pass once all layers have been seen.

    Returns:
        One tensor per layer, in the order given.

    Raises:
        ValueError: A layer did not run, ran more often than it says, or holds no tensor.

    Examples::

        >>> from captum_lca.activations import evaluate_layers, resolve_layers
        >>> layers = resolve_layers(model, "hidden")
        >>> tensors = evaluate_layers(model, input_ids, layers, additional_forward_args=mask)
        >>> len(tensors), tensors[0].shape == (*input_ids.shape, 384)
        (7, True)
    """
    taps = [nn.Identity() for _ in layers]
    with _tapped(layers, taps, stop_early) as seen:

        def forward(*args: Any) -> Any:
            try:
                output = forward_func(*args)
            except _AllLayersSeen as end:
                output = end.tensor
            _check_all_seen(layers, seen)
            return output

        evaluated = _forward_layer_eval(
            forward,
            inputs,
            taps,
            additional_forward_args,
            device_ids=device_ids or getattr(forward_func, "device_ids", None),
            grad_enabled=grad_enabled,
        )
    return [tensors[0] for tensors in evaluated]


def read_layers(
    forward: Callable[[], object], layers: Sequence[ModelLayer], stop_early: bool = False
) -> list[Tensor]:
    """The layers' tensors, without gradients, each where it was computed.

    Captum's ``_forward_layer_eval`` takes all layers to be on the same devices; those of a model
    that is spread over several are not.

    Args:
        forward: Runs the model once.
        layers: From :func:`resolve_layers`.
        stop_early: End the forward pass once all layers have been seen.

    Returns:
        One tensor per layer, in the order given.

    Raises:
        ValueError: As :func:`evaluate_layers`.
    """
    copies: dict[nn.Module, Tensor] = {}  # what a model changes in place is seen as it was

    def keep(tap: nn.Module, _: object, tensor: Tensor) -> None:
        copies[tap] = tensor.clone()

    taps = [nn.Identity() for _ in layers]
    for tap in taps:
        tap.register_forward_hook(keep)
    with torch.no_grad(), _tapped(layers, taps, stop_early) as seen:
        with suppress(_AllLayersSeen):
            forward()
        _check_all_seen(layers, seen)
    return [copies[tap] for tap in taps]


@contextmanager
def evaluating(*models: nn.Module) -> Iterator[None]:
    """Within the context the models are in evaluation mode.

    Args:
        *models: Those that are in training mode return to it.

    Returns:
        A context manager, of which ``as`` gives nothing.

    Examples::

        >>> from captum_lca.activations import evaluating
        >>> _ = model.train()
        >>> with evaluating(model):
        ...     model.training
        False
        >>> model.training
        True
        >>> _ = model.eval()
    """
    was_training = [module for model in models for module in model.modules() if module.training]
    for model in models:
        model.eval()
    try:
        yield
    finally:
        for module in was_training:
            module.training = True


class TappedModel(nn.Module):
    """A model in which one layer's tensor passes through a module of its own, its ``tap``.

    Captum's layer and neuron methods hook a module, and clone every element that it returns: they
    fail with AttributeError where one is None or a cache, and can't choose between the calls of a
    module that runs several times. The tap runs once, and returns the layer's tensor alone: batch ×
    tokens × neurons, whatever the layer is.

    Args:
        forward_func: The model, or a function that runs it; also ``lca.forward_func``.
        layer: One layer, as for :func:`resolve_layers`; of a function, a module.

    Raises:
        ValueError: No such layer, or several. When the model runs: the layer ran more often than it
            says, or holds no tensor.

    Examples::

        >>> from captum.attr import LayerActivation
        >>> from captum_lca.activations import TappedModel
        >>> tapped = TappedModel(model, "encoder.layer.0.attention.self")  # returns None as well
        >>> LayerActivation(tapped, tapped.tap).attribute(input_ids, mask).shape
        torch.Size([8, ..., 384])
    """

    def __init__(self, forward_func: Callable[..., Any], layer: Any) -> None:
        super().__init__()
        found = layers_of(forward_func, layer)
        if len(found) > 1:
            raise ValueError(f"{layer!r} means {len(found)} layers; name one")
        self.forward_func = forward_func
        self.layer = found[0]
        self.tap = nn.Identity()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the model returns; it goes on with what the hooks of the tap make of the layer."""
        with _tapped([self.layer], [self.tap]):
            return self.forward_func(*args, **kwargs)


@contextmanager
def _tapped(
    layers: Sequence[ModelLayer], taps: Sequence[nn.Module], stop_early: bool = False
) -> Iterator[set[str]]:
    """Within the context, running the model passes each layer's tensor through its tap.

    For one forward pass; the set holds the names of the layers seen so far.
    """
    seen: set[str] = set()

    def note(layer: ModelLayer, tensor: Tensor) -> None:
        seen.add(layer.name)
        if stop_early and len(seen) == len(layers):
            raise _AllLayersSeen(tensor)

    with ExitStack() as stack:
        for layer, tap in zip(layers, taps, strict=True):
            stack.callback(_attach(layer, tap, note).remove)
        stack.enter_context(uncompiled())
        yield seen


def uncompiled() -> AbstractContextManager[object]:
    """Within the context nothing runs compiled; code compiled before would not see new hooks."""
    if "torch._dynamo" not in sys.modules:
        return nullcontext()
    stance: AbstractContextManager[object] = torch.compiler.set_stance("force_eager")
    return stance


class _AllLayersSeen(Exception):
    """Ends a forward pass once every layer that was asked for has been computed."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


def _attach(
    layer: ModelLayer, tap: nn.Module, note: Callable[[ModelLayer, Tensor], None]
) -> RemovableHandle:
    calls: Counter[object] = Counter()  # by device: DataParallel runs a module once on each

    def visit(tensor: Tensor) -> Tensor | None:
        call = calls[tensor.device]
        calls[tensor.device] += 1
        if layer.call is None and call > 0:
            raise ValueError(
                f"layer {layer.name!r} runs more than once in a forward pass; "
                f"say which call is meant, as in '{_marked(layer, 0)}'"
            )
        if call != (layer.call or 0):
            return None
        passed: Tensor = tap(tensor)
        note(layer, passed)
        return None if passed is tensor else passed

    return hook_layer(layer, visit)


def hook_layer(layer: ModelLayer, visit: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
    """Have a function called with the layer's tensor, at every call of the layer's module.

    Args:
        layer: Its ``call`` is not looked at.
        visit: Returns None, or a tensor that the model goes on with in place of the layer's.

    Returns:
        What removes the hook. A layer without a floating-point tensor raises ValueError when it
        runs.
    """

    def observe(value: object) -> Any:
        tensor = first_tensor(value)
        if tensor is None:
            raise ValueError(
                f"layer {layer.name!r} has no floating-point tensor as its {layer.side} "
                f"(found {type(value).__name__}); choose a module inside or around it"
            )
        changed = visit(layer.transposed(tensor))
        return None if changed is None else with_first_tensor(value, layer.transposed(changed))

    if layer.side == "input":
        return layer.module.register_forward_pre_hook(
            lambda module, args, kwargs: observe((args, kwargs)), with_kwargs=True
        )
    return layer.module.register_forward_hook(lambda module, args, output: observe(output))


def _marked(layer: ModelLayer, call: int) -> str:
    """The name of another call of the layer's module."""
    ending = INPUT_MARK if layer.side == "input" else ""
    return f"{layer.name.removesuffix(ending)}{CALL_MARK}{call}{ending}"


def _check_all_seen(layers: Sequence[ModelLayer], seen: set[str]) -> None:
    if silent := [layer.name for layer in layers if layer.name not in seen]:
        raise ValueError(
            f"these layers never ran in the forward pass: {', '.join(silent)}; "
            f"choose modules that the model calls for this input"
        )
