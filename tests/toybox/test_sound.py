"""What is heard must come from what happens, when it happens."""

from __future__ import annotations

import time

import pytest
import torch
from worlds import scene, toy, world

from mmvideo.errors import InvalidInput
from mmvideo.toybox import spec as toybox_spec
from mmvideo.toybox.physics import simulate
from mmvideo.toybox.sound import synthesise
from mmvideo.toybox.world import SceneEvent

RATE = 16_000


def _bounce(material: str, seconds: float = 0.7, *, force: float = 0.5, size: str = "large"):
    event = SceneEvent("bounce", seconds, 0, side="left", force=force)
    return world(scene(toy("box", material=material, size=size), seed=3), events=[[event]])


def _centroid_hz(wave: torch.Tensor) -> float:
    power = torch.fft.rfft(wave).abs().square()
    return float((power * torch.fft.rfftfreq(len(wave), 1 / RATE)).sum() / power.sum())


def _onset_seconds(wave: torch.Tensor) -> float:
    loud = wave.abs() > 0.25 * wave.abs().max()
    return int(loud.nonzero()[0]) / RATE


def test_silence_when_nothing_happens():
    sound = synthesise(world(scene(toy("box"), seed=5)))
    assert sound.shape == (1, 2 * RATE)
    assert sound.dtype == torch.float32
    assert 0 < sound.square().mean().sqrt() < 0.008


@pytest.mark.parametrize("material", ["rubber", "wood", "metal"])
def test_impact_is_heard_at_its_time(material):
    assert abs(_onset_seconds(synthesise(_bounce(material))[0]) - 0.7) < 0.02


def test_materials_differ_in_pitch_and_ring():
    heard = {m: synthesise(_bounce(m))[0][int(0.7 * RATE):] for m in ("rubber", "wood", "metal")}
    centroid = {m: _centroid_hz(wave[:2400]) for m, wave in heard.items()}
    assert centroid["rubber"] < 300 < 450 < centroid["wood"] < 1100 < 1500 < centroid["metal"]
    late = {m: float(wave[4000:6000].square().mean().sqrt()) for m, wave in heard.items()}
    assert late["metal"] > 5 * max(late["rubber"], late["wood"])


def test_harder_is_louder_and_larger_is_lower():
    soft, hard = (synthesise(_bounce("wood", force=f)).abs().max() for f in (0.05, 0.9))
    assert 2 < hard / soft < 6
    large, small = (_centroid_hz(synthesise(_bounce("rubber", size=s))[0][11200:13600]) for s in ("large", "small"))
    assert large < small


def test_a_hit_sounds_both_materials():
    pair = scene(toy("box", material="rubber", position=(0.3, 0.5)), toy("star", "blue", material="metal"), seed=3)
    both = synthesise(world(pair, events=[[SceneEvent("hit", 0.7, 0, 1, force=0.5)]]))[0]
    spectrum = torch.fft.rfft(both[int(0.7 * RATE):]).abs()
    hz = torch.fft.rfftfreq(len(both) - int(0.7 * RATE), 1 / RATE)
    quiet = spectrum[(hz > 500) & (hz < 1000)].mean()
    assert spectrum[(hz > 100) & (hz < 250)].max() > 10 * quiet
    assert spectrum[(hz > 1400) & (hz < 2200)].max() > 10 * quiet


def test_hum_follows_motion_and_needs_the_frame():
    def rms(**options):
        wave = synthesise(world(scene(toy("box", voice="hum", **options), seed=5)))[0]
        return float(wave.square().mean().sqrt())

    still, moving = rms(), rms(velocity=(0.1, 0.0))
    outside = rms(position=(-0.5, 0.5), velocity=(-0.1, 0.0))
    assert moving > 5 * still
    assert outside == pytest.approx(still, rel=0.05)


def test_beeps_and_offscreen_sounds_are_timed():
    beep = synthesise(world(scene(toy("box", voice="beep", beeps=(1.1,)), seed=5)))[0]
    assert abs(_onset_seconds(beep) - 1.1) < 0.02
    assert 900 < _centroid_hz(beep[17600:19200]) < 1900
    bell = synthesise(world(scene(toy("box"), seed=5, offscreen=(("bell", 0.4),))))[0]
    assert abs(_onset_seconds(bell) - 0.4) < 0.02
    assert bell[8000:14400].square().mean() > 20 * bell[:6000].square().mean()


def test_only_balls_roll():
    ball, box = (synthesise(world(scene(toy(s, velocity=(0.2, 0.0)), seed=5)))[0].std() for s in ("ball", "box"))
    assert ball > 3 * box


def test_same_scene_alone_and_in_a_batch_and_never_clipped():
    specs = [toybox_spec.sample_scene(seed, "hard") for seed in range(24)]
    together = synthesise(simulate(specs))
    assert together.abs().max() <= 0.951
    assert torch.allclose(together[7], synthesise(simulate(specs[7:8]))[0], atol=2e-3)


def test_length_rate_and_their_limits():
    assert synthesise(_bounce("metal"), sample_rate=48_000, seconds=2.6).shape == (1, 124_800)
    with pytest.raises(InvalidInput, match="sample_rate"):
        synthesise(_bounce("metal"), sample_rate=100)


def test_speed():
    batch = simulate([toybox_spec.sample_scene(seed, "easy") for seed in range(64)])
    synthesise(batch)
    started = time.process_time()
    synthesise(batch)
    assert 64 / (time.process_time() - started) > 60
