"""Fits that a run which was cut short has made already."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

from captum_lca.activations import as_store
from captum_lca.kept import is_keeping, kept
from captum_lca.probes.linear_probe import LinearProbe

P = ParamSpec("P")


def keeping(fit: Callable[P, LinearProbe]) -> Callable[P, LinearProbe]:
    """The fit; within :func:`~captum_lca.kept.kept_in`, the probe is read if it was fitted before.

    Args:
        fit: Its arguments decide its result.
    """
    signature = inspect.signature(fit)

    @wraps(fit)
    def found_or_fitted(*args: P.args, **kwargs: P.kwargs) -> LinearProbe:
        if not is_keeping():
            return fit(*args, **kwargs)
        given = signature.bind(*args, **kwargs)
        given.apply_defaults()
        origin: dict[str, Any] = dict(given.arguments)
        store = as_store(origin["activations"], origin["layout"])
        place = origin["device"] or store.read(0, 1).device
        init: LinearProbe | None = origin["init"]
        start = init and [init.weight, init.bias]
        return kept(
            {"step": "fit", **origin, "activations": store, "init": start},
            lambda: fit(*args, **kwargs),
            LinearProbe.save,
            lambda path: LinearProbe.load(path).to(place),
        )

    return found_or_fitted
