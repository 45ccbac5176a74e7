"""What a batch job costs beside its clips: a manifest of 100,000 rows, and memory over 200 and 2,000 items.

    python benchmarks/jobs_scale.py manifest
    python benchmarks/jobs_scale.py memory
"""

from __future__ import annotations

import argparse
import csv
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import torch
from jobs_kill import make_clips

from mmvideo.jobs import JobOptions, read_inputs, run_job
from mmvideo.jobs.coordinator import Coordinator
from mmvideo.jobs.ledger import Ledger
from mmvideo.jobs.rows import Outcome
from mmvideo.pipeline import Pipeline


def manifest(rows: int) -> bool:
    """Time start-up, resume and single operations at 1 % and at all of the rows."""
    print(f"{'rows':>8} {'start s':>8} {'resume s':>9} {'take ms':>8} {'record ms':>10} {'known ms':>9}")
    good = True
    for count in (rows // 100, rows):
        with tempfile.TemporaryDirectory() as home:
            path = Path(home, "list.csv")
            with path.open("w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(["id", "path"])
                writer.writerows((f"clip{n}", f"clips/{n // 1000}/{n}.mp4") for n in range(count))
            start, coordinator = _opened(path, Path(home, "job"))
            ledger = coordinator.ledger
            times = {name: 0.0 for name in ("take", "record", "known")}
            half = count // 2
            for at in range(0, half, 64):
                begin = time.perf_counter()
                entries = coordinator.take(min(64, half - at))
                times["take"] += time.perf_counter() - begin
                coordinator.report([Outcome(e.num, f"key{e.num}", f"content{e.num}", "", {"text": "words"})
                                    for e, _ in entries])
                begin = time.perf_counter()
                coordinator.settle_all()
                times["record"] += time.perf_counter() - begin
            begin = time.perf_counter()
            for n in range(1000):
                ledger.knows(f"key{n}")
            times["known"] = (time.perf_counter() - begin) / 1000
            coordinator.lines.sync()
            ledger.close()  # as if the job had been killed here
            resume, coordinator = _opened(path, Path(home, "job"))
            counts = coordinator.ledger.counts()
            assert counts["done"] == half, counts
            coordinator.ledger.close()
            print(f"{count:8} {start:8.2f} {resume:9.2f} {1000 * times['take'] / half:8.4f} "
                  f"{1000 * times['record'] / half:10.4f} {1000 * times['known']:9.4f}", flush=True)
            good = good and start < 10 and resume < 10
    return good


def _opened(path: Path, folder: Path) -> tuple[float, Coordinator]:
    """Do what a job does before its first clip."""
    begin = time.perf_counter()
    ledger = Ledger(folder)
    ledger.begin(read_inputs(path), "config")
    coordinator = Coordinator(folder, ledger, JobOptions(), "config")
    coordinator.take(8)
    coordinator._after = (0, -1)
    return time.perf_counter() - begin, coordinator


def memory(few: int, many: int) -> bool:
    """Run two jobs and compare the highest memory of the runner and of its workers."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as home:
        clips = sorted(make_clips(Path(home, "clips"), 60).iterdir())
        pipeline = Pipeline("video-captioning", model="toybox-qa", device="cpu", caption={"max_new_tokens": 4})
        run_job(pipeline, clips, Path(home, "warm"), JobOptions(thumbnails=0))
        found = {}
        for count in (few, many):
            # each item is a span of its own, so that none is known by its content
            items = [{"id": str(n), "path": str(clips[n % len(clips)]), "end": 0.5 + n / many / 2}
                     for n in range(count)]
            peak, end = [0, 0], threading.Event()
            watcher = threading.Thread(target=_watch, args=(peak, end))
            watcher.start()
            begin = time.monotonic()
            summary = run_job(pipeline, items, Path(home, str(count)), JobOptions(thumbnails=0))
            end.set()
            watcher.join()
            assert summary.counts["done"] == count, summary.counts
            found[count] = peak
            print(f"{count:6} items: runner {peak[0] / 2**20:7.1f} MiB, workers {peak[1] / 2**20:7.1f} MiB, "
                  f"{time.monotonic() - begin:.0f} s, {summary.reused} known", flush=True)
    ratio = found[many][0] / found[few][0], found[many][1] / found[few][1]
    print(f"{many} over {few}: runner {ratio[0]:.3f}, workers {ratio[1]:.3f} "
          f"(highest of all: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB)")
    return max(ratio) < 1.1


def _watch(peak: list[int], end: threading.Event) -> None:
    me = psutil.Process()
    while not end.wait(0.05):
        peak[0] = max(peak[0], me.memory_info().rss)
        below = 0
        for child in me.children(recursive=True):
            try:
                below = max(below, child.memory_info().rss)
            except psutil.NoSuchProcess:
                continue
        peak[1] = max(peak[1], below)


def main() -> None:
    """Run one of the two and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["manifest", "memory"])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--few", type=int, default=200)
    parser.add_argument("--many", type=int, default=2000)
    given = parser.parse_args()
    good = manifest(given.rows) if given.what == "manifest" else memory(given.few, given.many)
    print(f"as promised: {good}")
    sys.exit(not good)


if __name__ == "__main__":
    main()
