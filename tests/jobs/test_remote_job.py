"""Jobs and calls whose model is behind a server: one that fails in every way, and our own `mmvideo serve`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from mmvideo import Pipeline
from mmvideo.errors import InvalidInput, RequestRefused, ServerUnavailable
from mmvideo.jobs import JobOptions, run_job
from mmvideo.jobs.rows import comparable
from mmvideo.media import open_source, write_video
from mmvideo.media.subtitle_tracks import read_subtitles
from mmvideo.remote import client as clients
from mmvideo.types import Expected
from tests.remote.faulty import Faulty, running
from tests.serving.conftest import served
from tests.tiny import make_clip


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "FIRST_SECONDS", 0.001)
    monkeypatch.setenv("MMVIDEO_SERVER_KEY", "hunter2-hunter2")


def test_a_job_over_a_server_that_fails_in_every_way(clips: Path, tmp_path: Path,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    """Each clip is answered once, the rows are those of a server without faults, and no file holds the key."""
    calm = Faulty()
    with running(calm) as address:
        pipe = Pipeline("video-captioning", address, num_frames=2, size=32)
        summary = run_job(pipe, clips, tmp_path / "calm", JobOptions(workers=1))
        alone = pipe(clips / "clip0001.mp4")
    assert summary.counts["done"] == 12
    monkeypatch.setattr(clients, "ATTEMPTS", 20)  # whichever clip the faults fall on
    faulty = Faulty([500, "cut", 429, "html", "", 503, "cut", 502, "", "html", "other", "slow", 429])
    with running(faulty) as address:
        pipe = Pipeline("video-captioning", address, num_frames=2, size=32)
        run_job(pipe, clips, tmp_path / "job", JobOptions(workers=1))
    rows = {row["id"]: row for row in summary.rows()}
    told = [json.loads(line) for line in (tmp_path / "job" / "results.jsonl").read_text().splitlines()]
    assert [{**comparable(row), "model": ""} for row in told] == [{**comparable(row), "model": ""}
                                                                  for row in rows.values()]
    assert len(faulty.bodies) == 12 + 10
    assert set(faulty.answered.values()) == {1}, "no clip is asked about again after its answer"
    row = rows["clip0001.mp4"]
    assert row["text"] == alone.text
    assert row["text"].startswith("saw ")
    assert row["usage"] == {"prompt_tokens": 90, "completion_tokens": 3}
    assert row["confidence"] == pytest.approx(0.7408, abs=1e-4)
    assert row["frame_times"] == pytest.approx(alone.seconds_looked_at)
    assert {header["Authorization"] for header in calm.headers} == {"Bearer hunter2-hunter2"}
    for file in (tmp_path / "job").rglob("*"):
        assert not file.is_file() or b"hunter2" not in file.read_bytes(), file

    again = Faulty()
    with running(again) as address:
        pipe = Pipeline("video-captioning", address, num_frames=2, size=32)
        summary = run_job(pipe, clips, tmp_path / "job", JobOptions(workers=1))
    assert (summary.done_now, again.bodies) == (0, []), "the server has moved; its rows stand"


def test_a_job_ends_where_the_server_has_gone(clips: Path, tmp_path: Path) -> None:
    about = Faulty([500] * 1000)
    with running(about) as address:
        pipe = Pipeline("video-captioning", address, num_frames=1, size=32)
        with pytest.raises(ServerUnavailable, match=r"3 clips in a row failed.*--retry ServerUnavailable"):
            run_job(pipe, clips, tmp_path / "job", JobOptions(workers=1, stop_after=3, concurrency=1))
        about.faults.clear()
        summary = run_job(pipe, clips, tmp_path / "job", JobOptions(workers=1, retry=("ServerUnavailable",)))
    assert summary.counts["done"] == 12


def test_several_clips_are_asked_about_at_once(clips: Path, tmp_path: Path) -> None:
    about = Faulty(seconds=0.05)
    with running(about) as address:
        pipe = Pipeline("video-qa", address, num_frames=1, size=32)
        run_job(pipe, clips, tmp_path / "job", JobOptions(workers=1, concurrency=4), questions=("who?", "where?"))
    assert 1 < about.most_running <= 4
    (row, *_) = [json.loads(line) for line in (tmp_path / "job" / "results.jsonl").read_text().splitlines()]
    assert [one["question"] for one in row["answers"]] == ["who?", "where?"]
    assert row["usage"]["prompt_tokens"] == 180


def test_what_is_sent_of_a_clip(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=2)
    about = Faulty()
    with running(about) as address:
        pipe = Pipeline("video-qa", address, fps=2, start_seconds=0.5)
        pipe(clip, "and then?", history=[("who?", "a ball")], temperature=0.5, seed=3, stop=["."], max_new_tokens=9)
    (body,) = about.bodies
    seen, reply, last = body["messages"]
    times = [part["text"] for part in seen["content"] if part["type"] == "text"]
    assert times == ["3 frames of a video of 1.50 s, each behind its time:", "0.50 s", "1.00 s", "1.50 s", "who?"]
    assert sum(part["type"] == "image_url" for part in seen["content"]) == 3
    assert (reply, last) == ({"role": "assistant", "content": "a ball"}, {"role": "user", "content": "and then?"})
    assert {name: body[name] for name in ("model", "temperature", "seed", "stop", "max_tokens")} == {
        "model": "org/model", "temperature": 0.5, "seed": 3, "stop": ["."], "max_tokens": 9}


def test_every_shot_is_captioned_with_its_times_and_all_tokens_count(tmp_path: Path) -> None:
    clip = tmp_path / "clips" / "film.mp4"
    clip.parent.mkdir()
    pictures = torch.randint(0, 255, (3, 3, 4, 5), dtype=torch.uint8).repeat_interleave(12, 2).repeat_interleave(12, 3)
    write_video(clip, pictures.repeat_interleave(24, 0), fps=8)
    about = Faulty()
    with running(about) as address:
        pipe = Pipeline("video-captioning", address)
        caption = pipe(clip)
        run_job(pipe, clip.parent, tmp_path / "job", JobOptions(workers=1, sidecars=("vtt",)))
    assert [(s.start_seconds, s.end_seconds) for s in caption.segments] == [
        pytest.approx(span, abs=0.13) for span in ((0, 3), (3, 6), (6, 9))]
    assert len({s.text for s in caption.segments}) == 3, "each shot is shown alone"
    assert (caption.usage.prompt_tokens, caption.usage.completion_tokens) == (5 * 90, 5 * 3), "title and summary too"
    (row,) = [json.loads(line) for line in (tmp_path / "job" / "results.jsonl").read_text().splitlines()]
    assert [span["text"] for span in row["spans"]] == [s.text for s in caption.segments]
    assert row["usage"]["prompt_tokens"] == 450
    assert len(read_subtitles(tmp_path / "job" / "sidecars" / "film.vtt")) == 3
    with running(Faulty()) as address:
        whole = Pipeline("video-captioning", address, segments="none", num_frames=2, size=32)(clip)
    assert (len(whole.segments), whole.usage.prompt_tokens) == (1, 90)


def test_choices_are_strict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=1)
    said: dict[str, Any] = {"text": '{"answer": "red"}'}
    with running(Faulty()) as address:
        pipe = Pipeline("video-qa", address, num_frames=1, size=32)
        chat = pipe.stages[1][1].reader.client.chat
        monkeypatch.setattr(pipe.stages[1][1].reader.client, "chat", lambda body, optional: clients.Reply(
            **{**vars(chat(body, optional)), "text": said["text"]}))
        assert pipe(clip, "which colour?", choices=["red", "blue"]).text == "red"
        said["text"] = " Blue. "
        assert pipe(clip, "which colour?", choices=["red", "blue"]).text == "blue"
        said["text"] = "red or blue"
        with pytest.raises(RequestRefused, match="none of the choices"):
            pipe(clip, "which colour?", choices=["red", "blue"])


def test_options_that_a_server_has_no_use_for(clips: Path) -> None:
    with pytest.raises(InvalidInput, match="a model behind a server, which takes no quantize"):
        Pipeline("video-qa", "openai://127.0.0.1:1/m", quantize="int8")
    with pytest.raises(InvalidInput, match="runs no model behind a server"):
        Pipeline("video-classification", "openai://127.0.0.1:1/m")


def test_our_own_server(tmp_path: Path) -> None:
    """It writes what the pipeline behind it writes about the same bytes; what it refuses is left out."""
    pytest.importorskip("uvicorn")
    here = Pipeline("video-qa", model="toybox-qa", device="cpu")
    clip = make_clip(tmp_path / "clip.mp4", seconds=2)
    with served(here) as port:
        there = Pipeline("video-qa", f"openai://127.0.0.1:{port}/toybox-qa", frames_as="video", fps=25, sound=False)
        answer = there(clip, "what happens next?")
        with open_source(clip) as media:
            sent = there.stages[1][1].reader.take(media, Expected()).prepared
    direct = here(sent.video, f"{sent.parts()[1]['text']}\nwhat happens next?")
    assert (answer.text, answer.confidence) == (direct.text, pytest.approx(direct.confidence, abs=1e-4))
    assert answer.usage == direct.usage
    assert not answer.in_domain.judged
