"""The camera-motion encoder: geometry, strict loading, and that the shipped weights see motion and nothing else."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from mmvideo import weights
from mmvideo.camera_motion.encoder import LABELS, CameraMotion, frame_pairs
from mmvideo.camera_motion.training.data import TEST_SEEDS, CameraClips, make_clips
from mmvideo.camera_motion.training.layers import render_part
from mmvideo.camera_motion.training.people import draw_scene, people_bank
from mmvideo.camera_motion.training.textures import texture_bank
from mmvideo.camera_motion.training.train import HFLIP, REVERSE, freeze_middle
from mmvideo.errors import InvalidInput, UnknownName, WeightsError
from mmvideo.heads.linear import LinearHead

EMBEDDED = weights.weights_root() / "camera-motion"


@pytest.fixture(scope="module")
def shipped() -> tuple[CameraMotion, LinearHead]:
    return CameraMotion.from_pretrained(EMBEDDED), LinearHead.from_pretrained(EMBEDDED)


@pytest.fixture(scope="module")
def fresh() -> CameraClips:
    return make_clips(TEST_SEEDS[77], 200)


def answers(model: tuple[CameraMotion, LinearHead], frames: torch.Tensor) -> torch.Tensor:
    encoder, head = model
    with torch.inference_mode():
        return torch.cat([head(encoder(part)).argmax(1) for part in frames.split(50)])


def test_geometry_is_told_without_running() -> None:
    encoder = CameraMotion()
    features = encoder(torch.randint(0, 255, (2, 16, 3, 50, 90), dtype=torch.uint8))
    assert features.tokens.shape == (2, encoder.num_tokens(16, 50, 90), encoder.dim)
    assert features.grid == (15, 1, 1)
    assert features.tokens.shape[2] == 96
    assert features.pooled.shape == (2, encoder.dim_pooled) == (2, 161)
    assert sum(p.numel() for p in encoder.parameters()) == pytest.approx(0.538e6, rel=0.005)


def test_pairs_reach_from_neighbours_to_the_whole_clip() -> None:
    pairs = frame_pairs(16)
    assert {b - a for a, b in pairs} == {1, 3, 7, 15}
    assert all(0 <= a < b < 16 for a, b in pairs)


def test_bytes_and_unit_floats_are_the_same_picture() -> None:
    encoder = CameraMotion().eval()
    frames = torch.randint(0, 255, (1, 16, 3, 64, 64), dtype=torch.uint8)
    assert torch.allclose(encoder(frames).pooled, encoder(frames.float() / 255).pooled, atol=1e-4)


def test_wrong_input_is_refused() -> None:
    encoder = CameraMotion()
    with pytest.raises(InvalidInput, match="16 frames"):
        encoder(torch.zeros(1, 8, 3, 64, 64))
    with pytest.raises(InvalidInput, match="C of 1 or 3"):
        encoder(torch.zeros(16, 3, 64, 64))
    with pytest.raises(UnknownName, match="camera-motion"):
        CameraMotion("camera-motoin")
    with pytest.raises(InvalidInput, match="distinct"):
        LinearHead(4, ["a", "a"])


def test_every_weight_gets_a_gradient() -> None:
    torch.manual_seed(0)
    encoder = CameraMotion()
    encoder(torch.rand(2, 16, 1, 64, 64)).pooled.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.parameters())


def test_loading_is_strict(tmp_path) -> None:
    shutil.copytree(EMBEDDED, tmp_path / "m")
    state = load_file(EMBEDDED / "model.safetensors")
    missing = {k: v for k, v in state.items() if k != "encoder.fine.0.weight"}
    save_file(missing, tmp_path / "m" / "model.safetensors")
    with pytest.raises(WeightsError, match=r"fine\.0\.weight"):
        CameraMotion.from_pretrained(tmp_path / "m")
    LinearHead.from_pretrained(tmp_path / "m")
    save_file({**state, "head.extra": torch.zeros(1)}, tmp_path / "m" / "model.safetensors")
    with pytest.raises(WeightsError, match="extra"):
        LinearHead.from_pretrained(tmp_path / "m")


def test_shipped_weights_are_small_and_named() -> None:
    assert (EMBEDDED / "model.safetensors").stat().st_size < 4_000_000
    config = weights.config(EMBEDDED)
    assert tuple(config["labels"]) == LABELS
    assert 0 < config["threshold"] < 1
    assert config["temperature"] > 0


def test_shipped_weights_name_fresh_clips(shipped, fresh: CameraClips) -> None:
    right = answers(shipped, fresh.frames) == fresh.labels
    assert right.float().mean() >= 0.90


def test_answers_turn_with_the_picture(shipped, fresh: CameraClips) -> None:
    """Mirrored clips and clips played backwards get the mirrored and the opposite answer."""
    mirrored = answers(shipped, fresh.frames.flip(4)) == HFLIP[fresh.labels]
    backwards = answers(shipped, fresh.frames.flip(1)) == REVERSE[fresh.labels]
    assert mirrored.float().mean() >= 0.90
    assert backwards.float().mean() >= 0.90


@pytest.fixture(scope="module")
def before_the_camera() -> tuple[torch.Tensor, torch.Tensor]:
    """Grounds and people of seeds outside training; luma of a still camera and of one that pans right."""
    generator = torch.Generator().manual_seed(TEST_SEEDS[78])
    rng = np.random.default_rng(TEST_SEEDS[78])
    num = 60
    layers = draw_scene(texture_bank(rng, 30, []), people_bank(rng, 30), num,
                        generator)
    times = torch.linspace(0, 1, 16).expand(num, -1)
    rest = [times, torch.ones(num), torch.full((num,), 0.45), torch.zeros(num, 2), torch.zeros(num)]
    pan = torch.zeros(num, 16, 4)
    pan[..., 0] = 0.5 * times  # a quarter of the width
    still, panned = (render_part([path, *rest], layers, 0.0) for path in (torch.zeros_like(pan), pan))
    return tuple(clips.clamp(0, 1).mul(255).round().to(torch.uint8)[:, :, None] for clips in (still, panned))


def test_people_who_move_are_no_moving_camera(shipped, before_the_camera) -> None:
    still, _ = before_the_camera
    assert ((still[:, 1:].float() - still[:, :1].float()).abs().amax((1, 3, 4)) > 20).any(1).float().mean() > 0.9
    # a fifth of the grounds are blank: before those nobody can always tell
    assert (answers(shipped, still) == LABELS.index("static")).float().mean() >= 0.8


def test_a_pan_over_people_who_move_is_a_pan(shipped, before_the_camera) -> None:
    _, panned = before_the_camera
    assert (answers(shipped, panned) == LABELS.index("pan right")).float().mean() >= 0.85


@pytest.mark.shared
@pytest.mark.parametrize("name", ["yes", "no"])
def test_a_signing_person_before_a_still_camera_is_static(name: str) -> None:
    from mmvideo import Pipeline
    from tests.conftest import SHARED

    found = Pipeline("video-classification", device="cpu")(SHARED / "media" / "actions" / f"{name}.mkv")
    assert found.label == "static"
    assert [segment.text for segment in found.segments] == ["static"]


def test_a_single_frame_tells_nothing(shipped, fresh: CameraClips) -> None:
    right = answers(shipped, freeze_middle(fresh.frames)) == fresh.labels
    assert right.float().mean() < 0.2
