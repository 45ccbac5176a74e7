"""Videos a second of a batch job beside a loop of single calls, embedded model, same clips and frames, in one run.

    python benchmarks/jobs_speed.py
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch
from jobs_kill import make_clips

from mmvideo.hooks import Timing
from mmvideo.jobs import JobOptions, run_job
from mmvideo.jobs.job_status import status
from mmvideo.pipeline import Pipeline


def main() -> None:
    """Time both and print where the time went."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clips", type=int, default=96)
    parser.add_argument("--batch-size", type=int, nargs="*", default=[8, 16])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        clips = sorted(make_clips(Path(home, "clips"), given.clips, seconds=0.6).iterdir())
        pipeline = Pipeline("video-captioning", model="toybox-qa", device="cpu")
        pipeline(clips[0])
        timing = Timing()
        begin = time.perf_counter()
        texts = [pipeline(clip, hook=timing).text for clip in clips]
        loop = time.perf_counter() - begin
        print(f"{torch.get_num_threads()} threads, {len(clips)} clips\nloop of single calls: "
              f"{len(clips) / loop:.2f} videos/s\n{timing}")
        for size in given.batch_size:
            folder = Path(home, f"job{size}")
            begin = time.perf_counter()
            summary = run_job(pipeline, clips, folder, JobOptions(batch_size=size, thumbnails=0))
            seconds = time.perf_counter() - begin
            same = sum(row["text"] == text for row, text in zip(summary.rows(), texts, strict=True))
            run = status(folder)["runs"][-1]
            print(f"job, batches of {size}: {len(clips) / seconds:.2f} videos/s, {loop / seconds:.2f} x the loop, "
                  f"start included; {same} of {len(clips)} captions the same\n  decode {run['decode']} s, networks "
                  f"{run['compute']} s, networks waited {run['waiting']} s\n  {run['stages']}", flush=True)


if __name__ == "__main__":
    main()
