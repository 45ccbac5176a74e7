"""Voices while a clip goes on: rows in, pieces out, in memory that does not grow; camera and microphone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mmvideo.cli import main
from mmvideo.cli.separate_live import separate_live
from mmvideo.errors import InvalidInput, MediaNotFound, VideoDecodeError
from mmvideo.faces.live import LiveFaces
from mmvideo.media import read_audio
from mmvideo.media.microphone import Microphone, recorded_rows
from mmvideo.separation.mouth_mask import MouthMask
from mmvideo.stages.separate_live import LiveSeparator
from mmvideo.weights import weights_root
from tests.separation.voices import talkers

CLIP = weights_root() / "demo" / "voices.mp4"


class Given(LiveFaces):
    """Two faces that are known, so that no network looks for them."""

    def __init__(self, mouths: np.ndarray, rows: int):
        from collections import deque

        self.given, self.row = mouths, 0
        self.faces = [SimpleNamespace(number=n + 1, mouths=deque([mouths[n, 0] * 0] * rows, rows),
                                      seen=deque([False] * rows, rows)) for n in range(2)]

    def push(self, seconds: float, picture: np.ndarray) -> None:
        for n, face in enumerate(self.faces):
            face.mouths.append(self.given[n, self.row])
            face.seen.append(True)
        self.row += 1


@pytest.fixture
def weights(tmp_path: Path) -> str:
    """A tiny separator with random weights."""
    torch.manual_seed(0)
    MouthMask.create("mouth-mask-xs").save_pretrained(tmp_path / "tiny" / "faces")
    from mmvideo.weights import seal

    (tmp_path / "tiny" / "README.md").write_text("---\nlicense: apache-2.0\n---\n# tiny\n")
    seal(tmp_path / "tiny")
    return str(tmp_path / "tiny")


def test_pieces_add_up_and_are_as_long_as_the_sound(weights: str) -> None:
    voices, cues = talkers(1, 100)
    live = LiveSeparator(weights=weights, faces=Given(cues.mouths[0].numpy(), 64))
    mixture = voices[0].sum(0).numpy()
    blank, pieces = np.zeros((48, 64, 3), np.uint8), []
    for row in range(90):
        pieces += live.push(blank, mixture[row * 640:(row + 1) * 640])
        assert len(live._sound) == 64 * 640, "memory stays as it is"
    assert [p.start_seconds for p in pieces] == pytest.approx([0.64 * k for k in range(len(pieces))])
    assert live.latency_seconds == pytest.approx(0.96)
    assert "0.96 s" in live.about
    pieces += live.finish()
    heard = np.concatenate([p.mixture for p in pieces])
    np.testing.assert_array_equal(heard, mixture[:90 * 640].astype(np.float32))
    for piece in pieces:
        assert set(piece.voices) <= {1, 2}
        np.testing.assert_allclose(sum(piece.voices.values()) + piece.off_screen, piece.mixture, atol=1e-6)
    assert any(np.abs(p.voices[1]).max() > 1e-4 for p in pieces if 1 in p.voices)
    with pytest.raises(InvalidInput, match="640 samples"):
        next(live.push(blank, mixture[:100]))


def test_a_file_is_separated_while_it_is_played(tmp_path: Path) -> None:
    """The bundled clip: its two people are found, in files as long as what was played."""
    told = separate_live(str(CLIP), tmp_path / "out", weights="separator", seconds=2.5, realtime=False)
    assert told["people"] == 2
    assert json.loads((tmp_path / "out" / "live.json").read_text()) == told
    first, second, rest, heard = (read_audio(tmp_path / "out" / f"{name}.wav").samples[0]
                                  for name in ("person-1", "person-2", "off-screen", "mixture"))
    assert len(first) == len(second) == len(rest) == len(heard)
    assert len(heard) / 16000 == pytest.approx(2.5, abs=0.05)
    torch.testing.assert_close(first + second + rest, heard, atol=2e-4, rtol=0)
    early = slice(24000, 38000)  # the left one alone speaks
    assert first[early].square().mean() > 2 * second[early].square().mean()


def test_options_that_do_not_belong_together(tmp_path: Path) -> None:
    for given in (["--microphone", "default"], ["--seconds", "3"], ["--live", "--face", "1,2,30,40"],
                  ["--live", "--microphone", "default"]):
        with pytest.raises(SystemExit) as stop:
            main(["separate", str(CLIP), "--out", str(tmp_path / "v"), *given])
        assert stop.value.code == 2, given


def test_a_camera_and_a_microphone_become_rows() -> None:
    class Camera:
        def stream(self, batch: int) -> Iterator[SimpleNamespace]:
            yield SimpleNamespace(frames=torch.full((1, 3, 4, 6), 7, dtype=torch.uint8))

    class Heard:
        def __init__(self, fails: bool = False):
            self.fails = fails

        def pieces(self) -> Iterator[np.ndarray]:
            while not seen:
                seen.append(1)
            yield from np.arange(6400, dtype=np.float32).reshape(8, 800)
            if self.fails:
                raise VideoDecodeError("unplugged")

    seen: list[int] = []
    rows = list(recorded_rows(Camera(), Heard()))
    assert all(picture.shape == (4, 6, 3) and len(samples) == 640 for picture, samples in rows)
    assert len(rows) <= 10
    with pytest.raises(VideoDecodeError, match="unplugged"):
        list(recorded_rows(Camera(), Heard(fails=True)))
    with pytest.raises(MediaNotFound, match="No microphone 'no such one'"):
        Microphone("no such one")
