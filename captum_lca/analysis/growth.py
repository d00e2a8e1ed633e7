"""How many of a ranking's neurons are enough: the top-N grown, then refined by bisection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from captum_lca.analysis.retraining import Retrained, Retraining

STEPS = (1, 2, 5)
RESOLUTION = 0.05
"""Width of the last bracket as a share of its upper end; smaller differences are noise."""


class Growth:
    """Probes re-trained on the top-N of one order, or of several that are averaged.

    Args:
        retraining: The data.
        orders: Global ids, most salient first; one order, or one per random draw.
        least: The score that is enough.
        resolution: How far bisection goes, as a share of N.
    """

    def __init__(
        self,
        retraining: Retraining,
        orders: Sequence[Tensor],
        least: float,
        resolution: float = RESOLUTION,
    ) -> None:
        self.retraining, self.orders = retraining, orders
        self.least, self.resolution = least, resolution
        self.measured: dict[int, tuple[Retrained, ...]] = {}

    def passes(self, size: int) -> bool:
        """Whether the top ``size`` score enough; fits their probes if that hasn't been done."""
        if size not in self.measured:
            smaller = [known for known in self.measured if known < size]
            start = self.measured[max(smaller)] if smaller else [None] * len(self.orders)
            self.measured[size] = tuple(
                self.retraining.fit(order[:size], init)
                for order, init in zip(self.orders, start, strict=True)
            )
        return self.retraining.score(*self.measured[size]).value >= self.least

    def enough(self) -> int | None:
        """The smallest size that scores enough, as far as bisection tells; None if there is none.

        Sizes 1, 2, 5, 10 … until one is enough, then between that one and the one before.
        """
        failed = 0
        for size in sizes(len(self.orders[0])):
            if self.passes(size):
                return self._refined(failed, size)
            failed = size
        return None

    def _refined(self, failed: int, passed: int) -> int:
        while passed - failed > max(1, self.resolution * passed):
            middle = (failed + passed) // 2
            if self.passes(middle):
                passed = middle
            else:
                failed = middle
        return passed


def sizes(most: int) -> Iterator[int]:
    """1, 2, 5, 10, 20, 50 … and ``most``."""
    scale = 1
    while True:
        for step in STEPS:
            if step * scale >= most:
                yield most
                return
            yield step * scale
        scale *= 10
