"""A file is read as what it is: no playlist is followed, no name is taken for an address, no huge frame is decoded."""

from __future__ import annotations

import io
import os
import socket
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import pictures
from PIL import Image

from mmvideo.errors import BudgetExceeded, DownloadRefused, MediaNotFound, MmvideoError, NoVideoTrack, VideoDecodeError
from mmvideo.media import MediaLimits, open_source, probe, read_audio, read_video, write_video
from mmvideo.media.formats import DEMUXERS
from mmvideo.media.remux import with_sound


class Listener:
    """Counts who connects to a port of this machine, by TCP or UDP."""

    def __init__(self) -> None:
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.port = self.tcp.getsockname()[1]
        self.seen: list[str] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self.tcp.accept()
            except OSError:
                return
            self.seen.append("tcp")
            peer.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.tcp.close()


def lists(film: Path, port: int) -> dict[str, str]:
    """Texts that make FFmpeg open another file, or a socket."""
    web = f"http://127.0.0.1:{port}/film.mp4"
    hls = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXTINF:2.0,\n{}\n#EXT-X-ENDLIST\n"
    dash = ('<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
            'mediaPresentationDuration="PT2S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period>'
            '<AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1" width="96" height="64">'
            "<BaseURL>{}</BaseURL></Representation></AdaptationSet></Period></MPD>")
    return {
        "local.m3u8": hls.format(film), "local.m3u": hls.format(f"file:{film}"), "web.m3u8": hls.format(web),
        "crypto.m3u8": hls.format(f"crypto:{film}"), "nested.m3u8": hls.format(f"concat:{film}|{film}"),
        "list.ffconcat": f"ffconcat version 1.0\nfile '{film}'\n",
        "web.ffconcat": f"ffconcat version 1.0\nfile {web}\n",
        "local.mpd": dash.format(film), "web.mpd": dash.format(web),
        "session.sdp": f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\n"
                       "a=rtpmap:96 H264/90000\n",
        "list.pls": f"[playlist]\nFile1={film}\n", "list.rtsp": f"RTSPtext\nrtsp://127.0.0.1:{port}/x\n",
        "letters.txt": "letters " * 200, "words.srt": "1\n00:00:00,000 --> 00:00:02,000\nwords\n",
        "meta.ffmeta": ";FFMETADATA1\ntitle=x\n"}


OPENERS: dict[str, Callable] = {
    "open_source": open_source, "probe": probe, "read_video": read_video, "read_audio": read_audio,
    "with_sound": lambda media: with_sound(media, "x.mp4", iter(()), 16000)}


