"""Everything that can be opened opens, and what cannot says why."""

from __future__ import annotations

import contextlib
import http.server
import io
import threading
import time
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from conftest import pictures, write
from PIL import Image

from mmvideo.errors import (
    BudgetExceeded,
    DownloadRefused,
    InvalidInput,
    MediaNotFound,
    NoAudioTrack,
    NoVideoTrack,
    VideoDecodeError,
)
from mmvideo.media import MediaLimits, open_source, probe, read_video
from mmvideo.types import Audio, Video


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return np.stack(pictures(10))


def test_bytes_and_file_objects_read_like_the_path(odd):
    path = odd("opengop.mp4")
    want = read_video(path)
    data = path.read_bytes()
    with path.open("rb") as file:
        for source in (data, bytearray(data), io.BytesIO(data), file):
            got = read_video(source)
            assert torch.equal(got.frames, want.frames)
            assert torch.equal(got.pts_seconds, want.pts_seconds)
    with open_source(io.BytesIO(data)) as source:
        copy = source._decoder.opener._media
        assert copy.exists()
    assert not copy.exists()
    with pytest.raises(InvalidInput, match="binary"):
        open_source(io.StringIO("text"))
    with pytest.raises(DownloadRefused):
        open_source(io.BytesIO(data), limits=MediaLimits(max_bytes=100))


def test_frames_need_a_clock(frames):
    for bad in ({}, {"fps": 5, "pts_seconds": range(10)}, {"fps": 0}, {"fps": -1}, {"pts_seconds": [0, 1]},
                {"pts_seconds": [3] * 10}):
        with pytest.raises(InvalidInput):
            open_source(frames, **bad)
    with pytest.raises(InvalidInput, match="uint8"):
        open_source(frames.astype(np.float32), fps=5)
    with pytest.raises(InvalidInput):
        open_source("film.mp4", fps=5)


def test_frames_of_both_orders(frames):
    for array in (frames, torch.from_numpy(frames), frames.transpose(0, 3, 1, 2), list(frames)):
        with open_source(array, fps=5) as source:
            video = source.frames_at([0.5, 0.1, 9.0])
            assert video.pts_seconds.tolist() == [0.4, 0.0, 1.8]
            assert np.array_equal(video.frames.permute(0, 2, 3, 1).numpy(), frames[[2, 0, 9]])
            assert source.end_seconds == 2.0
            with pytest.raises(NoAudioTrack):
                source.audio()
    with open_source(frames, pts_seconds=np.arange(10) ** 2, audio=np.zeros(16000), sample_rate=8000) as source:
        assert source.frames_at([80.9]).pts_seconds.tolist() == [64.0]
        assert source.audio(end_seconds=1.0).samples.shape == (1, 8000)


def test_image_files(frames, tmp_path):
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / f"img{number + 1}.png")
    with pytest.raises(InvalidInput):
        open_source(tmp_path)
    video = read_video(tmp_path, fps=10)
    assert np.array_equal(video.frames.permute(0, 2, 3, 1).numpy(), frames)  # img2 comes before img10
    video = read_video([tmp_path / "img3.png", str(tmp_path / "img1.png")], fps=10)
    assert np.array_equal(video.frames[0].permute(1, 2, 0).numpy(), frames[2])
    with pytest.raises(MediaNotFound):
        open_source([tmp_path / "no.png"], fps=10)
    (tmp_path / "img1.png").write_bytes(b"broken")
    with pytest.raises(VideoDecodeError):
        open_source(tmp_path, fps=10)


def test_our_own_video_and_audio(odd):
    video = read_video(odd("vfr.mp4"))
    with open_source(video) as source:
        again = source.frames_at(video.pts_seconds.tolist())
        assert torch.equal(again.frames, video.frames)
        assert torch.equal(again.pts_seconds, video.pts_seconds)
    with open_source(Audio(torch.zeros(2, 16000), 16000)) as source:
        assert source.audio(sample_rate=8000, mono=True).samples.shape == (1, 8000)
        with pytest.raises(NoVideoTrack):
            source.frames_at([0.0])
    with pytest.raises(InvalidInput):
        open_source(Video(video.frames[:0], video.pts_seconds[:0], 0.0))


