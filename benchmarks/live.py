"""python benchmarks/live.py [--preset NAME] [--minutes 60] [--seconds 20]: memory and time of a live stream.

An endless camera is played: the frames of the demo clip, round and round, 25 a second. First for `--seconds` in real
time (latency, looks a second, dropped frames), then for `--minutes` of the camera's time as fast as the network goes
(memory of the process at the beginning and the end). With `--pipeline` the windows of a pipeline are measured instead.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import torch

from mmvideo.encoders import zoo
from mmvideo.live.stream import live_stream
from mmvideo.media.api import open_source
from mmvideo.media.live import LiveClock
from mmvideo.media.source import Source
from mmvideo.pipeline import Pipeline

CLIP = Path(__file__).resolve().parents[1] / "mmvideo" / "embedded" / "demo" / "toybox.mp4"
FPS = 25


class Endless(Source):
    """The frames of a clip, again and again."""

    def __init__(self) -> None:
        with open_source(CLIP) as opened:
            super().__init__(opened.info)
            self._kept = [frame for frame, _ in opened._frames()]

    def _frames(self, start_seconds: float | None = None) -> Iterator[tuple[av.VideoFrame, float]]:
        for number in itertools.count():
            yield self._kept[number % len(self._kept)], number / FPS

    def close(self) -> None:
        """Nothing is open."""


class FastClock(LiveClock):
    """A clock that waits for nobody: the next frame is there when it is wanted."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def resident_mib() -> float:
    """Return the memory that this process holds now (Linux)."""
    fields = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return int(fields["VmRSS"].split()[0]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="movinet-a0-stream")
    parser.add_argument("--pipeline", help="video-captioning, video-classification ...")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seconds", type=float, default=20)
    given = parser.parse_args()
    pipe: Any
    if given.pipeline:
        pipe = Pipeline(given.pipeline)
    else:
        with tempfile.TemporaryDirectory() as home:
            zoo.create(given.preset, labels=["a", "b", "c"]).save_pretrained(home)
            pipe = Pipeline("video-classification", home)
    print(f"{given.pipeline or given.preset}, {torch.get_num_threads()} threads")
    began, cpu = time.perf_counter(), time.process_time()
    with live_stream(pipe, Endless(), max_seconds=given.seconds) as live:
        late = [found.latency_seconds for found in live]
        took, used = time.perf_counter() - began, time.process_time() - cpu
        print(f"real time, {took:.0f} s: {len(late)} looks, {len(late) / took:.2f} a second, median latency "
              f"{statistics.median(late):.3f} s, longest {max(late):.3f} s, {live.ring.received} frames came, "
              f"{live.ring.dropped} dropped, {used / len(late):.3f} s of CPU a look", flush=True)
    marks: list[str] = []
    with live_stream(pipe, Endless(), max_seconds=60 * given.minutes, clock=FastClock()) as live:
        step = 60 * given.minutes / 4
        number = 0
        for found in live:
            number += 1
            if found.seconds >= len(marks) * step:
                marks.append(f"{found.seconds / 60:.1f} min: {resident_mib():.0f} MiB")
    print(f"{given.minutes:g} minutes of the camera, {number} looks; process: " + ", ".join(marks))


if __name__ == "__main__":
    main()
