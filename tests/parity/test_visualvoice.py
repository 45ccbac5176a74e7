"""VisualVoice's networks against the authors' release, on fabricated weights under the release's names."""

from __future__ import annotations

import json
from pathlib import Path

import fabricate
import pytest
import torch

from mmvideo.errors import WeightsError
from mmvideo.nn.checkpoints import Format, load_strictly, renamed_tensors
from mmvideo.separation import lip_motion, unet, visualvoice
from mmvideo.separation.visualvoice import RELEASE_FILES


def filled(module: torch.nn.Module, case: str, table: tuple) -> tuple[torch.nn.Module, dict[str, torch.Tensor]]:
    weights, golden = fabricate.golden(case)
    load_strictly(module, renamed_tensors(weights, Format("release", table)), where=case)
    return module.eval(), golden


@torch.inference_mode()
def test_lip_motion() -> None:
    net, golden = filled(lip_motion.LipMotion(), "visualvoice_lips", lip_motion.RELEASE_NAMES)
    crops = fabricate.clip(2, 1, 8, 88, 88)[:, 0] * 4 - 2
    assert fabricate.difference(net.features(crops)[:, ::8], golden["features"]) < 1e-4


@pytest.mark.parametrize(("case", "channels"), [("face", 3), ("vocal", 2)])
@torch.inference_mode()
def test_attributes(case: str, channels: int) -> None:
    net, golden = filled(visualvoice.AttributeNet(channels), f"visualvoice_{case}", visualvoice.ATTRIBUTE_NAMES)
    assert fabricate.difference(net(fabricate.clip(2, channels, 128, 128) * 4 - 2), golden["attributes"]) < 1e-4


@torch.inference_mode()
def test_the_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fabricated weights drive tanh into its limits, so what is compared is what goes into it."""
    net, golden = filled(unet.MaskUNet(640), "visualvoice_unet", unet.RELEASE_NAMES)
    monkeypatch.setattr(torch, "tanh", lambda x: x)
    spectrum, visual = fabricate.clip(1, 2, 257, 32) * 2 - 1, fabricate.clip(1, 640, 1, 8, name="visual")
    assert fabricate.difference(net(spectrum[:, :, :-1], visual[:, :, 0])[:, :, ::4], golden["before_tanh"]) < 1e-4


def test_the_release_is_loaded_from_its_three_files_with_its_licence(tmp_path: Path) -> None:
    for part, file in RELEASE_FILES.items():
        shapes = json.loads((fabricate.HERE / f"visualvoice_{part}.json").read_text())["shapes"]
        torch.save({name: torch.full(shape, number, dtype=torch.float32) for number, (name, shape) in
                    enumerate(shapes.items())}, tmp_path / file)
    net = visualvoice.VisualVoice.create("visualvoice")
    with pytest.warns(UserWarning, match="CC BY-NC"):
        net.load_release(tmp_path)
    weights = torch.load(tmp_path / RELEASE_FILES["unet"], weights_only=True)
    assert torch.equal(net.unet.up[0][1].weight, weights["audionet_upconvlayer1.up.1.weight"])
    (tmp_path / RELEASE_FILES["face"]).unlink()
    with pytest.raises(WeightsError, match="facial_best"):
        net.load_release(tmp_path)
    with pytest.raises(WeightsError, match=r"unknown \(else\)"):
        net.load_tensors({"else": torch.zeros(1)})
