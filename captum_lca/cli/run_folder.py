"""A folder of results: made by one run, in one go or in several, and never by two."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from captum_lca.distributed import of_first
from captum_lca.files import (
    locked,
    recorded,
    remove_unfinished,
    sha256_of,
    write_text,
    written_once,
)
from captum_lca.json_text import parsed
from captum_lca.kept import kept_in

RUN_FILE = "run.json"
RUN_FORMAT = "captum_lca.run/1"
UNFINISHED = "unfinished"
"""Folder of what is kept of a part until it is complete."""
GROWING = frozenset({"report.html"})
"""Files that later commands add to."""
PLACES = frozenset(
    {"out", "train", "test", "model", "device", "device_map", "batch_tokens", "trust_remote_code"}
)
"""Options that say where something is and where it is computed: another run may change them."""


@contextmanager
def run_folder(folder: Path, options: Mapping[str, Any]) -> Iterator[RunFolder]:
    """A folder of results, which is this run's alone within the context.

    Args:
        folder: Made if it is not there.
        options: That decide the results.

    Raises:
        BlockingIOError: Another run writes there.
        ValueError: The folder holds the results of another run.
    """
    with locked(folder):
        yield RunFolder(folder, options)


class RunFolder:
    """What is complete in a folder of results, as its ``run.json`` says.

    A run has parts (here: properties). Each is made in one go; fits are kept until it is complete.
    """

    def __init__(self, folder: Path, options: Mapping[str, Any]) -> None:
        self.folder = folder
        made_from = {key: value for key, value in options.items() if key not in PLACES}
        self._content = of_first(self._read) or {
            "format": RUN_FORMAT,
            "options": _plain(made_from),
            "inputs": None,
            "parts": {},
        }
        self._check("options", made_from)

    def begin(self, inputs: Mapping[str, Any]) -> None:
        """Note what the results are made from, before any is made.

        Args:
            inputs: What tells them from others, by name.

        Raises:
            ValueError: The folder holds results that were made from something else.
        """
        if self._content["inputs"] is None:
            self._content["inputs"] = _plain(inputs)
            of_first(self._write)
        self._check("inputs", inputs)

    def has(self, part: str, folder: Path) -> bool:
        """Whether a part is complete; its files are compared with their checksums.

        Args:
            part: Its name.
            folder: Where its files are.

        Raises:
            ValueError: A file was changed since.
        """
        return of_first(lambda: self._has(part, folder))

    @contextmanager
    def making(self, part: str, folder: Path) -> Iterator[None]:
        """Within the context a part is made: what it writes into its folder belongs to it.

        Args:
            part: Its name.
            folder: Where its files go. Made if it is not there.
        """

        def prepare() -> None:
            folder.mkdir(parents=True, exist_ok=True)
            remove_unfinished(folder)

        of_first(prepare)
        with kept_in(folder / UNFINISHED), written_once(), recorded() as paths:
            yield
        of_first(lambda: self._complete(part, folder, paths))

    def _read(self) -> dict[str, Any]:
        path = self.folder / RUN_FILE
        if not path.is_file():
            return {}
        content: dict[str, Any] = parsed(path.read_bytes(), path)
        found = content.get("format") if isinstance(content, dict) else None
        if found != RUN_FORMAT:
            raise ValueError(f"{path}: found format {found!r}, expected {RUN_FORMAT!r}")
        fields = [content.get(key) for key in ("options", "inputs", "parts")]
        sums = fields[-1].values() if isinstance(fields[-1], dict) else ()
        if not all(isinstance(value, dict) for value in (*fields, *sums)):
            raise ValueError(f"{path}: damaged record of a run; delete the folder")
        return content

    def _write(self) -> None:
        text = json.dumps(self._content, indent=1, ensure_ascii=False)
        write_text(self.folder / RUN_FILE, text)

    def _check(self, what: str, wanted: Mapping[str, Any]) -> None:
        found, plain = self._content[what], _plain(wanted)
        differing = [
            f"{name}: {found.get(name)!r} there, {plain.get(name)!r} here"
            for name in sorted({*found, *plain})
            if found.get(name) != plain.get(name)
        ]
        if differing:
            raise ValueError(
                f"{self.folder} holds the results of another run ({'; '.join(differing)}); "
                f"choose another folder or delete it"
            )

    def _has(self, part: str, folder: Path) -> bool:
        sums: dict[str, str] = self._content["parts"].get(part, {})
        files = {folder / Path(name).name: checksum for name, checksum in sums.items()}
        if not files or not all(path.is_file() for path in files):
            return False
        for path, checksum in files.items():
            if sha256_of(path) != checksum:
                raise ValueError(
                    f"{path}: changed since it was written; delete it, and the next run makes the "
                    f"results of {part!r} again"
                )
        _forget(folder)
        return True

    def _complete(self, part: str, folder: Path, paths: Iterable[Path]) -> None:
        own = {path for path in paths if path.parent == folder and path.name not in GROWING}
        self._content["parts"][part] = {path.name: sha256_of(path) for path in sorted(own)}
        self._write()
        _forget(folder)


def _forget(folder: Path) -> None:
    """Remove what was kept of a part that is complete now."""
    if (folder / UNFINISHED).is_dir():
        shutil.rmtree(folder / UNFINISHED)


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as they come back from JSON."""
    plain: dict[str, Any] = json.loads(json.dumps(values))
    return plain
