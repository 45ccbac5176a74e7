"""What is seen must be where the world says, and look the same whatever it is drawn with."""

from __future__ import annotations

import time

import pytest
import torch
import torch.nn.functional as F
from worlds import NUM_STEPS, scene, toy, world

from mmvideo.errors import InvalidInput
from mmvideo.toybox import spec as toybox_spec
from mmvideo.toybox import vocabulary as v
from mmvideo.toybox.physics import simulate
from mmvideo.toybox.render import render_world


def _camera(**rates: float) -> torch.Tensor:
    seconds = torch.arange(NUM_STEPS) / 64
    track = torch.tensor([0.5, 0.5, 0.0, 0.0]).repeat(NUM_STEPS, 1)
    for column, name in enumerate(("x", "y", "zoom", "roll")):
        track[:, column] += rates.get(name, 0.0) * seconds
    return track[None]


def _difference(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    return (first.float() - second.float()).abs()


def _centroid(with_toy: torch.Tensor, without: torch.Tensor) -> tuple[float, float]:
    """Return the centre, in pixels, of what differs between two frames (3, H, W)."""
    weight = (_difference(with_toy, without).amax(0) > 60).float()
    ramp = torch.arange(weight.shape[0]) + 0.5
    return float((weight.sum(0) * ramp).sum() / weight.sum()), float((weight.sum(1) * ramp).sum() / weight.sum())


def test_shape_type_and_times():
    frames = render_world(world(scene(toy(velocity=(0.2, 0.0)))), size=48, fps=4, num_frames=5, start_seconds=0.5)
    assert frames.shape == (1, 5, 3, 48, 48)
    assert frames.dtype == torch.uint8
    later = render_world(world(scene(toy(velocity=(0.2, 0.0)))), size=48, fps=4, num_frames=3, start_seconds=1.0)
    assert torch.equal(frames[:, 2:], later)


@pytest.mark.parametrize("level", v.LEVELS)
def test_a_scene_looks_the_same_alone_and_in_a_batch(level):
    specs = [toybox_spec.sample_scene(seed, level) for seed in range(100, 124)]
    batch = simulate(specs)
    together = render_world(batch)
    assert torch.equal(together, render_world(batch))
    alone = simulate(specs[11:12])
    if torch.equal(alone.position[0], batch.position[11, :, :alone.num_toys]):
        assert _difference(together[11], render_world(alone)[0]).max() <= 1


@pytest.mark.parametrize("shape", v.SHAPES)
@pytest.mark.parametrize("material", v.MATERIALS)
def test_toys_are_where_the_world_says(shape, material):
    path = {"position": (0.3, 0.4), "velocity": (0.2, 0.1)}
    full = render_world(world(scene(toy(shape, "red", material=material, **path), seed=9)))[0]
    empty = render_world(world(scene(toy(shape, radius=0.0, **path), seed=9)))[0]
    for frame in (0, 8, 15):
        x, y = _centroid(full[frame], empty[frame])
        assert abs(x - 64 * (0.3 + 0.2 * frame / 8)) < 1.5
        assert abs(y - 64 * (0.4 + 0.1 * frame / 8)) < 1.5


def test_toys_stay_on_their_ground_under_any_camera():
    camera = _camera(x=0.1, y=-0.05, zoom=0.15, roll=0.3)
    here = {"position": (0.6, 0.45), "radius": 0.1}
    moved = world(scene(toy("box", **here), seed=9), camera=camera)
    full, empty = render_world(moved)[0], render_world(world(scene(toy(radius=0.0), seed=9), camera=camera))[0]
    expected = moved.screen()[0, ::8, 0] * 64
    for frame in (0, 7, 15):
        assert torch.dist(torch.tensor(_centroid(full[frame], empty[frame])), expected[frame]) < 1.5


def test_the_camera_moves_the_ground_the_right_way():
    empty = scene(toy(radius=0.0), seed=4)

    def last(**rates):
        return render_world(world(empty, camera=_camera(**rates)), fps=8, num_frames=9)[0, -1].float()

    still = last(x=1e-4)
    assert _difference(last(x=0.25)[..., :48], still[..., 16:]).mean() < 2.0
    assert _difference(last(y=0.25)[:, :48], still[:, 16:]).mean() < 2.0
    turned = last(roll=torch.pi / 2)
    assert _difference(turned, still.rot90(-1, (1, 2)))[:, 8:56, 8:56].mean() < 2.0  # clockwise
    near = F.interpolate(still[None, :, 16:48, 16:48], scale_factor=2, mode="bilinear")[0]
    assert _difference(last(zoom=0.6931), near).mean() < 4.0
    assert _difference(still, render_world(world(empty), num_frames=1)[0, 0]).mean() < 3.0  # as without a camera


def test_flash_brightens():
    kinds = [scene(toy("star", color), seed=8) for color in ("red", "blue", "purple")]
    dark, lit = (render_world(world(*kinds, flash=f), num_frames=1)[:, 0].float() for f in (0.0, 1.0))
    middle = (slice(None), slice(None), slice(29, 35), slice(29, 35))
    assert dark[middle].mean() < 140 < 190 < lit[middle].mean()


def test_the_board_hides():
    board = (0.3, 0.2, 0.7, 0.8)
    hidden = render_world(world(scene(toy(radius=0.1), seed=6, occluder=board)), num_frames=1)
    nothing = render_world(world(scene(toy(radius=0.0), seed=6, occluder=board)), num_frames=1)
    assert torch.equal(hidden, nothing)
    beside = render_world(world(scene(toy(radius=0.1, position=(0.85, 0.5)), seed=6, occluder=board)), num_frames=1)
    assert _difference(beside, nothing).max() > 80


def test_walls_are_drawn_where_they_are():
    open_frame, walled = (render_world(world(scene(toy(), seed=6, walls=w)), num_frames=1)[0, 0]
                          for w in ((False,) * 4, (True, False, False, True)))
    change = _difference(open_frame, walled).amax(0)
    assert change[20:40, 0].min() > 30
    assert change[-1, 20:40].min() > 30
    assert change[:-3, 3:].max() == 0


def test_large_is_the_small_one_in_more_detail():
    batch = simulate([toybox_spec.sample_scene(seed, "easy") for seed in range(6)])
    small = render_world(batch, num_frames=2, fps=1)
    large = render_world(batch, size=320, num_frames=2, fps=1)
    down = F.interpolate(large.flatten(0, 1).float(), (64, 64), mode="area").view(small.shape)
    assert _difference(down, small).mean() < 5.0


def test_materials_and_colours_look_different():
    worlds = {m: world(scene(toy("box", "blue", material=m), seed=2)) for m in v.MATERIALS}
    one = {m: render_world(made, num_frames=1)[0, 0, :, 28:36, 28:36].float() for m, made in worlds.items()}
    assert one["metal"].amin(0).max() > 180  # a glint, nearly white
    assert one["rubber"].amin(0).max() < 110  # none
    assert one["wood"][2].std() > 2 * one["rubber"][2].std()  # grain
    boxes = [scene(toy("box", c), seed=2) for c in v.COLORS]
    colors = render_world(world(*boxes), num_frames=1)[:, 0, :, 28:36, 28:36].float().mean((2, 3))
    assert torch.pdist(colors).min() > 70


def test_supplied_pictures_replace_the_ground():
    picture = torch.randint(0, 256, (1, 3, 40, 60), dtype=torch.uint8)
    picture = F.interpolate(picture[..., ::20, ::20].float(), (90, 120), mode="bilinear").to(torch.uint8)
    frame = render_world(world(scene(toy(radius=0.0))), backgrounds=picture, num_frames=1, size=60)[0, 0]
    assert _difference(frame, picture[0, :, 15:75, 30:90]).mean() < 2.0
    with pytest.raises(InvalidInput, match="backgrounds"):
        render_world(world(scene(toy())), backgrounds=picture.float())


def test_speed():
    batch = simulate([toybox_spec.sample_scene(seed, "easy") for seed in range(48)])
    render_world(batch)
    started = time.process_time()
    render_world(batch)
    assert 48 / (time.process_time() - started) > 25
