"""The link of ranks: only those that know the key, no key on the wire, nothing without an end."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mmvideo.errors import MmvideoError
from mmvideo.jobs import JobOptions, channel, rpc
from mmvideo.jobs.channel import Channel, ChannelError
from mmvideo.jobs.coordinator import Coordinator
from mmvideo.jobs.failures import Origin
from mmvideo.jobs.inputs import Item
from mmvideo.jobs.ledger import Ledger
from mmvideo.jobs.rows import Outcome
from mmvideo.jobs.rpc import Address, RemoteLink, own_address, serve_coordinator

KEY = bytes(range(32))


@pytest.fixture
def coordinator(tmp_path: Path) -> Iterator[Coordinator]:
    ledger = Ledger(tmp_path / "job")
    ledger.begin([Item(f"clip {n}", f"/films/{n}.mp4", text=("who?",)) for n in range(40)], "config")
    yield Coordinator(tmp_path / "job", ledger, JobOptions(), "config")
    ledger.close()


def _pair(key: bytes = KEY, other: bytes = KEY) -> tuple[Channel, Channel]:
    """Connect two channels; a thread is the side that is called."""
    made: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()

    def called() -> None:
        try:
            made.append(Channel(theirs, other, server=True))
        except ChannelError:
            theirs.close()

    thread = threading.Thread(target=called)
    thread.start()
    try:
        caller = Channel(ours, key, server=False)
    finally:
        thread.join()
    return caller, made[0]


def test_messages_arrive_in_both_directions() -> None:
    caller, called = _pair()
    for value in (["take", 3], {"text": "é \udce9"}, "x" * 3_000_000, None):
        for sender, receiver in ((caller, called), (called, caller)):
            thread = threading.Thread(target=sender.send, args=(value,))
            thread.start()
            assert receiver.receive(10.0) == value
            thread.join()


def test_who_does_not_know_the_key_is_refused_on_both_sides() -> None:
    with pytest.raises(ChannelError, match=r"does not know the key|has gone"):
        _pair(KEY, bytes(32))


def test_a_message_that_was_changed_made_up_or_sent_again_is_refused() -> None:
    for spoil in ("changed", "repeated", "made up", "too long"):
        caller, called = _pair()
        wire: list[bytes] = []
        caller._write = lambda data, deadline, wire=wire: wire.append(bytes(data))
        caller.send(["crashed", 1])
        data = wire[0]
        caller._socket.sendall({
            "changed": data[:6] + bytes([data[6] ^ 1]) + data[7:], "repeated": data + data,
            "made up": data[:-32] + bytes(32), "too long": struct.pack("!I", channel.MOST_BYTES + 1)}[spoil])
        if spoil == "repeated":
            assert called.receive(5.0) == ["crashed", 1]
        with pytest.raises(ChannelError, match=r"not as the other side has signed it|over the limit"):
            called.receive(5.0)


def test_a_message_over_the_limit_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    caller, _ = _pair()
    monkeypatch.setattr(channel, "MOST_BYTES", 1000)
    with pytest.raises(ChannelError, match="over the limit of 1000"):
        caller.send("x" * 1001)


def test_ranks_take_report_and_give_back(coordinator: Coordinator) -> None:
    with serve_coordinator(coordinator) as address:
        first, second = RemoteLink(address), RemoteLink(address)
        taken = first.take(3)
        assert [entry.item.id for entry, _ in taken] == ["clip 0", "clip 1", "clip 2"]
        assert taken[0][0].item.text == ("who?",)
        assert not second.knows("key")
        outcomes = [Outcome(entry.num, f"key {entry.num}", "content", "", {"text": "words"}, thumbnail=b"\xff\xd8" * 40)
                    for entry, _ in second.take(36)]
        second.report(outcomes)
        coordinator.settle_all()
        assert coordinator.ledger.counts()["done"] == 36
        assert second.knows(outcomes[0].key)
        assert second.crashed(taken[0][0].num, "died")
        first.close()
        again: list[str] = []
        ends = time.monotonic() + 10
        while len(again) < 4 and time.monotonic() < ends:
            again += [entry.item.id for entry, _ in second.take(4)]
        assert sorted(again) == ["clip 0", "clip 1", "clip 2", "clip 39"], "what a rank had taken is handed out again"


def test_the_ledger_is_held_until_every_rank_has_come_and_gone(coordinator: Coordinator) -> None:
    """The first rank takes all; the block has ended before the second even comes."""
    over, seen = threading.Event(), []

    def hold() -> None:
        with serve_coordinator(coordinator, ranks=2) as address:
            first = RemoteLink(address)
            seen.append((address, len(first.take(40))))
            first.close()
            over.set()
        seen.append("closed")

    holder = threading.Thread(target=hold)
    holder.start()
    assert over.wait(30)
    (address, count), = seen
    assert count == 40
    late = RemoteLink(address)
    late.take(1)
    assert seen[1:] == [], "the second rank is still there"
    late.close()
    holder.join(30)
    assert seen[1:] == ["closed"]
    with pytest.raises(ChannelError, match="Nobody holds the ledger"):
        RemoteLink(address)


def test_ranks_that_never_come_do_not_hold_the_ledger_for_ever(coordinator: Coordinator,
                                                               monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "LEAVE_SECONDS", 0.0)
    with serve_coordinator(coordinator, ranks=1):
        pass
    monkeypatch.setattr(rpc, "LEAVE_SECONDS", 1e6)
    with pytest.raises(ValueError, match="stop"), serve_coordinator(coordinator, ranks=1):
        raise ValueError("stop")


def test_no_key_on_the_wire_and_nothing_for_strangers(coordinator: Coordinator) -> None:
    """A listener between both sees every byte."""
    with serve_coordinator(coordinator) as address:
        listener = socket.create_server(("127.0.0.1", 0))
        seen: list[bytes] = []

        def pump(source: socket.socket, target: socket.socket) -> None:
            try:
                while data := source.recv(65536):
                    seen.append(data)
                    target.sendall(data)
            except OSError:
                return

        def between() -> None:
            near, _ = listener.accept()
            far = socket.create_connection((address.host, address.port))
            threading.Thread(target=pump, args=(far, near), daemon=True).start()
            pump(near, far)

        threading.Thread(target=between, daemon=True).start()
        rank = RemoteLink(Address("127.0.0.1", listener.getsockname()[1], address.key))
        assert len(rank.take(2)) == 2
        rank.close()
        wire = b"".join(seen)
        assert b"clip 0" in wire
        assert address.key.encode() not in wire
        assert bytes.fromhex(address.key) not in wire
        with pytest.raises(MmvideoError, match=r"key|has gone"):
            RemoteLink(Address(address.host, address.port, "00" * 32))
        assert "key" not in repr(address) or address.key not in repr(address)


def test_a_stranger_is_not_listened_to(coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it sends is not kept, and it may not stay."""
    monkeypatch.setattr(channel, "HANDSHAKE_SECONDS", 0.5)
    with serve_coordinator(coordinator) as address:
        loud = socket.create_connection((address.host, address.port))
        loud.settimeout(5.0)
        sent = 0
        with contextlib.suppress(OSError):  # it is cut off
            while sent < 200 << 20:
                sent += loud.send(bytes(1 << 20))
        assert sent < 50 << 20, "the buffers of the system, and no more"
        quiet = [socket.create_connection((address.host, address.port)) for _ in range(5)]
        begin = time.monotonic()
        for one in quiet:
            one.settimeout(5.0)
            while one.recv(1000):  # its number, and then the end
                pass
        assert time.monotonic() - begin < 4.0
        assert len(RemoteLink(address).take(1)) == 1


