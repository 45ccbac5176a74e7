"""Live streams on a clock that the tests turn: which frames are seen, which dropped, and how a stream ends."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch

from mmvideo.cli import main
from mmvideo.encoders import zoo
from mmvideo.errors import InvalidInput, MediaNotFound, NoVideoTrack, StreamStalled, UnknownName, VideoDecodeError
from mmvideo.live.stream import live_stream
from mmvideo.media import write_video
from mmvideo.media.api import open_source
from mmvideo.media.frame_ring import FrameRing, TimedFrame
from mmvideo.media.live import LiveClock, ThreadedReader, open_live
from mmvideo.pipeline import Pipeline
from mmvideo.stages.live_labels import CausalLabels
from mmvideo.types import Audio, Video


class HandClock(LiveClock):
    """A clock that stands still until somebody sleeps or turns it."""

    def __init__(self) -> None:
        self.time = 100.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def _frame(seconds: float) -> TimedFrame:
    return TimedFrame(np.zeros((2, 2, 3), np.uint8), seconds, seconds)


def _video(seconds: float, fps: float = 10) -> Video:
    count = round(seconds * fps)
    frames = (torch.arange(count) % 250).to(torch.uint8)[:, None, None, None].expand(count, 3, 64, 64).contiguous()
    return Video(frames, torch.arange(count, dtype=torch.float64) / fps, duration_seconds=seconds, fps=fps)


@pytest.fixture(scope="module")
def causal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small causal MoViNet."""
    torch.manual_seed(0)
    home = tmp_path_factory.mktemp("causal")
    zoo.create("movinet-tiny-stream", labels=["push", "pull", "wait"]).save_pretrained(home)
    return home


def test_the_ring_thins_to_its_rate_and_drops_the_oldest() -> None:
    ring = FrameRing(2, fps=10)
    for number in range(9):  # 30 frames a second
        if ring.wants(number / 30):
            ring.put(_frame(number / 30))
    assert (ring.received, ring.taken, ring.dropped) == (9, 3, 1)
    assert [frame.seconds for frame in ring.window()] == pytest.approx([0.1, 0.2])
    assert not ring.has_new
    ring.put(_frame(0.3))  # pushes out one that was looked at
    assert ring.dropped == 1
    ring.put(_frame(0.4))
    assert ring.newest().seconds == pytest.approx(0.4)
    assert ring.dropped == 2  # 0.3 was never looked at


def test_a_rate_that_does_not_divide_keeps_its_average() -> None:
    ring = FrameRing(1, fps=20)
    assert sum(ring.wants(number / 30) for number in range(300)) == pytest.approx(200, abs=1)


def test_a_clock_of_the_source_that_begins_anew_is_followed() -> None:
    ring = FrameRing(1, fps=1)
    assert [ring.wants(seconds) for seconds in (1000.0, 1000.5, 0.0, 0.5, 1.0)] == [True, False, True, False, True]


def test_a_file_is_played_in_real_time_and_late_frames_go() -> None:
    clock, ring = HandClock(), FrameRing(1)
    with open_live(_video(2.0), ring, clock=clock) as reader:
        seen = []
        while reader.wait():
            seen.append(reader.newest().seconds)
            clock.time += 0.45  # each look takes so long
    assert seen == pytest.approx([0.0, 0.4, 0.9, 1.3, 1.8, 1.9])
    assert ring.received == 20
    assert ring.dropped == 20 - len(seen)
    assert clock.time - 100 < 2.0 + 2 * 0.45


def test_a_causal_classifier_sees_frame_by_frame_with_its_state(causal: Path) -> None:
    pipe, clock = Pipeline("video-classification", causal), HandClock()
    with live_stream(pipe, _video(2.0), clock=clock) as live:
        found = list(live)
    assert [one.seconds for one in found] == pytest.approx(np.arange(0, 2, 0.2))  # 5 frames a second
    assert all(one.latency_seconds == 0 and one.dropped == 0 for one in found)
    assert found[-1].received == 19
    assert found[-1].result.label in {"push", "pull", "wait"}
    assert found[-1].result.seconds_looked_at == tuple(one.seconds for one in found)


def test_causal_labels_equal_the_clip_and_memory_stays(causal: Path) -> None:
    network = zoo.load(causal).eval()
    labels = CausalLabels(network, top=None, model="m", device=None)
    frames = torch.randint(0, 255, (36, 3, 32, 32), dtype=torch.uint8)
    sizes = []
    for number, frame in enumerate(frames):
        found = labels.step(frame, float(number))
        seen = len(found.seconds_looked_at)
        sizes.append(labels.memory_bytes())
        if number in (5, 35):
            with torch.inference_mode():
                whole = network.logits(frames[None, number + 1 - seen:number + 1]).softmax(-1)[0]
            assert found.confidence == pytest.approx(float(whole.max()), abs=1e-4)
    assert seen >= 16
    assert sizes[20] == sizes[30] == sizes[35]


def test_an_online_tsm_averages_its_last_frames() -> None:
    torch.manual_seed(0)
    network = zoo.create("tsm-tiny-online", labels=["a", "b"]).eval()
    labels = CausalLabels(network, top=None, model="m", device=None)
    size = network.input.height
    frames = torch.randint(0, 255, (network.input.num_frames, 3, size, size), dtype=torch.uint8)
    for number, frame in enumerate(frames):
        found = labels.step(frame, float(number))
    with torch.inference_mode():
        whole = network.logits(frames[None]).softmax(-1)[0]
    assert found.confidence == pytest.approx(float(whole.max()), abs=1e-4)


