"""A small quadratic plus penalty, by accelerated proximal gradient."""

from __future__ import annotations

import math

from torch import Tensor

from captum_lca.probes.penalty import Penalty

MOST_ITERATIONS = 200
"""Enough for the accuracy that a step of the solver asks for; what is left, the next step does."""
CHECK_EVERY = 8
"""Iterations between looks at the accuracy."""


def minimise_quadratic(
    matrix: Tensor, linear: Tensor, start: Tensor, penalty: Penalty, accuracy: float
) -> Tensor:
    """Minimise ½(u − s)ᵀM(u − s) + linear·(u − s) + penalty(u) over u, from u = s.

    FISTA (Beck & Teboulle 2009), restarted whenever its momentum points uphill (O'Donoghue & Candès
    2015).

    Args:
        matrix: M, symmetric and positive. Shape (k, k).
        linear: Shape (k,).
        start: s. Shape (k,).
        penalty: On u.
        accuracy: Stop once an iteration's step, as a gradient, has no larger entry.

    Returns:
        u. Shape (k,), with exact zeros.
    """
    if not len(start):
        return start
    bound = float(matrix.norm())  # Frobenius: never below the largest eigenvalue, seldom far above
    fixed = linear - matrix @ start
    now = ahead = start
    momentum = 1.0
    for iteration in range(1, MOST_ITERATIONS + 1):
        new = penalty.prox(ahead - (matrix @ ahead + fixed) / bound, 1 / bound)
        change = new - now
        if iteration % CHECK_EVERY == 0 and float((new - ahead).abs().max()) * bound <= accuracy:
            return new
        if float((ahead - new) @ change) > 0:
            momentum, now, ahead = 1.0, new, new
            continue
        following = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
        ahead = new + ((momentum - 1) / following) * change
        momentum, now = following, new
    return now
