"""python tests/parity/make_tsm.py FOLDER_OF_temporal-shift-module: keep what the reference gives.

Reference: https://github.com/mit-han-lab/temporal-shift-module at 1f6a834 (MIT): ops/models.py on ResNet-50 and
MobileNetV2, and online_demo/mobilenet_v2_tsm.py fed a frame at a time. Nothing is downloaded (pretrain off).
"""

from __future__ import annotations

import contextlib
import io
import sys

import fabricate
import torch

sys.path.insert(0, sys.argv[1])
import torchvision
from ops import models

models.torchvision = torchvision
REFERENCE = "github.com/mit-han-lab/temporal-shift-module at 1f6a834"


def clips(case: str, base: str, frames: int, clips_: int) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        network = models.TSN(400, frames, "RGB", base_model=base, pretrain="", is_shift=True, partial_bn=False,
                             dropout=0.5)
    shapes = fabricate.fill(network)
    with torch.no_grad():
        clip = fabricate.clip(clips_, frames, 3, 64, 64)
        logits = network(clip.flatten(1, 2))
    fabricate.keep(case, reference=REFERENCE, shapes=shapes, outputs={"logits": logits})


def stream() -> None:
    from online_demo.mobilenet_v2_tsm import InvertedResidualWithShift, MobileNetV2

    network = MobileNetV2(27)
    shapes = fabricate.fill(network)
    clip, outs = fabricate.clip(1, 4, 3, 64, 64), []
    blocks = [m for m in network.modules() if isinstance(m, InvertedResidualWithShift)]
    sides = iter((16, 8, 8, 4, 4, 4, 4, 4, 2, 2))
    kept = [torch.zeros(1, b.conv[0].in_channels // 8, s, s) for b, s in zip(blocks, sides, strict=True)]
    with torch.no_grad():
        for frame in clip.unbind(1):
            logits, *kept = network(frame, *kept)
            outs.append(logits)
    fabricate.keep("tsm_online_demo", reference=REFERENCE, shapes=shapes, outputs={"logits": torch.stack(outs, 1)})


models.TSN.print_spec = False  # the release reads it for MobileNetV2 and never sets it
clips("tsm_r50", "resnet50", 4, 2)
clips("tsm_mobilenetv2", "mobilenetv2", 4, 2)
stream()
