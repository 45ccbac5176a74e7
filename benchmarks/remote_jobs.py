"""A job over a local server that fails, and how much faster many requests at once are than one by one.

    python benchmarks/remote_jobs.py --clips 300 --slots 4
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.jobs_kill import make_clips
from mmvideo.jobs import JobOptions, run_job
from mmvideo.jobs.summary import JobSummary
from mmvideo.pipeline import Pipeline
from mmvideo.remote import client
from tests.remote.faulty import Faulty, running

FAULTS = (429, 500, 503, "cut", "html", "other", "slow")


def run(clips: Path, out: Path, about: Faulty, **options: object) -> tuple[JobSummary, float]:
    """Run a job over every clip; return how it stands and the seconds that it took."""
    with running(about) as address:
        pipe = Pipeline("video-captioning", address, num_frames=2, size=64)
        began = time.monotonic()
        summary = run_job(pipe, clips, out, JobOptions(workers=2, thumbnails=0, **options))  # type: ignore[arg-type]
        assert isinstance(summary, JobSummary)
        return summary, time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=300)
    parser.add_argument("--slots", type=int, default=4, help="requests that the server computes at once")
    parser.add_argument("--seconds", type=float, default=1.0, help="that one takes")
    parser.add_argument("--faults", type=float, default=0.2, help="share of the requests that fail or are slow")
    given = parser.parse_args()
    client.FIRST_SECONDS = 0.05
    home = Path(tempfile.mkdtemp())
    clips = make_clips(home / "clips", given.clips)
    chance = random.Random(0)
    faults = [chance.choice(FAULTS) if chance.random() < given.faults else "" for _ in range(given.clips)]
    about = Faulty(faults, slots=given.slots, seconds=given.seconds)
    summary, seconds = run(clips, home / "faulty", about)
    rows = [json.loads(line) for line in (home / "faulty" / "results.jsonl").read_text().splitlines()]
    slow = faults.count("slow")
    print(f"faulty server: {summary.counts['done']} of {given.clips} done, {len({row['id'] for row in rows})} rows, "
          f"{len(about.bodies)} requests ({sum(map(bool, faults)) - slow} failed, {slow} were slow), most answers "
          f"for one clip {max(about.answered.values())}, {seconds:.1f} s")
    found = {}
    for name, options in (("adaptive", {}), ("one by one", {"concurrency": 1})):
        about = Faulty(slots=given.slots, seconds=given.seconds)
        _, found[name] = run(clips, home / name, about, **options)
        print(f"{name}: {given.clips / found[name]:.2f} clips/s, at most {about.most_running} at once")
    print(f"ratio {found['one by one'] / found['adaptive']:.2f}")
    shutil.rmtree(home)


if __name__ == "__main__":
    main()
