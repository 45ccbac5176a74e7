"""A stage `read` that does what the name of its clip says: raises, hangs, lingers, ends its process, fills the disk."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmvideo import registry
from mmvideo.deadline import check
from mmvideo.stages.read import Read, VideoRequest
from mmvideo.wording import plural


class OddError(Exception):
    """Neither a ValueError nor anything else that a caller would think of."""


class WordlessError(Exception):
    def __str__(self) -> str:
        raise OddError


ERRORS: dict[str, Any] = {
    "value": ValueError("two frames are needed"), "lookup": KeyError("sizes"), "attribute": AttributeError("no x"),
    "os": OSError(errno.EIO, "Input/output error"), "odd": OddError("odd"), "wordless": WordlessError(),
    "exit": SystemExit(3), "memory": MemoryError(), "stop": StopIteration(), "assert": AssertionError(),
    "unicode": UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "recursion": RecursionError("deep")}
"""Part of a clip's name -> what is raised."""


@dataclass(kw_only=True)
class Unruly(Read):
    """Opens videos as `read` does, but for those whose name says otherwise."""

    def __call__(self, *, video: VideoRequest) -> dict[str, Any]:
        name = Path(str(video.source)).stem
        kind = name.partition("-")[0]
        if kind in ERRORS:
            raise ERRORS[kind]
        if kind == "bug":
            plural(2, None)  # as where code of the package is wrong
        if kind in ("hanging", "deadly"):
            Path(tempfile.mkstemp(prefix="mmvideo-")[1]).write_bytes(bytes(1000))
        if kind == "hanging":
            time.sleep(600)
        while kind == "lingering":
            time.sleep(0.02)
            check()
        if kind == "deadly":
            os._exit(9)
        if kind == "full":
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().__call__(video=video)


@contextlib.contextmanager
def unruly() -> Iterator[None]:
    """Let recipes read with `Unruly`, here and in the workers."""
    before = registry.PARTS["stages"]["read"]
    registry.PARTS["stages"]["read"] = "unruly:Unruly"
    registry._table.cache_clear()
    try:
        yield
    finally:
        registry.PARTS["stages"]["read"] = before
        registry._table.cache_clear()


__all__ = ["ERRORS", "Unruly", "unruly"]
