"""Kill a batch job at random moments (runner, worker, torn files) and compare its rows with an undisturbed run.

    python benchmarks/jobs_kill.py --kills 100 --clips 300

Half of the kills come by the clock, within the time that an undisturbed run took to its first row; half by rows, about
when a run has written its share of the missing ones, however slow the machine has become. Whatever the clock says, no
run writes more than its share, so that the job does not end before the last kill.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from mmvideo import media
from mmvideo.jobs import JobOptions, run_job
from mmvideo.jobs.job_status import status
from mmvideo.jobs.rows import comparable
from mmvideo.jobs.sinks import RESULTS
from mmvideo.pipeline import Pipeline

KINDS = ("runner", "worker", "power")
"""SIGKILL the runner; SIGKILL a decode worker; SIGKILL the runner and tear what it was writing."""

LEFT = 3
"""Rows that are left for each kill to come: more than a batch."""


@dataclass(frozen=True)
class Pace:
    """Seconds of an undisturbed run."""

    first: float
    """Until its first row."""
    whole: float
    """Until its end."""
    rows: int = 0
    """That it wrote."""

    def moment(self, chance: random.Random) -> tuple[float, float]:
        """Draw when to kill: after so many seconds, or when the rows are written and so many seconds more."""
        if chance.random() < 0.5:
            return chance.uniform(0.0, self.first), 0.0
        return math.inf, chance.uniform(0.0, 2 * max(0.0, self.whole - self.first) / max(1, self.rows))

    def share(self, chance: random.Random, done: int, kills: int) -> float:
        """Draw how many more rows may be written before the next of so many kills; `LEFT` stay for each of them."""
        spare = max(0, self.rows - done - LEFT * kills)
        return chance.uniform(0.0, 2 * spare / (kills + 1))


def undisturbed(start: Callable[[], None], folder: Path) -> Pace:
    """Run a job to its end and return its pace."""
    begin, first = time.monotonic(), 0.0
    child = in_a_child(start)
    while not ended(child):
        if not first and rows_done(folder):
            first = time.monotonic() - begin
        time.sleep(0.02)
    whole = time.monotonic() - begin
    return Pace(first or whole, whole, rows_done(folder))


def rows_done(folder: Path) -> int:
    """Count the rows in the ledger of a job, which may not have begun."""
    return status(folder)["counts"].get("done", 0) if (folder / "run.json").exists() else 0


def make_clips(folder: Path, count: int, *, seconds: float = 1.0) -> Path:
    """Write clips of a moving pattern; some are longer, so that batches differ."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        random_numbers = torch.Generator().manual_seed(number)
        frames = round(10 * seconds * (1 + number % 3))
        picture = torch.nn.functional.interpolate(torch.rand(1, 3, 12, 24, generator=random_numbers), size=(72, 144),
                                                  mode="bilinear")[0] * 255
        moved = torch.stack([picture[:, :, 2 * t % 40:2 * t % 40 + 96] for t in range(frames)])
        media.write_video(folder / f"clip{number:04}.mp4", moved.round().to(torch.uint8), fps=10)
    return folder


def in_a_child(work: Callable[[], None]) -> int:
    """Run something in a forked process of its own session and return its process number."""
    child = os.fork()
    if child:
        return child
    os.setsid()
    code = 1
    try:
        work()
        code = 0
    finally:
        sys.stdout.flush()
        os._exit(code)


def ended(child: int) -> bool:
    return os.waitpid(child, os.WNOHANG)[0] != 0


def tear(folder: Path, chance: random.Random) -> None:
    """Do to the results what a power cut does: the last bytes are gone, or garbage, or zeros."""
    path = folder / RESULTS
    if not path.exists() or not path.stat().st_size:
        return
    data = path.read_bytes()
    known = json.loads(_meta(folder, "lines") or "[0, 0]")[0]
    loose = max(0, len(data) - known)  # what was flushed to the disk stays after a power cut
    cut = len(data) - chance.randint(0, loose) if loose else len(data)
    path.write_bytes(data[:cut] + chance.choice([b"", b'{"id": "torn', bytes(200), b"\xff\xfe\n"]))


