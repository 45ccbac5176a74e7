"""Decode workers, and the preloaded fork server that forks them in milliseconds.

The forkserver runs in a Python of its own. It forks a worker for each connection that it is handed, and says how
a worker ended. Everything dies with the process that started it, however that ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import signal
import socket
import struct
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any

from mmvideo.redaction import clean

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Setup:
    """What a worker must know to build its half of the pipeline."""

    recipe: Any
    options: Any
    parts: dict[str, dict[str, str]]
    """The registry of the process that runs the job, with parts that were added by hand."""
    path: list[str]
    """sys.path of that process."""
    device: str = "cpu"
    whole: bool = False
    """Whether the worker runs the whole pipeline, networks included."""
    scratch: str | None = None
    """Folder for temporary files, removed when the worker has ended."""


def sys_path() -> list[str]:
    """Return the search path of this process without its relative part."""
    return [entry for entry in sys.path if entry]


def die_with_parent() -> None:
    """Ask the kernel to end this process when its parent ends (Linux; elsewhere the closed connection does it)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        return
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def forkserver(handle: int, imports: Sequence[str] = ()) -> None:
    """Fork workers on demand until the other side is closed.

    Args:
        handle: of the connection over which they are asked for.
        imports: modules to import first, so that no worker has to; those that are absent are left out.

    Each message is either one byte `F` with the descriptor of a connection (answered by the worker's process number) or
    `W` and a process number (answered by how it ended, as `os.waitpid` says it).
    """
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import mmvideo.jobs.partition
    import mmvideo.sampling
    import mmvideo.stages.build  # noqa: F401

    for name in imports:
        with contextlib.suppress(ImportError):  # whoever needs it tells
            importlib.import_module(name)
    control = socket.socket(fileno=handle)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # whoever asked has gone
        control.sendall(b"R")
        _fork_on_demand(control)


def _fork_on_demand(control: socket.socket) -> None:
    while True:
        message, handles, _, _ = socket.recv_fds(control, 9, 1)
        if not message:
            return
        if message[:1] == b"F":
            child = os.fork()
            if child == 0:
                control.close()
                _run_child(handles[0])
            os.close(handles[0])
            control.sendall(struct.pack("<q", child))
        else:
            number = struct.unpack("<q", message[1:9])[0]
            try:
                _, status = os.waitpid(number, 0)
            except ChildProcessError:
                status = 0
            control.sendall(struct.pack("<q", status))


def _run_child(handle: int) -> None:
    """Serve until the connection closes. An error before the first clip ends the process and is told."""
    die_with_parent()
    connection = Connection(handle)
    code = 1
    try:
        run_worker(connection)
        code = 0
    except (EOFError, BrokenPipeError, ConnectionResetError):
        code = 0
    except BaseException:
        words = clean(traceback.format_exc())
        sys.stderr.write(words)
        try:
            connection.send(("crash", words.strip().splitlines()[-1]))
        finally:
            os._exit(70)
        raise
    finally:
        os._exit(code)


def run_worker(connection: Connection) -> None:
    """Decode one item after another.

    Messages in: a Setup, then (item, reduce, thumbnail, check). Out: ("content", digest) where `check` asks for it,
    answered by whether to go on; then ("decoded", ...), ("failed", class, message, ...) or, where nothing more can be
    written, ("full", message).
    """
    import torch

    from mmvideo.jobs import partition
    from mmvideo.registry import PARTS, _table
    from mmvideo.stages.build import build

    setup: Setup = connection.recv()
    if setup.scratch is not None:
        tempfile.tempdir = os.environ["TMPDIR"] = setup.scratch
    sys.path[:] = setup.path
    PARTS.update(setup.parts)
    _table.cache_clear()
    torch.set_num_threads(1)
    head, tail = partition.split_stages(build(setup.recipe), whole=setup.whole)
    for _, stage in head:
        stage.load(torch.device(setup.device))
    needed = partition.needs(tail, setup.recipe.gives)
    connection.send(("ready",))
    while True:
        item, reduce, thumbnail, check = connection.recv()
        _process_item(connection, item, head, tail, needed, setup.options, reduce=reduce, thumbnail=thumbnail,
                      check=check)


def _process_item(connection: Connection, item: Any, head: Any, tail: Any, needed: set[str], options: Any, *,
                  reduce: int, thumbnail: bool, check: bool) -> None:
    from mmvideo.deadline import deadline
    from mmvideo.jobs import failures, partition
    from mmvideo.jobs.fetch import fetched

    content, stamp, called = "", "", ""
    start = time.perf_counter()
    try:
        with deadline(options.timeout_seconds), fetched(item, options) as clip:
            content, stamp = clip.content, clip.stamp
            called = "" if isinstance(clip.media, bytes) else str(clip.media)
            taken = time.perf_counter() - start
            if check:
                connection.send(("content", content))
                if not connection.recv():
                    connection.send(("known", content, stamp))
                    return
            decoded = partition.decode(item, clip.media, head, needed, options, reduce=reduce, thumbnail=thumbnail,
                                    content=content, tail=tail)
        decoded.about["seconds"].insert(0, ("fetch", taken))
        message = ForkingPickler.dumps(("decoded", decoded, content, stamp))
    except failures.CAUGHT as error:
        kind, words = failures.describe_failure(error, item.source, called=called)
        if failures.is_full_disk(error):
            connection.send(("full", words))
        else:
            origin = failures.origin_of(error)
            failures.show_bug(error, origin)
            connection.send(("failed", kind, words, content, stamp, origin))
        return
    connection.send_bytes(message)


__all__ = ["Setup", "die_with_parent", "forkserver", "run_worker", "sys_path"]
