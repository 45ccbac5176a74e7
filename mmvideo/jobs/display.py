"""The progress of a job on stderr: a live panel on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmvideo.jobs.coordinator import JobProgress
from mmvideo.jobs.metrics import json_progress

_LINE_SECONDS, _JSON_SECONDS = 10.0, 2.0


@contextmanager
def showing(progress: JobProgress, wanted: bool, *, as_json: bool = False) -> Iterator[None]:
    """Show a progress until the block ends; `as_json` as lines of JSON, whether it is wanted for people or not."""
    if not wanted and not as_json:
        yield
        return
    end = threading.Event()
    show = _json_lines if as_json else _live if sys.stderr.isatty() else _lines
    thread = threading.Thread(target=show, args=(progress, end), name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def progress_figures(progress: JobProgress) -> dict[str, str]:
    """Return what is shown, name -> words."""
    seconds, done = progress.seconds, progress.done
    rate = done / seconds
    computed = done - progress.reused
    found = {
        "done": f"{progress.done_before + done} of {progress.total}",
        "failed": str(progress.failed + progress.quarantined),
        "left": duration_text(progress.left / rate) if rate and progress.left else ("-" if progress.left else "0 s"),
        "videos/s": f"{rate:.2f}", "frames/s": f"{progress.frames / seconds:.0f}",
        "words/s": f"{progress.words / seconds:.0f}"}
    if progress.reused:
        found["known"] = str(progress.reused)
    if progress.meters is not None and computed:
        found["bottleneck"] = bottleneck(progress.meters, seconds)
    return found


def bottleneck(meters: Any, seconds: float) -> str:
    """Name the part that the others wait for: decode workers or networks, with how busy the networks were."""
    stages = sorted(meters.stages.items(), key=lambda item: -item[1])
    slowest = f"longest stage {stages[0][0]}" if stages else ""
    if meters.whole:  # each worker holds the networks, so nobody waits for another
        return f"workers, which hold the networks{f' ({slowest})' if slowest else ''}"
    busy = f"busy {min(1.0, meters.compute / seconds):.0%}{f'; {slowest}' if slowest else ''}"
    if meters.waiting > meters.compute:
        return f"fetch and decode (networks {busy})"
    return f"networks ({busy})"


def duration_text(seconds: float) -> str:
    """Return a duration in words."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _lines(progress: JobProgress, end: threading.Event) -> None:
    shown = time.monotonic()
    while not end.wait(0.5):
        if time.monotonic() - shown >= _LINE_SECONDS:
            shown = time.monotonic()
            _write(progress)
    _write(progress)


def _json_lines(progress: JobProgress, end: threading.Event) -> None:
    over = False
    while not over:
        over = end.wait(_JSON_SECONDS)
        sys.stderr.write(json_progress(progress) + "\n")
        sys.stderr.flush()


def _write(progress: JobProgress) -> None:
    sys.stderr.write(", ".join(f"{name} {words}" for name, words in progress_figures(progress).items()) + "\n")
    sys.stderr.flush()


def _live(progress: JobProgress, end: threading.Event) -> None:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    def panel() -> Any:
        past = progress.total - progress.left
        words = "   ".join(f"{name} {value}" for name, value in progress_figures(progress).items())
        return Group(ProgressBar(total=max(1, progress.total), completed=past, width=60), Text(words))

    with Live(panel(), console=Console(stderr=True), refresh_per_second=4) as live:
        while not end.wait(0.25):
            live.update(panel())
        live.update(panel())


__all__ = ["bottleneck", "duration_text", "progress_figures", "showing"]
