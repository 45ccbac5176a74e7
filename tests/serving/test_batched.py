"""Requests that wait at the same time are answered in one pass; one that fails is told alone."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from mmvideo import Pipeline
from mmvideo.serving.address import Place
from mmvideo.serving.batched import Together, goes_together
from mmvideo.serving.request import Wanted
from mmvideo.serving.slots import Slots
from mmvideo.serving.worker import QueuedRequest, Worker
from mmvideo.types import GenerationOptions
from tests.tiny import make_clip

QUESTION = "what happens next?"


def wanted(source: Any, **generation: Any) -> Wanted:
    return Wanted(Place(source, str(source)), QUESTION, GenerationOptions(**generation), "")


def test_requests_that_wait_are_answered_in_one_pass(pipe: Pipeline, tmp_path: Path,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    clips = [str(make_clip(tmp_path / f"{number}.mp4", seconds=1 + number)) for number in range(3)]
    missing = str(tmp_path / "missing.mp4")
    passes: list[int] = []
    answer = Together.answer
    monkeypatch.setattr(Together, "answer", lambda self, some: passes.append(len(some)) or answer(self, some))
    worker, slots = Worker(pipe), Slots(16, 1 << 30)
    said: dict[str, list[tuple[str, Any]]] = {}
    waiting: list[int] = []
    ended, begin = threading.Semaphore(0), threading.Event()

    def put(name: str, source: str, **generation: Any) -> None:
        said[name] = []

        def notify(kind: str, value: Any) -> None:
            said[name].append((kind, value))
            if kind == "done":
                waiting.append(slots.waiting)
            if kind in ("done", "error"):
                ended.release()

        worker.put(QueuedRequest(wanted(source, **generation), notify, slots.take()))

    def round_of(*names: tuple[str, str]) -> None:
        begin.clear()
        worker._pool.submit(begin.wait, 60)  # the thread is busy while they are put
        for name, source in names:
            put(name, source)
        begin.set()
        for _ in names:
            assert ended.acquire(timeout=60)

    round_of(("a", clips[0]), ("b", clips[1]), ("c", clips[2]))
    assert passes == [3]
    assert waiting == [1, 0, 0], "an answer is given after its slot is free, as the next question may come at once"
    for name, clip in zip("abc", clips, strict=True):
        alone = pipe(clip, QUESTION)
        (text, words), (done, found) = said[name]
        assert (text, done) == ("text", "done")
        assert words == found.text == alone.text
        assert found.confidence == pytest.approx(alone.confidence, abs=2e-4)
        assert found.usage == alone.usage
        assert found.seconds_looked_at == alone.seconds_looked_at
    passes.clear()
    round_of(("d", clips[0]), ("e", missing))
    assert passes == [2], "tried once, then each by itself"
    assert said["d"][-1][0] == "done"
    assert said["e"][-1][0] == "error"
    assert "missing.mp4" in str(said["e"][-1][1])
    assert slots.waiting == 0
    worker.close()


def test_what_does_not_go_together() -> None:
    assert goes_together(wanted("x", max_new_tokens=3, seed=1))
    for generation in ({"stream": True}, {"temperature": 0.5}, {"choices": ("a", "b")}, {"stop": ("x",)},
                       {"history": (("a", "b"),)}, {"schema": {"type": "object"}}):
        assert not goes_together(wanted("x", **generation))
