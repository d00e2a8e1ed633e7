"""The order in which the tutorials are best read."""

from pathlib import Path

TUTORIALS = (
    "part_of_speech",
    "own_concept",
    "fine_tuning",
)


def place(file: str) -> int:
    """Position of a tutorial in the gallery."""
    return TUTORIALS.index(Path(file).stem)
