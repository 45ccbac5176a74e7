"""Sound with NaN, infinities or numbers near the limits of float32 gives finite voices and rows that are JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import mmvideo
from mmvideo.errors import InvalidInput

FRAMES = np.random.default_rng(0).integers(0, 255, (20, 48, 48, 3), np.uint8)
NOISE = np.random.default_rng(1).standard_normal(32000).astype(np.float32) * 0.1
SOUNDS = {"all NaN": np.full(32000, np.nan, np.float32), "infinite": np.full(32000, -np.inf, np.float32),
          "some NaN": np.where(np.arange(32000) % 97 == 0, np.nan, NOISE).astype(np.float32),
          "constant": np.ones(32000, np.float32), "denormal": np.full(32000, 1e-42, np.float32),
          "huge": NOISE * np.float32(1e38)}


@pytest.fixture(scope="module")
def separation() -> mmvideo.Pipeline:
    return mmvideo.Pipeline("source-separation", device="cpu")


@pytest.mark.parametrize("name", SOUNDS)
def test_voices_are_finite(separation: mmvideo.Pipeline, name: str) -> None:
    result = separation(FRAMES, fps=10, audio=SOUNDS[name], sample_rate=16000)
    json.dumps(result.to_dict(), allow_nan=False)
    for sound in (*(voice.sound for voice in result.tracks), result.off_screen, result.mixture):
        assert bool(torch.isfinite(sound.whole().samples).all())
    spoilt = not np.isfinite(SOUNDS[name]).all()
    assert any("not finite numbers" in warning for warning in result.warnings) is spoilt
    if spoilt:
        with pytest.raises(InvalidInput, match="finite"):
            separation(FRAMES, fps=10, audio=SOUNDS[name], sample_rate=16000, strict=True)
