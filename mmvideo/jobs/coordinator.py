"""The coordinator of a job: it alone writes the ledger and the result files, for all ranks."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmvideo.errors import InternalError, MmvideoError, ServerUnavailable
from mmvideo.jobs.failures import Origin
from mmvideo.jobs.files import write_whole
from mmvideo.jobs.ledger import Entry, Ledger
from mmvideo.jobs.options import JobOptions
from mmvideo.jobs.rows import Outcome
from mmvideo.jobs.sidecars import Sidecars
from mmvideo.jobs.sinks import Lines

_SYNC_SECONDS = 2.0


@dataclass
class JobProgress:
    """What is known about a run while it goes on."""

    total: int = 0
    done_before: int = 0
    done: int = 0
    failed: int = 0
    quarantined: int = 0
    reused: int = 0
    frames: int = 0
    words: int = 0
    started: float = field(default_factory=time.monotonic)
    meters: Any = None
    """`Meters` of the rank in this process, if there is one."""

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return max(1e-9, time.monotonic() - self.started)

    @property
    def left(self) -> int:
        """Items of which nothing has come yet."""
        return max(0, self.total - self.done_before - self.done - self.failed - self.quarantined)


class Coordinator:
    """Hands out items and records what comes of them. `take` to `stopping` may be called from any thread.

    Args:
        folder: the job's folder.
        config: hash of the configuration.
    """

    def __init__(self, folder: Path, ledger: Ledger, options: JobOptions, config: str):
        self.folder, self.ledger, self.options = folder, ledger, options
        self.lines = Lines(folder, ledger, config)
        self._lock = threading.RLock()
        self.sidecars = Sidecars(folder, ledger, options, self._lock)
        self.sidecars.tidy()
        self.progress = JobProgress()
        self._outcomes: queue.Queue[Outcome] = queue.Queue()
        self._after = (0, -1)
        self._returned: list[Entry] = []
        self._stop = threading.Event()
        self.trouble: MmvideoError | None = None
        """Why the job was stopped, where nobody asked for it."""
        self._in_row, self._unanswered, self._worked = 0, 0, False
        self._synced = time.monotonic()
        self._stride = 1
        counts = ledger.counts()
        self.progress.total = sum(counts.values())
        self.progress.done_before = counts["done"]
        self.progress.failed, self.progress.quarantined = counts["failed"], counts["quarantined"]
        self._stride = max(1, self.progress.total // max(1, options.thumbnails))

    # --- the link of a rank -------------------------------------------------------------------------------------

    def take(self, count: int) -> list[tuple[Entry, bool]]:
        """Return the next items to do; none when all are done or taken."""
        with self._lock:
            if self._stop.is_set():
                return []
            entries, self._returned = self._returned[:count], self._returned[count:]
            if len(entries) < count:
                taken = self.ledger.take(count - len(entries), self._after)
                entries += [entry for entry, _ in taken]
                self._after = taken[-1][1] if taken else self._after
            return [(entry, bool(self.options.thumbnails) and entry.num % self._stride == 0) for entry in entries]

    def give_back(self, entries: Sequence[Entry]) -> None:
        """Take items again that a rank left undone."""
        with self._lock:
            self._returned.extend(entries)

    def knows(self, key: str) -> bool:
        """Say whether a result is there for a key."""
        with self._lock:
            return self.ledger.knows(key)

    def running(self, nums: Sequence[int]) -> None:
        """Mark items whose networks run now."""
        with self._lock:
            self.ledger.running(nums)

    def crashed(self, num: int, message: str) -> bool:
        """Count a crash of a worker; say whether the item may be tried again."""
        with self._lock:
            again = self.ledger.crashed(num, self.options.crashes, message)
            self.progress.quarantined += not again
            return again

    def report(self, outcomes: Sequence[Outcome]) -> None:
        """Take outcomes, to be recorded by the thread that runs `settle`."""
        for outcome in outcomes:
            self._outcomes.put(outcome)

    def stopping(self) -> bool:
        """Say whether to stop after what has been begun."""
        return self._stop.is_set()

    def fail(self, error: MmvideoError) -> None:
        """Stop the job for a reason that it ends with."""
        self.trouble = self.trouble or error
        self.stop()

    # --- the job ------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Let ranks finish what they have begun, and take nothing new."""
        self._stop.set()

    def settle(self, timeout: float) -> None:
        """Record what has come within `timeout` seconds, in one transaction."""
        try:
            outcomes = [self._outcomes.get(timeout=timeout)]
        except queue.Empty:
            self._sync()
            return
        while len(outcomes) < 256:
            try:
                outcomes.append(self._outcomes.get_nowait())
            except queue.Empty:
                break
        with self._lock:
            rows = self.ledger.record(outcomes)
            self.lines.add(rows)
        self.sidecars.add(zip(rows, [one.key for one in outcomes if one.error is None], strict=True))
        for outcome in outcomes:
            self._count(outcome)
            self._judge(outcome)
        self._sync()

    def settle_all(self) -> None:
        """Record whatever has come."""
        while not self._outcomes.empty():
            self.settle(0.0)

    def _count(self, outcome: Outcome) -> None:
        progress = self.progress
        if outcome.error is not None:
            progress.failed += not outcome.quarantined
            progress.quarantined += outcome.quarantined
            return
        progress.done += 1
        progress.reused += outcome.row is None
        progress.frames += outcome.frames
        progress.words += outcome.words
        if outcome.thumbnail:
            home = self.folder / "thumbnails"
            home.mkdir(exist_ok=True)
            write_whole(home / f"{outcome.num}.jpg", [outcome.thumbnail])

    def _judge(self, outcome: Outcome) -> None:
        """Stop at a bug, and where clip after clip fails by an error that is not its own and none has been done."""
        if outcome.error is not None and outcome.origin == Origin.BUG:
            name, words = outcome.error
            self.fail(InternalError(f"A bug ended the job: {name}: {words} Please report it with the traceback above. "
                                    "Finished clips are kept: run the same command again to go on with the others; "
                                    f"--retry {name} tries this one again."))
            return
        unanswered = outcome.error is not None and outcome.error[0] == ServerUnavailable.__name__
        self._unanswered = self._unanswered + 1 if unanswered else 0
        if self._unanswered >= self.options.stop_after and self.trouble is None:
            words = outcome.error[1] if outcome.error else ""
            self.fail(ServerUnavailable(f"{self._unanswered} clips in a row failed: {words} Start the server again, "
                                        "then run the command again with --retry ServerUnavailable."))
        self._worked = self._worked or outcome.error is None
        self._in_row += outcome.origin == Origin.EXTERNAL
        hopeless = self._in_row >= self.options.stop_after and not self._worked
        if outcome.error is not None and hopeless and self.trouble is None:
            name, words = outcome.error
            self.fail(MmvideoError(f"The first {self._in_row} clips all failed by {name}: {words} That is about the "
                                   "model or a bug, not the clips; mend it, then run the command again with "
                                   "--retry-failed."))

    def _sync(self) -> None:
        if time.monotonic() - self._synced > _SYNC_SECONDS:
            with self._lock:
                self.lines.sync()
            self._synced = time.monotonic()

    def close(self) -> None:
        """Bring the files of results up to date."""
        self.settle_all()
        with self._lock:
            self.ledger.rest()
            counts = self.ledger.counts()
            self.lines.close(ended=not counts["pending"])
            self.sidecars.complete()


def keep_run(ledger: Ledger, progress: JobProgress) -> None:
    """Add what a run took to the history that the report shows."""
    runs = json.loads(ledger.meta("runs") or "[]")
    meters = progress.meters
    runs.append({
        "began": float(ledger.meta("started") or time.time() - progress.seconds), "at": time.time(),
        "seconds": round(progress.seconds, 3), "done": progress.done, "reused": progress.reused,
        "frames": progress.frames, "words": progress.words,
        "stages": {name: round(seconds, 3) for name, seconds in meters.stages.items()} if meters else {},
        "decode": round(meters.decode, 3) if meters else None, "compute": round(meters.compute, 3) if meters else None,
        "waiting": round(meters.waiting, 3) if meters else None, "whole": bool(meters and meters.whole),
        "blocked": round(meters.blocked, 3) if meters else None})
    ledger.set_meta("runs", json.dumps(runs[-1000:]))
    ledger.set_meta("started", "")


__all__ = ["Coordinator", "JobProgress", "keep_run"]
