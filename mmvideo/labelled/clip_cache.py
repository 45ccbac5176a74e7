"""Decoded clips, kept as memory-mapped uint8 frames in one file a clip, so that no epoch decodes anything twice."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmvideo.errors import InvalidInput, MediaError, MediaNotFound
from mmvideo.labelled.rows import ClipRow
from mmvideo.media import open_source
from mmvideo.registry import find
from mmvideo.sampling.gather import span_of
from mmvideo.types import Size

log = logging.getLogger("mmvideo.training")
GB = 1024**3
_MOST_AT_RATE = 4
"""At a fixed rate a clip is kept up to so many times the frames that are seen at once."""
_FULL = "{folder} is full ({reason}); clips that are not in it are decoded each time"


@dataclass(frozen=True)
class Unreadable:
    """A clip that cannot be used, and why."""

    row: ClipRow
    reason: str


@dataclass(frozen=True)
class FrameSpec:
    """Which frames of a clip are kept, and how large."""

    num_frames: int
    """T that is seen at once; twice as many are kept, so that another half is seen in another epoch."""
    side: int
    """Pixels of the shorter side."""
    fps: float | None = None
    """Frames a second; None spreads them over the whole clip."""
    focus: str = ""
    """A sampler that chooses and cuts the frames: moving or person. Empty: the whole picture and time."""

    @property
    def name(self) -> str:
        """Name of the folder of such clips."""
        rest = [f"{self.fps:g}fps"] if self.fps else []
        return "-".join([f"{self.num_frames}f", f"{self.side}px", *rest, *([self.focus] if self.focus else [])])

    def times(self, start: float, end: float) -> np.ndarray:
        """Return the times of the kept frames of a span, in seconds."""
        if self.fps is None:
            num = 2 * self.num_frames
            return start + (np.arange(num) + 0.5) * (end - start) / num
        num = min(max(self.num_frames, int((end - start) * self.fps)), _MOST_AT_RATE * self.num_frames)
        room = max(0.0, (end - start) - num / self.fps)
        return start + room / 2 + (np.arange(num) + 0.5) / self.fps


class ClipCache:
    """Frames of clips, decoded once.

    Args:
        folder: shared by runs; clips of one spec lie in a folder of their own, named by content and span.
        spec: which frames.
        max_bytes: bound of the whole folder; the clips used longest ago are removed first, and a folder that is full
            of clips in use takes no more.
        workers: decoding threads.
    """

    def __init__(self, folder: Path, spec: FrameSpec, *, max_bytes: int = 8 * GB, workers: int = 2):
        self.root, self.spec, self.max_bytes, self.workers = folder, spec, max_bytes, max(1, workers)
        self.folder = folder / spec.name
        self.open, self.decoded = True, 0
        self._room: int | None = None

    def path_of(self, row: ClipRow) -> Path:
        """Return where a clip's frames are, or would be."""
        span = row.span.replace(" ", "").replace("s", "")
        return self.folder / f"{row.content}{'_' + span if span else ''}.npy"

    def frames(self, row: ClipRow) -> np.ndarray:
        """Return a clip's frames, uint8 (F, H, W, 3); read-only.

        Raises:
            MediaError: it is missing or cannot be decoded.
        """
        path = self.path_of(row)
        if row.content and path.is_file():
            with suppress(OSError, ValueError):  # cut short by another process: decoded anew
                return np.load(path, mmap_mode="r", allow_pickle=False)
        frames = decode_clip(row, self.spec)
        self.decoded += 1
        if self.open and row.content:
            self._keep(path, frames)
        return frames

    def prepare(self, rows: Sequence[ClipRow], *, progress: bool = False) -> list[Unreadable]:
        """Decode what is not kept yet, by several threads; return the clips that cannot be used."""
        self._make_room(rows)
        found: list[Unreadable] = []

        def ready(row: ClipRow) -> str:
            path = self.path_of(row)
            if row.content and path.is_file():
                with suppress(OSError):
                    os.utime(path)
                return ""
            try:
                self.frames(row)
            except (MediaError, InvalidInput) as error:
                return str(error)
            return ""

        with ThreadPoolExecutor(self.workers) as pool:
            for number, (row, reason) in enumerate(zip(rows, pool.map(ready, rows), strict=True), 1):
                if reason:
                    found.append(Unreadable(row, reason))
                if progress and (number % 200 == 0 or number == len(rows)) and len(rows) > 200:
                    log.info("looked at %d of %d clips", number, len(rows))
        return found

    def _keep(self, path: Path, frames: np.ndarray) -> None:
        """Write frames beside, then rename; a disk without space closes the cache."""
        if self._room is None:
            self._room = self.max_bytes - _bytes_below(self.root)
        if frames.nbytes > self._room:
            self._close(f"{self.max_bytes / GB:g} GB are allowed, --cache-gb")
            return
        partial = path.with_suffix(f".{os.getpid()}.new")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                np.save(file, frames, allow_pickle=False)
            partial.replace(path)
        except OSError as error:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            self._close(error.strerror or str(error))
            return
        self._room -= frames.nbytes

    def _close(self, reason: str) -> None:
        if self.open:
            log.warning(_FULL.format(folder=self.root, reason=reason))
        self.open = False

    def _make_room(self, rows: Iterable[ClipRow]) -> None:
        """Remove clips of other runs, those used longest ago first, where this run's might not fit."""
        mine = {self.path_of(row) for row in rows if row.content}
        missing = [path for path in mine if not path.is_file()]
        if not missing or not self.root.is_dir():
            return
        wide = 2 * self.spec.num_frames * self.spec.side * math.ceil(self.spec.side * 16 / 9) * 3
        excess = _bytes_below(self.root) + wide * len(missing) - self.max_bytes
        others = sorted((path for path in self.root.rglob("*.npy") if path not in mine),
                        key=lambda path: path.stat().st_mtime)
        for path in others:
            if excess <= 0:
                break
            with suppress(OSError):
                excess -= path.stat().st_size
                path.unlink()


def decode_clip(row: ClipRow, spec: FrameSpec) -> np.ndarray:
    """Decode the frames of a clip, uint8 (F, H, W, 3), its shorter side as the spec has it.

    Raises:
        MediaError: it is missing, cannot be decoded, or has no moving picture.
        InvalidInput: its span holds nothing.
    """
    if not row.path.exists():
        raise MediaNotFound(f"{row.path}: no such file.")
    with open_source(row.path, threads=1) as source:
        if spec.focus:
            clips = find("samplers", spec.focus)(source, num_frames=2 * spec.num_frames, size=spec.side,
                                                 start_seconds=row.start_seconds, end_seconds=row.end_seconds)
            frames = clips.frames[0]
            return np.ascontiguousarray(frames.permute(0, 2, 3, 1).numpy())
        span = span_of(source, row.start_seconds, row.end_seconds)
        video = source.info.main_video
        assert video is not None, "span_of has seen it"
        height, width = video.upright
        scale = spec.side / max(1, min(height, width))
        size = Size(max(1, round(height * scale)), max(1, round(width * scale)))
        times = spec.times(span.start_seconds, span.end_seconds)
        frames = source.frames_at(times.tolist(), size=size).frames
        return np.ascontiguousarray(frames.permute(0, 2, 3, 1).numpy())


def _bytes_below(folder: Path) -> int:
    found = 0
    for path in folder.rglob("*") if folder.is_dir() else ():
        with suppress(OSError):
            found += path.stat().st_size if path.is_file() else 0
    return found


__all__ = ["GB", "ClipCache", "FrameSpec", "Unreadable", "decode_clip"]
