"""Drift: small steps of places added up, before a still camera, a slow one and one that shakes."""

from __future__ import annotations

import pytest
import torch

from mmvideo.camera_motion.drift import MOST, NONE, drifts, held_places, stillness
from mmvideo.camera_motion.encoder import LABELS, CameraMotion
from mmvideo.camera_motion.still_places import border_quarters
from mmvideo.heads.linear import LinearHead
from mmvideo.weights import weights_root
from tests.encoders.test_still_places import clip, pass_by

QUARTERS = border_quarters(64)
SLOW = (torch.linspace(0, 1.5, 16), torch.linspace(0, -2.5, 16), torch.sin(torch.arange(16.0)))


@pytest.mark.parametrize("pixels", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("contrast", [0.3, 0.1])
def test_a_slow_shift_adds_up(pixels: float, contrast: float) -> None:
    path, texture = drifts(clip(torch.linspace(0, pixels, 16), contrast=contrast))
    strong = texture[0] > 0.006
    assert strong.sum() > 30
    assert path[0, -1, 0][strong].median().item() == pytest.approx(-pixels, rel=0.25, abs=0.03)
    assert path[0, -1, 1][strong].abs().median() < 0.3 * pixels


def test_places_hold_before_a_still_camera_though_a_body_passes_and_not_before_a_slow_one() -> None:
    still = clip(torch.zeros(16))
    for luma in (still, pass_by(still)):
        held = held_places(luma, QUARTERS)
        assert held.shape == (1, 2, 4)
        assert (held[0, :, 3] > 0.9).all(), "in the quarter that the body leaves alone"
        assert stillness(luma, QUARTERS).item() == pytest.approx(MOST)
    for shifts in SLOW:
        for luma in (clip(shifts), pass_by(clip(shifts))):
            assert stillness(luma, QUARTERS).item() < 0, "hardly a place holds"


def test_noise_cancels_where_far_frames_differ() -> None:
    """Places of little texture, in noise as large as their gradient."""
    noise = 0.01 * torch.randn(1, 16, 64, 64, generator=torch.Generator().manual_seed(0))
    held = stillness(clip(torch.zeros(16), contrast=0.2) + noise, QUARTERS)
    gone = stillness(clip(torch.linspace(0, 2.5, 16), contrast=0.2) + noise, QUARTERS)
    assert held > gone + 1


def test_a_blank_wall_and_a_change_of_light_speak_against_nothing_but_certainty() -> None:
    blank = torch.linspace(0.4, 0.6, 16)[None, :, None, None].expand(1, 16, 64, 64)
    assert held_places(blank, QUARTERS).max() < 0.1
    assert -MOST - NONE <= stillness(blank, QUARTERS).item() < 0


def test_the_shipped_head_adds_it_to_static_alone() -> None:
    folder = weights_root() / "camera-motion"
    encoder, head = CameraMotion.from_pretrained(folder), LinearHead.from_pretrained(folder)
    added = head.score.weight[:, -1].tolist()
    assert added == [float(label == "static") for label in LABELS]
    luma = torch.cat([clip(torch.zeros(16)), *(clip(shifts) for shifts in SLOW)])
    with torch.inference_mode():
        pooled = encoder(luma[:, :, None]).pooled
        assert pooled.shape == (4, encoder.dim_pooled)
        torch.testing.assert_close(pooled[:, -1:], stillness(luma, QUARTERS))
        assert head.score(pooled)[:, 0].argmax() == 0