def test_so_many_strangers_and_no_more(coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "_MAX_UNAUTHENTICATED", 4)
    with serve_coordinator(coordinator) as address:
        before = threading.active_count()
        crowd = [socket.create_connection((address.host, address.port)) for _ in range(20)]
        time.sleep(0.5)
        assert threading.active_count() - before <= 4
        for one in crowd:
            one.close()
        time.sleep(0.5)
        assert len(RemoteLink(address).take(1)) == 1


def test_it_listens_where_it_is_told_and_nowhere_else(coordinator: Coordinator) -> None:
    import psutil

    for host in ("127.0.0.1", "localhost"):
        with serve_coordinator(coordinator, host) as address:
            found = [one.laddr.ip for one in psutil.Process().net_connections("tcp")
                     if one.status == psutil.CONN_LISTEN and one.laddr.port == address.port]
            assert found in (["127.0.0.1"], ["::1"])
    refused = pytest.raises(MmvideoError, match=r"Cannot listen on 192\.0\.2\.7")
    with refused, serve_coordinator(coordinator, "192.0.2.7"):
        pass


def test_the_address_that_others_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "_outward", lambda: "")
    with pytest.raises(MmvideoError, match="MASTER_ADDR"):
        own_address("127.0.0.1", "192.0.2.7", "localhost")
    from mmvideo.jobs.engines import ranks

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert ranks._host() == "127.0.0.1"


def test_outcomes_travel_whole() -> None:
    given = Outcome(3, "key", "content", "stamp", {"text": "é"}, {"fetch": 0.1}, ("ValueError", "two"), True,
                    Origin.EXTERNAL, b"\xff\xd8", 16, 4)
    assert rpc.from_json(json.loads(json.dumps(rpc.to_json(given)))) == given
