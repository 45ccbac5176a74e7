"""python tests/parity/make_mvit.py FOLDER_OF_SlowFast: keep what PySlowFast's MViT gives on fabricated weights.

Reference: https://github.com/facebookresearch/SlowFast at 287ec00 (Apache-2.0). Blocks and pooling attention are its
own (`attention.py`, `common.py`); the few lines around them follow `MViT.forward` of `video_model_builder.py`, which
itself needs detectron2 and fvcore. The settings of the layers are those of MVITv2_S_16x4 and MVIT_B_16x4_CONV.
"""

from __future__ import annotations

import importlib
import sys
import types
from functools import partial

import fabricate
import torch
from torch import nn

folder = sys.argv[1]
for name in ("slowfast", "slowfast.models"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [f"{folder}/{name.replace('.', '/')}"]
MultiScaleBlock = importlib.import_module("slowfast.models.attention").MultiScaleBlock

WIDEN_AT, SIDE, FRAMES, WIDTH = (1, 3, 4), 16, 2, 16
norm_layer = partial(nn.LayerNorm, eps=1e-6)


class Reference(nn.Module):
    """Six layers that narrow three times, over 4 frames of 64x64."""

    def __init__(self, version: int):
        super().__init__()
        self.version = version
        self.patch_embed = nn.Module()
        self.patch_embed.proj = nn.Conv3d(3, WIDTH, (3, 7, 7), (2, 4, 4), (1, 3, 3))
        self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        if version == 1:
            self.pos_embed_spatial = nn.Parameter(torch.zeros(1, SIDE * SIDE, WIDTH))
            self.pos_embed_temporal = nn.Parameter(torch.zeros(1, FRAMES, WIDTH))
            self.pos_embed_class = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.blocks = nn.ModuleList()
        size, width, heads, pooled = [FRAMES, SIDE, SIDE], WIDTH, 1, 8
        for i in range(6):
            step = 2 if i in WIDEN_AT else 1
            heads, pooled = heads * step, pooled // step
            widens = i in WIDEN_AT if version == 2 else i + 1 in WIDEN_AT
            stride_q = [1, step, step] if version == 2 or step > 1 else []
            out = width * 2 if widens else width
            self.blocks.append(MultiScaleBlock(
                width, out, heads, size, qkv_bias=True, norm_layer=norm_layer, kernel_q=[3, 3, 3] if stride_q else [],
                kernel_kv=[3, 3, 3], stride_q=stride_q, stride_kv=[1, pooled, pooled], rel_pos_spatial=version == 2,
                rel_pos_temporal=version == 2, residual_pooling=version == 2, dim_mul_in_att=version == 2))
            size, width = [size[0], size[1] // step, size[2] // step], out
        self.norm = norm_layer(width)
        self.head = nn.Module()
        self.head.projection = nn.Linear(width, 10)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        x = self.patch_embed.proj(frames).flatten(2).transpose(1, 2)
        x = torch.cat((self.cls_token.expand(len(x), -1, -1), x), 1)
        if self.version == 1:
            positions = self.pos_embed_spatial.repeat(1, FRAMES, 1)
            positions = positions + self.pos_embed_temporal.repeat_interleave(SIDE * SIDE, 1)
            x = x + torch.cat((self.pos_embed_class, positions), 1)
        thw = [FRAMES, SIDE, SIDE]
        for block in self.blocks:
            x, thw = block(x, thw)
        return self.head.projection(self.norm(x)[:, 0])


for version in (1, 2):
    network = Reference(version)
    shapes = fabricate.fill(network)
    with torch.no_grad():
        logits = network(fabricate.clip(2, 4, 3, 64, 64).transpose(1, 2))
    fabricate.keep(f"mvit_v{version}", reference="blocks of github.com/facebookresearch/SlowFast at 287ec00",
                   shapes=shapes, outputs={"logits": logits})
