"""The ledger: a SQLite database (WAL mode, one writer) with the state and row of every item.

The row of an item and its state are one transaction, flushed to the disk before anything else hears of it. All files of
results are copies that can be written again from here. Marks that an item is being worked on go through a second
connection that does not wait for the disk: they only serve to find clips that end the whole job.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mmvideo.errors import InvalidInput
from mmvideo.jobs.fetch import size_of
from mmvideo.jobs.inputs import Item
from mmvideo.jobs.options import JobOptions
from mmvideo.jobs.plan import JobPlan, Known, item_of, mode_of, plan_job
from mmvideo.redaction import clean

NAME, LOCK = "ledger.sqlite", ".lock"
FORMAT = "1"
STATES = ("pending", "running", "done", "failed", "quarantined")
SUSPECT = 2
"""An item that was being computed this many times when the whole job died is computed alone, after all others."""

_SCHEMA = """
create table if not exists meta (name text primary key, value text) without rowid;
create table if not exists items (
    num integer primary key, id text not null unique, spec text not null, place integer not null,
    state text not null default 'pending', crashes integer not null default 0, deaths integer not null default 0,
    error text, message text, content text, stamp text, key text, seq integer, changed real, config text,
    turn integer);
create index if not exists items_by_seq on items (seq) where seq is not null;
create index if not exists items_by_state on items (state, place);
create table if not exists rows (
    key text primary key, row text not null, timings text not null) without rowid;
