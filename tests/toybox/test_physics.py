"""Physics: conservation, walls, gravity, events; and the facts drawn from them."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from mmvideo.errors import UnknownName
from mmvideo.toybox import vocabulary as v
from mmvideo.toybox.facts import FIELDS, HEARD, NEXT_KINDS, world_facts
from mmvideo.toybox.physics import DENSITY, simulate
from mmvideo.toybox.spec import SceneSpec, ToySpec, sample_scene, split_seed


def toy(color: str = "red", position=(0.3, 0.5), velocity=(0.0, 0.0), material: str = "rubber", **other) -> ToySpec:
    given = {"shape": "ball", "size": "large", "radius": 0.1, "spin": 0.0, "start_seconds": 0.0, "voice": "none",
             "beep_seconds": ()} | other
    return ToySpec(color=color, position=position, velocity=velocity, material=material, **given)


def scene(*toys: ToySpec, view: str = "top", walls=(True,) * 4, **other) -> SceneSpec:
    given = {"seed": 1, "level": "easy", "occluder": None, "camera_motion": "static", "camera_speed": 0.0,
             "offscreen": (), "friction": 0.0} | other
    return SceneSpec(toys=toys, view=view, walls=walls, **given)


def test_a_collision_keeps_momentum_and_loses_energy() -> None:
    first = toy(velocity=(0.5, 0.0), material="metal")
    second = toy("blue", (0.7, 0.52), material="wood")
    world = simulate([scene(first, second)])
    mass = torch.tensor([DENSITY[t.material] * t.radius**2 for t in (first, second)])
    hit = next(e for e in world.events[0] if e.kind == "hit")
    assert (hit.toy, hit.other) == (0, 1)
    assert hit.seconds == pytest.approx(0.4, abs=0.03)
    before, after = world.velocity[0, 0], world.velocity[0, round((hit.seconds + 0.1) * v.STEPS_PER_SECOND)]
    torch.testing.assert_close((mass[:, None] * before).sum(0), (mass[:, None] * after).sum(0), atol=1e-5, rtol=1e-4)
    energy = [(mass * speed.square().sum(-1)).sum() for speed in (before, after)]
    assert energy[1] < energy[0]


def test_a_toy_bounces_off_a_wall_and_leaves_through_an_open_side() -> None:
    moving = toy(velocity=(-0.4, 0.0))
    walled, opened = simulate([scene(moving), scene(moving, walls=(False, True, True, True))]).events
    assert (walled[0].kind, walled[0].side) == ("bounce", "left")
    assert [(e.kind, e.side) for e in opened] == [("leave", "left")]
    assert opened[0].seconds == pytest.approx((0.3 + 0.1) / 0.4, abs=0.03)


def test_friction_stops_a_toy_where_the_formula_says() -> None:
    world = simulate([scene(toy(velocity=(0.3, 0.0)), friction=0.25)])
    stop = next(e for e in world.events[0] if e.kind == "stop")
    assert stop.seconds == pytest.approx(0.3 / 0.25, abs=0.03)
    assert world.position[0, -1, 0, 0].item() == pytest.approx(0.3 + 0.3**2 / (2 * 0.25), abs=0.01)


def test_gravity_drops_a_toy_on_the_floor() -> None:
    world = simulate([scene(toy(position=(0.5, 0.3)), view="side")])
    bounce = next(e for e in world.events[0] if e.kind == "bounce")
    assert bounce.side == "bottom"
    assert bounce.seconds == pytest.approx((2 * 0.6 / 1.3) ** 0.5, abs=0.04)


def test_a_waiting_toy_starts_when_told_and_a_hidden_one_is_hidden() -> None:
    late = toy(position=(0.2, 0.5), velocity=(0.4, 0.0), start_seconds=0.5)
    world = simulate([scene(late, occluder=(0.4, 0.3, 0.8, 0.7))])
    kinds = [e.kind for e in world.events[0]]
    assert kinds[:2] == ["start", "hide"]
    assert world.events[0][0].seconds == pytest.approx(0.5, abs=0.02)


def test_a_scene_is_the_same_alone_and_in_a_batch() -> None:
    specs = [sample_scene(i, "standard") for i in range(8)]
    together, alone = simulate(specs), simulate(specs[3:4])
    n = len(specs[3].toys)
    torch.testing.assert_close(together.position[3, :, :n], alone.position[0, :, :n], atol=1e-4, rtol=1e-4)
    assert [(e.kind, e.toy) for e in together.events[3]] == [(e.kind, e.toy) for e in alone.events[0]]


def test_splits_never_meet_and_held_out_pairs_stay_out_of_training() -> None:
    assert split_seed("train", 10**11) < split_seed("validation", 0) < split_seed("test", 0)
    for index in range(200):
        train = sample_scene(split_seed("train", index), "standard")
        assert not {(t.color, t.shape) for t in train.toys} & v.HELD_OUT_PAIRS
        pairs = sample_scene(split_seed("test-pairs", index), "standard")
        assert {(t.color, t.shape) for t in pairs.toys} & v.HELD_OUT_PAIRS


@pytest.mark.parametrize("level", v.LEVELS)
def test_toys_start_apart_and_inside(level: str) -> None:
    for index in range(100):
        spec = sample_scene(index, level)
        assert spec.toys
        for i, a in enumerate(spec.toys):
            for b in spec.toys[:i]:
                gap = torch.dist(torch.tensor(a.position), torch.tensor(b.position))
                assert gap > a.radius + b.radius


def test_unknown_levels_and_splits_guess() -> None:
    with pytest.raises(UnknownName, match="standard"):
        sample_scene(0, "standart")
    with pytest.raises(UnknownName, match="test"):
        split_seed("tset", 0)


def test_facts_say_what_the_scene_holds() -> None:
    ball = toy("blue", (0.25, 0.5), (0.5, 0.0), "wood", size="small", voice="beep", beep_seconds=(0.3,))
    target = toy("red", (0.7, 0.5))
    world = simulate([scene(ball, target, walls=(False,) * 4, friction=0.2)])
    told = world_facts(world)
    blue, red = v.COLORS.index("blue"), v.COLORS.index("red")
    assert told["present"][0, :, 0].nonzero().flatten().tolist() == sorted((blue, red))
    assert told["material"][0, blue] == v.MATERIALS.index("wood")
    assert told["velocity"][0, blue, 0, 0] == pytest.approx(1.5 * (0.5 - 0.2 * 0.125), abs=0.02)
    hit_bin = int(0.5 / 0.25)
    assert told["event"][0, blue, hit_bin, v.EVENT_KINDS.index("hit")] == 1
    assert told["partner"][0, blue, hit_bin] == red
    assert told["heard"][0, hit_bin, HEARD.index("wood")] == 1
    assert told["beep"][0, blue, 1, 0] == 1
    assert [(e.kind, e.toy) for e in world.events[0] if not e.observed] == [("stop", 1)]
    assert NEXT_KINDS[told["next"][0, red]] == "stop"
    assert NEXT_KINDS[told["next"][0, blue]] == "nothing"
    assert told["first_next"][0] == red
    silent = world_facts(world, sound_track=torch.tensor([False]))
    assert silent["heard"].sum() == 0
    assert {f.name for f in FIELDS} == set(told)


def test_a_part_of_a_world_is_those_scenes() -> None:
    world = simulate([sample_scene(i) for i in range(6)])
    part = world.part(2, 5)
    assert len(part) == 3
    assert torch.equal(part.position, world.position[2:5])
    assert part.events == world.events[2:5]


def test_screen_positions_follow_the_camera() -> None:
    spec = dataclasses.replace(scene(toy(position=(0.5, 0.5))), camera_motion="pan left", camera_speed=0.2)
    screen = simulate([spec]).screen()
    assert screen[0, 0, 0, 0] < screen[0, 64, 0, 0] < screen[0, 128, 0, 0]
