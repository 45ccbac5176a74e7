"""Where features are kept: one SQLite file, a row a clip and configuration, each durable when it is written."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from mmvideo.errors import OutputError

NAME = "features.sqlite"
_MAKE = """
create table if not exists configurations (config text primary key, about text not null);
create table if not exists vectors (config text not null, clip text not null, vector blob not null,
                                    primary key (config, clip)) without rowid;
"""


def key_of(about: Mapping[str, Any]) -> str:
    """Return the key of a configuration: a digest of its plain values."""
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:24]


class FeatureStore:
    """Vectors by configuration and clip; may be used by several processes at once.

    Args:
        folder: of the file; made if absent.

    Raises:
        OutputError: the file cannot be opened or is none of these.
    """

    def __init__(self, folder: Path):
        self.path = folder / NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, timeout=60.0)
            self._db.execute("pragma journal_mode=wal")
            self._db.executescript(_MAKE)
        except (OSError, sqlite3.Error) as error:
            raise OutputError(f"{self.path} cannot be used: {error}; give another folder (--out), or delete "
                              "it.") from error

    def configure(self, about: Mapping[str, Any]) -> str:
        """Keep what a configuration is, in words, and return its key."""
        config = key_of(about)
        self._write("insert or ignore into configurations values (?, ?)", [(config, json.dumps(about, sort_keys=True))])
        return config

    def add(self, config: str, vectors: Mapping[str, np.ndarray]) -> None:
        """Keep float32 (D,) vectors by the key of their clip.

        Raises:
            OutputError: the disk is full or read-only; what was there before stays.
        """
        self._write("insert or replace into vectors values (?, ?, ?)",
                    [(config, clip, np.ascontiguousarray(vector, "<f4").tobytes()) for clip, vector in vectors.items()])

    def known(self, config: str) -> set[str]:
        """Return the keys of the clips that have a vector."""
        return {clip for (clip,) in self._db.execute("select clip from vectors where config = ?", (config,))}

    def get(self, config: str, clips: Iterable[str]) -> dict[str, np.ndarray]:
        """Return the vectors that there are, float32 (D,), by clip."""
        wanted, found = set(clips), {}
        for clip, blob in self._db.execute("select clip, vector from vectors where config = ?", (config,)):
            if clip in wanted:
                found[clip] = np.frombuffer(blob, "<f4")
        return found

    def _write(self, line: str, rows: Sequence[tuple[Any, ...]]) -> None:
        try:
            with self._db:
                self._db.executemany(line, rows)
        except sqlite3.Error as error:
            raise OutputError(f"{self.path} cannot be written: {error}; what was computed before is kept, and the same "
                              "command goes on.") from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


__all__ = ["NAME", "FeatureStore", "key_of"]
