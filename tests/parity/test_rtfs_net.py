"""RTFS-Net and its lip network against the authors' release, on fabricated weights under the release's names."""

from __future__ import annotations

import fabricate
import pytest
import torch

from mmvideo.errors import WeightsError
from mmvideo.nn.checkpoints import Format, load_strictly, renamed_tensors
from mmvideo.separation import lip_resnet
from mmvideo.separation.rtfs_net import RTFSNet


@pytest.mark.parametrize("repeats", [4, 6])
@torch.inference_mode()
def test_voices(repeats: int) -> None:
    weights, golden = fabricate.golden("rtfs_net")
    net = RTFSNet.create(f"rtfs-net-{repeats}").load_tensors(weights)
    waves, lips = fabricate.clip(1, 8000) - 0.5, fabricate.clip(1, 512, 13, name="lips") * 2 - 1
    out = net.spectrum.synthesise(net.separate_spectra(net.spectrum.analyse(waves), lips), 8000)
    assert fabricate.difference(out, golden[f"waves_{repeats}"]) < 1e-4


@torch.inference_mode()
def test_lips(tmp_path: object) -> None:
    weights, golden = fabricate.golden("rtfs_net_lips")
    net = lip_resnet.LipResNet().eval()
    load_strictly(net, renamed_tensors(weights, Format("release", lip_resnet.RELEASE_NAMES)), where="rtfs_net_lips")
    crops = fabricate.clip(1, 1, 6, 88, 88)[:, 0] * 4 - 2
    assert fabricate.difference(net.features(crops)[:, ::8], golden["features"]) < 1e-4
    torch.save({"model_state_dict": weights}, tmp_path / "lips.pth")
    separator = RTFSNet.create("rtfs-net-4").eval().load_lips(tmp_path / "lips.pth")
    assert fabricate.difference(separator.lips.features(crops)[:, ::8], golden["features"]) < 1e-4
    with pytest.raises(WeightsError, match="unknown"):
        separator.load_tensors(weights)
