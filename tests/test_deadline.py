"""Time limits: they stop decoding, networks, replies and streams soon, say where, and hold nobody else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from torch import nn

from mmvideo import Pipeline
from mmvideo.cli import main
from mmvideo.deadline import Deadline, check, current, deadline, stage, within
from mmvideo.errors import InvalidInput, TimeLimitExceeded
from mmvideo.faces import FaceFinder
from mmvideo.media import open_source, read_audio
from mmvideo.nn.interruptible import interruptible
from mmvideo.session import Stream
from mmvideo.weights import weights_root

FILM = weights_root() / "demo" / "voices.mp4"
NEXT = "what happens next?"
SLACK = 3.0
"""Seconds beyond a limit that a busy machine may need."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_clip(tmp_path_factory.mktemp("limit") / "clip.mp4", seconds=5.0)


@pytest.fixture(scope="module")
def qa(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return Pipeline("video-qa", model=tiny.make_qa(tmp_path_factory.mktemp("limit") / "qa"), device="cpu",
                    encode_video={"domain": "test-inside", "batch_size": 1})


def slow(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, seconds: float) -> list[int]:
    """Let every call of a method take longer; give a list that grows with the calls."""
    whole, calls = getattr(owner, name), []

    def late(*given: Any, **more: Any) -> Any:
        calls.append(1)
        time.sleep(seconds)
        return whole(*given, **more)

    monkeypatch.setattr(owner, name, late)
    return calls


def exceeds(call: Callable[[], Any], seconds: float) -> TimeLimitExceeded:
    """Call something that must stop soon after its limit, and leave none behind."""
    start = time.monotonic()
    with pytest.raises(TimeLimitExceeded) as caught:
        call()
    took = time.monotonic() - start
    assert 0.5 * seconds <= took < seconds + SLACK
    assert current() is None
    check()
    return caught.value


def test_without_a_limit_nothing_is_checked() -> None:
    check()
    with deadline(None):
        assert current() is None
        check()
    with stage("encode"):
        check()


def test_the_message_names_limit_stage_and_what_to_change() -> None:
    with deadline(0.01), stage("encode"):
        time.sleep(0.02)
        with pytest.raises(TimeLimitExceeded) as caught:
            check()
    assert (caught.value.seconds, caught.value.stage, caught.value.exit_code) == (0.01, "encode", 3)
    for words in ("0.01 s", "'encode'", "timeout_seconds", "--timeout", "fewer frames", "max_new_tokens",
                  "shorter clip"):
        assert words in str(caught.value)


def test_of_two_limits_the_tighter_counts() -> None:
    with deadline(0.05), deadline(60):
        assert current().seconds == 0.05
        time.sleep(0.06)
        with pytest.raises(TimeLimitExceeded, match=r"0\.05 s"):
            check()
    with deadline(60):
        with deadline(0.05):
            assert current().seconds == 0.05
        assert current().seconds == 60
        with deadline(None):
            assert current().seconds == 60
    assert current() is None


def test_a_limit_counts_what_was_spent() -> None:
    with within(Deadline(10, spent=10)), pytest.raises(TimeLimitExceeded, match="10 s"):
        check()
    with within(Deadline(10, spent=-60)):
        assert current().left > 60


def test_a_limit_belongs_to_its_thread() -> None:
    seen: list[Any] = []
    with deadline(60):
        thread = threading.Thread(target=lambda: seen.append(current()))
        thread.start()
        thread.join()
    assert seen == [None]


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), "5", True])
def test_a_limit_is_a_positive_number(qa: Pipeline, clip: Path, seconds: Any) -> None:
    for call in (lambda: qa(clip, NEXT, timeout_seconds=seconds), lambda: qa.open(clip, timeout_seconds=seconds),
                 lambda: qa.map([clip], NEXT, timeout_seconds=seconds)):
        with pytest.raises(InvalidInput, match="timeout_seconds must be"):
            call()