@pytest.mark.parametrize("name", lists(Path("a"), 0))
def test_nothing_that_names_other_media_is_followed(name: str, odd, listener: Listener, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = lists(odd("five-one.mp4"), listener.port)[name].encode()
    for suffix in (Path(name).suffix, ".mp4", ""):
        path = tmp_path / f"given{suffix}"
        path.write_bytes(data)
        for opener in OPENERS.values():
            given = [path, f"file{suffix}", data]
            (tmp_path / f"file{suffix}").write_bytes(data)
            for media in given if opener is OPENERS["with_sound"] else [*given, io.BytesIO(data), path.open("rb")]:
                with pytest.raises(VideoDecodeError, match="not a media file"):
                    opener(media)
                if hasattr(media, "close"):
                    media.close()
    assert listener.seen == []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", listener.port))  # nobody holds the port that the session description names


@pytest.mark.parametrize("name", [
    "12:30:05.mp4", "concat:{film}|{film}", "subfile,,start,0,end,99,,:{film}", "-", "pipe:0", "udp:127.0.0.1:{port}",
    "http:/127.0.0.1:{port}/x.mp4", "file:x.mp4", "data:,x", "~.mp4", "crypto:x.mp4", "cache:x", "%03d.mp4",
    "[a]*?{{1,2}}.mp4", "x.m3u8", "x.sdp", " .mp4", "caf\udce9.mp4", "日本.mp4", "a#b?c=d%20.mp4", "-i.mp4", "rtsp:x",
    "video=0"])
def test_a_name_of_a_file_is_only_a_name(name: str, odd, listener: Listener, tmp_path, monkeypatch) -> None:
    film = odd("mute.mp4")
    name = name.format(film=str(film).replace("/", "\\"), port=listener.port)
    path = os.path.join(tmp_path, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    Path(path).write_bytes(film.read_bytes())
    monkeypatch.chdir(tmp_path)
    want = read_video(film)
    for given in (name, path, Path(name)):
        got = read_video(given)
        assert np.array_equal(got.frames, want.frames)
        assert got.source.isprintable()
    with open_source(name) as source:
        monkeypatch.chdir("/")  # where a file is does not depend on where the reader goes meanwhile
        assert np.array_equal(source.frames_at([1.0]).frames, want.frames[25:26])
    assert listener.seen == []


def test_pictures_are_read_whatever_their_name(tmp_path) -> None:
    for name in ("plain.png", "%03d.png", "f%d.jpg", "[a]{b}*?.png", "x.webp", "%02d.gif", "b.bmp", "t.tiff", "p.ppm"):
        Image.fromarray(pictures(1)[0]).save(tmp_path / name)
    Image.fromarray(255 - pictures(1)[0]).save(tmp_path / "001.png")  # what the pattern %03d.png would name
    for path in sorted(tmp_path.iterdir()):
        video = read_video(path)
        assert video.frames.shape == (1, 3, 64, 96)
        inverse = path.name == "001.png"
        assert abs(video.frames[0].float().mean() - np.mean(255 - pictures(1)[0] if inverse else pictures(1)[0])) < 3


@pytest.mark.parametrize("name", ["concat:{film}", "subfile,,start,0,end,99,,:{film}", "file:{film}", "pipe:0", "-",
                                  "udp:127.0.0.1:9", "crypto:{film}", "async:{film}", "cache:{film}", "x" * 5000,
                                  "\ud800.mp4", "a\0b.mp4"])
def test_an_address_of_ffmpeg_is_no_path(name: str, odd) -> None:
    name = name.format(film=odd("mute.mp4"))
    for opener in (open_source, probe, read_video, read_audio):
        with pytest.raises(MediaNotFound):
            opener(name)


@pytest.mark.parametrize("name", ["rtmp://127.0.0.1/x", "udp://127.0.0.1:9", "file://{film}", "FILE://{film}",
                                  "concat://{film}", "ftp://127.0.0.1/x", "rtsp://127.0.0.1/x", "data://,x"])
def test_only_http_addresses_are_fetched(name: str, odd) -> None:
    with pytest.raises(DownloadRefused, match="only http and https"):
        open_source(name.format(film=odd("mute.mp4")))


def test_pipes_and_devices_are_refused(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(VideoDecodeError, match="pipe or device"):
            open_source(path)


def test_the_allowed_formats_are_ffmpegs_and_none_opens_other_files() -> None:
    known = {name for listed in av.formats_available for name in listed.split(",")}
    assert len(DEMUXERS - known) <= 3, f"misspelt, or not in this build: {DEMUXERS - known}"
    assert not DEMUXERS & {"hls", "dash", "concat", "concatf", "sdp", "rtsp", "rtp", "sap", "image2", "image2pipe",
                           "tty", "imf", "vobsub", "lavfi", "alsa", "v4l2", "video4linux2", "x11grab", "data", "oss",
                           "webm_dash_manifest", "svg_pipe", "applehttp", "fbdev", "kmsgrab", "ffmetadata"}


def test_names_of_written_files_are_only_names(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    frames = np.stack(pictures(4)).transpose(0, 3, 1, 2)
    for name in ("12:30:05.mp4", "%03d.mp4", "x" * 248 + ".mp4", "udp:127.0.0.1:9.mp4"):
        write_video(name, frames, fps=4)
        assert len(read_video(name)) == 4
        assert len(list(tmp_path.iterdir())) == 1
        os.unlink(name)


# --- frames that are far larger than their file


def gif(width: int, height: int, frames: int = 3) -> bytes:
    """An animation of one pixel on a canvas of any size."""
    frame = b"!\xf9\4\4\n\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0"
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\x80\0\0\0\0\0\xff\xff\xff" + frame * frames + b";"


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width: int, height: int) -> bytes:
    """The header of a PNG picture of 16 bits and four channels."""
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 6, 0, 0, 0))


def png(width: int, height: int) -> bytes:
    """A black picture; of a high one only the first rows are there."""
    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(8 * width + 1)) for _ in range(min(height, 64))) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + png_header(width, height) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def webp(width: int, height: int) -> bytes:
    """The header of a lossless picture, and nothing in it."""
    bits = (width - 1) | (height - 1) << 14
    body = b"VP8L" + struct.pack("<I", 10) + b"\x2f" + struct.pack("<I", bits) + bytes(5)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def bmp(width: int, height: int) -> bytes:
    """The header of a picture of 24 bits."""
    return struct.pack("<2sIHHIIiiHH", b"BM", 154, 0, 0, 54, 40, width, height, 1, 24) + bytes(123)


