"""What the axis of a plot calls a score."""


def score_name(metric: str) -> str:
    """A metric as it is written: R² for ``r2``."""
    return "R²" if metric == "r2" else metric