def test_what_cannot_be_opened_says_why(odd, tmp_path):
    data = odd("mute.mp4").read_bytes()
    cases = {"no such file": (tmp_path / "no.mp4", MediaNotFound), "0 bytes": (b"", VideoDecodeError),
             "moov": (data[:2000], VideoDecodeError), "not a media file": (b"hello " * 50, VideoDecodeError),
             "folder without image": (tmp_path, VideoDecodeError), "No camera": (63, MediaNotFound),
             "cannot be a source": (2.5, InvalidInput), "only http": ("file:///etc/passwd", DownloadRefused)}
    (tmp_path / "letters.txt").write_text("letters " * 200)
    cases["plain text"] = (tmp_path / "letters.txt", VideoDecodeError)
    for words, (source, kind) in cases.items():
        with pytest.raises(kind, match=words):
            open_source(source)


def test_cover_art_is_no_video_track(tmp_path):
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as out:
        sound = out.add_stream("aac", rate=48000, layout="mono")
        cover = out.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 96, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        picture = av.VideoFrame.from_ndarray(pictures(1)[0])
        picture.pts, picture.time_base = 0, Fraction(1, 1)
        out.mux(cover.encode(picture))
        out.mux(cover.encode(None))
        for number in range(20):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 48000, number * 1024
            out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    info = probe(path)
    assert info.video[0].is_cover_art
    assert info.main_video is None
    assert "cover art" in str(info)
    with pytest.raises(NoVideoTrack), open_source(path) as source:
        source.frames_at([0.0])


