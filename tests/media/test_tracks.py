"""Which video track of several is read, and what is said about tracks of which little is known."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from conftest import pictures
from reference import full_decode

from mmvideo.errors import InvalidInput, NoVideoTrack
from mmvideo.media import open_source, probe, read_audio, read_video, write_audio
from mmvideo.media.info import AudioStreamInfo, VideoStreamInfo
from mmvideo.media.remux import with_sound
from mmvideo.types import Audio

DEFAULT = av.stream.Disposition.default


def film(path: Path, *sizes: tuple[int, int], default: tuple[int, ...] = (), crf: tuple[int, ...] = ()) -> Path:
    """Write tracks of (height, width), with the `default` flag on those of these numbers (all of them if none)."""
    with av.open(str(path), "w", options={"default_mode": "passthrough"} if path.suffix == ".mkv" else {}) as out:
        tracks = []
        for number, (height, width) in enumerate(sizes):
            track = out.add_stream("libx264", rate=25)
            track.height, track.width, track.pix_fmt, track.gop_size = height, width, "yuv420p", 5
            track.options = {"crf": str(crf[number])} if crf else {}
            track.disposition = DEFAULT if not default or number in default else av.stream.Disposition(0)
            tracks.append((track, pictures(30, height, width)))
        for number in range(30):
            for track, frames in tracks:
                frame = av.VideoFrame.from_ndarray(frames[number])
                frame.pts, frame.time_base = number, Fraction(1, 25)
                out.mux(track.encode(frame))
        for track, _ in tracks:
            out.mux(track.encode(None))
    return path


SMALL, LARGE = (48, 64), (144, 192)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".mov"])
@pytest.mark.parametrize("sizes", [(SMALL, LARGE), (LARGE, SMALL), (SMALL, LARGE, SMALL)])
def test_the_best_of_equal_tracks_is_read(suffix, sizes, tmp_path):
    path = film(tmp_path / f"a{suffix}", *sizes)
    best = sizes.index(LARGE)
    info = probe(path, count_frames=True)
    assert [stream.is_taken for stream in info.video] == [number == best for number in range(len(sizes))]
    assert info.main_video.index == best
    assert info.main_video.found_frames == 30
    lines = str(info).splitlines()[1:1 + len(sizes)]
    for number, line in enumerate(lines):
        assert line.startswith(f"  video {number}: ")
        words = ", taken" if number == best else f", not taken (video_stream={number} takes it)"
        assert line.endswith(words)
    video = read_video(path)
    frames, times = full_decode(str(path), stream=best)
    assert torch.equal(video.frames, torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2))
    assert video.pts_seconds.tolist() == times
    with open_source(path) as source:
        assert torch.equal(source.frames_at([times[20], times[3]]).frames, video.frames[[20, 3]])
        later = torch.cat([piece.frames for piece in source.stream(start_seconds=times[17])])
        assert torch.equal(later, video.frames[17:])


def test_the_default_track_comes_before_a_larger_one(tmp_path):
    for suffix in (".mkv", ".mp4"):
        path = film(tmp_path / f"a{suffix}", LARGE, SMALL, default=(1,))
        assert probe(path).main_video.index == 1
        assert read_video(path).frames.shape[2:] == SMALL


def test_the_choice_is_that_of_ffmpeg(tmp_path):
    """A fine small track has the higher bit rate, which is what FFmpeg (and with it torchcodec) goes by in MP4."""
    path = film(tmp_path / "a.mp4", (144, 192), (96, 128), crf=(51, 1))
    with av.open(str(path)) as container:
        best = container.streams.best("video").index
        rates = [stream.bit_rate for stream in container.streams.video]
    assert rates[1] > rates[0]
    assert probe(path).main_video.index == best == 1


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_video_stream_chooses(suffix, tmp_path):
    path = film(tmp_path / f"a{suffix}", SMALL, LARGE)
    for number, size in enumerate((SMALL, LARGE)):
        video = read_video(path, video_stream=number)
        assert video.frames.shape == (30, 3, *size)
        frames, times = full_decode(str(path), stream=number)
        assert torch.equal(video.frames, torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2))
        with open_source(path, video_stream=number) as source:
            assert source.info.main_video.index == number
            assert torch.equal(source.frames_at([times[9]]).frames[0], video.frames[9])
        assert probe(path, video_stream=number).main_video.index == number
    for wrong in (2, -1, 99):
        for call in (open_source, probe):
            with pytest.raises(InvalidInput, match=f"video_stream={wrong}, but .* 2 video tracks: choose 0 to 1"):
                call(path, video_stream=wrong)
    for wrong in ("0", 0.5, True, [0]):
        with pytest.raises(InvalidInput, match="video_stream"):
            open_source(path, video_stream=wrong)


def test_a_choice_where_there_is_none(tmp_path):
    path = tmp_path / "a.flac"
    write_audio(path, Audio(torch.zeros(1, 8000), 8000))
    with pytest.raises(NoVideoTrack, match="no video track"):
        read_video(path, video_stream=0)
    frames = np.zeros((2, 8, 8, 3), np.uint8)
    for option in ("video_stream", "audio_stream"):
        assert len(read_video(frames, fps=5, **{option: 0})) == 2
        with pytest.raises(InvalidInput, match=f"{option}=1"):
            read_video(frames, fps=5, **{option: 1})


def test_cover_art_is_no_choice(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as out:
        cover, track = out.add_stream("mjpeg", rate=1), out.add_stream("libx264", rate=25)
        cover.width, cover.height, cover.pix_fmt = 640, 480, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        track.width, track.height, track.pix_fmt = 64, 48, "yuv420p"
        still = av.VideoFrame.from_ndarray(np.zeros((480, 640, 3), np.uint8))
        still.pts, still.time_base = 0, Fraction(1)
        out.mux([*cover.encode(still), *cover.encode(None)])
        for number, picture in enumerate(pictures(5, *SMALL)):
            frame = av.VideoFrame.from_ndarray(picture)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(track.encode(frame))
        out.mux(track.encode(None))
    info = probe(path)
    number = next(stream.index for stream in info.video if stream.is_cover_art)
    assert info.main_video.index == 1 - number
    assert "taken" not in str(info)
    with pytest.raises(InvalidInput, match="cover art"):
        open_source(path, video_stream=number)


def test_another_sound_goes_to_the_track_that_is_read(tmp_path):
    path = film(tmp_path / "a.mp4", SMALL, LARGE)
    for chosen, size in ((None, LARGE), (0, SMALL)):
        sound = iter([Audio(torch.zeros(1, 16000), 16000)])
        made = with_sound(path, tmp_path / "b.mp4", sound, 16000, video_stream=chosen)
        assert read_video(made).frames.shape[2:] == size
        assert read_audio(made).duration_seconds >= 1


def test_what_is_not_known_is_said_so():
    unknown = VideoStreamInfo(0, "h264", None, None, None, 0, 0, 0, False, None, None, None, 0.0, 0.0, False, False,
                              False)
    assert str(unknown).startswith("h264, unknown size, unknown pixel format, no frame rate")
    assert "None" not in str(unknown)
    assert "unknown sample rate" in str(AudioStreamInfo(0, "unknown", 0, 0, "unknown", None, 0.0, None))


def test_a_track_without_a_frame_has_no_made_up_depth(tmp_path):
    """A transport stream whose H.264 never comes to its parameter sets: what FFmpeg calls format None."""
    path = film(tmp_path / "a.ts", SMALL)
    data = bytearray(path.read_bytes())
    for at in range(0, len(data), 188):  # keep the tables of the stream, empty the pictures
        if int.from_bytes(data[at + 1:at + 3], "big") & 0x1FFF == 0x100:
            data[at + 12:at + 188] = bytes(176)
    info = probe(bytes(data))
    assert info.video[0].pixel_format is None
    assert info.video[0].bit_depth is None
    assert "None" not in str(info)
    assert "unknown pixel format" in str(info)


@pytest.mark.shared
def test_the_file_of_torchcodec(shared):
    """Its tests take stream 3 of this file as the best: 480x270."""
    path = shared / "media" / "edge" / "nasa_13013.mp4"
    assert read_video(path, end_seconds=1).frames.shape[2:] == (270, 480)
    assert read_video(path, end_seconds=1, video_stream=0).frames.shape[2:] == (180, 320)
    assert "video 1: h264 (High), 480x270" in str(probe(path))
