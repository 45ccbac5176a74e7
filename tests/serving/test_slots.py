"""Slots of requests: those that are refused are not passed by callers that ask again at once."""

from __future__ import annotations

import asyncio
import threading

import pytest

from mmvideo.serving import slots as module
from mmvideo.serving.problems import Busy, Stopping
from mmvideo.serving.slots import Slots


def test_who_is_held_comes_before_who_asks_again() -> None:
    async def run() -> list[str]:
        slots, order = Slots(1, 1 << 30), []
        first, _ = await slots.take_in_turn(), await slots.take_in_turn()

        async def ask(name: str) -> None:
            await slots.take_in_turn()
            order.append(name)

        waiting = asyncio.create_task(ask("held"))
        await asyncio.sleep(0.05)
        assert order == []
        thread = threading.Thread(target=first.release)  # as the worker does
        thread.start()
        again = asyncio.create_task(ask("again"))
        await waiting
        thread.join()
        await asyncio.sleep(0.05)
        again.cancel()
        assert slots.waiting == 1
        return order

    assert asyncio.run(run()) == ["held"]


def test_who_is_held_too_long_or_one_too_many_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.1)

    async def run() -> None:
        slots = Slots(1, 1 << 30)
        taken = [await slots.take_in_turn() for _ in range(2)]
        held = asyncio.create_task(slots.take_in_turn())
        await asyncio.sleep(0.01)
        with pytest.raises(Busy):
            await slots.take_in_turn()  # as many are held as may wait
        with pytest.raises(Busy):
            slots.take()
        with pytest.raises(Busy):
            await held
        for one in taken:
            one.release()
        await slots.take_in_turn()
        slots.open = False
        with pytest.raises(Stopping):
            await slots.take_in_turn()

    asyncio.run(run())


def test_a_slot_given_to_a_caller_that_left_is_free_again() -> None:
    async def run() -> None:
        slots = Slots(1, 1 << 30)
        first, second = slots.take(), slots.take()
        gone = asyncio.create_task(slots.take_in_turn())
        await asyncio.sleep(0.01)
        first.release()  # its slot goes on to the one held,
        gone.cancel()  # which leaves before it hears of it
        with pytest.raises(asyncio.CancelledError):
            await gone
        second.release()
        assert slots.waiting == 0
        assert [slots.take() for _ in range(2)]

    asyncio.run(run())
