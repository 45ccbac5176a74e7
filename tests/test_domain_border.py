"""The border of the toybox model's domain: it lets its own world in and real footage not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mmvideo import weights
from mmvideo.encoders.toybox_av import ToyboxAV
from mmvideo.errors import MmvideoError
from mmvideo.heads.domain import DomainHead
from mmvideo.media import open_source
from mmvideo.sampling.windows import windows
from mmvideo.training.toybox_data import draw
from mmvideo.types import Features


@pytest.fixture(scope="module")
def parts() -> tuple[ToyboxAV, DomainHead]:
    return (ToyboxAV.from_pretrained(weights.part("toybox-qa", "encoder")),
            DomainHead.from_pretrained(weights.part("toybox-qa", "domain")))


@torch.no_grad()
def test_toybox_clips_pass(parts) -> None:
    encoder, head = parts
    batch = draw(range(200), split="test", levels={"easy": 0.5, "standard": 0.5})
    features: Features = encoder(batch.frames, batch.audio, batch.has_sound)
    assert head(features)[1].float().mean() >= 0.95


@pytest.mark.shared
@torch.no_grad()
def test_real_footage_does_not(parts, shared: Path) -> None:
    encoder, head = parts
    passed, seen = 0, 0
    for path in sorted((shared / "media").glob("*/*")):
        try:
            with open_source(str(path)) as source:
                clips = windows(source, size=64, sample_rate=encoder.sample_rate, max_windows=2)
        except MmvideoError:
            continue
        has_audio = torch.full((len(clips.frames),), clips.has_audio)
        inside = head(encoder(clips.frames, clips.audio, has_audio))[1]
        passed, seen = passed + int(inside.sum()), seen + len(inside)
    assert seen > 50
    assert passed / seen <= 0.05
