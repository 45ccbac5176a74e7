"""Places that hold still: displacements to a tenth of a pixel, and what a moving person or camera leaves of them."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from mmvideo.camera_motion.still_places import NUM_FACTS, border_quarters, displacements, still_facts

QUARTERS = border_quarters(64)


def texture(*, contrast: float = 0.3) -> torch.Tensor:
    """A smooth random picture, float (1, 1, 96, 96) around 0.5."""
    noise = torch.rand(1, 1, 24, 24, generator=torch.Generator().manual_seed(3))
    picture = F.interpolate(noise, size=(96, 96), mode="bicubic").clamp(0, 1)
    return 0.5 + contrast * (picture - 0.5)


def clip(shifts: torch.Tensor, *, contrast: float = 0.3) -> torch.Tensor:
    """Luma (1, 16, 64, 64) of a texture shifted along x by pixels (16,), in whole grey levels."""
    axis = torch.arange(64.0) + 16
    frames = []
    for shift in shifts.tolist():
        x, y = (axis + shift)[None].expand(64, -1), axis[:, None].expand(-1, 64)
        grid = (torch.stack([x, y], -1) + 0.5) / 48 - 1
        frames.append(F.grid_sample(texture(contrast=contrast), grid[None], align_corners=False)[0, 0])
    return torch.stack(frames)[None].mul(255).round() / 255


def pass_by(luma: torch.Tensor) -> torch.Tensor:
    """A textured body of 20x48 pixels that walks through the middle."""
    body = torch.rand(48, 20, generator=torch.Generator().manual_seed(4))
    walked = luma.clone()
    for t in range(16):
        left = 14 + t
        walked[:, t, 16:64, left:left + 20] = body
    return walked


def strictest(luma: torch.Tensor) -> torch.Tensor:
    """How many places of each quarter hold along both axes within 0.15 pixel through the whole clip; least first."""
    facts = still_facts(luma, QUARTERS).view(-1, 3, 2, 3, 3, 5)  # textures, within, axes, through, quarters and share
    return facts[:, 1, 0, 2, 2, :4]


@pytest.mark.parametrize("pixels", [0.1, 0.3, 0.6])
def test_a_small_shift_is_measured(pixels: float) -> None:
    off, power = displacements(clip(torch.linspace(0, pixels, 16)))
    strong = power[0, 0, 0] > 0.004**2
    assert strong.sum() > 100
    assert off[0, 0, 0, strong, -1].median().item() == pytest.approx(pixels, abs=0.05)
    assert off[1, 0, 0, strong, -1].median() < 0.45 * pixels


def test_border_quarters_are_alike_and_apart() -> None:
    assert QUARTERS.shape == (225, 4)
    assert QUARTERS.sum(0).tolist() == [40, 40, 40, 40]
    assert QUARTERS.sum(1).max() == 1
    middle = QUARTERS.view(15, 15, 4)[4:11, 4:11]
    assert (middle == 0).all()


@pytest.mark.parametrize("contrast", [0.3, 0.1])
def test_a_still_camera_leaves_places_in_every_quarter_though_a_body_passes(contrast: float) -> None:
    still = clip(torch.zeros(16), contrast=contrast)
    assert (strictest(still) > 0.9).all()
    assert (strictest(pass_by(still))[0, 0] > 0.3).all()


def test_a_moving_camera_leaves_none() -> None:
    for shifts in (torch.linspace(0, 2, 16), 1.3 * torch.sin(torch.arange(16.0))):
        assert (strictest(clip(shifts)) < 0.1).all()
        assert (strictest(pass_by(clip(shifts))) < 0.1).all()


def test_a_blank_wall_says_nothing() -> None:
    wall = torch.full((1, 16, 64, 64), 0.5)
    facts = still_facts(wall, QUARTERS)
    assert facts.shape == (1, NUM_FACTS)
    assert facts.isfinite().all()
    assert (strictest(wall) < 0.05).all()


def test_getting_lighter_is_no_motion() -> None:
    still = clip(torch.zeros(16), contrast=0.3)
    lighter = still + torch.linspace(0, 0.2, 16)[None, :, None, None]
    assert torch.allclose(strictest(lighter), strictest(still), atol=0.05)


def test_facts_are_the_same_under_autocast() -> None:
    luma = pass_by(clip(torch.linspace(0, 0.4, 16)))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = still_facts(luma, QUARTERS)
    assert torch.equal(cast, still_facts(luma, QUARTERS))