BOMBS = {"gif": gif, "png": png, "webp": webp, "bmp": bmp}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("kind", BOMBS)
@pytest.mark.parametrize("side", [8300, 12000, 16300])
def test_a_frame_that_is_too_large_is_refused_by_its_header(kind: str, side: int, tmp_path) -> None:
    path = tmp_path / f"x.{kind}"
    path.write_bytes(BOMBS[kind](side, side))
    for opener in (open_source, probe, read_video):
        for media in (path, path.read_bytes(), io.BytesIO(path.read_bytes())):
            with pytest.raises(BudgetExceeded, match="max_pixels"):
                opener(media)
    if kind != "gif":
        for media in ([path], tmp_path):
            with pytest.raises(BudgetExceeded, match="max_pixels"):
                open_source(media, fps=5)


def test_the_limit_is_one_and_can_be_chosen(odd, tmp_path) -> None:
    (tmp_path / "x.gif").write_bytes(gif(100, 90))
    Image.fromarray(pictures(1)[0]).save(tmp_path / "x.png")
    small = MediaLimits(max_pixels=96 * 64 - 1)
    films = [odd(name) for name in ("mute.mp4", "mpeg2.ts", "vp9.webm", "mpeg4.avi")]
    for media in (*films, tmp_path / "x.gif", tmp_path / "x.png"):
        with pytest.raises(MmvideoError):
            read_video(media, limits=small)
        assert len(read_video(media, limits=MediaLimits(max_pixels=9600)))
    with pytest.raises(BudgetExceeded):
        open_source([tmp_path / "x.png"], fps=5, limits=small)
    assert len(read_video([tmp_path / "x.png"], fps=5, limits=MediaLimits(max_pixels=96 * 64))) == 1


def song_with_cover(path: Path, side: int) -> Path:
    """A second of sound with a picture of the record, which the muxer is told to be small."""
    large, small = png_header(side, side), png_header(64, 64)
    cover = png(side, side).replace(large, small)
    with av.open(str(path), "w") as out, av.open(io.BytesIO(cover)) as given:
        sound = out.add_stream("aac", rate=48000, layout="mono")
        track = out.add_stream_from_template(given.streams.video[0])
        track.disposition = av.stream.Disposition.attached_pic
        for packet in given.demux(video=0):
            if packet.size:
                packet.stream = track
                out.mux(packet)
        for number in range(47):
            frame = av.AudioFrame.from_ndarray(np.full((1, 1024), 0.1, np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 48000, number * 1024
            out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    data = path.read_bytes()
    assert data.count(small) == 1
    path.write_bytes(data.replace(small, large))
    return path


_MEASURE = """
import resource, sys
from mmvideo.errors import MmvideoError, NoVideoTrack
from mmvideo.media import open_source, read_audio, read_video
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
read_video(sys.argv[1])  # what the libraries themselves take
read_audio(sys.argv[2])
before = peak()
for path in sys.argv[3:]:
    for read in (read_video, read_audio, lambda path: read_video(path, size=32)):
        try:
            print(path, read(path))
        except MmvideoError as error:
            print(path, type(error).__name__)
print("grown", peak() - before)
"""


def test_memory_does_not_follow_what_a_header_claims(odd, tmp_path) -> None:
    song = song_with_cover(tmp_path / "song.mp4", 64)
    paths = [song_with_cover(tmp_path / "bomb.mp4", 16300)]
    for kind, make in BOMBS.items():
        paths.append(tmp_path / f"x.{kind}")
        paths[-1].write_bytes(make(16300, 16300))
    ran = subprocess.run([sys.executable, "-c", _MEASURE, odd("mute.mp4"), song, *paths], capture_output=True,
                         text=True, check=True)
    assert int(ran.stdout.split()[-1]) < 60_000, ran.stdout  # KiB; one such frame is 1.06 GB
    assert ran.stdout.count("BudgetExceeded") == 12
    with pytest.raises(NoVideoTrack):
        read_video(paths[0])
    assert read_audio(paths[0]).samples.abs().max() > 0.05


def test_photos_for_training_are_opened_like_all_else(odd, tmp_path) -> None:
    from mmvideo.camera_motion.training.textures import load_photos

    plain = len(load_photos())
    Image.fromarray(pictures(1)[0]).save(tmp_path / "a.png")
    (tmp_path / "12:30.mp4").write_bytes(odd("mute.mp4").read_bytes())
    for suffix in (".mp4", ".png"):
        (tmp_path / f"list{suffix}").write_text(lists(odd("mute.mp4"), 9)["local.m3u8"])
    (tmp_path / "bomb.png").write_bytes(png(16300, 16300))
    photos = load_photos(tmp_path)[plain:]
    assert [photo.shape for photo in photos] == [(64, 96)] * 5  # four of the 40 frames, and the picture
