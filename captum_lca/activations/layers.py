"""Which tensors of a model count as its layers, and evaluating them with Captum's hooks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

import torch
from captum._utils.gradient import _forward_layer_eval
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from captum_lca.activations.held_tensors import first_tensor, with_first_tensor

INPUT_MARK = "[input]"
CALL_MARK = "@"
TOKENS_FIRST_INSIDE = {"XLNetModel"}
"""Classes that take and return batch × tokens but compute tokens × batch × neurons inside."""
TOKENS_FIRST = {"XLNetLayer", "XLNetRelativeAttention", "XLNetFeedForward"}
"""What is inside of them, for modules that come without the model around them."""


@dataclass(frozen=True)
class ModelLayer:
    """One tensor that a model computes on its way: what a module returns, or what it receives.

    A module may return a tuple, a dictionary or a dataclass that also holds None or a cache: the
    first floating-point tensor in it is the layer.
    """

    name: str
    """Unique within a model; :func:`resolve_layers` finds the same layer again by it."""
    module: nn.Module
    """The module that computes or receives the tensor."""
    side: Literal["output", "input"] = "output"
    """Whether the layer is what the module returns or what it receives."""
    call: int | None = None
    """Which call, for a module that runs several times in one forward pass (ALBERT's blocks do).
    None: the module's only call."""
    tokens_first: bool = False
    """Whether the module computes tokens × batch × neurons. The layer is batch × tokens × neurons
    all the same: it is transposed where it is read, and back where it is replaced."""

    def transposed(self, tensor: Tensor) -> Tensor:
        """From the module's order of batch and tokens to the layer's, and back."""
        return tensor.transpose(0, 1) if self.tokens_first and tensor.dim() == 3 else tensor


def resolve_layers(model: nn.Module, layers: object = "hidden") -> tuple[ModelLayer, ...]:
    """The layers meant by a shortcut, by names or by modules.

    Args:
        model: The model that holds them.
        layers: ``"hidden"``: what the first block receives (named ``embeddings``) and what every
            block returns; ``"mlp"``: the MLP neurons inside the blocks, that is, the input of each
            block's down-projection. Or a name as in ``model.named_modules()``, with ``*`` and ``?``
            as wildcards, with ``[input]`` behind it for what the module receives, with ``@2``
            behind it for the module's third call; or a module; or a sequence of any of these (a
            ModuleList is one).

    Returns:
        The layers in the order given, without repetitions.

    Raises:
        ValueError: A name or module is not in the model, or the model has no blocks to find, or
            spreads them over several lists.
    """
    if isinstance(layers, str) or not isinstance(layers, Sequence | nn.ModuleList):
        layers = [layers]
    found: dict[str, ModelLayer] = {}
    tokens_first = tokens_first_modules(model)
    for spec in layers:
        for layer in _resolve_one(model, spec):
            swapped = layer.tokens_first or layer.module in tokens_first
            found.setdefault(layer.name, replace(layer, tokens_first=swapped))
    if not found:
        raise ValueError("no layers given; name at least one")
    return tuple(found.values())


def tokens_first_modules(root: nn.Module) -> set[nn.Module]:
    """The modules at or below this one that compute tokens × batch × neurons."""
    found: set[nn.Module] = set()
    for outer in root.modules():
        kinds = {kind.__name__ for kind in type(outer).__mro__}
        if kinds & TOKENS_FIRST_INSIDE:
            found.update(inner for inner in outer.modules() if inner is not outer)
        elif kinds & TOKENS_FIRST:
            found.update(outer.modules())
    return found


def _resolve_one(model: nn.Module, spec: object) -> list[ModelLayer]:
    if isinstance(spec, ModelLayer):
        return [spec]
    if isinstance(spec, nn.Module):
        return [ModelLayer(_name_of(model, spec), spec)]
    if spec == "hidden":
        return _hidden_layers(model)
    if spec == "mlp":
        return _mlp_layers(model)
    if spec == "embeddings":
        return _hidden_layers(model)[:1]
    if isinstance(spec, str):
        return _named_layers(model, spec)
    raise ValueError(
        f"a layer is a name, a module or a ModelLayer; found {type(spec).__name__}: {spec!r}"
    )


def _name_of(model: nn.Module, module: nn.Module) -> str:
    for name, candidate in model.named_modules():
        if candidate is module:
            return name or type(module).__name__
    raise ValueError(
        f"the layer {type(module).__name__} is not a module of {type(model).__name__}; "
        f"take it from the model that is run"
    )


def _named_layers(model: nn.Module, pattern: str) -> list[ModelLayer]:
    bare, is_input = pattern.removesuffix(INPUT_MARK), pattern.endswith(INPUT_MARK)
    bare, _, call = bare.partition(CALL_MARK)
    matches = [
        (name, module)
        for name, module in model.named_modules()
        if name and (name == bare or fnmatchcase(name, bare))
    ]
    if not matches or (call and not call.isdecimal()):
        raise ValueError(f"no layer {pattern!r} in {type(model).__name__}; {_known_names(model)}")
    ending = (CALL_MARK + call if call else "") + (INPUT_MARK if is_input else "")
    number = int(call) if call else None
    return [
        ModelLayer(name + ending, module, "input" if is_input else "output", number)
        for name, module in matches
    ]


def _known_names(model: nn.Module) -> str:
    lists = _outermost_lists(model)
    if not lists:
        return "its modules are " + ", ".join(name for name, _ in model.named_children())
    name = _heaviest(lists)
    last = len(lists[name]) - 1
    return f"its blocks are {name}.0 to {name}.{last}; shortcuts: hidden, embeddings, mlp"


def _hidden_layers(model: nn.Module) -> list[ModelLayer]:
    blocks = _block_calls(model)
    first = blocks[0]
    return [ModelLayer("embeddings", first.module, "input", first.call), *blocks]


def _block_calls(model: nn.Module) -> list[ModelLayer]:
    """Every block once per call: models that share weights run one block several times in a row."""
    blocks = _blocks(model)
    config = getattr(model, "config", None)
    shared = getattr(config, "num_hidden_groups", None) == len(blocks)
    calls = getattr(config, "num_hidden_layers", 1) // len(blocks) if shared else 1
    if calls == 1:
        return [ModelLayer(name, block) for name, block in blocks]
    return [
        ModelLayer(f"{name}{CALL_MARK}{call}", block, call=call)
        for name, block in blocks
        for call in range(calls)
    ]


def _blocks(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """Names and modules of the model's blocks: of its outermost module lists, the heaviest one."""
    lists = _outermost_lists(model)
    if not lists:
        raise ValueError(
            f"{type(model).__name__} has no list of blocks to take layers from; "
            f"name its layers or pass its modules"
        )
    heaviest = _heaviest(lists)
    parent, length = heaviest.rpartition(".")[0], len(lists[heaviest])
    alike = [n for n, m in lists.items() if n.rpartition(".")[0] == parent and len(m) == length]
    if len(alike) > 1:
        raise ValueError(
            f"the blocks of {type(model).__name__} are spread over the lists {', '.join(alike)}; "
            f"name its layers or pass its modules"
        )
    return [(f"{heaviest}.{number}", block) for number, block in enumerate(lists[heaviest])]


def _outermost_lists(model: nn.Module) -> dict[str, nn.ModuleList]:
    lists = {n: m for n, m in model.named_modules() if isinstance(m, nn.ModuleList) and len(m)}
    return {
        name: modules
        for name, modules in lists.items()
        if not any(name.startswith(f"{other}.") for other in lists)
    }


def _heaviest(lists: Mapping[str, nn.ModuleList]) -> str:
    return max(lists, key=lambda name: sum(p.numel() for p in lists[name].parameters()))


def _mlp_layers(model: nn.Module) -> list[ModelLayer]:
    layers = []
    for block in _block_calls(model):
        name, module = _down_projection(model, block)
        mark = "" if block.call is None else f"{CALL_MARK}{block.call}"
        layers.append(ModelLayer(f"{name}{mark}{INPUT_MARK}", module, "input", block.call))
    return layers


def _down_projection(model: nn.Module, block: ModelLayer) -> tuple[str, nn.Module]:
    """The block's projection from its widest hidden representation back to the model's width."""
    hidden_size = getattr(getattr(model, "config", None), "hidden_size", None)
    shapes = {
        name: shape
        for name, module in block.module.named_modules()
        if (shape := _projection_shape(module)) and shape[1] == hidden_size
    }
    widest = max((shape[0] for shape in shapes.values()), default=0)
    candidates = [name for name, shape in shapes.items() if shape[0] == widest]
    if len(candidates) != 1 or widest <= (hidden_size or 0):
        raise ValueError(
            f"can't tell which projection of {block.name} reads the MLP neurons "
            f"(candidates: {candidates}); name it yourself, as in 'NAME{INPUT_MARK}'"
        )
    path = f"{block.name.partition(CALL_MARK)[0]}.{candidates[0]}"
    return path, model.get_submodule(path)


def _projection_shape(module: nn.Module) -> tuple[int, int] | None:
    """(inputs, outputs) of a linear map; transformers' Conv1D stores its weight transposed."""
    if isinstance(module, nn.Linear):
        return module.in_features, module.out_features
    if type(module).__name__ == "Conv1D" and isinstance(weight := module.weight, Tensor):
        return weight.shape[0], weight.shape[1]
    return None


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
    """
    with tapped(layers, stop_early) as taps:

        def forward(*args: Any) -> Any:
            try:
                output = forward_func(*args)
            except _AllLayersSeen as seen:
                output = seen.tensor
            check_all_seen(layers, taps)
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

    with torch.no_grad(), tapped(layers, stop_early) as taps:
        for tap in taps:
            tap.register_forward_hook(keep)
        with suppress(_AllLayersSeen):
            forward()
        check_all_seen(layers, taps)
    return [copies[tap] for tap in taps]


@contextmanager
def evaluating(*models: nn.Module) -> Iterator[None]:
    """Within the context the models are in evaluation mode."""
    was_training = [module for model in models for module in model.modules() if module.training]
    for model in models:
        model.eval()
    try:
        yield
    finally:
        for module in was_training:
            module.training = True


class Tap(nn.Module):
    """An identity module that is called with one layer's tensor, for others to hook.

    Captum's hook clones every element that a module returns, and so fails where one is None or a
    cache. A tap receives and returns a single tensor.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seen = False

    def forward(self, tensor: Tensor) -> Tensor:
        """The tensor itself. Any shape."""
        self.seen = True
        return tensor


@contextmanager
def tapped(layers: Sequence[ModelLayer], stop_early: bool = False) -> Iterator[list[Tap]]:
    """Within the context, running the model calls one tap per layer; for one forward pass."""
    taps = [Tap() for _ in layers]

    def after_tap(tensor: Tensor) -> None:
        if stop_early and all(tap.seen for tap in taps):
            raise _AllLayersSeen(tensor)

    handles = [_attach(layer, tap, after_tap) for layer, tap in zip(layers, taps, strict=True)]
    try:
        yield taps
    finally:
        for handle in handles:
            handle.remove()


class _AllLayersSeen(Exception):
    """Ends a forward pass once every layer that was asked for has been computed."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


def _attach(layer: ModelLayer, tap: Tap, after_tap: Callable[[Tensor], None]) -> RemovableHandle:
    calls: Counter[object] = Counter()  # by device: DataParallel runs a module once on each

    def observe(tensor: Tensor) -> None:
        call = calls[tensor.device]
        calls[tensor.device] += 1
        if layer.call is None and call > 0:
            raise ValueError(
                f"layer {layer.name!r} runs more than once in a forward pass; "
                f"say which call is meant, as in '{_marked(layer, 0)}'"
            )
        if call == (layer.call or 0):
            tap(tensor)
            after_tap(tensor)

    return hook_layer(layer, observe)


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


def check_all_seen(layers: Sequence[ModelLayer], taps: Sequence[Tap]) -> None:
    """Raise ValueError with the names of the layers whose tap was never called."""
    silent = [layer.name for layer, tap in zip(layers, taps, strict=True) if not tap.seen]
    if silent:
        raise ValueError(
            f"these layers never ran in the forward pass: {', '.join(silent)}; "
            f"choose modules that the model calls for this input"
        )
