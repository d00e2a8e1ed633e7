"""What the folder of a study says of itself, whoever wrote it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from captum_lca.activations.store_index import inside
from captum_lca.json_text import parsed

RESULTS_FILE = "results.json"


@dataclass(frozen=True)
class StudyRecord:
    """What ``results.json`` says, as far as other commands read it."""

    folder: Path
    """Where it is."""
    subject: str
    """The property that was studied."""
    is_numeric: bool
    """Whether its labels are numbers to predict."""
    stores: dict[str, Any]
    """Where the activations of each half are, seen from the folder."""


def study_of(folder: Path) -> StudyRecord | None:
    """The study in a folder; None if ``analyze`` wrote none for one property there.

    Raises:
        ValueError: ``results.json`` is not JSON, or a link that leads out of the folder.
    """
    path = inside(folder, RESULTS_FILE)
    content = parsed(path.read_bytes(), path) if path.is_file() else {}
    subject, stores, settings = (
        content.get(key) if isinstance(content, dict) else None
        for key in ("property", "stores", "settings")
    )
    if not isinstance(subject, str) or not isinstance(stores, dict):
        return None
    numeric = settings.get("numeric") if isinstance(settings, dict) else None
    is_numeric = isinstance(numeric, list) and subject in numeric
    return StudyRecord(folder, subject, is_numeric, stores)


def store_of(study: StudyRecord, half: str) -> Path:
    """The folder of the activations of a study's half.

    Raises:
        ValueError: There are none, or where a study's can't be.
    """
    place = study.stores.get(half)
    if not isinstance(place, str):
        raise ValueError(f"{study.folder}: the study has no activations on disk; analyze it again")
    return beside(study.folder, place)


def beside(folder: Path, place: str | Path) -> Path:
    """A place seen from a study's folder.

    It is below that folder, or below the one that this lies in, where the studies of other
    properties are. Nothing else is read, links included, since anybody may have written the study.

    Raises:
        ValueError: The place is elsewhere.
    """
    around, found = folder.resolve().parent, Path(os.path.realpath(folder / place))
    if not found.is_relative_to(around):
        raise ValueError(
            f"{folder}: its activations are said to be in {found}, outside of {around}: not read; "
            f"put the study and its stores into one folder"
        )
    return folder / place