def test_damage_is_told_and_strict_refuses(odd, tmp_path):
    data = bytearray(write(tmp_path / "fine.mp4", ticks=list(range(60)), options={"movflags": "faststart"}
                           ).read_bytes())
    cut = bytes(data[:len(data) * 6 // 10])
    video = read_video(cut)
    assert 0 < len(video) < 60
    assert any("is cut" in warning for warning in video.warnings)
    with pytest.raises(VideoDecodeError):
        read_video(cut, strict=True)
    at = len(data) * 6 // 10
    data[at:at + 900] = bytes(np.random.default_rng(0).integers(0, 255, 900, np.uint8))
    video = read_video(bytes(data))
    assert video.warnings
    with pytest.raises(VideoDecodeError):
        read_video(bytes(data), strict=True)
    assert not read_video(tmp_path / "fine.mp4", strict=True).warnings


def test_timestamps_that_stand_still_are_told(tmp_path):
    path = tmp_path / "still.mkv"
    with av.open(str(path), "w") as out, av.open(str(write(tmp_path / "a.mp4", ticks=list(range(20))))) as film:
        track = out.add_stream_from_template(film.streams.video[0])
        for packet in film.demux(video=0):
            if packet.dts is not None:
                packet.pts = packet.dts = 0
                packet.stream = track
                out.mux(packet)
    video = read_video(path)
    assert len(video) == 20
    assert np.allclose(np.diff(video.pts_seconds.numpy()), 0.04, atol=2e-3)
    assert any("timestamps are the same" in warning for warning in video.warnings)
    with pytest.raises(VideoDecodeError):
        open_source(path, strict=True)


def test_a_result_too_large_is_refused(odd, monkeypatch):
    monkeypatch.setattr("mmvideo.media.source.MAX_RESULT_BYTES", 50_000)
    with pytest.raises(BudgetExceeded), open_source(odd("mute.mp4")) as source:
        source.frames_at([0.0, 0.4, 0.8, 1.2])


class Site(http.server.BaseHTTPRequestHandler):
    film = b""

    def do_GET(self) -> None:
        if self.path.startswith("/hop"):
            left = int(self.path[4:])
            self.send_response(302)
            self.send_header("Location", f"/hop{left - 1}" if left else "/film.mp4")
            self.end_headers()
        elif self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            self.end_headers()
        elif self.path == "/slow":
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                for _ in range(40):
                    self.wfile.write(b"x")
                    self.wfile.flush()
                    time.sleep(0.1)
        elif self.path in ("/film.mp4", "/unsized"):
            self.send_response(200)
            if self.path == "/film.mp4":
                self.send_header("Content-Length", str(len(self.film)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                self.wfile.write(self.film)
        else:
            self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(odd):
    Site.film = odd("mute.mp4").read_bytes()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_addresses_and_their_limits(odd, site):
    with open_source(f"{site}/hop3") as source:
        path = source._decoder.opener._media
        assert path.exists()
        assert torch.equal(source.frames_at([1.0]).frames, read_video(odd("mute.mp4")).frames[25:26])
        assert source.info.source == f"{site}/hop3"
    assert not path.exists()
    for address, limits in (("/hop3", MediaLimits(max_redirects=2)), ("/film.mp4", MediaLimits(max_bytes=500)),
                            ("/unsized", MediaLimits(max_bytes=500)), ("/slow", MediaLimits(max_seconds=0.5)),
                            ("/away", MediaLimits())):
        with pytest.raises(DownloadRefused):
            open_source(site + address, limits=limits)
    with pytest.raises(MediaNotFound, match="404"):
        open_source(f"{site}/nothing")
    with pytest.raises(MediaNotFound):
        open_source("http://127.0.0.1:9/film.mp4")


def test_nothing_is_said_on_stderr(odd, capfd):
    data = odd("mute.mp4").read_bytes()
    broken = bytearray(data)
    broken[len(data) // 2] ^= 255
    read_video(bytes(broken))
    assert capfd.readouterr().err == ""


def test_probe_says_what_is_damaged(odd, tmp_path):
    path = write(tmp_path / "fine.mp4", ticks=list(range(60)), sounds=(("aac", "stereo", 2, "eng"),))
    info = probe(path)
    assert info.examined
    assert info.examined_until_seconds is None
    assert not info.warnings
    data = bytearray(path.read_bytes())
    begin = data.index(b"mdat")
    for at in range(begin + len(data) // 3, begin + len(data) // 3 + 1500):
        data[at] ^= 0x55
    info = probe(bytes(data))
    told = read_video(bytes(data)).warnings
    assert told
    assert set(told) <= set(info.warnings)
    assert all(f"  warning: {warning}" in str(info) for warning in info.warnings)
    headers = probe(bytes(data), check_seconds=0)
    assert not headers.examined
    assert not headers.warnings


def test_probe_says_how_far_it_looked(odd):
    info = probe(odd("opengop.mp4"), check_seconds=1e-9)
    assert 0 <= info.examined_until_seconds < 4
    assert "looked for damage up to" in str(info)
    assert info.to_dict()["examined_until_seconds"] == info.examined_until_seconds
    assert probe(odd("opengop.mp4"), check_seconds=None).examined_until_seconds is None
    for wrong in (-1, "3", float("nan")):
        with pytest.raises(InvalidInput):
            probe(odd("opengop.mp4"), check_seconds=wrong)


def test_probe_says_what_is_damaged_in_the_sound(tmp_path):
    path = write(tmp_path / "a.mkv", ticks=list(range(60)), sounds=(("flac", "mono", 1, "eng"),))
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packet = [bytes(packet) for packet in container.demux(audio=0) if packet.size][5]
    at = data.index(packet)
    data[at + 20:at + 60] = bytes(40)
    assert any("sound track 0: damaged sound" in warning for warning in probe(bytes(data)).warnings)


def test_messages_about_a_name_with_line_breaks_are_one_line(tmp_path):
    name = tmp_path / "two\nlines\x1b[31m.mp4"
    with pytest.raises(MediaNotFound, match=r"two\\x0alines\\x1b\[31m\.mp4: no such file") as caught:
        read_video(name)
    assert "\n" not in str(caught.value)
    name.write_bytes(b"")
    with pytest.raises(VideoDecodeError, match=r"two\\x0alines.*is empty") as caught:
        read_video(name)
    assert "\n" not in str(caught.value)
    write(name.with_suffix(".mkv"), ticks=list(range(3)))
    with pytest.raises(NoAudioTrack, match=r"two\\x0alines.*has no sound track") as caught, open_source(
            name.with_suffix(".mkv")) as source:
        source.audio()
    assert "\n" not in str(caught.value)
