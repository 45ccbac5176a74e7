"""python tests/parity/make_mvit.py FOLDER...: keep what PySlowFast's MViT gives on fabricated weights.

Reference: https://github.com/facebookresearch/SlowFast at 287ec00 (Apache-2.0), its own MViT built from its configs
MVIT_B_16x4_CONV and MVITv2_S_16x4, with six layers of width 16 over 4 frames of 64x64; folders as for make_x3d.py.
"""

from __future__ import annotations

import sys

import fabricate
import pyslowfast
import torch

sys.path.extend(sys.argv[1:])

WIDEN_AT = (1, 3, 4)
TWICE = [[i, 2.0] for i in WIDEN_AT]
CHANGES = ["DATA.NUM_FRAMES", 4, "DATA.TRAIN_CROP_SIZE", 64, "DATA.TEST_CROP_SIZE", 64, "MODEL.NUM_CLASSES", 10,
           "MVIT.DEPTH", 6, "MVIT.EMBED_DIM", 16, "MVIT.DIM_MUL", TWICE, "MVIT.HEAD_MUL", TWICE]
HALVED = [[i, 1, 2, 2] for i in WIDEN_AT]
EVERY = [[i, 1, *([2, 2] if i in WIDEN_AT else [1, 1])] for i in range(6)]

for version, config, stride_q in ((1, "MVIT_B_16x4_CONV", HALVED), (2, "MVITv2_S_16x4", EVERY)):
    network = pyslowfast.build(f"Kinetics/{config}", [*CHANGES, "MVIT.POOL_Q_STRIDE", stride_q])
    shapes = fabricate.fill(network)
    network.head.act = torch.nn.Identity()
    with torch.no_grad():
        logits = network([fabricate.clip(2, 4, 3, 64, 64).transpose(1, 2)])
    fabricate.keep(f"mvit_v{version}", reference=pyslowfast.ABOUT, shapes=shapes, outputs={"logits": logits})
