"""Sidecars: small files for each clip, beside it or below the job's folder, complete when a job ends."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from mmvideo import subtitles
from mmvideo.jobs.files import refuse, write_whole
from mmvideo.jobs.inputs import Item
from mmvideo.jobs.ledger import Ledger
from mmvideo.jobs.naming import ENDS, bases
from mmvideo.jobs.options import JobOptions
from mmvideo.jobs.plan import JobPlan, Known

FOLDER = "sidecars"


class Sidecars:
    """The sidecars of a job. A file that the job has not written, or that was edited since, is not replaced.

    Args:
        folder: the job's folder.
        lock: held while the ledger is used.
    """

    def __init__(self, folder: Path, ledger: Ledger, options: JobOptions, lock: AbstractContextManager[Any]):
        self.ledger, self.kinds, self.overwrite, self._lock = ledger, options.sidecars, options.overwrite, lock
        self._home, self._beside = _real(folder), options.beside
        self._bases = bases(ledger.every_source(), self._home / FOLDER, beside=options.beside) if self.kinds else {}
        self.refused: list[Path] = []
        """Files that should have been written, had others not been there."""

    def add(self, rows: Iterable[tuple[dict[str, Any], str]]) -> None:
        """Write the files of rows, each with its key, and remember them as ours."""
        if not self.kinds:
            return
        written = []
        try:
            for row, key in rows:
                written += self._write(row, key, self.kinds)
        finally:
            with self._lock:
                self.ledger.note_outputs(written)

    def _write(self, row: dict[str, Any], key: str, kinds: Iterable[str]) -> list[tuple[bytes, str, str, str]]:
        written = []
        for kind in kinds:
            path, data = self.path(row["id"], kind), _rendered(kind, row)
            if not self._free(path, data):
                self.refused.append(path)
                continue
            if not self._beside:
                path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, [data])
            written.append((_stored(path, self._home), row["id"], _digest(data), key))
        return written

    def path(self, name: str, kind: str) -> Path:
        """Return the file of an item."""
        base = self._bases[name]
        return base.with_name(base.name + ENDS[kind])

    def _free(self, path: Path, data: bytes) -> bool:
        """Say whether a file may be written: nothing is there, or what is there is ours."""
        if not os.path.lexists(path):
            return True
        if path.is_dir():
            return False
        with self._lock:
            found = self.ledger.output(_stored(path, self._home))
        return self.overwrite or path.read_bytes() == data or _is_ours(path, found)

    def tidy(self) -> None:
        """Remove files of rows that do not stand any more, and of names that are given otherwise now."""
        stale, planned = [], {self.path(name, kind) for name in self._bases for kind in ENDS} if self.kinds else None
        for stored, _, digest, stands in self.ledger.outputs_of_items():
            path = self._home / os.fsdecode(stored)
            if stands and (planned is None or path in planned):
                continue
            stale.append(stored)
            if path.is_file() and _digest(path.read_bytes()) == digest:
                path.unlink()
        self.ledger.forget_outputs(stale)

    def complete(self) -> None:
        """Write what is missing: what was deleted, what a crash prevented, and kinds that are asked for now."""
        for num, name, key in list(self.ledger.done()) if self.kinds else ():
            missing = [kind for kind in self.kinds if not self._stands(self.path(name, kind), name, key)]
            if missing:
                self.ledger.note_outputs(self._write(self.ledger.row(num), key, missing))

    def _stands(self, path: Path, name: str, key: str) -> bool:
        found = self.ledger.output(_stored(path, self._home))
        return found is not None and (found[0], found[2]) == (name, key) and path.is_file()


def check_sidecars(folder: Path, items: Iterable[Item], known: Mapping[str, Known], sources: Iterable[tuple[str, str]],
          plan: JobPlan, ledger: Ledger | None, options: JobOptions) -> None:
    """See before any work that no sidecar will replace a file that the job has not written.

    Args:
        sources: (id, source) of every item that the ledger knows.

    Raises:
        InvalidInput: files in the way.
    """
    if not options.sidecars:
        return
    home = _real(folder)
    given = {**dict(sources), **{item.id: item.source for item in items}}
    names = bases(given.items(), home / FOLDER, beside=options.beside)
    changed, tried = {one.num for one in plan.again}, set(plan.tries)
    foreign = []
    for item in items:
        before = known.get(item.id)
        stands = before is not None and before.state == "done" and before.num not in changed
        if before is not None and before.state in ("failed", "quarantined") and before.num not in changed | tried:
            continue
        for kind in options.sidecars:
            path = names[item.id].with_name(names[item.id].name + ENDS[kind])
            if _in_the_way(path, home, item.id, before if stands else None, kind, ledger, options.overwrite):
                foreign.append(path)
    refuse(foreign)


def _in_the_way(path: Path, home: Path, name: str, done: Known | None, kind: str, ledger: Ledger | None,
                overwrite: bool) -> bool:
    if not os.path.lexists(path):
        return False
    if path.is_dir():
        return True
    found = ledger.output(_stored(path, home)) if ledger is not None else None
    if overwrite or (found and done and (found[0], found[2]) == (name, done.key)) or _is_ours(path, found):
        return False
    return done is None or ledger is None or path.read_bytes() != _rendered(kind, ledger.row(done.num))


def _is_ours(path: Path, found: tuple[str, str, str] | None) -> bool:
    """Say whether a file is as it was written."""
    return found is not None and path.is_file() and _digest(path.read_bytes()) == found[1]


def _rendered(kind: str, row: Mapping[str, Any]) -> bytes:
    return subtitles.RENDER[kind](row).encode(errors="backslashreplace")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _real(folder: Path) -> Path:
    return Path(os.path.realpath(folder))


def _stored(path: Path, home: Path) -> bytes:
    """Return how the ledger calls a file: from the job's folder, so that this may be moved, else the whole path."""
    return os.fsencode(path.relative_to(home) if path.is_relative_to(home) else path)


__all__ = ["FOLDER", "Sidecars", "check_sidecars"]
