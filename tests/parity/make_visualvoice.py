"""python tests/parity/make_visualvoice.py FOLDER_OF_VisualVoice: keep what the reference gives.

Reference: https://github.com/facebookresearch/VisualVoice at e57e126 (CC BY-NC 4.0). Its networks are only run
here; the libraries that its other files import are replaced by empty modules. Nothing is downloaded.
"""

from __future__ import annotations

import collections.abc
import contextlib
import io
import sys
import types
from pathlib import Path

import fabricate
import torch

for name in ("librosa", "h5py"):
    sys.modules.setdefault(name, types.ModuleType(name))
six = types.ModuleType("torch._six")
six.container_abcs, six.string_classes, six.int_classes = collections.abc, str, int
sys.modules["torch._six"] = six
sys.path.insert(0, sys.argv[1])
from models.models import ModelBuilder  # noqa: E402

REFERENCE = "github.com/facebookresearch/VisualVoice at e57e126"


@torch.no_grad()
def main() -> None:
    builder = ModelBuilder()
    with contextlib.redirect_stdout(io.StringIO()):
        lips = builder.build_lipreadingnet(str(Path(sys.argv[1]) / "configs/lrw_snv1x_tcn2x.json"), extract_feats=True)
        face = builder.build_facial(fc_out=128, with_fc=True)
        unet = builder.build_unet(ngf=64, input_nc=2, output_nc=2, audioVisual_feature_dim=1152)
        vocal = builder.build_vocal(input_channel=2, with_fc=True, fc_out=128)
    shapes = fabricate.fill(lips)
    motion = lips(fabricate.clip(2, 1, 8, 88, 88) * 4 - 2, 8)[:, :, 0]
    fabricate.keep("visualvoice_lips", reference=REFERENCE, shapes=shapes, outputs={"features": motion[:, ::8]})
    for name, net, channels in (("face", face, 3), ("vocal", vocal, 2)):
        shapes = fabricate.fill(net)
        given = net(fabricate.clip(2, channels, 128, 128) * 4 - 2)[:, :, 0, 0]
        fabricate.keep(f"visualvoice_{name}", reference=REFERENCE, shapes=shapes, outputs={"attributes": given})
    shapes = fabricate.fill(unet)
    before_tanh = []
    unet.audionet_upconvlayer8.register_forward_hook(lambda _m, _i, out: before_tanh.append(out))
    unet(fabricate.clip(1, 2, 257, 32) * 2 - 1, fabricate.clip(1, 640, 1, 8, name="visual"), "Tanh")
    fabricate.keep("visualvoice_unet", reference=REFERENCE, shapes=shapes,
                   outputs={"before_tanh": before_tanh[0][:, :, ::4]})


main()
