"""Files of a model are compared with its SHA256SUMS when it is loaded, whoever loads it."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
import tiny
from safetensors.torch import load_file, save_file

from mmvideo import Pipeline, weights
from mmvideo.errors import WeightsError


@pytest.fixture
def camera(tmp_path: Path) -> Path:
    return tiny.make_camera(tmp_path / "camera")


def _other(path: Path) -> None:
    """Put other weights of the same shapes into a file: a loader that only looks at shapes is content."""
    save_file({name: values + 1 for name, values in load_file(path).items()}, path)


def test_other_weights_under_the_same_sums_are_refused(camera: Path) -> None:
    Pipeline("video-classification", str(camera), "cpu")
    _other(camera / "model.safetensors")
    with pytest.raises(WeightsError, match=r"camera/model\.safetensors: damaged.*SHA256SUMS: fetch or train it again"):
        Pipeline("video-classification", str(camera), "cpu")
    weights.seal(camera)
    Pipeline("video-classification", str(camera), "cpu")
    (camera / weights.SUMS).unlink()
    _other(camera / "model.safetensors")
    Pipeline("video-classification", str(camera), "cpu")


@pytest.mark.parametrize("part", ["encoder", "projector", "language"])
def test_every_part_of_a_model_is_compared(tmp_path: Path, part: str) -> None:
    home = tiny.make_qa(tmp_path / "qa")
    _other(home / part / "model.safetensors")
    with pytest.raises(WeightsError, match=f"{part}/model.safetensors: damaged"):
        Pipeline("video-captioning", str(home), "cpu", encode_video={"domain": "test-inside"})


def test_a_stage_that_names_its_own_weights(tmp_path: Path, camera: Path) -> None:
    _other(camera / "model.safetensors")
    with pytest.raises(WeightsError, match="damaged"):
        Pipeline("video-classification", device="cpu", classify={"weights": str(camera)})


def test_what_ships_says_how_to_mend_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "camera-motion"
    shutil.copytree(weights.weights_root() / "camera-motion", home)
    monkeypatch.setattr(weights, "weights_root", lambda: tmp_path)
    weights.folder("camera-motion")
    (home / "config.json").write_text((home / "config.json").read_text() + " ")
    with pytest.raises(WeightsError, match=r"config\.json: damaged.*pip install --force-reinstall mmvideo"):
        weights.folder("camera-motion")


def test_a_file_that_is_missing(camera: Path) -> None:
    (camera / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"model\.safetensors: missing"):
        weights.verified(camera)


def test_files_are_read_once_while_they_stay_as_they_are(camera: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    real = weights.sha256
    monkeypatch.setattr(weights, "sha256", lambda path: read.append(path.name) or real(path))
    for _ in range(3):
        weights.verified(camera)
    assert sorted(read) == ["config.json", "model.safetensors"]


@pytest.mark.parametrize("line", ["no sum", f"{'0' * 63}  x", f"{'0' * 64}  ../x", f"{'0' * 64}  /etc/passwd", "\xff"])
def test_sums_that_are_none_are_named(camera: Path, line: str) -> None:
    (camera / weights.SUMS).write_text(line + "\n", encoding="latin-1")
    with pytest.raises(WeightsError, match="SHA256SUMS"):
        weights.verified(camera)
    assert weights.verify(camera) != []


def test_sums_as_other_tools_write_them(camera: Path) -> None:
    digest = hashlib.sha256((camera / "config.json").read_bytes()).hexdigest()
    (camera / weights.SUMS).write_text(f"{digest.upper()} *config.json\n\n")
    assert weights.verified(camera) == camera


@pytest.mark.slow
def test_a_chat_model_and_a_composed_one(tmp_path: Path) -> None:
    from tests.hub import checkpoints

    home = checkpoints.make("smolvlm", tmp_path / "chat")
    weights.seal(home)
    _other(home / "model.safetensors")
    with pytest.raises(WeightsError, match="damaged"):
        Pipeline("video-captioning", str(home), "cpu")
