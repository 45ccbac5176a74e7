"""A batch job over 300 clips of which 40 are damaged in ten ways: each is named with its class, the rest captioned.

    python benchmarks/jobs_poison.py
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import torch

from mmvideo import media, registry
from mmvideo.jobs import JobOptions, JobSummary, run_job
from mmvideo.pipeline import Pipeline
from mmvideo.stages.read import Read, VideoRequest
from mmvideo.types import Audio

EXPECTED = {"truncated": "VideoDecodeError", "flipped": "VideoDecodeError", "empty": "VideoDecodeError",
            "text": "VideoDecodeError", "sound-only": "NoVideoTrack", "mute": "NoAudioTrack", "one-frame": "TooShort",
            "endless": "DownloadRefused", "hanging": "WorkerTimeout", "deadly": "WorkerCrashed"}
"""Kind of damage -> class of the failure."""


@dataclass(kw_only=True)
class Unruly(Read):
    """Opens videos as `read` does; hangs, or ends its process, where the name of the file says so."""

    def __call__(self, *, video: VideoRequest) -> dict[str, Any]:
        name = str(video.source)
        while "hanging" in name:
            time.sleep(1)
        if "deadly" in name:
            os.kill(os.getpid(), signal.SIGSEGV)
        return super().__call__(video=video)


@contextlib.contextmanager
def unruly() -> Iterator[None]:
    """Let recipes read with `Unruly`, here and in the workers."""
    sys.modules.setdefault("jobs_poison", sys.modules[__name__])
    here, before = str(Path(__file__).parent), registry.PARTS["stages"]["read"]
    registry.PARTS["stages"]["read"] = "jobs_poison:Unruly"
    sys.path.append(here)
    registry._table.cache_clear()
    try:
        yield
    finally:
        registry.PARTS["stages"]["read"] = before
        sys.path.remove(here)
        registry._table.cache_clear()


class _Endless(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(bytes(1 << 16))

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def endless_stream() -> Iterator[str]:
    """Serve a stream without an end on this machine; give its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Endless)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def write_clip(path: Path, seed: int, *, frames: int = 20, sound: bool = True) -> Path:
    """Write a clip of a moving pattern with a tone."""
    chance = torch.Generator().manual_seed(seed)
    picture = torch.nn.functional.interpolate(torch.rand(1, 3, 12, 24, generator=chance), size=(72, 144),
                                              mode="bilinear")[0] * 255
    moved = torch.stack([picture[:, :, 2 * t % 40:2 * t % 40 + 96] for t in range(frames)]).round().to(torch.uint8)
    tone = 0.4 * torch.sin(2 * torch.pi * (300 + seed) * torch.arange(1600 * frames) / 16_000)[None]
    media.write_video(path, moved, fps=10, audio=Audio(tone, 16_000) if sound else None)
    return path


def write_damaged(path: Path, kind: str, seed: int) -> None:
    """Write a clip that is damaged in one way."""
    chance = random.Random(seed)
    if kind == "sound-only":
        media.write_audio(path.with_suffix(".wav"), Audio(torch.zeros(1, 16_000), 16_000))
        path.with_suffix(".wav").replace(path)
        return
    write_clip(path, seed, frames=1 if kind == "one-frame" else 20, sound=kind != "mute")
    data = bytearray(path.read_bytes())
    if kind == "truncated":
        path.write_bytes(data[:int(len(data) * chance.uniform(0.2, 0.8))])
    elif kind == "flipped":
        at = data.index(b"mdat") + 64
        for _ in range(60):
            data[chance.randrange(at, min(len(data), at + 2000))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("this is no film\n" * 50)


def make(folder: Path, good: int, bad_of_each: int, stream: str) -> Path:
    """Write the clips and a manifest that mixes them; return the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{"id": f"good-{n}", "path": str(write_clip(folder / f"good-{n}.mp4", n))} for n in range(good)]
    for number, kind in enumerate(kind for kind in EXPECTED for _ in range(bad_of_each)):
        name = f"{kind}-{number}"
        path = folder / f"{name}.mp4"
        if kind == "endless":
            rows.append({"id": name, "url": f"{stream}/{name}.mp4"})
            continue
        write_damaged(path, kind, 1000 + number)
        rows.append({"id": name, "path": str(path)})
    random.Random(0).shuffle(rows)
    manifest = folder / "list.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return manifest


def run(pipeline: Pipeline, manifest: Path, out: Path, *, timeout_seconds: float) -> JobSummary:
    """Run the job over the clips."""
    return run_job(pipeline, manifest, out, JobOptions(
        timeout_seconds=timeout_seconds, need_audio=True, min_frames=2, max_bytes=50_000_000, max_seconds=3.0,
        thumbnails=60, progress=True))


def verdict(summary: JobSummary) -> dict[str, Counter]:
    """Return kind of damage -> how often each class (or `captioned`) came of it."""
    found: dict[str, Counter] = {}
    for name, _, error, _ in summary.failures:
        found.setdefault(name.rpartition("-")[0], Counter())[error] += 1
    for row in summary.rows():
        found.setdefault(row["id"].rpartition("-")[0], Counter())["captioned"] += 1
    return found


def main() -> None:
    """Run the long test and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--good", type=int, default=260)
    parser.add_argument("--of-each", type=int, default=4, help="damaged clips of each of the ten kinds")
    parser.add_argument("--out", type=Path, help="keep the job's folder here")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, unruly(), endless_stream() as stream:
        manifest = make(Path(home, "clips"), given.good, given.of_each, stream)
        pipeline = Pipeline("video-captioning", model="toybox-qa", device="cpu")
        begin = time.monotonic()
        summary = run(pipeline, manifest, given.out or Path(home, "job"), timeout_seconds=10.0)
        found = verdict(summary)
        print(f"{'kind':12} {'expected':18} what came of it")
        for kind, expected in {"good": "captioned", **EXPECTED}.items():
            print(f"{kind:12} {expected:18} {dict(found.get(kind, {}))}")
        right = all(set(found[kind]) == {expected} for kind, expected in {"good": "captioned", **EXPECTED}.items())
        print(f"{summary.counts}, {time.monotonic() - begin:.0f} s, every class as expected: {right}")
        sys.exit(not right)


if __name__ == "__main__":
    main()
