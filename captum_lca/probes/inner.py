"""A small quadratic plus penalty, by accelerated proximal gradient."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor

Prox = Callable[[Tensor, float], Tensor]
"""The proximal operator of a penalty: where to go from a point, with a step length."""

MOST_ITERATIONS = 200
"""Enough for the accuracy that a step of the solver asks for; what is left, the next step does."""
CHECK_EVERY = 8
"""Iterations between looks at the accuracy."""


def minimise_quadratic(
    times: Callable[[Tensor], Tensor],
    bound: float,
    linear: Tensor,
    start: Tensor,
    prox: Prox,
    accuracy: float,
) -> Tensor:
    """Minimise ½(u − s)·M(u − s) + linear·(u − s) + penalty(u) over u, from u = s.

    FISTA (Beck & Teboulle 2009), restarted whenever its momentum points uphill (O'Donoghue & Candès
    2015).

    Args:
        times: u ↦ Mu, linear, symmetric and positive.
        bound: At least M's largest eigenvalue.
        linear: Any shape.
        start: s. Same shape.
        prox: That of the penalty.
        accuracy: Stop once an iteration's step, as a gradient, has no larger entry.

    Returns:
        u. Same shape, with exact zeros.
    """
    if not start.numel():
        return start
    fixed = linear - times(start)
    now = ahead = start
    momentum = 1.0
    for iteration in range(1, MOST_ITERATIONS + 1):
        new = prox(ahead - (times(ahead) + fixed) / bound, 1 / bound)
        change = new - now
        if iteration % CHECK_EVERY == 0 and float((new - ahead).abs().max()) * bound <= accuracy:
            return new
        if float(((ahead - new) * change).sum()) > 0:
            momentum, now, ahead = 1.0, new, new
            continue
        following = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
        ahead = new + ((momentum - 1) / following) * change
        momentum, now = following, new
    return now