def test_other_models_see_the_last_seconds(causal: Path) -> None:
    clock = HandClock()
    seen: list[tuple[Video, Any]] = []

    class Slow(Pipeline[Any]):
        def __call__(self, video: Any, text: Any = None, **options: Any) -> Any:
            seen.append((video, text))
            clock.time += 1.5
            return super().__call__(video, text, **options)

    pipe = Slow("video-classification")
    with live_stream(pipe, _video(6.0), clock=clock, window_seconds=2.0, window_frames=10) as live:
        found = list(live)
    assert [one.seconds for one in found] == pytest.approx([0.0, 1.4, 3.0, 4.4, 5.8])
    assert [len(video) for video, _ in seen] == [1, 8, 10, 10, 10]
    assert all(float(v.pts_seconds[-1] - v.pts_seconds[0]) < 2.0 for v, _ in seen)
    assert [one.latency_seconds for one in found] == pytest.approx([1.5, 1.6, 1.5, 1.6, 1.7], abs=0.11)
    assert found[-1].dropped == 0  # at 5 frames a second two seconds hold all that came
    assert found[-1].to_dict()["result"]["type"] == "Classification"
    assert live.ring.nbytes <= 10 * 64 * 64 * 3


def test_looks_are_no_denser_than_asked_and_end_in_time() -> None:
    clock = HandClock()
    with live_stream(Pipeline("video-classification"), _video(8.0), clock=clock, every_seconds=2.0, max_seconds=5.0,
                     window_frames=4, window_seconds=1.0) as live:
        assert [one.seconds for one in live] == pytest.approx([0.0, 2.0, 4.0], abs=0.26)


class _Sender:
    """What a reader with a thread reads: frames as the test lets them go."""

    is_live, hdr = True, "tonemap"

    def __init__(self, then: BaseException | None = None):
        self.info = open_source(_video(0.1)).info
        self.go, self.end, self.then, self.count = threading.Semaphore(0), False, then, 1000

    def _frames(self) -> Iterator[tuple[av.VideoFrame, float]]:
        for number in range(self.count):
            self.go.acquire()
            if self.end:
                if self.then:
                    raise self.then
                return
            yield av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24"), number / 10

    def close(self) -> None:
        pass

    def finish(self) -> None:
        self.end = True
        self.go.release()


def _reader(sender: Any, stall: float = 20.0) -> ThreadedReader:
    return ThreadedReader(sender, FrameRing(3), LiveClock(), size=None, stall_seconds=stall)


def test_a_sender_that_stalls_is_an_error_and_one_that_ends_is_not() -> None:
    sender = _Sender()
    reader = _reader(sender, stall=0.01)
    with pytest.raises(StreamStalled, match=r"no frame for 0\.01 s.*--stall"):
        reader.wait()
    reader.stall_seconds = 20.0
    sender.go.release()
    assert reader.wait()
    assert reader.newest().seconds == 0
    sender.finish()
    assert not reader.wait()
    reader.close()


def test_frames_of_a_thread_never_queue_beyond_the_ring() -> None:
    sender = _Sender()
    sender.count = 50
    sender.go.release(50)
    reader = _reader(sender)
    reader._thread.join(20)
    assert reader.wait()
    assert len(reader.window()) == 3
    assert reader.ring.dropped == reader.ring.taken - 3
    reader.close()


@pytest.mark.parametrize(("cause", "kind"), [(OSError("cable"), VideoDecodeError),
                                             (NoVideoTrack("gone"), NoVideoTrack)])
def test_a_sender_that_breaks_says_so(cause: Exception, kind: type[Exception]) -> None:
    sender = _Sender(cause)
    sender.finish()
    reader = _reader(sender)
    with pytest.raises(kind, match=str(cause)):
        reader.wait()
    reader.close()


def test_what_cannot_be_streamed_is_refused() -> None:
    pipe = Pipeline("video-classification")
    with pytest.raises(InvalidInput, match="gopher://x/y cannot be streamed; addresses begin with http"):
        pipe.stream("gopher://x/y")
    with pytest.raises(MediaNotFound, match=r"nowhere\.mp4"):
        pipe.stream("nowhere.mp4")
    with pytest.raises(InvalidInput, match="takes no question"):
        pipe.stream(_video(1.0), "what?")
    with pytest.raises(UnknownName, match="window_seconds"):
        pipe.stream(_video(1.0), window_second=2)
    with pytest.raises(InvalidInput, match="window_frames"):
        pipe.stream(_video(1.0), window_frames=0)
    with pytest.raises(NoVideoTrack, match="no moving picture"):
        pipe.stream(Audio(torch.zeros(1, 16000), 16000))


def test_secrets_of_an_address_stay_out_of_the_message() -> None:
    with pytest.raises(MediaNotFound) as caught:
        open_live("http://me:hunter2@127.0.0.1:9/x", FrameRing(1), stall_seconds=1.0)
    assert "hunter2" not in str(caught.value)


def test_the_command_prints_a_line_a_look(tmp_path: Path, causal: Path, capsys: pytest.CaptureFixture[str],
                                          monkeypatch: pytest.MonkeyPatch) -> None:
    clip = tmp_path / "clip.mp4"
    write_video(clip, _video(1.0).frames, fps=10)
    clock = HandClock()
    monkeypatch.setattr("mmvideo.live.stream.LiveClock", lambda: clock)
    with pytest.raises(SystemExit) as ended:
        main(["live", str(clip), "--recipe", "video-classification", "--model", str(causal), "--json"])
    assert ended.value.code in (0, None)
    out, err = capsys.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["seconds"] for row in rows] == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8])
    assert rows[0]["result"]["type"] == "Classification"
    assert "5 looks" in err
