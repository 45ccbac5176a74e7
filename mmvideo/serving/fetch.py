"""Downloads of videos, beside the model's thread so that a slow address holds up nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mmvideo.media.download import download
from mmvideo.media.limits import MediaLimits
from mmvideo.serving.address import Rules

AT_ONCE = 4


class Copy:
    """A file that is or was downloaded, removed when nobody needs it any more."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self._users, self._lock = 0, threading.Lock()

    def hold(self) -> Copy:
        """Need it; returns itself."""
        with self._lock:
            self._users += 1
        return self

    def hold_if_there(self) -> bool:
        """Need it, and return True, unless its file has come and is removed already."""
        with self._lock:
            if self.path is not None and self._users <= 0:
                return False
            self._users += 1
            return True

    def release(self) -> None:
        """Need it no more."""
        self._changed(-1, self.path)

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for it."""
        return self._users > 0

    def came(self, path: Path) -> None:
        """Take the file; it is removed at once if nobody waits for it any more."""
        self._changed(0, path)

    def _changed(self, users: int, path: Path | None) -> None:
        with self._lock:
            self._users, self.path = self._users + users, path
            if self._users <= 0 and path is not None:
                path.unlink(missing_ok=True)


class Fetcher:
    """Fetches addresses, each once for all who need it at the same time.

    Args:
        rules: limits, and which addresses are allowed.
    """

    def __init__(self, rules: Rules):
        self.rules = rules
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="mmvideo-download")
        self._closed = False
        self._going: dict[str, tuple[asyncio.Task[None], Copy]] = {}

    async def get(self, url: str) -> Copy:
        """Return a copy that is held for the caller.

        Raises:
            InvalidInput: an address that is not allowed.
            MediaError: it cannot be fetched within the limits.
        """
        self._going = {key: entry for key, entry in self._going.items() if not entry[0].done() or entry[1].wanted}
        if url not in self._going or not self._going[url][1].hold_if_there():
            copy = Copy().hold()
            task = asyncio.create_task(self._run(url, copy))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())  # maybe nobody waits any more
            self._going[url] = task, copy
        task, copy = self._going[url]
        with contextlib.ExitStack() as undo:
            undo.callback(self._leave, url, copy)
            await asyncio.shield(task)
            undo.pop_all()
        return copy

    def _leave(self, url: str, copy: Copy) -> None:
        """Wait no more; a download that nobody waits for stops, and whoever comes later begins a new one."""
        copy.release()
        if not copy.wanted:
            self._drop(url, copy)

    def _drop(self, url: str, copy: Copy) -> None:
        if url in self._going and self._going[url][1] is copy:
            del self._going[url]

    async def _run(self, url: str, copy: Copy) -> None:
        try:
            copy.came(await asyncio.get_running_loop().run_in_executor(self._pool, self._fetch, url, copy))
        except BaseException:
            self._drop(url, copy)  # a copy that came serves others until nobody needs it
            raise

    def _fetch(self, url: str, copy: Copy) -> Path:
        return download(url, limits=MediaLimits(
            max_bytes=self.rules.max_bytes, max_seconds=self.rules.download_seconds, max_redirects=0,
            private_addresses=self.rules.private_addresses, stop=lambda: self._closed or not copy.wanted))

    def close(self) -> None:
        """Stop all downloads."""
        self._closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)


__all__ = ["Copy", "Fetcher"]
