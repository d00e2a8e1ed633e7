"""Which tensors of a model count as its layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

from torch import Tensor, nn

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
        ValueError: A name or module is not in the model; or of a shortcut: the model has no blocks
            to find, spreads them over several lists, or has an encoder and a decoder.

    Examples::

        >>> from captum_lca.activations import resolve_layers
        >>> [layer.name for layer in resolve_layers(model, ["embeddings", "encoder.layer.[45]"])]
        ['embeddings', 'encoder.layer.4', 'encoder.layer.5']
    """
    if isinstance(layers, str) or not isinstance(layers, Sequence | nn.ModuleList):
        layers = [layers]
    found: dict[str, ModelLayer] = {}
    tokens_first = _tokens_first_modules(model)
    for spec in layers:
        for layer in _resolve_one(model, spec):
            swapped = layer.tokens_first or layer.module in tokens_first
            found.setdefault(layer.name, replace(layer, tokens_first=swapped))
    if not found:
        raise ValueError("no layers given; name at least one")
    return tuple(found.values())


def layers_of(forward_func: Callable[..., Any], layers: Any) -> tuple[ModelLayer, ...]:
    """The layers meant in a model, or in one that is only known as a function that runs it.

    Args:
        forward_func: The model, what ``unwrapped`` finds it in, or a function.
        layers: As for :func:`resolve_layers`; of a function: modules.

    Returns:
        The layers in the order given.

    Raises:
        ValueError: As for :func:`resolve_layers`, or a name in a function.

    Examples::

        >>> from captum_lca.activations import layers_of
        >>> [layer.name for layer in layers_of(model, "encoder.layer.5")]
        ['encoder.layer.5']
    """
    if isinstance(forward_func, nn.Module):
        return resolve_layers(unwrapped(forward_func), layers)
    given = [layers] if isinstance(layers, nn.Module | ModelLayer | str) else list(layers)
    return tuple(_unnamed_layer(each, number) for number, each in enumerate(given))


def unwrapped(model: nn.Module) -> nn.Module:
    """The model inside torch.compile, DataParallel and DistributedDataParallel."""
    parallel = isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel)
    inner = getattr(model, "module" if parallel else "_orig_mod", None)
    return unwrapped(inner) if isinstance(inner, nn.Module) else model


def _unnamed_layer(layer: object, number: int) -> ModelLayer:
    if isinstance(layer, ModelLayer):
        return layer
    if not isinstance(layer, nn.Module):
        raise ValueError(
            f"a layer can be named only if forward_func is a module; pass modules, not {layer!r}"
        )
    tokens_first = layer in _tokens_first_modules(layer)
    return ModelLayer(f"{type(layer).__name__}.{number}", layer, tokens_first=tokens_first)


def _tokens_first_modules(root: nn.Module) -> set[nn.Module]:
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
    halves = [n for n in lists if not {"encoder", "decoder"}.isdisjoint(n.split("."))]
    if getattr(getattr(model, "config", None), "is_encoder_decoder", False) and len(halves) > 1:
        raise ValueError(
            f"{type(model).__name__} has an encoder and a decoder; pass the blocks of one: "
            f"{' or '.join(f'model.{name}' for name in halves)}"
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
