"""The link between ranks in other processes and the one that holds the ledger: JSON lines over TCP, with a password.

A rank that ends, however it does, closes its connection; what it had taken and not reported is handed out again.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import secrets
import socket
import socketserver
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mmvideo.errors import MmvideoError
from mmvideo.jobs.coordinator import Coordinator
from mmvideo.jobs.inputs import Item
from mmvideo.jobs.ledger import Entry
from mmvideo.jobs.rows import Outcome


@dataclass(frozen=True)
class Address:
    """Where the ledger is held."""

    host: str
    port: int
    password: str


class RemoteLink:
    """What a rank in another process talks to; the same as a `Coordinator`."""

    def __init__(self, address: Address):
        self._socket = socket.create_connection((address.host, address.port), timeout=600)
        self._file = self._socket.makefile("rwb")
        self._lock = threading.Lock()
        self._stopping = False
        self._ask("hello", address.password)

    def _ask(self, what: str, *values: Any) -> Any:
        with self._lock:
            try:
                self._file.write(json.dumps([what, *values]).encode() + b"\n")
                self._file.flush()
                answer = self._file.readline()
            except OSError as error:
                raise MmvideoError(f"The process that holds the ledger has gone ({error}).") from error
        if not answer:
            raise MmvideoError("The process that holds the ledger has gone.")
        value, self._stopping = json.loads(answer)
        return value

    def take(self, count: int) -> list[tuple[Entry, bool]]:
        """Return the next items to do."""
        return [(Entry(e["num"], Item(**{**e["item"], "text": tuple(e["item"]["text"])}), e["crashes"], e["deaths"]), t)
                for e, t in self._ask("take", count)]

    def knows(self, key: str) -> bool:
        """Say whether a result is there for a key."""
        return self._ask("knows", key)

    def running(self, nums: Sequence[int]) -> None:
        """Mark items whose networks run now."""
        self._ask("running", list(nums))

    def crashed(self, num: int, message: str) -> bool:
        """Count a crash of a worker."""
        return self._ask("crashed", num, message)

    def report(self, outcomes: Sequence[Outcome]) -> None:
        """Hand outcomes over."""
        self._ask("report", [to_json(outcome) for outcome in outcomes])

    def stopping(self) -> bool:
        """Say whether to stop after what has been begun."""
        return self._stopping

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def to_json(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as plain values."""
    picture = outcome.thumbnail
    return {**{f.name: getattr(outcome, f.name) for f in dataclasses.fields(outcome)},
            "thumbnail": None if picture is None else base64.b64encode(picture).decode()}


def from_json(values: dict[str, Any]) -> Outcome:
    """Undo `to_json`."""
    picture, error = values["thumbnail"], values["error"]
    return Outcome(**{**values, "error": None if error is None else tuple(error),
                      "thumbnail": None if picture is None else base64.b64decode(picture)})


class _Handler(socketserver.StreamRequestHandler):
    """One rank."""

    def handle(self) -> None:
        coordinator: Coordinator = self.server.coordinator
        held: dict[int, Entry] = {}
        greeted = False
        try:
            for line in self.rfile:
                what, *values = json.loads(line)
                if what == "hello":
                    if not secrets.compare_digest(values[0], self.server.password):
                        return
                    answer, greeted = True, True
                elif not greeted:
                    return
                else:
                    answer = self._do(coordinator, held, what, values)
                self.wfile.write(json.dumps([answer, coordinator.stopping()]).encode() + b"\n")
        except (ConnectionError, ValueError):
            pass  # the rank has gone in the middle of a line, or is none of ours
        finally:
            coordinator.give_back(list(held.values()))

    @staticmethod
    def _do(coordinator: Coordinator, held: dict[int, Entry], what: str, values: list[Any]) -> Any:
        if what == "take":
            taken = coordinator.take(values[0])
            held.update({entry.num: entry for entry, _ in taken})
            return [(dataclasses.asdict(entry), thumbnail) for entry, thumbnail in taken]
        if what == "report":
            outcomes = [from_json(one) for one in values[0]]
            for outcome in outcomes:
                held.pop(outcome.num, None)
            return coordinator.report(outcomes)
        if what == "crashed":
            again = coordinator.crashed(*values)
            if not again:
                held.pop(values[0], None)
            return again
        return coordinator.running(values[0]) if what == "running" else coordinator.knows(values[0])


@contextlib.contextmanager
def serve(coordinator: Coordinator, host: str = "127.0.0.1") -> Iterator[Address]:
    """Let ranks in other processes work for a coordinator.

    Args:
        host: the address of this machine under which the ranks reach it.
    """
    server = socketserver.ThreadingTCPServer(("127.0.0.1" if host == "127.0.0.1" else "0.0.0.0", 0), _Handler)
    server.daemon_threads = True
    server.coordinator, server.password = coordinator, secrets.token_hex(16)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Address(host, server.server_address[1], server.password)
    finally:
        server.shutdown()
        server.server_close()


__all__ = ["Address", "RemoteLink", "from_json", "serve", "to_json"]
