"""TimeSformer: attention over space and time (Bertasius et al. 2021, https://arxiv.org/abs/2102.05095).

Three ways to let patches of a clip look at each other: `divided` (at the same place along time, then within a frame),
`joint` (every patch at every other), `space` (within a frame; frames meet only in the mean of their class tokens).

The network is written here and not wrapped: transformers' TimesformerModel always builds the whole matrix of
attention (17 GB a layer for joint attention at 96 frames), and does not average the frames of `space`.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from mmvideo.encoders.base import VideoEncoder, linear_head
from mmvideo.encoders.preset import Input, Preset, Published
from mmvideo.errors import InvalidInput
from mmvideo.nn.checkpoints import Format
from mmvideo.nn.vit import SelfAttention, TransformerLayer, init_vit
from mmvideo.types import Features

PAPER = "Bertasius et al. 2021, arXiv:2102.05095"
MMACTION = "MMAction2, configs/recognition/timesformer/metafile.yml (539 joint, 422 in space, for 3 views)"
PER_VIEW = "the paper states TFLOPs for 3 views, and multiply-adds; divided by 3 here"
RELEASE = "https://github.com/facebookresearch/TimeSformer"
LICENCE = "CC-BY-NC-4.0 (code and weights of the release)"
EPS = 1e-6


def _input(num_frames: int, size: int, stride: int) -> Input:
    return Input(num_frames, size, size, mean=(0.45,) * 3, std=(0.225,) * 3, fps=30 / stride)


def _base(about: str, attention: str, input: Input, published: Published) -> Preset:
    return Preset(about, input, {"attention": attention}, views=(1, 3), licence=LICENCE,
                  weights=f"timesformer: {RELEASE}; transformers: the same, converted", published=published)


def _tiny(attention: str) -> Preset:
    return Preset(f"small enough to train in minutes, with {attention} attention", Input(16, 64, 64),
                  {"attention": attention, "dim": 192, "depth": 4 if attention == "divided" else 5, "heads": 4},
                  num_classes=10, views=(1, 1))


HUB_NAMES = (
    (r"^classifier\.", "head."), (r"^timesformer\.(embeddings\.|encoder\.)?", ""),
    (r"^position_embeddings$", "pos_embed"), (r"^time_embeddings$", "time_embed"),
    (r"^patch_embeddings\.projection\.", "patch_embed."), (r"^layernorm\.", "norm."), (r"^layer\.", "layers."),
    (r"\.layernorm_before\.", ".norm1."), (r"\.layernorm_after\.", ".norm2."),
    (r"\.temporal_layernorm\.", ".temporal_norm1."), (r"\.temporal_dense\.", ".temporal_fc."),
    (r"\.(temporal_)?attention\.attention\.", lambda found: f".{found[1] or ''}attn."),
    (r"\.(temporal_)?attention\.output\.dense\.", lambda found: f".{found[1] or ''}attn.proj."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."), (r"\.output\.dense\.", ".mlp.fc2."),
)
"""transformers' names -> ours."""


class DividedLayer(TransformerLayer):
    """Attention along time, then within frames, then the perceptron, each with a residual (equations 11 and 10)."""

    def __init__(self, dim: int, heads: int, *, eps: float = EPS):
        super().__init__(dim, heads, eps=eps)
        self.temporal_norm1 = nn.LayerNorm(dim, eps=eps)
        self.temporal_attn = SelfAttention(dim, heads)
        self.temporal_fc = nn.Linear(dim, dim)

    def forward(self, x: Tensor, t: int) -> Tensor:  # type: ignore[override]
        """Map a class token and tokens in the order (t, h, w), (B, 1 + N, D), to the same."""
        b, _, d = x.shape
        first, x = x[:, :1], x[:, 1:].reshape(b, t, -1, d)
        along = self.temporal_norm1(x).transpose(1, 2).reshape(-1, t, d)
        along = self.temporal_fc(self.temporal_attn(along))
        x = x + along.view(b, -1, t, d).transpose(1, 2)
        # Every frame looks at its own copy of the class token, which takes the mean of what the copies saw.
        within = torch.cat((first[:, None].expand(-1, t, -1, -1), x), 2)
        within = self.attn(self.norm1(within.flatten(0, 1))).view(b, t, -1, d)
        x = torch.cat((first + within[:, :, 0].mean(1, keepdim=True), (x + within[:, :, 1:]).flatten(1, 2)), 1)
        return x + self.mlp(self.norm2(x))


