"""Procedural people: they move before a ground that stands still or is moved by the camera alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmvideo.camera_motion.training.data import TEST_SEEDS, make_clips
from mmvideo.camera_motion.training.draws import NUM_FRAMES
from mmvideo.camera_motion.training.layers import Layer, render_part
from mmvideo.camera_motion.training.paths import LABELS, STATIC
from mmvideo.camera_motion.training.people import add_ticker, draw_scene, leaning, movements, people_bank
from mmvideo.camera_motion.training.textures import texture_bank
from mmvideo.toybox.training.outside import KINDS, outside_clips


@pytest.fixture(scope="module")
def crowd() -> torch.Tensor:
    return people_bank(np.random.default_rng(3), 8)


def test_people_are_opaque_in_the_middle_and_absent_at_the_corners(crowd: torch.Tensor) -> None:
    luma, alpha = crowd.unbind(1)
    assert (alpha[:, 40:50, 46:50].amax((1, 2)) > 0.9).all()
    assert (alpha[:, :3, :3] == 0).all()
    assert luma.isfinite().all()


def test_a_still_camera_leaves_the_ground_unchanged_where_nobody_passes(crowd: torch.Tensor) -> None:
    generator = torch.Generator().manual_seed(4)
    bank = texture_bank(np.random.default_rng(4), 4, [])
    layers = draw_scene(bank, crowd, 6, generator)
    times = torch.linspace(0, 1, NUM_FRAMES).expand(6, -1)
    still = [torch.zeros(6, NUM_FRAMES, 4), times, torch.ones(6), torch.full((6,), 0.4), torch.zeros(6, 2),
             torch.zeros(6)]
    with_people, empty = render_part(still, layers, 0.0), render_part(still, layers[:1], 0.0)
    assert torch.equal(empty[:, :1].expand_as(empty), empty)
    passed = (with_people - empty).abs().amax(1) > 1e-4
    assert 0.02 < passed.float().mean() < 0.95
    changed = (with_people[:, 1:] - with_people[:, :-1]).abs().amax(1) > 1e-3
    assert changed.any()
    assert not (changed & ~passed).any()


def test_who_stands_sways_from_the_feet_up(crowd: torch.Tensor) -> None:
    sway = torch.zeros(1, NUM_FRAMES, 2)
    sway[:, 8:, 0] = 0.2
    bend = leaning(sway, torch.tensor([0.5]))
    assert torch.equal(bend[:, :8], torch.zeros(1, 8, 2, 4, 4))
    assert torch.allclose(bend[0, -1, 0, :, 0], torch.tensor([-0.4, -0.8 / 3, -0.4 / 3, 0.0]))  # half widths of 0.5
    path, times = torch.zeros(1, NUM_FRAMES, 4), torch.linspace(0, 1, NUM_FRAMES)[None]
    part = [path, times, torch.ones(1), torch.full((1,), 0.4), torch.zeros(1, 2), torch.zeros(1)]
    seen = render_part(part, [Layer(crowd[1:2], torch.ones(1), torch.zeros(1, 6), torch.full((1,), 0.5),
                                    torch.zeros(1, NUM_FRAMES, 2), bend)], 0.0)[0]
    columns = torch.arange(64.0)
    head, feet = ((rows * columns).sum((1, 2)) / rows.sum((1, 2)) for rows in (seen[:, 17:23], seen[:, 45:47]))
    assert head[-1] - head[0] > 3  # a fifth of half a frame of 32 pixels is 6
    assert abs(feet[-1] - feet[0]) < 1.5


def test_few_walk_through_a_studio() -> None:
    generator = torch.Generator().manual_seed(0)
    for in_place, least, most in ((None, 0.2, 0.4), (torch.ones(2000, dtype=torch.bool), 0.01, 0.1)):
        own, _, _ = movements(generator, 2000, in_place=in_place)
        far = (own[:, 0].abs() > 0.41).float().mean()  # others drift by 0.4 half frames at most
        assert least / 2 < far < most


def test_bending_moves_a_sprite_and_nothing_behind_it(crowd: torch.Tensor) -> None:
    path, times = torch.zeros(1, NUM_FRAMES, 4), torch.linspace(0, 1, NUM_FRAMES)[None]
    part = [path, times, torch.ones(1), torch.full((1,), 0.4), torch.zeros(1, 2), torch.zeros(1)]
    bend = torch.zeros(1, NUM_FRAMES, 2, 4, 4)
    bend[:, 8:] = 0.2

    def draw(bend: torch.Tensor | None) -> torch.Tensor:
        person = Layer(crowd[:1], torch.ones(1), torch.zeros(1, 6), torch.full((1,), 0.5),
                       torch.zeros(1, NUM_FRAMES, 2), bend)
        return render_part(part, [person], 0.0)[0]

    plain, bent = draw(None), draw(bend)
    assert torch.equal(plain[0], plain[-1])
    assert torch.equal(bent[:8], plain[:8])
    assert (bent[-1] - plain[-1]).abs().mean() > 0.01
    assert (bent[:, :8] == 0).all(), "the sprite covers the middle half of the frame"


def test_half_of_the_clips_of_people_are_static_and_they_come_on_top() -> None:
    clips = make_clips(TEST_SEEDS[6], 40, bank_size=12, people=0.5)
    again = make_clips(TEST_SEEDS[6], 40, bank_size=12, people=0.5)
    assert torch.equal(clips.frames, again.frames)
    assert clips.frames.shape == (40, NUM_FRAMES, 1, 64, 64)
    assert sorted(clips.labels[:20].tolist()) == sorted([*range(10)] * 2)
    assert (clips.labels[20:] == STATIC).sum() == 10
    assert len(LABELS) == 10


def test_a_ticker_stays_and_leaves_the_rest_alone() -> None:
    frames = torch.randint(0, 255, (12, NUM_FRAMES, 1, 64, 64), dtype=torch.uint8)
    laid = add_ticker(frames, torch.Generator().manual_seed(0), share=1.0)
    still = (laid == laid[:, :1]).all(1)[:, 0]  # (B, 64, 64)
    rows = still.all(2)
    assert (rows.sum(1) >= 5).all()
    assert (rows[:, :16].any(1) | rows[:, 48:].any(1)).all()
    assert torch.equal(laid[:, :, :, 16:48], frames[:, :, :, 16:48])
    assert torch.equal(add_ticker(frames, torch.Generator().manual_seed(0), share=0.0), frames)


def test_clips_outside_toybox_are_reproducible_and_of_every_kind() -> None:
    clips = outside_clips(5, 2 * len(KINDS))
    assert clips.shape == (2 * len(KINDS), NUM_FRAMES, 3, 64, 64)
    assert clips.dtype == torch.uint8
    assert torch.equal(clips, outside_clips(5, 2 * len(KINDS)))
    assert not torch.equal(clips, outside_clips(6, 2 * len(KINDS)))
    night = clips[2 * KINDS.index("night"):][:2].float()
    assert night.mean() < 90