def _meta(folder: Path, name: str) -> str | None:
    from mmvideo.jobs.ledger import Ledger

    ledger = Ledger(folder, write=False)
    try:
        return ledger.meta(name)
    finally:
        ledger.close()


def torture(start: Callable[[], None], folder: Path, kills: int, pace: Pace, *, seed: int = 0,
            tell: Callable[[str], None] = lambda _: None) -> dict[str, int]:
    """Start a job again and again, and kill it, until it has been killed so often; then let it end.

    Args:
        start: runs the job to its end.
        pace: of the same job, left alone.

    Returns:
        How often each kind of kill was done.
    """
    chance, done = random.Random(seed), dict.fromkeys(KINDS, 0)
    child = in_a_child(start)
    number = 0
    while sum(done.values()) < kills:
        kind = KINDS[number % len(KINDS)]
        number += 1
        if not _lives_until_kill(child, folder, pace, chance, kills - sum(done.values())):
            return done
        if kind == "worker":
            below = [process for process in psutil.Process(child).children(recursive=True) if process.children() == []]
            if below:
                chance.choice(below).kill()
                done[kind] += 1
            continue
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        done[kind] += 1
        if kind == "power":
            tear(folder, chance)
        tell(f"{sum(done.values())} kills, {status(folder)['counts'] if (folder / 'run.json').exists() else '-'}")
        child = in_a_child(start)
    while not ended(child):
        time.sleep(0.1)
    return done


def _lives_until_kill(child: int, folder: Path, pace: Pace, chance: random.Random, left: int) -> bool:
    """Wait until the moment of the next kill; say whether the run was still going on."""
    begin, (seconds, after) = rows_done(folder), pace.moment(chance)
    until, most = time.monotonic() + seconds, pace.share(chance, begin, left)
    while time.monotonic() < until and rows_done(folder) - begin <= most:
        if ended(child):
            return False
        time.sleep(0.02)
    time.sleep(after)
    return not ended(child)


def rows_of(folder: Path) -> list[str]:
    """Return the rows of a job without their timings, in the order of the file."""
    text = (folder / RESULTS).read_text(encoding="utf-8")
    return [json.dumps(comparable(json.loads(line)), sort_keys=True) for line in text.splitlines()]


def main() -> None:
    """Run the long test and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--clips", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as home:
        clips = make_clips(Path(home, "clips"), given.clips)
        pipeline = Pipeline("video-captioning", model="toybox-qa", device="cpu", caption={"max_new_tokens": 12})
        options = JobOptions(thumbnails=0, batch_size=2)  # rows come two by two, so that a kill falls between them

        def job(name: str) -> Callable[[], None]:
            return lambda: run_job(pipeline, clips, Path(home, name), options) and None

        pace = undisturbed(job("calm"), Path(home, "calm"))
        print(f"undisturbed: {len(rows_of(Path(home, 'calm')))} rows, the first after {pace.first:.1f} s, all in "
              f"{pace.whole:.0f} s", flush=True)
        begin = time.monotonic()
        done = torture(job("killed"), Path(home, "killed"), given.kills, pace, seed=given.seed,
                       tell=lambda words: print(f"  {words}", flush=True))
        calm_rows, rows = rows_of(Path(home, "calm")), rows_of(Path(home, "killed"))
        print(f"{sum(done.values())} kills {done} in {time.monotonic() - begin:.0f} s: {len(rows)} rows of "
              f"{given.clips}, {len(set(rows))} different; identical to the undisturbed run: {rows == calm_rows}")
        print(f"states: {status(Path(home, 'killed'))['counts']}")
        sys.exit(rows != calm_rows)


if __name__ == "__main__":
    main()