class TimeSformer(VideoEncoder):
    """A vision transformer whose patches (16x16 pixels of one frame) attend over space and time.

    Tokens lie in the order (t, h, w); the class token follows them, and is the pooled vector. With `space` attention
    there is a class token per frame: the one returned is their mean, as in the release, normalised after it.

    Args:
        attention: "divided", "joint" or "space".
        dim: D.
        depth: number of layers.
        heads: of attention.
        patch: pixels on a side of a patch.

    Raises:
        InvalidInput: an unknown attention, or frames that patches do not tile.
    """

    PRESETS: ClassVar = {
        "timesformer-b-divided": _base(
            "ViT-B, divided attention, 8 frames in steps of 32", "divided", _input(8, 224, 32),
            Published(f"{PAPER}, table 2 (121.4 M, 0.59 TFLOPs); {PER_VIEW}", 121.4, 590 / 3,
                      top1=78.0, top1_on="Kinetics-400")),
        "timesformer-b-joint": _base(
            "ViT-B, joint attention, 8 frames in steps of 32", "joint", _input(8, 224, 32),
            Published(f"{PAPER}, table 1; GFLOPs: {MMACTION}",
                      85.9, 180, top1=77.4, top1_on="Kinetics-400")),
        "timesformer-b-space": _base(
            "ViT-B, attention within frames only, 8 frames in steps of 32", "space", _input(8, 224, 32),
            Published(f"{PAPER}, table 1; GFLOPs: {MMACTION}",
                      85.9, 141, top1=76.9, top1_on="Kinetics-400")),
        "timesformer-hr": _base(
            "divided attention over 16 frames of 448x448 pixels", "divided", _input(16, 448, 16),
            Published(f"{PAPER}, table 5 (5.11 TFLOPs); {PER_VIEW}", gflops=5110 / 3, top1=79.7,
                      top1_on="Kinetics-400")),
        "timesformer-l": _base(
            "divided attention over 96 frames in steps of 4", "divided", _input(96, 224, 4),
            Published(f"{PAPER}, table 5 (7.14 TFLOPs); {PER_VIEW}", gflops=7140 / 3, top1=80.7,
                      top1_on="Kinetics-400")),
        "timesformer-tiny": _tiny("divided"),
        "timesformer-tiny-joint": _tiny("joint"),
        "timesformer-tiny-space": _tiny("space"),
    }
    CHECKPOINTS: ClassVar = {
        "timesformer": Format(RELEASE, rename=(
            (r"^model\.", ""), (r"^patch_embed\.proj\.", "patch_embed."), (r"^blocks\.", "layers."))),
        "transformers": Format(
            "TimesformerForVideoClassification of https://github.com/huggingface/transformers", rename=HUB_NAMES),
    }

    def __init__(self, *, input: Input, num_classes: int = 0,
                 attention: Literal["divided", "joint", "space"] = "divided", dim: int = 768, depth: int = 12,
                 heads: int = 12, patch: int = 16):
        super().__init__(input=input, num_classes=num_classes)
        if attention not in ("divided", "joint", "space"):
            raise InvalidInput(f"attention is 'divided', 'joint' or 'space', not {attention!r}.")
        if input.height % patch or input.width % patch:
            raise InvalidInput(f"Frames of {input.height}x{input.width} pixels are not tiled by patches of "
                               f"{patch}x{patch}; give multiples of {patch}.")
        self.attention, self.dim, self.patch = attention, dim, patch
        self.grid = (input.num_frames, input.height // patch, input.width // patch)
        self.patch_embed = nn.Conv2d(len(input.mean), dim, patch, patch)
        self.cls_token = nn.Parameter(torch.empty(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.empty(1, self.grid[1] * self.grid[2] + 1, dim))
        if attention != "space":
            self.time_embed = nn.Parameter(torch.zeros(1, input.num_frames, dim))
        layer = DividedLayer if attention == "divided" else TransformerLayer
        self.layers = nn.ModuleList(layer(dim, heads, eps=EPS) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps=EPS)
        self.head = linear_head(dim, num_classes)
        self.apply(init_vit)
        for parameter in (self.cls_token, self.pos_embed):
            nn.init.trunc_normal_(parameter, std=0.02)
        if attention == "divided":
            # Attention along time begins as nothing, so that an image network's weights are a good start; the first
            # layer alone lets time in.
            for later in self.layers[1:]:
                nn.init.zeros_(later.temporal_fc.weight)

    def num_tokens(self, num_frames: int, height: int, width: int) -> int:
        """Return N: a token for each frame and patch, and the class token."""
        self.check(num_frames, height, width)
        return num_frames * (height // self.patch) * (width // self.patch) + 1

    def encode(self, frames: Tensor) -> Features:
        b, t = frames.shape[:2]
        x = self.patch_embed(frames.flatten(0, 1)).flatten(2).transpose(1, 2) + self.pos_embed[:, 1:]
        first = self.cls_token + self.pos_embed[:, :1]
        if self.attention == "space":
            x = torch.cat((first.expand(b * t, -1, -1), x), 1)
            for layer in self.layers:
                x = layer(x)
            x = x.unflatten(0, (b, t))
            x = torch.cat((x[:, :, 0].mean(1, keepdim=True), x[:, :, 1:].flatten(1, 2)), 1)
        else:
            x = (x.unflatten(0, (b, t)) + self.time_embed[:, :, None]).flatten(1, 2)
            x = torch.cat((first.expand(b, -1, -1), x), 1)
            for layer in self.layers:
                x = layer(x, t) if self.attention == "divided" else layer(x)
        x = self.norm(x)
        return Features(tokens=x.roll(-1, 1), grid=self.grid, pooled=x[:, 0], num_extra=1)
