"""The order in which the tutorials are best read."""

from pathlib import Path

TUTORIALS = (
    "part_of_speech",
    "own_concept",
    "beside_captum",
    "ablation_in_the_model",
    "few_and_redundant",
    "fine_tuning",
    "architectures",
    "languages",
    "scaling_out",
)


def place(file: str) -> int:
    """Position of a tutorial in the gallery."""
    return TUTORIALS.index(Path(file).stem)
