"""The border of the toybox model's domain: it lets its own world in; real footage and pictures of nothing not."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mmvideo import Pipeline, weights
from mmvideo.errors import MmvideoError
from mmvideo.heads.domain import DomainHead
from mmvideo.media import open_source
from mmvideo.sampling.windows import windows
from mmvideo.toybox.encoder import ToyboxAV
from mmvideo.toybox.training.batches import draw_batch
from mmvideo.toybox.training.outside import KINDS, outside_clips
from mmvideo.types import Features


@pytest.fixture(scope="module")
def parts() -> tuple[ToyboxAV, DomainHead]:
    return (ToyboxAV.from_pretrained(weights.part("toybox-qa", "encoder")),
            DomainHead.from_pretrained(weights.part("toybox-qa", "domain")))


def windows_of(path: Path) -> Tensor:
    """Windows of a film as the model sees them, uint8 (B, 16, 3, 64, 64); none if it cannot be read."""
    try:
        with open_source(str(path)) as source:
            return windows(source, size=64, max_windows=2).frames
    except MmvideoError:
        return torch.zeros(0, 16, 3, 64, 64, dtype=torch.uint8)


@torch.inference_mode()
def passed(parts: tuple[ToyboxAV, DomainHead], clips: Iterable[Tensor]) -> Tensor:
    """Whether each clip passes as toybox, bool (N,)."""
    encoder, head = parts
    return torch.cat([head(encoder(some))[1] for some in clips if len(some)])


@torch.no_grad()
def test_toybox_clips_pass(parts) -> None:
    encoder, head = parts
    batch = draw_batch(range(200), split="test", levels={"easy": 0.5, "standard": 0.5})
    features: Features = encoder(batch.frames, batch.audio, batch.has_sound)
    assert head(features)[1].float().mean() >= 0.97


def test_empty_grey_still_and_night_pictures_do_not(parts) -> None:
    inside = passed(parts, outside_clips(901, 20 * len(KINDS)).split(20))
    found = {kind: int(some.sum()) for kind, some in zip(KINDS, inside.split(20), strict=True)}
    assert found == dict.fromkeys(KINDS, 0)


def test_one_tone_of_any_brightness_does_not(parts) -> None:
    tones = torch.arange(0, 256, 15, dtype=torch.uint8)[:, None, None, None, None].expand(-1, 16, 3, 64, 64)
    assert not passed(parts, [tones]).any()


def test_a_grey_video_is_flagged_by_the_pipeline() -> None:
    grey = torch.full((16, 3, 64, 64), 128, dtype=torch.uint8)
    assert not Pipeline("video-captioning", model="toybox-qa")(grey, fps=8).in_domain


@pytest.mark.shared
def test_real_footage_does_not(parts, shared: Path) -> None:
    inside = passed(parts, map(windows_of, sorted((shared / "media").glob("*/*"))))
    assert len(inside) > 50
    assert inside.float().mean() <= 0.02


@pytest.mark.shared
def test_parking_lots_with_people_and_without_do_not(parts, shared: Path) -> None:
    films = sorted((shared / "data/interactions").glob("set*/*.mp4"))[::6]
    seen = [windows_of(path) for path in films]
    inside = passed(parts, seen)
    assert len(inside) > 60
    assert inside.float().mean() <= 0.02
    empty = torch.stack([film.flatten(0, 1).median(0).values for film in seen])[:, None].expand(-1, 16, -1, -1, -1)
    grey = empty.float().mean(2, keepdim=True).expand_as(empty).to(torch.uint8)
    noise = torch.randn(empty.shape, generator=torch.Generator().manual_seed(0)) * 6
    night = (empty * 0.15 + noise).clamp(0, 255).to(torch.uint8)
    shown = passed(parts, [empty, grey, night])
    assert shown.float().mean() <= 0.02
