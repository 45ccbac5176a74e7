"""python tests/parity/make_slowfast.py FOLDER...: keep what the references give on fabricated weights.

References: https://github.com/facebookresearch/pytorchvideo at f3142bb and https://github.com/facebookresearch/SlowFast
at 287ec00 (both Apache-2.0); folders are their checkouts and, if they are not installed, the packages fvcore, iopath,
yacs and their like. All members of the zoo are built; the cases that are kept have one block a stage, so that their
tables of shapes stay small. PySlowFast's has a non-local block too.
"""

from __future__ import annotations

import json
import sys

import fabricate
import pyslowfast
import torch

sys.path.extend(sys.argv[1:])
from pytorchvideo.models import slowfast as theirs

from mmvideo.encoders.slowfast import SlowFast
from mmvideo.nn.checkpoints import renamed_tensors

ABOUT = "github.com/facebookresearch/pytorchvideo at f3142bb"
theirs._MODEL_STAGE_DEPTH[14] = (1, 1, 1, 1)
SPARSE = ((3, 1, 1),) * 6 + ((1, 1, 1),) * 17
PATTERN_50_50 = (((1, 1, 1), (1, 1, 1), SPARSE, (3, 1, 1)), ((3, 1, 1), (3, 1, 1), SPARSE, (3, 1, 1)))


def reference(depth: int, alpha: int, kernel: int, **options) -> torch.nn.Module:
    return theirs.create_slowfast(
        model_depth=depth, slowfast_fusion_conv_kernel_size=(kernel, 1, 1), head_pool=torch.nn.AdaptiveAvgPool3d,
        slowfast_fusion_conv_stride=(alpha, 1, 1), head_output_size=((1, 1, 1), (1, 1, 1)), **options)


clip = fabricate.clip(1, 3, 16, 64, 64)
network = reference(14, 4, 7)
shapes = fabricate.fill(network)
with torch.no_grad():
    logits = network([clip[:, :, ::4], clip])
fabricate.keep("slowfast", reference=ABOUT, shapes=shapes, outputs={"logits": logits})

network = pyslowfast.build("Kinetics/c2/SLOWFAST_8x8_R50", [
    "DATA.NUM_FRAMES", 16, "DATA.TRAIN_CROP_SIZE", 64, "DATA.TEST_CROP_SIZE", 64, "RESNET.DEPTH", 14,
    "RESNET.NUM_BLOCK_TEMP_KERNEL", [[1, 1]] * 4, "NONLOCAL.LOCATION", [[[], []], [[], []], [[0], []], [[], []]],
    "NONLOCAL.INSTANTIATION", "dot_product"], depths={14: (1, 1, 1, 1)})
shapes = fabricate.fill(network)
network.head.act = torch.nn.Identity()
with torch.no_grad():
    logits = network([clip[:, :, ::4], clip])
fabricate.keep("slowfast_pyslowfast", reference=pyslowfast.ABOUT, shapes=shapes, outputs={"logits": logits})

members = {}
for name, given in {"slowfast-r50-4x16": (50, 8, 5), "slowfast-r50-8x8": (50, 4, 7),
                    "slowfast-r101-8x8-deep": (101, 4, 5), "slowfast-r101-16x8": (101, 4, 5)}.items():
    options = {"stage_conv_a_kernel_sizes": PATTERN_50_50} if name.endswith("16x8") else {}
    with torch.device("meta"):
        tensors = reference(*given, **options).state_dict()
    members[name] = fabricate.digest(renamed_tensors(tensors, SlowFast.CHECKPOINTS["pytorchvideo"]))
(fabricate.HERE / "slowfast_members.json").write_text(json.dumps({"reference": ABOUT, "members": members}) + "\n")
