"""The procedural clips do what their labels say, and training on them is reproducible."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from mmvideo.camera_motion.encoder import LABELS as ENCODER_LABELS
from mmvideo.camera_motion.encoder import CameraMotion, frame_pairs
from mmvideo.camera_motion.training import data as camera_data
from mmvideo.camera_motion.training import decision as camera_decision
from mmvideo.camera_motion.training import layers as camera_layers
from mmvideo.camera_motion.training import paths as camera_paths
from mmvideo.camera_motion.training import train as camera_motion
from mmvideo.camera_motion.training.data import make_clips
from mmvideo.camera_motion.training.paths import LABELS
from mmvideo.camera_motion.training.train import (
    CameraLearner,
    CameraTraining,
    augment,
    begin_with,
    freeze_middle,
    pair_targets,
    read_training,
    train,
)
from mmvideo.errors import RecipeError
from mmvideo.heads.linear import LinearHead


@pytest.fixture(scope="module")
def clips() -> camera_data.CameraClips:
    return make_clips(camera_data.TEST_SEEDS[5], 60, bank_size=24)


def rendered(axis: int, amount: float, *, blank_outside: bool = False) -> tuple[Tensor, Tensor]:
    """First and last frame, (64, 64) each, of a bare textured plane seen by a camera that moves along one axis."""
    generator = torch.Generator().manual_seed(3)
    coarse = torch.rand(1, 1, 24, 24, generator=generator)
    texture = F.interpolate(coarse, size=(192, 192), mode="bicubic")[:, 0].clamp(0, 1)
    path = torch.zeros(1, 2, 4)
    path[0, 1, axis] = amount
    layer = camera_layers.Layer(torch.stack([texture, torch.ones_like(texture)], 1), torch.ones(1), torch.zeros(1, 6),
                               torch.zeros(1), torch.zeros(1, 2, 2))
    part = [path, torch.tensor([[0.0, 1.0]]), torch.ones(1), torch.full((1,), 0.3), torch.zeros(1, 2), torch.zeros(1)]
    first, last = camera_layers.render_part(part, [layer], 0.0)[0]
    return first, last


def test_the_labels_of_data_and_encoder_are_the_same() -> None:
    assert LABELS == ENCODER_LABELS


def test_pan_right_moves_the_content_left_and_tilt_down_moves_it_up() -> None:
    shift = 8  # pixels: a quarter of the half width of 32
    first, last = rendered(0, 0.25)
    assert torch.allclose(last[:, :-shift], first[:, shift:], atol=0.02)
    first, last = rendered(1, 0.25)
    assert torch.allclose(last[:-shift], first[shift:], atol=0.02)


def test_zoom_in_makes_the_content_grow() -> None:
    first, last = rendered(2, torch.tensor(2.0).log().item())
    grown = F.interpolate(first[None, None, 16:48, 16:48], size=(64, 64), mode="bilinear")[0, 0]
    assert (last - grown).abs().mean() < 0.02
    assert (last - first).abs().mean() > 0.05


def test_roll_left_turns_the_content_clockwise() -> None:
    first, last = rendered(3, torch.pi / 2)
    assert torch.allclose(last, first.rot90(-1), atol=0.02)  # rot90 turns counter-clockwise
    assert not torch.allclose(last, first.rot90(1), atol=0.1)


def test_every_class_follows_its_own_axis(clips: camera_data.CameraClips) -> None:
    whole = clips.path[:, -1] - clips.path[:, 0]
    for label, (axis, sign) in camera_paths.AXIS_OF.items():
        chosen = whole[clips.labels == label]
        assert len(chosen) == 6
        assert (chosen[:, axis] * sign > 0.6 * camera_paths.SMALLEST[axis]).all(), LABELS[label]
    still = clips.path[clips.labels == camera_paths.STATIC]
    assert (still.amax(1) - still.amin(1) <= 2.1 * torch.tensor(camera_paths.STILL)).all()
    shaken = clips.path[clips.labels == camera_paths.SHAKE][..., :2]
    travelled = (shaken[:, 1:] - shaken[:, :-1]).abs().sum((1, 2))
    net = (shaken[:, -1] - shaken[:, 0]).abs().amax(1)
    assert (travelled > 2 * net).all()


def test_equal_seeds_give_equal_clips_and_others_do_not() -> None:
    first, again, other = (make_clips(seed, 10, bank_size=8) for seed in (7, 7, 8))
    assert torch.equal(first.frames, again.frames)
    assert torch.equal(first.labels, again.labels)
    assert not torch.equal(first.frames, other.frames)
    assert first.frames.shape == (10, 16, 1, 64, 64)
    assert first.frames.dtype == torch.uint8


def test_augmentation_keeps_label_and_path_in_step(clips: camera_data.CameraClips) -> None:
    turned = augment(clips, torch.Generator().manual_seed(1))
    whole = turned.path[:, -1] - turned.path[:, 0]
    for label, (axis, sign) in camera_paths.AXIS_OF.items():
        assert (whole[turned.labels == label][:, axis] * sign > 0).all(), LABELS[label]
    assert not torch.equal(turned.labels, clips.labels)


def test_pair_targets_of_a_zoomed_pan_are_in_the_picture_of_the_second_frame() -> None:
    path = torch.zeros(1, 16, 4)
    path[0, -1] = torch.tensor([0.2, 0.0, torch.tensor(2.0).log(), 0.0])
    target = pair_targets(path, torch.ones(1), torch.tensor(frame_pairs(16)))[0, -1]
    assert torch.allclose(torch.sinh(target) * 0.03, torch.tensor([0.4, 0.0, 0.6931, 0.0]), atol=1e-3)


def test_frozen_clips_hold_one_frame(clips: camera_data.CameraClips) -> None:
    frozen = freeze_middle(clips.frames)
    assert frozen.shape == clips.frames.shape
    assert torch.equal(frozen[:, 0], clips.frames[:, 8])
    assert torch.equal(frozen[:, 0], frozen[:, -1])


def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(camera_motion, "make_clips", lambda seed, num, **_: make_clips(seed, min(num, 16), bank_size=8))
    options = CameraTraining(steps=4, batch=4, round_clips=16, uses=1, save_every=2, log_every=2, warmup=2)
    whole = list(train(options, tmp_path / "whole"))
    stopped = train(options, tmp_path / "parts")
    next(stopped)
    stopped.close()
    resumed = list(train(options, tmp_path / "parts"))
    assert [r["step"] for r in whole] == [2, 4]
    assert [r["step"] for r in resumed] == [4]
    expected, got = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "parts"))
    assert expected.keys() == got.keys()
    assert all(torch.equal(expected[k], got[k]) for k in expected)


def test_weights_that_count_no_still_places_are_widened_without_a_change(tmp_path) -> None:
    torch.manual_seed(1)
    old, new = CameraLearner("camera-motion"), CameraLearner("camera-motion")
    dim = old.encoder.dim
    added = ("encoder.still", "encoder.decision", "pair_motion")
    state = {k: v for k, v in old.state_dict().items() if not k.startswith(added)}
    state["head.score.weight"] = state["head.score.weight"][:, :dim].clone()
    save_file(state, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"preset": "camera-motion", "dim": dim, "labels": list(LABELS)}))
    begin_with(new, tmp_path)
    frames = torch.rand(3, 16, 1, 64, 64)
    with torch.inference_mode():
        pooled = old.eval().encoder(frames).pooled[:, :dim]
        expected = torch.nn.functional.linear(pooled, state["head.score.weight"], state["head.score.bias"])
        assert torch.allclose(new.eval()(frames)[0], expected, atol=1e-5)
    assert new.encoder.still[0].weight.abs().sum() > 0


def test_weights_that_know_no_drift_are_widened_and_given_it(tmp_path) -> None:
    torch.manual_seed(1)
    old, new = CameraLearner("camera-motion"), CameraLearner("camera-motion")
    state = {k: v.clone() for k, v in old.state_dict().items() if not k.startswith("pair_motion")}
    state["head.score.weight"] = state["head.score.weight"][:, :-1].clone()
    save_file(state, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"preset": "camera-motion", "dim": old.encoder.dim_pooled - 1,
                                                      "labels": list(LABELS)}))
    begin_with(new, tmp_path)
    frames = torch.rand(3, 16, 1, 64, 64)
    with torch.inference_mode():
        pooled = old.eval().encoder(frames).pooled
        expected = torch.nn.functional.linear(pooled[:, :-1], state["head.score.weight"], state["head.score.bias"])
        assert torch.allclose(new.eval()(frames)[0], expected, atol=1e-5)
        camera_decision.add_drift(new)
        expected[:, LABELS.index("static")] += pooled[:, -1]
        assert torch.allclose(new.eval()(frames)[0], expected, atol=1e-5)


def test_the_last_layers_are_fitted_and_the_matching_stays(tmp_path, monkeypatch) -> None:
    made = []
    monkeypatch.setattr(camera_decision, "make_clips", lambda seed, num, people: (
        made.append((seed, people)), make_clips(seed, num, bank_size=8, people=people))[1])
    monkeypatch.setattr(camera_motion, "make_clips", lambda seed, num: make_clips(seed, 20, bank_size=8))
    torch.manual_seed(0)
    first = CameraLearner("camera-motion").eval()
    camera_motion.export(first, tmp_path)
    options = camera_decision.DecisionTraining(parts=1, people_parts=1, part_clips=40, passes=30, batch=16)
    camera_decision.fit_decision(options, tmp_path, tmp_path / "fitted")
    assert made == [(500_000, 0.0), (500_001, 1.0)]
    before, after = (load_file(folder / "model.safetensors") for folder in (tmp_path, tmp_path / "fitted"))
    changed = {k for k in before if not torch.equal(before[k], after[k])}
    assert {k.split(".")[1] for k in changed} == {"still", "decision", "score"}
    dim = first.encoder.dim
    assert torch.equal(before["head.score.weight"][:, :dim], after["head.score.weight"][:, :dim])
    clips = make_clips(500_001, 40, bank_size=8, people=1.0)
    encoder, head = (kind.from_pretrained(tmp_path / "fitted") for kind in (CameraMotion, LinearHead))
    with torch.inference_mode():
        right = head(encoder(clips.frames)).argmax(1) == clips.labels
    assert right[clips.labels == 0].float().mean() > 0.7, "half of the clips are static, so this is soon learned"
    again = tmp_path / "again"
    again.mkdir()
    for part in (tmp_path / "fitted").glob("part-*"):
        (again / part.name).write_bytes(part.read_bytes())
    camera_decision.fit_decision(options, tmp_path, again)
    assert len(made) == 2, "parts that are there are not made again"
    assert all(torch.equal(v, after[k]) for k, v in load_file(again / "model.safetensors").items())


def test_an_unknown_option_is_refused(tmp_path) -> None:
    (tmp_path / "bad.yaml").write_text("name: x\nstepps: 3\n")
    with pytest.raises(RecipeError, match="stepps"):
        read_training(tmp_path / "bad.yaml")


def test_the_shipped_config_is_the_one_in_the_code() -> None:
    from tests.conftest import CHECKOUT

    options = read_training(CHECKOUT / "configs/train/camera-motion.yaml")
    assert dataclasses.replace(options) == options
    assert options.steps % options.save_every != 1
