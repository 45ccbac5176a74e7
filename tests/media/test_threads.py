"""One source or voice that eight threads read at once gives each of them what one thread alone gets."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from mmvideo.errors import InvalidInput
from mmvideo.faces.spool import Spool
from mmvideo.media.info import MediaInfo
from mmvideo.media.source import Source
from mmvideo.media.warn import WarningLog
from mmvideo.media.webcam import WebcamSource
from mmvideo.separation.voices.tracks import Sound, Voice

READ = """
import sys
from concurrent.futures import ThreadPoolExecutor
import torch
from mmvideo.media import open_source, read_video
with open_source(sys.argv[1]) as source:
    whole = read_video(sys.argv[1])
    times = whole.pts_seconds.tolist()
    def read(number):
        for step in range(8):
            row = (number * 7 + step * 11) % len(times)
            assert torch.equal(source.frames_at([times[row]]).frames[0], whole.frames[row])
            if step % 4 == 1:
                part = [piece.frames for piece in source.stream(start_seconds=times[20], end_seconds=times[30])]
                assert torch.equal(torch.cat(part), whole.frames[20:30])
            if step % 4 == 2 and source.has_audio:
                source.audio(start_seconds=times[3], end_seconds=times[9])
        return number
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read, range(8))) == list(range(8))
print("equal")
"""


@pytest.mark.parametrize("name", ["opengop.mp4", "opengop.mkv", "late.mkv", "mpeg4.avi", "mpeg2.ts", "vp9.webm"])
def test_a_file_read_by_eight_threads(odd, name):
    done = subprocess.run([sys.executable, "-c", READ, str(odd(name))], capture_output=True, text=True, timeout=200,
                          cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == "equal"


def test_a_voice_read_by_eight_threads():
    samples = np.random.default_rng(0).standard_normal(400_000).astype(np.float32)
    spool = Spool((), np.float32)
    spool.append(samples)
    sound = Sound(spool, 0, len(samples), 0.0)
    voice = Voice(1, sound, 0.0, ((0.0, 25.0),), np.zeros((0, 4), np.float32), 0.0, None)

    def read(number: int) -> bool:
        picks = np.random.default_rng(number).integers(0, 390_000, 300)
        same = all(np.array_equal(sound.read(int(at), int(at) + 999).numpy(), samples[at:at + 999]) for at in picks)
        return same and torch.equal(voice.audio.samples[0], torch.from_numpy(samples))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(8)))


def test_a_spool_written_and_read_at_once():
    spool, done = Spool((16,), np.int32), threading.Event()

    def write() -> None:
        for number in range(2000):
            spool.append(np.full((1, 16), number, np.int32))
        done.set()

    def read() -> bool:
        while not done.is_set():
            rows = spool.read(0, len(spool))
            if not np.array_equal(rows[:, 0], np.arange(len(rows))):
                return False
        return True

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        pool.submit(write).result()
        assert all(reader.result() for reader in readers)


def test_warnings_stay_without_repeats():
    log = WarningLog()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: log.add(f"warning {number % 50}"), range(4000)))
    assert len(log.items) == len(set(log.items)) == 21


def test_a_camera_has_one_reader(odd):
    camera = WebcamSource.__new__(WebcamSource)
    Source.__init__(camera, MediaInfo("camera", "v4l2", 0.0, 0.0))
    camera._reading, camera._container = threading.Lock(), av.open(str(odd("mute.mp4")))
    first = camera.stream(batch=4)
    assert len(next(first)) == 4
    with pytest.raises(InvalidInput, match="read already"):
        next(camera.stream(batch=4))
    first.close()
    assert len(next(camera.stream(batch=4))) == 4
    camera.close()
