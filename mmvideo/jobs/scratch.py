"""Temporary files of decode workers: a folder for each, removed with its worker."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
import time
from pathlib import Path

_PREFIX = "mmvideo-job-"
_LOCK = ".lock"
_OLD_SECONDS = 60.0
"""A younger folder without an owner may be one that is just being made."""


class Scratch:
    """The folders of the workers of one pool, below that of temporary files; locked while the pool lives."""

    def __init__(self) -> None:
        sweep()
        self.home = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._lock = os.open(self.home / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def folder(self) -> str:
        """Return a new folder."""
        return tempfile.mkdtemp(dir=self.home)

    @staticmethod
    def remove(folder: str) -> None:
        """Remove the folder of a worker that has ended."""
        shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Remove all of them."""
        shutil.rmtree(self.home, ignore_errors=True)
        os.close(self._lock)


def sweep() -> None:
    """Remove what jobs left that were killed: folders of this user that nobody has locked."""
    for found in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            about = found.lstat()
            if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid() \
                    or time.time() - about.st_mtime < _OLD_SECONDS:
                continue
            lock = os.open(found / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(found, ignore_errors=True)
        except OSError:
            continue  # its job runs
        finally:
            os.close(lock)


__all__ = ["Scratch", "sweep"]
