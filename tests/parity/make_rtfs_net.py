"""python tests/parity/make_rtfs_net.py FOLDER_OF_RTFS-Net FOLDER_WITH_sru: keep what the reference gives.

Reference: https://github.com/spkgyk/RTFS-Net at a4cd736 (MIT) with the package sru 2.6.0, whose loop in
Python is run (as it is with gradients on a CPU; its compiled twin needs a compiler). Libraries that
the networks do not use are replaced by empty modules.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path

import fabricate
import timm.layers
import torch
import torch.utils.cpp_extension as cpp_extension
import yaml

sys.modules["timm.models.layers"] = timm.layers
for name in ("pytorch_lightning", "einops", "einops.layers", "einops.layers.torch", "thop", "ptflops",
             "sru.cuda_functional"):
    module = sys.modules.setdefault(name, types.ModuleType(name))
    module.__getattr__ = lambda _name: torch.nn.Module  # any name that is imported from it
    module.__path__ = []
cpp_extension.load = lambda *_args, **_options: None
torch.jit.script = lambda function: function
sys.path[:0] = sys.argv[1:3]
REFERENCE = "github.com/spkgyk/RTFS-Net at a4cd736, sru 2.6.0"


def main() -> None:
    from src.models.tdavnet import AVNet
    from src.models.videomodels.frcnn_videomodel import FRCNNVideoModel

    outputs = {}
    for repeats in (4, 6):
        config = yaml.safe_load(Path(f"{sys.argv[1]}/config/lrs2_RTFSNet_{repeats}_layer.yaml").read_text())
        network = AVNet(**config["audionet"], print_macs=False)
        positions = {name: value.clone() for name, value in network.named_buffers() if name.endswith(".pe")}
        shapes = fabricate.fill(network)
        for name, value in positions.items():  # a formula, not a weight
            network.get_buffer(name).copy_(value)
        waves, lips = fabricate.clip(1, 8000) - 0.5, fabricate.clip(1, 512, 13, name="lips") * 2 - 1
        outputs[f"waves_{repeats}"] = network(waves, lips)[:, 0]
    fabricate.keep("rtfs_net", reference=REFERENCE, shapes=shapes, outputs=outputs)
    lips = FRCNNVideoModel(print_macs=False)
    shapes = fabricate.fill(lips)
    with torch.no_grad():
        seen = lips(fabricate.clip(1, 1, 6, 88, 88) * 4 - 2)
    fabricate.keep("rtfs_net_lips", reference=REFERENCE, shapes=shapes, outputs={"features": seen[:, ::8]})


main()