create table if not exists outputs (path blob primary key, id text, sha256 text, key text) without rowid;
"""
_MINE = {"meta", "items", "rows"}
"""Tables of every ledger."""


@dataclass(frozen=True)
class Entry:
    """An item as the ledger knows it."""

    num: int
    item: Item
    crashes: int = 0
    deaths: int = 0

    @property
    def suspect(self) -> bool:
        """Whether it has to be computed alone."""
        return self.deaths >= SUSPECT


class Ledger:
    """The ledger of one job, in its folder. A second process that opens it is refused.

    Args:
        folder: the job's folder; made if absent.
        write: False only looks, also while a job runs.

    Raises:
        InvalidInput: another process runs this job, or the ledger is of another format or damaged.
        sqlite3.OperationalError: the disk is full or fails.
    """

    def __init__(self, folder: Path, *, write: bool = True):
        self.path = folder / NAME
        self.mode = ""
        """Configuration of what is recorded, with a mark where damage is allowed."""
        self._sources: dict[int, str] = {}
        """Addresses with their secrets, which are not written."""
        self._lock: int | None = None
        self._connections: list[sqlite3.Connection] = []
        if write:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(folder)
        elif not self.path.is_file():
            raise InvalidInput(f"{folder} holds no job (no {NAME}).")
        try:
            self._open(write)
        except sqlite3.DatabaseError as error:
            self.close()
            if write and isinstance(error, sqlite3.OperationalError):  # of the disk, not of what is on it
                raise
            raise InvalidInput(f"{self.path} is not a ledger that can be read ({error}). Move it away to start the job "
                               "anew.") from error
        except BaseException:
            self.close()
            raise

    def _open(self, write: bool) -> None:
        self._check()
        self.disk = self._connect("full" if write else "normal")
        self._marks = self._connect("normal")
        if write:
            self._prepare()
        self._keeps_outputs = bool(self.disk.execute(
            "select 1 from sqlite_master where name = 'outputs'").fetchone())
        if self.meta("format") != FORMAT:
            raise InvalidInput(f"{self.path} has format {self.meta('format')}, and this mmvideo writes {FORMAT}; "
                               "give another --out.")

    def _connect(self, synchronous: str) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=60.0, check_same_thread=False)
        self._connections.append(connection)
        connection.execute("pragma journal_mode = wal")
        connection.execute(f"pragma synchronous = {synchronous}")
        connection.execute("pragma cache_size = -16000")
        return connection

    def _check(self) -> None:
        """Look at what is there before anything is changed.

        Raises:
            InvalidInput: the file is the database of something else.
        """
        if not self.path.exists() or not self.path.stat().st_size:
            return
        looking = sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro", uri=True)
        try:
            tables = {name for name, in looking.execute("select name from sqlite_master where type = 'table'")}
        finally:
            looking.close()
        if tables and not tables >= _MINE:
            raise InvalidInput(f"{self.path} is a database of something else; give another --out.")

    def _prepare(self) -> None:
        """Make the tables and columns that are missing."""
        self.disk.executescript(_SCHEMA)
        if self.meta("format") is None:
            self.set_meta("format", FORMAT)
        columns = {row[1] for row in self.disk.execute("pragma table_info(items)")}
        if "config" not in columns:  # of an earlier version
            self.disk.execute("alter table items add column config text")
        if "turn" not in columns:
            self.disk.execute("alter table items add column turn integer")
        self.disk.execute("create index if not exists items_by_turn on items (deaths, turn) "
                          "where state = 'pending' and place >= 0")
        if self.meta("job_id") is None:
            self.set_meta("job_id", uuid.uuid4().hex)

    def close(self) -> None:
        """Close the files and give the job free."""
        for connection in self._connections:
            connection.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def meta(self, name: str) -> str | None:
        """Return a setting of the job."""
        found = self.disk.execute("select value from meta where name = ?", (name,)).fetchone()
        return found[0] if found else None

    def set_meta(self, name: str, value: str) -> None:
        """Keep a setting of the job."""
        self.disk.execute("insert or replace into meta values (?, ?)", (name, value))

    def known(self) -> dict[str, Known]:
        """Return every item by its id, as the last run left it."""
        last = self.meta("config") or ""
        columns = {row[1] for row in self.disk.execute("pragma table_info(items)")}
        found = self.disk.execute("select id, num, spec, state, error, content, stamp, key, place, "
                                  f"{'config' if 'config' in columns else 'null'} from items")
        return {name: Known(num, spec, state, error, content, stamp, key, place, mode or last)
                for name, num, spec, state, error, content, stamp, key, place, mode in found}

    def begin(self, items: Iterable[Item], config: str, options: JobOptions | None = None) -> JobPlan:
        """Take up the items of a run: `mmvideo.jobs.plan.compare`, and `apply`."""
        options = options or JobOptions()
        plan = plan_job(self.known(), items, options, config, has=self.knows)
        self.apply(plan, config, options)
        return plan

    def apply(self, plan: JobPlan, config: str, options: JobOptions) -> None:
        """Take up the items of a run as planned; those that are not named any more are set aside."""
        disk, self.mode = self.disk, mode_of(config, options)
        disk.execute("begin immediate")
        disk.executemany("update items set place = ? where num = ?", plan.moved)
        disk.executemany(
            "update items set spec = ?, state = 'pending', key = ?, content = ?, seq = null, error = null, "
            "message = null, crashes = 0, deaths = 0, config = ? where num = ?",
            [(one.spec, one.key, one.content, self.mode, one.num) for one in plan.again])
        disk.executemany("insert into items (id, spec, place, config) values (?, ?, ?, ?)",
                         [(*one, self.mode) for one in plan.fresh])
        disk.executemany("update items set place = -1 where num = ?", [(num,) for num in plan.gone])
        disk.executemany("update items set spec = ? where num = ?", plan.respecs)
        if plan.again or plan.gone or plan.moved or plan.respecs:
            self.set_meta("lines", "[0, 0]")  # rows have come or gone: the file of results is written anew
        # what ran when the job died may have ended it
        disk.execute("update items set state = 'pending', deaths = deaths + 1 where state = 'running'")
        disk.execute("update items set state = 'quarantined', error = 'JobCrashed', message = 'The whole job ended ' "
                     "|| (deaths - ?) || ' times while only this clip was being computed.' "
                     "where state = 'pending' and deaths >= ?", (SUSPECT, SUSPECT + options.crashes))
        disk.executemany("update items set state = 'pending', error = null, message = null, crashes = 0, deaths = 0, "
                         "config = ? where num = ?", [(self.mode, num) for num in plan.tries])
        seq = self.last_seq() + 1
        for num, in disk.execute("select num from items where state = 'pending' and place >= 0 and key in "
                                 "(select key from rows) order by place").fetchall():
            disk.execute("update items set state = 'done', seq = ? where num = ?", (seq, num))
            seq += 1
        self._set_turns(long_first=options.long_first)
        self.set_meta("config", config)
        disk.execute("commit")
        self._sources = {num: source for name, source in plan.sources.items()
                         for num, in disk.execute("select num from items where id = ?", (name,))}

    def _set_turns(self, *, long_first: bool) -> None:
        """Say in which order pending items are taken: that of the inputs, or the largest files first.

        How long a clip is shows only once it is opened; its bytes are there at once and tell much the same.
        """
        self.disk.execute("update items set turn = place where state = 'pending' and place >= 0")
        if not long_first:
            return
        waiting = self.disk.execute("select num, spec from items where state = 'pending' and place >= 0 "
                                    "order by place").fetchall()
        ordered = sorted(waiting, key=lambda one: -size_of(item_of(one[1])))
        self.disk.executemany("update items set turn = ? where num = ?",
                              [(turn, num) for turn, (num, _) in enumerate(ordered)])

    def last_seq(self) -> int:
        """Return the number of the row that was done last."""
        return self.disk.execute("select max(seq) from items where seq is not null").fetchone()[0] or 0

    def take(self, count: int, after: tuple[int, int]) -> list[tuple[Entry, tuple[int, int]]]:
        """Return the next items to do, in order, with their positions.

        Args:
            count: at most so many.
            after: the position of the last one taken before; (0, -1) begins.
        """
        found = self.disk.execute(
            "select num, spec, crashes, deaths, turn from items indexed by items_by_turn "
            "where state = 'pending' and place >= 0 and (deaths, turn) > (?, ?) "
            "order by deaths, turn limit ?", (*after, count)).fetchall()
        return [(Entry(num, self._item(num, spec), crashes, deaths), (deaths, turn))
                for num, spec, crashes, deaths, turn in found]

    def _item(self, num: int, spec: str) -> Item:
        item = item_of(spec)
        return replace(item, source=self._sources[num]) if num in self._sources else item

    def rest(self) -> None:
        """Take back the marks of a run that ends in order."""
        self.disk.execute("update items set state = 'pending' where state = 'running'")

    def running(self, nums: Iterable[int]) -> None:
        """Mark items whose networks run now, without waiting for the disk."""
        self._marks.execute("begin immediate")
        self._marks.executemany("update items set state = 'running' where num = ?", [(num,) for num in nums])
        self._marks.execute("commit")

    def knows(self, key: str) -> bool:
        """Say whether a result is there for a key."""
        return self.disk.execute("select 1 from rows where key = ?", (key,)).fetchone() is not None

    def crashed(self, num: int, limit: int, message: str) -> bool:
        """Count a crash; quarantine the item at the limit.

        Returns:
            Whether it may be tried again.
        """
        self.disk.execute("begin immediate")
        count = self.disk.execute("update items set crashes = crashes + 1, state = 'pending' where num = ? "
                                  "returning crashes", (num,)).fetchone()[0]
        if count >= limit:
            self._set(num, "quarantined", "WorkerCrashed", f"{message} Tried {count} times.")
        self.disk.execute("commit")
        return count < limit

    def record(self, outcomes: Iterable[Any]) -> list[dict[str, Any]]:
        """Write what came of items, all or nothing, and wait until the disk has it.

        Returns:
            The rows of those that are done, in the order of the files of results.
        """
        rows = []
        self.disk.execute("begin immediate")
        seq = self.last_seq() + 1
        for outcome in outcomes:
            if outcome.error is not None:
                self._set(outcome.num, "quarantined" if outcome.quarantined else "failed", *outcome.error)
                continue
            if outcome.row is not None:
                self.disk.execute("insert or ignore into rows values (?, ?, ?)", (
                    outcome.key, json.dumps(outcome.row, ensure_ascii=False), json.dumps(outcome.timings)))
            self.disk.execute("update items set state = 'done', error = null, message = null, key = ?, content = ?, "
                              "stamp = ?, seq = ?, changed = ?, config = ? where num = ?",
                              (outcome.key, outcome.content, outcome.stamp, seq, time.time(), self.mode, outcome.num))
            rows.append(self.row(outcome.num))
            seq += 1
        self.disk.execute("commit")
        return rows

    def _set(self, num: int, state: str, error: str, message: str) -> None:
        self.disk.execute("update items set state = ?, error = ?, message = ?, changed = ?, config = ? where num = ?",
                          (state, error, clean(message)[:2000], time.time(), self.mode, num))

    def row(self, num: int) -> dict[str, Any]:
        """Return the row of a done item."""
        found = self.disk.execute(f"{_ROW} where num = ?", (num,)).fetchone()
        return self._row(found)

    def done_row(self, num: int) -> dict[str, Any] | None:
        """Return the row of an item if it is done and belongs to the job as it stands."""
        found = self.disk.execute(f"{_ROW} where num = ? and place >= 0 and state = 'done'", (num,)).fetchone()
        return None if found is None else self._row(found)

    def rows(self, *, after_seq: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield rows in the order in which they were done, each with its number."""
        for found in self.disk.execute(f"{_ROW} where seq > ? and place >= 0 and state = 'done' order by seq",
                                       (after_seq,)):
            yield found[5], self._row(found)

    def rows_in_order(self) -> Iterator[dict[str, Any]]:
        """Yield rows in the order of the inputs."""
        for found in self.disk.execute(f"{_ROW} where place >= 0 and state = 'done' order by place"):
            yield self._row(found)

    def counts(self) -> dict[str, int]:
        """Return the number of items in each state."""
        found = dict(self.disk.execute("select state, count(*) from items where place >= 0 group by state").fetchall())
        return {state: found.get(state, 0) for state in STATES}

    def flags(self) -> dict[str, int]:
        """Return how often each flag is in the rows of done items."""
        return dict(self.disk.execute(
            "select flag.value, count(*) from items join rows on rows.key = items.key, "
            "json_each(row, '$.flags') as flag where place >= 0 and state = 'done' group by flag.value").fetchall())

    def failures(self, limit: int | None = None) -> list[tuple[str, str, str, str]]:
        """Return (id, state, class, message) of items that failed or are quarantined, in the order of the inputs."""
        return self.disk.execute("select id, state, error, message from items where place >= 0 and state in "
                                 "('failed', 'quarantined') order by place limit ?",
                                 (-1 if limit is None else limit,)).fetchall()

    def rows_of(self, nums: Iterable[int]) -> Iterator[dict[str, Any]]:
        """Yield the rows of some items that are done."""
        for num in nums:
            found = self.disk.execute(f"{_ROW} where num = ?", (num,)).fetchone()
            if found is not None:
                yield self._row(found)

    def _row(self, found: tuple) -> dict[str, Any]:
        name, spec, content, row, timings, _, changed = found
        item = item_of(spec)
        made = None if changed is None else datetime.fromtimestamp(changed, UTC).isoformat(timespec="seconds")
        return {"schema_version": 1, "job_id": self.meta("job_id"), "created_at": made, "id": name,
                "source": clean(item.source), "content_sha256": content, **json.loads(row),
                "columns": dict(item.columns or {}), "timings": json.loads(timings)}

    def done(self) -> Iterator[tuple[int, str, str]]:
        """Yield (num, id, key) of the items that are done, in the order of the inputs."""
        yield from self.disk.execute("select num, id, key from items where place >= 0 and state = 'done' "
                                     "order by place")

    def every_source(self) -> list[tuple[str, str]]:
        """Return (id, source) of every item, also of those that are not named any more."""
        return [(name, item_of(spec).source) for name, spec in self.disk.execute("select id, spec from items")]

    # --- files that the job has written -------------------------------------------------------------------------

    def outputs(self) -> set[bytes]:
        """Return the paths of all files that the job has written; relative ones start from its folder."""
        if not self._keeps_outputs:
            return set()
        return {path for path, in self.disk.execute("select path from outputs")}

    def output(self, path: bytes) -> tuple[str, str, str] | None:
        """Return (id, SHA-256, key of the row) of a file that was written for an item."""
        if not self._keeps_outputs:
            return None
        return self.disk.execute("select id, sha256, key from outputs where path = ?", (path,)).fetchone()

    def note_outputs(self, written: Iterable[tuple[bytes, str | None, str | None, str | None]]) -> None:
        """Remember files (path, id, SHA-256, key), without waiting for the disk."""
        self._marks.execute("begin immediate")
        self._marks.executemany("insert or replace into outputs values (?, ?, ?, ?)", written)
        self._marks.execute("commit")

    def forget_outputs(self, paths: Iterable[bytes]) -> None:
        """Forget files that are not there any more."""
        self.disk.executemany("delete from outputs where path = ?", [(path,) for path in paths])

    def outputs_of_items(self) -> list[tuple[bytes, str, str, bool]]:
        """Return (path, id, SHA-256, whether its row still stands) of the files of items that the job names."""
        return [(path, name, digest, bool(stands)) for path, name, digest, stands in self.disk.execute(
            "select path, id, sha256, outputs.key = items.key and state = 'done' from outputs join items using (id) "
            "where place >= 0")]

    def finished_at(self) -> list[float]:
        """Return when each done item was done, in seconds since 1970, ascending."""
        return [found[0] for found in self.disk.execute(
            "select changed from items where place >= 0 and state = 'done' and changed is not null order by changed")]


_ROW = ("select items.id, items.spec, items.content, rows.row, rows.timings, items.seq, "
        "items.changed from items join rows "
        "on rows.key = items.key")


def is_locked(folder: Path) -> bool:
    """Say whether a process works on the job in a folder."""
    try:
        handle = os.open(folder / LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def _locked(folder: Path) -> int:
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    for wait_seconds in (0.05, 0.1, 0.2, None):  # whoever asks how the job stands holds it for a moment
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return handle
        except OSError as error:
            if wait_seconds is None:
                os.close(handle)
                raise InvalidInput(f"Another process is running the job in {folder}; see `mmvideo jobs status "
                                   f"{folder}`.") from error
            time.sleep(wait_seconds)
    raise AssertionError("the last try returns or raises")


__all__ = ["LOCK", "NAME", "STATES", "Entry", "Ledger", "is_locked"]
