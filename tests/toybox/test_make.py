"""The written files must play, and say of the scene what was simulated."""

from __future__ import annotations

import json

import pytest

from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.media import read_audio, read_video
from mmvideo.toybox.make import make
from mmvideo.toybox.physics import simulate
from mmvideo.toybox.render import render_world
from mmvideo.toybox.spec import sample_scene, split_seed

SMALL = {"num": 2, "level": "easy", "split": "validation", "start": 3, "size": 96, "fps": 16}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toybox")
    seen: list[tuple[int, int]] = []
    index = make(folder, **SMALL, on_progress=lambda done, total: seen.append((done, total)))
    return folder, index, seen


def test_the_mp4_holds_the_rendered_frames_and_sound(made):
    folder, _, _ = made
    video = read_video(folder / "validation-easy-000003.mp4")
    world = simulate([sample_scene(split_seed("validation", 3), "easy")])
    drawn = render_world(world, size=96, fps=16, num_frames=32)[0]
    assert video.frames.shape == drawn.shape
    assert video.pts_seconds[16] == pytest.approx(1.0, abs=1e-3)
    assert (video.frames.float() - drawn.float()).abs().mean() < 8
    sound = read_audio(folder / "validation-easy-000003.mp4")
    assert sound.duration_seconds == pytest.approx(2.0, abs=0.1)


def test_the_description_is_the_scene(made):
    folder, _, _ = made
    said = json.loads((folder / "validation-easy-000004.json").read_text())
    spec = sample_scene(split_seed("validation", 4), "easy")
    assert [toy["name"] for toy in said["toys"]] == [toy.name for toy in spec.toys]
    assert said["camera_motion"] == spec.camera_motion
    events = simulate([spec]).events[0]
    assert [(e["kind"], e["seconds"]) for e in said["events"]] == [(e.kind, pytest.approx(e.seconds)) for e in events]
    assert said["caption"].endswith(".")
    assert len(said["questions"]) > 5
    assert all(q["text"] and q["answer"] and q["type"] for q in said["questions"])


def test_index_progress_and_resuming(made):
    folder, index, seen = made
    assert seen == [(1, 2), (2, 2)]
    lines = [json.loads(line) for line in index.read_text().splitlines()]
    assert [line["id"] for line in lines] == ["validation-easy-000003", "validation-easy-000004"]
    kept, redone = folder / "validation-easy-000003.mp4", folder / "validation-easy-000004.mp4"
    before, content = kept.stat().st_mtime_ns, (folder / "validation-easy-000004.json").read_text()
    redone.unlink()
    make(folder, **SMALL)
    assert kept.stat().st_mtime_ns == before
    assert redone.exists()
    assert (folder / "validation-easy-000004.json").read_text() == content
    with pytest.raises(InvalidInput, match="another folder"):
        make(folder, **{**SMALL, "size": 64})


def test_bad_requests(tmp_path):
    with pytest.raises(UnknownName, match="easy"):
        make(tmp_path, num=1, level="eazy")
    with pytest.raises(UnknownName, match="split"):
        make(tmp_path, num=1, split="tset")
    with pytest.raises(InvalidInput, match="num"):
        make(tmp_path, num=0)
