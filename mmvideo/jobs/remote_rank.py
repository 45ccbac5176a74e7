"""A rank whose networks are a server: many clips are asked about at once, as many as the server answers well."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from mmvideo.jobs.batcher import Ready
from mmvideo.jobs.options import JobOptions
from mmvideo.remote.client import Client
from mmvideo.remote.concurrency import MOST, Concurrency, Pace


def prepare_client(client: Client, options: JobOptions) -> None:
    """Let a client keep to the concurrency and the rate of a job."""
    client.concurrency = Concurrency(options.concurrency)
    client.pace = Pace(options.requests_per_minute, clock=client.pace.clock)


def ask_all(client: Client, take: Callable[[], Ready | None], ask: Callable[[Ready], None],
            end: threading.Event) -> None:
    """Ask about clips as they come, `client.concurrency.limit` at a time.

    Args:
        take: returns the next clip, None when there are no more, or raises `queue.Empty`.
        ask: asks about one and reports what came of it.
        end: is set when one has raised, which is then raised here.
    """
    going: set[Future[None]] = set()
    more = True
    with ThreadPoolExecutor(max(MOST, client.concurrency.most), "ask") as pool:
        try:
            while more or going:
                if more and len(going) < client.concurrency.limit:
                    try:
                        one = take()
                        more = one is not None
                        if one is not None:
                            going.add(pool.submit(ask, one))
                    except queue.Empty:
                        pass
                done, going = wait(going, timeout=None if not more or len(going) >= client.concurrency.limit else 0,
                                   return_when=FIRST_COMPLETED) if going else (set[Any](), going)
                for future in done:
                    future.result()
        except BaseException:
            end.set()
            for future in going:
                future.cancel()
            raise


__all__ = ["ask_all", "prepare_client"]
