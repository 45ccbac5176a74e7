"""python tests/parity/make_x3d.py FOLDER...: keep what the references give on fabricated weights.

References: https://github.com/facebookresearch/pytorchvideo at f3142bb and https://github.com/facebookresearch/SlowFast
at 287ec00 (both Apache-2.0); folders are their checkouts and, if they are not installed, the packages fvcore, iopath,
yacs, simplejson and their like.
"""

from __future__ import annotations

import sys

import fabricate
import pyslowfast
import torch

sys.path.extend(sys.argv[1:])
from pytorchvideo.models.x3d import create_x3d

ABOUT = "github.com/facebookresearch/pytorchvideo at f3142bb"
clip = fabricate.clip(1, 3, 4, 96, 96)
network = create_x3d(input_clip_length=4, input_crop_size=96, head_activation=None)
shapes = fabricate.fill(network)
with torch.no_grad():
    logits = network(clip)
fabricate.keep("x3d", reference=ABOUT, shapes=shapes, outputs={"logits": logits})

network = pyslowfast.build("Kinetics/X3D_XS", ["DATA.TRAIN_CROP_SIZE", 96, "DATA.TEST_CROP_SIZE", 96])
shapes = fabricate.fill(network)
network.head.act = torch.nn.Identity()
with torch.no_grad():
    logits = network([clip])
fabricate.keep("x3d_pyslowfast", reference=pyslowfast.ABOUT, shapes=shapes, outputs={"logits": logits})
