"""python tests/parity/make_mvit.py FOLDER...: keep what MViT gives in two references on fabricated weights.

References: https://github.com/facebookresearch/SlowFast at 287ec00 (Apache-2.0), its own MViT built from its configs
MVIT_B_16x4_CONV and MVITv2_S_16x4, and https://github.com/facebookresearch/pytorchvideo at f3142bb (Apache-2.0); six
layers of width 16 over 4 frames of 64x64. Folders as for make_x3d.py; without one of PySlowFast its cases are left.
pytorchvideo's table of shapes names some tensors twice, as its checkpoints do. Its members of the zoo are built whole.
"""

from __future__ import annotations

import importlib.util
import json
import sys

import fabricate
import pyslowfast
import torch

sys.path.extend(sys.argv[1:])
from pytorchvideo.models.hub import vision_transformers as hub
from pytorchvideo.models.vision_transformers import create_multiscale_vision_transformers

from mmvideo.encoders.mvit import MViT
from mmvideo.nn.checkpoints import renamed_tensors

WIDEN_AT = (1, 3, 4)
TWICE = [[i, 2.0] for i in WIDEN_AT]
CHANGES = ["DATA.NUM_FRAMES", 4, "DATA.TRAIN_CROP_SIZE", 64, "DATA.TEST_CROP_SIZE", 64, "MODEL.NUM_CLASSES", 10,
           "MVIT.DEPTH", 6, "MVIT.EMBED_DIM", 16, "MVIT.DIM_MUL", TWICE, "MVIT.HEAD_MUL", TWICE]
HALVED = [[i, 1, 2, 2] for i in WIDEN_AT]
EVERY = [[i, 1, *([2, 2] if i in WIDEN_AT else [1, 1])] for i in range(6)]

PYTORCHVIDEO = "github.com/facebookresearch/pytorchvideo at f3142bb"

network = create_multiscale_vision_transformers(
    spatial_size=64, temporal_size=4, depth=6, patch_embed_dim=16, embed_dim_mul=TWICE, atten_head_mul=TWICE,
    pool_q_stride_size=HALVED, pool_kv_stride_adaptive=[1, 8, 8], pool_kvq_kernel=[3, 3, 3], head_num_classes=10)
shapes = fabricate.fill(network)
with torch.no_grad():
    logits = network(fabricate.clip(2, 4, 3, 64, 64).transpose(1, 2))
fabricate.keep("mvit_pytorchvideo", reference=PYTORCHVIDEO, shapes=shapes, outputs={"logits": logits})

members = {}
for name, build in (("mvit-v1-b-16x4", hub.mvit_base_16x4), ("mvit-v1-b-32x3", hub.mvit_base_32x3)):
    members[name] = fabricate.digest(renamed_tensors(build().state_dict(), MViT.CHECKPOINTS["pytorchvideo"]))
(fabricate.HERE / "mvit_members.json").write_text(json.dumps({"reference": PYTORCHVIDEO, "members": members}) + "\n")

CASES = ((1, "MVIT_B_16x4_CONV", HALVED), (2, "MVITv2_S_16x4", EVERY))
for version, config, stride_q in CASES if importlib.util.find_spec("slowfast") else ():
    network = pyslowfast.build(f"Kinetics/{config}", [*CHANGES, "MVIT.POOL_Q_STRIDE", stride_q])
    shapes = fabricate.fill(network)
    network.head.act = torch.nn.Identity()
    with torch.no_grad():
        logits = network([fabricate.clip(2, 4, 3, 64, 64).transpose(1, 2)])
    fabricate.keep(f"mvit_v{version}", reference=pyslowfast.ABOUT, shapes=shapes, outputs={"logits": logits})
