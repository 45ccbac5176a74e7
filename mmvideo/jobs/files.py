"""Atomic writes of a job's files, which never replace a file that the job has not written."""

from __future__ import annotations

import errno
import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mmvideo.errors import InvalidInput, MmvideoError, OutputError
from mmvideo.jobs.ledger import Ledger

_MOST_NAMED = 5


def write_whole(path: Path, pieces: Iterable[bytes]) -> int:
    """Write a file so that there is either the old one or the whole new one; return its length in bytes."""
    beside = path.with_name(part_of(path.name))
    try:
        with beside.open("wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return size


def part_of(name: str) -> str:
    """Return the name of a file while it is being written: short, and the same when it is tried again."""
    return f".mmvideo-{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}.part"


def check_job_folder(out: str | Path) -> Path:
    """Return the folder of a job, before anything is made there.

    Raises:
        InvalidInput: it is a file, lies below one, or may not be written.
    """
    if not isinstance(out, str | os.PathLike) or not os.fspath(out):
        raise InvalidInput(f"--out names the folder of a job, not {out!r}.")
    try:
        folder = Path(out).expanduser()
        if _there(folder) and not folder.is_dir():
            raise InvalidInput(f"--out {folder} is {'a file' if folder.is_file() else 'no folder'}; a job is kept in a "
                               "folder of its own, give another name.")
        above = folder
        while not _there(above) and above != above.parent:
            above = above.parent
        if not above.is_dir():
            raise InvalidInput(f"--out {folder}: {above} is no folder; give another place.")
        if not os.access(above, os.W_OK | os.X_OK):
            raise InvalidInput(f"--out {folder}: {above} may not be written; give another place.")
        return folder
    except (OSError, ValueError) as error:
        if isinstance(error, MmvideoError):
            raise
        raise InvalidInput(f"--out {out} cannot be a folder: {_why(error)}; give another name.") from error


def _there(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what a disk or the ledger raises into one error.

    Raises:
        OutputError: the disk is full, read-only or out of reach.
    """
    try:
        yield
    except MmvideoError:
        raise
    except (OSError, sqlite3.Error) as error:
        raise OutputError(f"The job in {folder} cannot go on: {_why(error)}. What was done is kept; mend it, then run "
                          "the same command again.") from error


def _why(error: BaseException) -> str:
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    name = getattr(error, "filename", None)
    full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "is full" in words
    where = f" ({os.fsdecode(name)})" if isinstance(name, str | bytes) else ""
    return ("the disk is full" if full else words) + where


def refuse(paths: Iterable[Path]) -> None:
    """Refuse to replace files that the job has not written, or that were changed since.

    Raises:
        InvalidInput: there are any.
    """
    found = list(paths)
    if found:
        named = ", ".join(map(str, found[:_MOST_NAMED]))
        more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        raise InvalidInput(f"{named}{more}: there already, and not as this job has written it. Move "
                           f"{'it' if len(found) == 1 else 'them'} away, write elsewhere, or replace with --overwrite.")


def check_fixed(folder: Path, files: Iterable[str], folders: Iterable[str], ledger: Ledger | None, *,
                overwrite: bool) -> None:
    """Refuse to begin where files of the job's folder would replace others.

    Args:
        files: names of files that the job writes.
        folders: names of folders that hold files of the job.
        ledger: of the job, if there is one.

    Raises:
        InvalidInput: files or folders that the job did not make.
    """
    ours = set() if ledger is None else ledger.outputs()
    if ledger is not None and not ours:  # of a version that kept no list
        return
    foreign = []
    for name in (*files, *folders):
        path = folder / name
        if os.fsencode(name) in ours or not os.path.lexists(path):
            continue
        as_it_must_be = path.is_dir() if name in folders else not path.is_dir()
        empty = name in folders and as_it_must_be and not any(path.iterdir())
        if not empty and not (overwrite and as_it_must_be):
            foreign.append(path)
    refuse(foreign)


__all__ = ["check_fixed", "check_job_folder", "part_of", "refuse", "write_whole", "writing"]