def test_a_slow_encoder_is_stopped_between_batches(qa: Pipeline, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = dict(qa.stages)["encode_video"].reader.model.parts["encoder"]
    monkeypatch.setattr("mmvideo.nn.interruptible.check", lambda: None)  # blocks have a test of their own
    calls = slow(monkeypatch, encoder, "forward", 0.4)
    error = exceeds(lambda: qa(clip, NEXT, timeout_seconds=0.6), 0.6)
    assert error.stage == "encode_video"
    assert len(calls) == 2, "of three batches"
    monkeypatch.undo()
    assert qa(clip, NEXT, timeout_seconds=60).text == qa(clip, NEXT).text, "a limit changes no answer"


def test_a_long_reply_is_stopped_between_tokens(qa: Pipeline, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    language = dict(qa.stages)["encode_video"].reader.model.language
    monkeypatch.setattr(language.generation_config, "eos_token_id", 10**6)
    calls = slow(monkeypatch, language, "forward", 0.1)
    assert exceeds(lambda: qa(clip, NEXT, timeout_seconds=1.0), 1.0).stage == "answer"
    assert 2 < len(calls) < 12


def test_a_session_can_be_asked_again(qa: Pipeline, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    language = dict(qa.stages)["encode_video"].reader.model.language
    with qa.open(clip, timeout_seconds=60) as session:
        expected = session.ask(NEXT).text
        slow(monkeypatch, language, "forward", 0.3)
        exceeds(lambda: session.ask(NEXT, timeout_seconds=0.5), 0.5)
        monkeypatch.undo()
        assert session.ask(NEXT).text == expected
        assert len(session.turns) == 2


def test_of_many_videos_only_the_slow_one_fails(qa: Pipeline, clip: Path, monkeypatch: pytest.MonkeyPatch,
                                                tmp_path: Path) -> None:
    short = tiny.make_clip(tmp_path / "short.mp4", seconds=1.0)
    slow(monkeypatch, dict(qa.stages)["encode_video"].reader.model.parts["encoder"], "forward", 1.3)
    found = qa.map([short, clip, short], NEXT, timeout_seconds=3.0)
    assert [type(one).__name__ for one in found] == ["Answer", "TimeLimitExceeded", "Answer"]
    assert current() is None


def test_decoding_is_stopped_between_packets(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mmvideo.media.corruption import CarefulDecoder

    slow(monkeypatch, CarefulDecoder, "decode", 0.1)
    with open_source(clip) as source:
        def read(call: Callable[[], Any]) -> None:
            with deadline(0.4):
                call()

        for call in (lambda: source.frames_at([4.9]), lambda: list(source.stream()),
                     lambda: list(source.stream(start_seconds=3.0)), lambda: list(source._decoder.frames())):
            exceeds(lambda call=call: read(call), 0.4)
        monkeypatch.undo()
        assert source.frames_at([4.9]).frames.shape[0] == 1, "the source can be read on"
        with pytest.raises(TimeLimitExceeded), within(Deadline(1, spent=2)):
            source.audio()


def test_voices_are_stopped_between_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe, sound = Pipeline("source-separation", device="cpu"), read_audio(FILM, end_seconds=8.0)
    separate = dict(pipe.stages)["separate"]
    calls = slow(monkeypatch, separate.twin, "forward", 0.4)
    assert exceeds(lambda: pipe(sound, timeout_seconds=1.0), 1.0).stage == "separate"
    assert 1 <= len(calls) <= 3


def test_the_search_for_faces_is_stopped_between_frames() -> None:
    detected: list[int] = []

    def detector(picture: np.ndarray) -> np.ndarray:
        detected.append(1)
        time.sleep(0.3)
        return np.zeros((0, 4), np.float32)

    def find() -> None:
        with open_source(FILM) as source, deadline(0.6):
            FaceFinder(detector, interval=0.01)(source)

    exceeds(find, 0.6)
    assert len(detected) <= 3


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inside = nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time.sleep(0.1)
        return self.inside(x)


def test_a_network_is_stopped_between_its_blocks() -> None:
    network = interruptible(interruptible(nn.Sequential(*(_Block() for _ in range(50)))))
    assert all(len(block._forward_pre_hooks) == 1 for block in network)
    assert not network[0].inside._forward_pre_hooks
    x = torch.ones(1, 2)

    def run() -> None:
        with deadline(0.3):
            network(x)

    exceeds(run, 0.3)


def test_a_stream_holds_its_limit_while_it_is_read_and_nobody_elses() -> None:
    closed: list[bool] = []

    def pieces() -> Any:
        try:
            for number in range(1000):
                check()
                time.sleep(0.05)
                yield str(number)
        finally:
            closed.append(True)

    with deadline(0.4):
        stream = Stream(pieces(), lambda result: result, stage="reply")
    assert current() is None
    heard = []

    def listen() -> None:
        for piece in stream:
            assert current() is None, "the limit stays with the stream"
            heard.append(piece)

    assert exceeds(listen, 0.4).stage == "reply"
    assert 2 <= len(heard) <= 8
    assert closed == [True]
    assert list(stream) == []


@pytest.mark.parametrize("command", [
    ("ask", "{clip}", NEXT), ("caption", "{clip}"), ("classify", "{clip}"), ("separate", "{clip}", "--out", "{out}")])
def test_the_commands_take_a_limit(command: tuple[str, ...], clip: Path, tmp_path: Path,
                                   capsys: pytest.CaptureFixture[str]) -> None:
    filled = [word.format(clip=clip, out=tmp_path / "voices") for word in command]
    for seconds, code, words in (("0.001", 3, "time limit of 0.001 s"), ("0", 2, "timeout_seconds must be")):
        with pytest.raises(SystemExit) as stop:
            main([*filled, "--timeout", seconds, "--device", "cpu"])
        assert stop.value.code == code
        assert words in capsys.readouterr().err


def test_of_several_clips_of_a_command_each_has_its_own_limit(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["classify", str(clip), str(clip), "--timeout", "0.001", "--json", "--device", "cpu"])
    assert stop.value.code == 3
    assert capsys.readouterr().out.count('"error": "TimeLimitExceeded"') == 2
