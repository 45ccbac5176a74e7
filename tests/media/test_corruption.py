"""Damage that FFmpeg's decoders do not mention is mentioned."""

from __future__ import annotations

import av
import numpy as np
import pytest
from conftest import STEADY, pictures, write
from PIL import Image

from mmvideo.errors import VideoDecodeError
from mmvideo.media import open_source, read_video
from mmvideo.media.corruption import jpeg_is_a_picture, jpeg_stands_alone


def packets_of(path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def damaged(data: bytes, packet: bytes, seed: int) -> bytes:
    """Put noise into a packet, behind its header."""
    at, keep = data.index(packet), 10
    noise = bytes(np.random.default_rng(seed).integers(0, 256, len(packet) - keep, np.uint8))
    return data[:at + keep] + noise + data[at + len(packet):]


def test_vp8_rows_that_are_lost_in_silence_are_told(tmp_path, monkeypatch):
    path = write(tmp_path / "a.webm", ticks=STEADY, codec="libvpx")
    assert not read_video(path, strict=True).warnings
    packet = max((packet for packet in packets_of(path) if packet[0] & 1), key=len)  # the largest that is no keyframe
    files = [damaged(path.read_bytes(), packet, seed) for seed in range(12)]
    told = [bool(read_video(file).warnings) for file in files]
    monkeypatch.setattr(av, "codecs_available", set())  # as in a build of FFmpeg without libvpx
    alone = [bool(read_video(file).warnings) for file in files]
    assert sum(told) > sum(alone)
    monkeypatch.undo()
    with pytest.raises(VideoDecodeError):
        read_video(files[told.index(True)], strict=True)


def test_motion_jpeg_without_its_tables_is_not_sought(tmp_path):
    path = write(tmp_path / "a.mov", ticks=STEADY, codec="mjpeg", pixels="yuvj420p")
    packet = packets_of(path)[20]
    assert jpeg_stands_alone(packet)
    with open_source(path) as source:
        source.frames_at([0.8])
        assert source._seeks
    data, table = path.read_bytes(), packet.index(b"\xff\xdb")
    at = data.index(packet)
    broken = data[:at + table + 1] + b"\xe5" + data[at + table + 2:]  # the table is now an unknown segment
    with open_source(broken) as source:
        got = source.frames_at([0.8]).frames[0]
        assert not source._seeks
    assert np.array_equal(got, read_video(broken).frames[20])
    lost = data[:at] + b"\0" + data[at + 1:]  # no JPEG at all: the plain decoder would show the picture before
    assert any("damage" in warning for warning in read_video(lost).warnings)
    with open_source(lost) as source:
        source.frames_at([0.8])
        assert any("damage" in warning for warning in source.warnings)


def test_ordinary_jpegs_stand_alone(tmp_path):
    for options in ({}, {"progressive": True}, {"optimize": True, "subsampling": 0}):
        path = tmp_path / "a.jpg"
        Image.fromarray(pictures(1)[0]).save(path, **options)
        data = path.read_bytes()
        assert jpeg_is_a_picture(data)
        assert jpeg_stands_alone(data) or options.get("progressive")
    for length in (0, 1, 3, 20, 150):
        assert not jpeg_is_a_picture(data[:length])
