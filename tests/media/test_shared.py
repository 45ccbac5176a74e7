"""Every file of the folder of real media, and fifty talking faces, against a plain full decode."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from reference import full_decode, full_sound, increasing

from mmvideo.errors import MediaError, NoAudioTrack, NoVideoTrack, VideoDecodeError
from mmvideo.media import open_source, probe, read_audio, read_video

SHARED = Path(__file__).resolve().parents[3] / "shared"
pytestmark = pytest.mark.shared


def manifest() -> list[dict]:
    path = SHARED / "media" / "MANIFEST.tsv"
    return list(csv.DictReader(path.open(), delimiter="\t")) if path.exists() else []


def said(row: dict, key: str) -> str | None:
    found = re.search(rf"{key}=(\S+)", row["probe"])
    return None if found is None or found[1] == "None" else found[1]


ROWS = manifest()
DAMAGED = {"edge/corrupted.mp4", "edge/flipped_ucf.avi", "edge/trunc_cv002.avi", "edge/trunc_grid.mpg"}
UNREADABLE = {"edge/result.webm": "0 bytes", "edge/trunc_interview.mp4": "moov"}


def check_frames(path: Path) -> list[str]:
    """Compare streamed and sparse reading with the full decode, none of them tone mapped; return the warnings."""
    frames, times = increasing(*full_decode(str(path)))
    rows = np.random.default_rng(0).choice(len(times), min(5, len(times)), replace=False)
    with open_source(path, hdr="keep") as source:
        turn = source.info.main_video.rotation // 90
        at = 0
        for video in source.stream(batch=16):
            want = torch.from_numpy(np.stack([np.rot90(frame, turn) for frame in frames[at:at + len(video)]]))
            assert video.pts_seconds.tolist() == times[at:at + len(video)]
            assert torch.equal(video.frames, want.permute(0, 3, 1, 2))
            at += len(video)
        assert at == len(times)
        sparse = source.frames_at([times[row] for row in rows])
        assert sparse.pts_seconds.tolist() == [times[row] for row in rows]
        for got, row in zip(sparse.frames, rows, strict=True):
            assert np.array_equal(got.permute(1, 2, 0).numpy(), np.rot90(frames[row], turn))
        return list(source.warnings)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["file"])
def test_real_media(row):
    path = SHARED / "media" / row["file"]
    if row["file"] in UNREADABLE:
        with pytest.raises(VideoDecodeError, match=UNREADABLE[row["file"]]):
            open_source(path)
        return
    info = probe(path)
    assert abs(info.duration_seconds - float(said(row, "dur"))) < 0.05
    if info.main_video is None:
        with pytest.raises(NoVideoTrack):
            read_video(path)
    else:
        warnings = check_frames(path)
        assert info.main_video.rotation == int(said(row, "rot"))
        assert bool([text for text in warnings if "HDR" not in text]) == (row["file"] in DAMAGED)
        if row["file"] in DAMAGED:
            with pytest.raises(MediaError):
                read_video(path, strict=True)
    if not info.audio:
        with pytest.raises(NoAudioTrack):
            read_audio(path)
        return
    samples, rate, begin = full_sound(str(path))
    sound = read_audio(path)
    assert (sound.sample_rate, sound.samples.shape) == (rate, samples.shape)
    assert abs(sound.start_seconds - begin) < 1e-3
    assert np.abs(sound.samples.numpy() - samples).max() < 1e-6
    assert f"{rate}Hz" in row["probe"]


@pytest.mark.parametrize("path", sorted((SHARED / "data" / "grid_s1").glob("*.mkv"))[::18][:50], ids=lambda p: p.stem)
def test_talking_faces(path):
    frames, times = full_decode(str(path))
    video = read_video(path)
    assert len(video) == len(frames) == 75
    if len(set(times)) == 1:  # some were muxed with every timestamp zero
        assert any("timestamps are the same" in warning for warning in video.warnings)
        assert np.allclose(video.pts_seconds.numpy(), np.arange(75) / 25)
    else:
        assert video.pts_seconds.tolist() == times
    assert torch.equal(video.frames, torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2))
    with open_source(path) as source:
        some = source.frames_at([2.0, 0.5])
        assert torch.equal(some.frames, video.frames[[50, 12]])
    samples, _, _ = full_sound(str(path))
    assert np.abs(read_audio(path).samples.numpy() - samples).max() < 1e-6
