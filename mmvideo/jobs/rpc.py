"""Remote procedure calls between ranks and the coordinator: signed messages over TCP (`channel`).

A rank that ends, however it does, closes its connection; what it had taken and not reported is handed out again.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import secrets
import socket
import socketserver
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from mmvideo.errors import MmvideoError, OutputError
from mmvideo.jobs.channel import Channel, ChannelError
from mmvideo.jobs.coordinator import Coordinator
from mmvideo.jobs.failures import Origin
from mmvideo.jobs.inputs import Item
from mmvideo.jobs.ledger import Entry
from mmvideo.jobs.rows import Outcome

CONNECT_SECONDS = 30.0
LEAVE_SECONDS = 120.0
"""When the work is over, ranks that were promised have so long to come, see that nothing is left, and go."""
ANSWER_SECONDS = 600.0
"""The ledger may be busy for so long: its answers wait for the disk."""
_MAX_UNAUTHENTICATED = 32
"""Connections that have not yet authenticated."""
_AT_ONCE = 16
"""Outcomes in one message."""
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Address:
    """Where the ledger is held."""

    host: str
    port: int
    key: str = field(repr=False)
    """What ranks prove to know, in hexadecimal digits."""


class RemoteLink:
    """What a rank in another process talks to; the same as a `Coordinator`.

    Raises:
        ChannelError: nobody answers there, or somebody else.
    """

    def __init__(self, address: Address):
        try:
            connection = socket.create_connection((address.host, address.port), timeout=CONNECT_SECONDS)
        except OSError as error:
            raise ChannelError(f"Nobody holds the ledger at {address.host}:{address.port} ({error}).") from error
        self._channel = Channel(connection, bytes.fromhex(address.key), server=False)
        self._lock = threading.Lock()
        self._stopping = False

    def _ask(self, what: str, *values: Any) -> Any:
        with self._lock:
            try:
                self._channel.send([what, *values])
                value, self._stopping = self._channel.receive(ANSWER_SECONDS)
            except ChannelError as error:
                raise MmvideoError(f"The process that holds the ledger has gone: {error}") from error
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
        for first in range(0, len(outcomes), _AT_ONCE):
            self._ask("report", [to_json(outcome) for outcome in outcomes[first:first + _AT_ONCE]])

    def stopping(self) -> bool:
        """Say whether to stop after what has been begun."""
        return self._stopping

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()


def to_json(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as plain values."""
    picture = outcome.thumbnail
    return {**{f.name: getattr(outcome, f.name) for f in dataclasses.fields(outcome)},
            "thumbnail": None if picture is None else base64.b64encode(picture).decode()}


def from_json(values: dict[str, Any]) -> Outcome:
    """Undo `to_json`."""
    picture, error = values["thumbnail"], values["error"]
    return Outcome(**{**values, "origin": Origin(values["origin"]), "error": None if error is None else tuple(error),
                      "thumbnail": None if picture is None else base64.b64decode(picture)})


class _Handler(socketserver.BaseRequestHandler):
    """One rank."""

    def handle(self) -> None:
        server: Any = self.server
        coordinator: Any = server.coordinator
        try:
            channel = Channel(self.request, server.key, server=True)
        except ChannelError:
            return  # none of ours
        finally:
            server.unauthenticated.release()
        held: dict[int, Entry] = {}
        try:
            while True:
                what, *values = channel.receive()
                channel.send([self._do(coordinator, held, what, values), coordinator.stopping()])
        except (ChannelError, ValueError, TypeError, LookupError):
            pass  # the rank has gone, in the middle of a message or after one
        except (OSError, sqlite3.Error) as error:
            coordinator.fail(OutputError(f"The ledger of {coordinator.folder} cannot be written: {error}."))
        finally:
            coordinator.give_back(list(held.values()))
            with server.seen:
                server.gone += 1
                server.seen.notify_all()

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


class _Server(socketserver.ThreadingTCPServer):
    """Accepts ranks, and a bounded number of connections that have not authenticated."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, where: tuple[int, Any], coordinator: Coordinator, key: bytes):
        self.address_family, address = where
        self.coordinator, self.key = coordinator, key
        self.unauthenticated = threading.BoundedSemaphore(_MAX_UNAUTHENTICATED)
        self.seen, self.gone = threading.Condition(), 0
        super().__init__(address, _Handler)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        return self.unauthenticated.acquire(blocking=False)


@contextlib.contextmanager
def serve_coordinator(coordinator: Coordinator, host: str = LOOPBACK, *, ranks: int = 0) -> Iterator[Address]:
    """Let ranks in other processes work for a coordinator.

    Args:
        host: an address of this machine under which the ranks reach it; nothing listens on others.
        ranks: how many were told the address and will come. After the block, the ledger is held until each has come and
            gone (`LEAVE_SECONDS` at most), so that a rank that is late finds it; not after an error.

    Raises:
        MmvideoError: it is no address of this machine.
    """
    key = secrets.token_bytes(32)
    try:
        server = _Server(_place(host), coordinator, key)
    except OSError as error:
        raise MmvideoError(f"Cannot listen on {host}: {error}.") from error
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Address(host, server.server_address[1], key.hex())
        with server.seen:
            server.seen.wait_for(lambda: server.gone >= ranks, LEAVE_SECONDS)
    finally:
        server.shutdown()
        server.server_close()


def _place(host: str) -> tuple[int, Any]:
    """Return family and address of a host, at a port that is free."""
    family, _, _, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
    return family, address


def _outward() -> str:
    """Return the address from which this machine reaches others; empty where it reaches none. Nothing is sent."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        trial.connect(("192.0.2.1", 9))  # TEST-NET-1: no machine has it
        return trial.getsockname()[0]
    return ""


def own_address(*names: str) -> str:
    """Return the first name that is an address of this machine which others can reach.

    Raises:
        MmvideoError: none is.
    """
    for name in filter(None, (*names, _outward())):
        with contextlib.suppress(OSError):
            family, address = _place(name)
            with socket.socket(family, socket.SOCK_STREAM) as trial:
                trial.bind(address)
            if not address[0].startswith("127.") and address[0] != "::1":
                return name
    raise MmvideoError(f"None of {', '.join(filter(None, names))} is an address of this machine that others reach. Set "
                       "MASTER_ADDR (--main_process_ip of accelerate launch) to one.")


__all__ = ["LOOPBACK", "Address", "RemoteLink", "from_json", "own_address", "serve_coordinator", "to_json"]
