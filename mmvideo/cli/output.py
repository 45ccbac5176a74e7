"""What the commands write about clips: results in words with the caveat first, lines of JSON, files named by clip."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import typer

from mmvideo.cli.clips import Clip
from mmvideo.cli.common import debugging, json_line, note, say
from mmvideo.errors import InvalidInput, MmvideoError, OutputError
from mmvideo.redaction import one_line


def check_file(path: Path | None, suffixes: Sequence[str], option: str = "--save") -> None:
    """Refuse a file that could not be written at the end, before any work is done.

    Raises:
        InvalidInput: another suffix than these, a folder in its place, or a folder that cannot be written.
    """
    if path is None:
        return
    if path.suffix.lower() not in suffixes:
        given = f"{path.suffix!r} is none of them" if path.suffix else "it has no suffix"
        raise InvalidInput(f"{option} {str(path)!r} can end in {' '.join(suffixes)}, and {given}.")
    if path.is_dir():
        raise InvalidInput(f"{option} {str(path)!r} is a folder; give the name of a file in it.")
    check_folder(path.parent, option)
    if path.exists() and not os.access(path, os.W_OK):
        raise InvalidInput(f"{option} {str(path)!r} is there already and cannot be written.")


def check_folder(folder: Path, option: str = "--out") -> None:
    """Refuse a folder that can be neither written nor made, before any work is done.

    Raises:
        InvalidInput: it is so.
    """
    if folder.exists() and not folder.is_dir():
        raise InvalidInput(f"{option} {str(folder)!r} is a file; give a folder.")
    there = next(part for part in (folder, *folder.absolute().parents) if part.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        what = "cannot be written" if there == folder else f"cannot be made, because {there} cannot be written"
        raise InvalidInput(f"{option}: the folder {folder} {what}: {error.strerror or error}.") from error


def names_of(save: Path, clips: Sequence[Clip]) -> list[Path]:
    """Give each clip a file of its own: `shots.png` for one, `shots-CLIP.png` for several.

    A name that two clips share is told apart by its suffix, else by a number.
    """
    if len(clips) == 1:
        return [save]
    last = [Path(urlsplit(clip.name).path if "://" in clip.name else clip.name) for clip in clips]
    stems = [path.stem.strip("<>").casefold() for path in last]
    taken: set[str] = set()
    found = []
    for path, stem in zip(last, stems, strict=True):
        name = (path.name if stems.count(stem) > 1 else path.stem).strip("<>") or "clip"
        number, free = 1, name
        while free.casefold() in taken:
            number += 1
            free = f"{name}-{number}"
        taken.add(free.casefold())
        found.append(save.with_name(f"{save.stem}-{free}{save.suffix}"))
    return found


def numbered(path: Path, index: int, count: int) -> Path:
    """Return a path for one of several questions about one clip: `answer-2.png`."""
    return path if count == 1 else path.with_name(f"{path.stem}-{index + 1}{path.suffix}")


def each(clips: Sequence[Clip], answers: Callable[[Clip, int], Sequence[Any]], *, json: bool, save: Path | None = None,
         command: Callable[[Clip, Sequence[Any]], str] | None = None, printed: bool = False) -> None:
    """Answer for every clip and write what comes of it; one that fails is named, and the rest are done.

    Args:
        answers: (clip, its place) -> results, one a question.
        command: (clip, those of its results outside the model's domain) -> the command to type for a model that knows.
        printed: whether `answers` has printed the results.

    Raises:
        MmvideoError: the only clip failed.
        Exit: one of several failed; with the exit code of the first.
    """
    code, files = 0, names_of(save, clips) if save is not None else []
    for place, clip in enumerate(clips):
        try:
            if clip.error is not None:
                raise clip.error
            results = [clip.named(result) for result in answers(clip, place)]
        except MmvideoError as error:
            code = code or error.exit_code
            report_failure(clip, error, json=json, alone=len(clips) == 1)
            continue
        if not printed:
            tell(results, json=json, title=one_line(clip.name) if len(clips) > 1 else "",
                 command=partial(command, clip) if command else None)
        if save is not None:
            for index, result in enumerate(results):
                note(f"wrote {_written(result, numbered(files[place], index, len(results)))}")
    if code:
        raise typer.Exit(code)


def _written(result: Any, path: Path) -> Path:
    """Save a result.

    Raises:
        OutputError: the disk is full, read-only or out of reach.
    """
    try:
        return result.save(path)
    except MmvideoError:
        raise
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error


def report_failure(clip: Clip, error: MmvideoError, *, json: bool, alone: bool) -> None:
    """Write what went wrong with a clip: a line of JSON where that is asked for, else words on stderr.

    Raises:
        MmvideoError: the same, where it is the only clip or --debug was given.
    """
    message = clip.message(error)
    if json:
        say(json_line({**error_entry(error), "message": message, "source": clip.name}))
    if alone or debugging():
        if message != str(error):
            error.args = (message,)
        raise error
    note(f"mmvideo: {message}")


def error_entry(error: MmvideoError) -> dict[str, Any]:
    """Return what a line of JSON says of an error: its class, its message, and the exit code that it gives."""
    kind = type(error).__name__
    return {"type": kind, "error": kind, "message": str(error), "exit_code": error.exit_code}


def tell(results: Sequence[Any], *, json: bool, title: str = "",
         command: Callable[[Sequence[Any]], str] | None = None) -> None:
    """Print the results about one clip: first, once, why the model does not know it; then each answer.

    Args:
        command: results outside the domain -> the command to type for a model that knows; None for none.
    """
    if json or not hasattr(results[0], "in_domain"):  # what `probe` finds names its file itself
        for result in results:
            say(json_line(result) if json else result)
        return
    if title:
        say(title)
    outside = [result for result in results if result.in_domain.outside]
    hints = [command(outside)] if command and any(result.in_domain.suggestion for result in outside) else []
    shared = _shared(results)
    _warn(results[0], shared, hints)
    for result in results:
        if len(results) > 1:
            say(result.question)
        _warn(result, [reason for reason in _reasons(result) if reason not in shared], hints)
        say(result.body)


def _warn(result: Any, reasons: list[str], hints: list[str]) -> None:
    """Say why a model does not know, and the first time what to type instead."""
    if reasons:
        say(f"outside what {result.model or 'this model'} knows: {'; '.join(reasons)}")
    if reasons and hints:
        say(f"  a model that may know: {hints.pop()}")


def _reasons(result: Any) -> list[str]:
    return result.in_domain.reason.split("; ") if result.in_domain.outside else []


def _shared(results: Sequence[Any]) -> list[str]:
    """Return the reasons that hold for every result, which are those of the clip."""
    return [reason for reason in _reasons(results[0]) if all(reason in _reasons(other) for other in results)]


__all__ = ["check_file", "check_folder", "each", "error_entry", "names_of", "numbered", "report_failure", "tell"]
