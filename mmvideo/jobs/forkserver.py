"""Client of the preloaded fork server: starts it, asks it for workers, and says how they ended."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection

from mmvideo.errors import MmvideoError
from mmvideo.recipes import Recipe
from mmvideo.registry import find

READY_SECONDS = 300.0
"""A worker, or the forkserver, may take so long to import and load on a machine that is busy with other things."""
_COMMAND = "import sys; from mmvideo.jobs.worker import forkserver; forkserver(int(sys.argv[1]), sys.argv[2:])"
_TRIES = 3
KEEP_SECONDS = 60.0
"""A fork server whose job has ended waits so long for the next job of this process."""
_prestarted: list[ForkServer] = []
_kept: list[tuple[ForkServer, threading.Timer]] = []
_kept_lock = threading.Lock()
_starter = ThreadPoolExecutor(1, "forkserver")
"""Linux ends a child with the thread that started it (PR_SET_PDEATHSIG); this thread lives as long as the process."""


class ForkServer:
    """Starts without being waited for: it imports while its parent loads weights.

    Args:
        imports: modules that workers will need beside our own.
    """

    def __init__(self, imports: Sequence[str] = ()):
        self.imports = tuple(imports)
        self.world = _world()
        """What its workers take from the process that started it."""
        self._ready = False
        self._begin()

    def _begin(self) -> None:
        ours, theirs = socket.socketpair()
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        command = [sys.executable, "-c", _COMMAND, str(theirs.fileno()), *self.imports]
        self._process = _starter.submit(subprocess.Popen, command, pass_fds=[theirs.fileno()],
                                        env=environment).result()
        theirs.close()
        ours.settimeout(READY_SECONDS)
        self._control, self._ready = ours, False

    def wait(self) -> None:
        """Wait until it can fork.

        Raises:
            MmvideoError: it ends, time after time, before it can.
        """
        for _ in range(_TRIES):
            if self._ready:
                return
            with contextlib.suppress(OSError):
                self._ready = self._control.recv(1) == b"R"
            if not self._ready:
                self._again()
        if not self._ready:
            raise MmvideoError("The process that starts decode workers ends before it can begin; see above.")

    def _again(self) -> None:
        self.close()
        self._begin()

    def fork(self) -> tuple[Connection, int]:
        """Return the connection to a new worker, and its process number.

        Raises:
            MmvideoError: the process that forks keeps ending.
        """
        for _ in range(2):
            self.wait()
            ours, theirs = socket.socketpair()
            try:
                socket.send_fds(self._control, [b"F"], [theirs.fileno()])
                answer = self._control.recv(8)
            except OSError:
                answer = b""
            theirs.close()
            if len(answer) == 8:
                return Connection(ours.detach()), struct.unpack("<q", answer)[0]
            ours.close()
            self._again()  # it was ended, and its workers with it
        raise MmvideoError("The process that starts decode workers keeps ending; is there memory left?")

    def how(self, pid: int) -> str:
        """Say how a worker ended, in words."""
        try:
            self._control.sendall(b"W" + struct.pack("<q", pid))
            answer = self._control.recv(8)
        except OSError:
            answer = b""
        if len(answer) < 8:
            return "with all others"
        status = struct.unpack("<q", answer)[0]
        if os.WIFSIGNALED(status):
            return f"by signal {signal.Signals(os.WTERMSIG(status)).name}"
        return f"with exit code {os.waitstatus_to_exitcode(status)}"

    def close(self) -> None:
        """End it, and its workers with it."""
        self._control.close()
        self._process.kill()
        self._process.wait()


def imports_of(recipe: Recipe) -> tuple[str, ...]:
    """Return the modules that workers of a recipe need beside our own."""
    return tuple(dict.fromkeys(name for spec in recipe.stages
                               for name in find("stages", spec.name).imports_for(spec.options)))


@contextlib.contextmanager
def prestarted(imports: Sequence[str] = ()) -> Iterator[None]:
    """Start one now for the pool to come, so that it imports while a model is loaded; end it if none came."""
    if hasattr(os, "fork") and not _prestarted:
        _prestarted.append(ForkServer(imports))
    try:
        yield
    finally:
        while _prestarted:
            _prestarted.pop().close()


def take_forkserver(imports: Sequence[str]) -> ForkServer:
    """Return one that was started early or that an earlier job of the same needs has left, or a new one."""
    if _prestarted:
        return _prestarted.pop()
    found = None
    with _kept_lock:
        for one in list(_kept):
            server, timer = one
            if found is None and (server.imports, server.world) == (tuple(imports), _world()):
                timer.cancel()
                _kept.remove(one)
                found = server
    return found or ForkServer(imports)


def leave_forkserver(server: ForkServer) -> None:
    """Keep a fork server for the next job of this process; it is ended after `KEEP_SECONDS` without one."""
    timer = threading.Timer(KEEP_SECONDS, lambda: close_kept(server))
    timer.daemon = True
    with _kept_lock:
        _kept.append((server, timer))
    timer.start()


def close_kept(only: ForkServer | None = None) -> None:
    """End the fork servers that wait for another job, or one of them."""
    with _kept_lock:
        ending = [one for one in _kept if only is None or one[0] is only]
        for one in ending:
            _kept.remove(one)
    for server, timer in ending:
        timer.cancel()
        server.close()


def _world() -> tuple[object, ...]:
    return os.getpid(), os.getcwd(), tuple(sys.path), tuple(sorted(os.environ.items()))


def _forget() -> None:
    """Begin anew in a forked child, which has neither the thread nor the servers of its parent."""
    global _starter, _kept_lock
    _starter, _kept_lock = ThreadPoolExecutor(1, "forkserver"), threading.Lock()
    _kept.clear()
    _prestarted.clear()


atexit.register(close_kept)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)

__all__ = ["KEEP_SECONDS", "READY_SECONDS", "ForkServer", "close_kept", "imports_of", "leave_forkserver", "prestarted",
           "take_forkserver"]
