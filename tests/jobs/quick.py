"""An engine without processes and networks, for tests of what a job keeps and writes: a clip says what comes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmvideo.errors import VideoDecodeError
from mmvideo.jobs.coordinator import Coordinator
from mmvideo.jobs.failures import CAUGHT, describe_failure, origin_of
from mmvideo.jobs.fetch import fetched
from mmvideo.jobs.options import JobOptions, row_keys
from mmvideo.jobs.rows import Outcome, make_row
from mmvideo.results import Caption
from mmvideo.types import Domain, Segment


def write(path: Path, text: str) -> Path:
    """Write a clip of which `text` will be said; `damaged: ...` fails unless damage is allowed, `bug` always."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def work(pipeline: Any, options: JobOptions, job: dict[str, Any], coordinator: Coordinator) -> None:
    """Take items one after another; fetching, keys, rows and everything behind them are those of every engine."""
    while entries := coordinator.take(4):
        for entry, _ in entries:
            coordinator.report([_outcome(entry, options, job, coordinator)])
            coordinator.settle_all()


def _outcome(entry: Any, options: JobOptions, job: dict[str, Any], coordinator: Coordinator) -> Outcome:
    item = entry.item
    try:
        with fetched(item, options) as clip:
            keys = row_keys(clip.content, job["config"], item.asked(), strict=options.strict)
            if known := next((key for key in keys if coordinator.knows(key)), None):
                return Outcome(entry.num, known, clip.content, clip.stamp)
            said = (clip.media if isinstance(clip.media, bytes) else clip.media.read_bytes()).decode()
            row = make_row(item, _result(said, options), {"duration_seconds": 2.0}, job)
            return Outcome(entry.num, keys[-1], clip.content, clip.stamp, row, {"fetch": 0.1})
    except CAUGHT as error:
        return Outcome(entry.num, error=describe_failure(error, item.source), origin=origin_of(error))


def _result(said: str, options: JobOptions) -> Caption:
    if said.startswith("bug"):
        raise LookupError("no such token")
    if said.startswith("damaged") and options.strict:
        raise VideoDecodeError("damaged; strict")
    spans = () if said.startswith("chat") else (Segment(0.0, 1.5, said, 0.5),)
    return Caption(text=said, confidence=0.5, seconds_looked_at=(0.0, 1.0), in_domain=Domain(True), segments=spans)


__all__ = ["work", "write"]
