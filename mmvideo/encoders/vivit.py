"""ViViT: four ways to factorise a transformer over tubelets (Arnab et al. 2021, https://arxiv.org/abs/2103.15691).

1. `joint`: every tubelet looks at every other.
2. `factorised-encoder`: a transformer within each step of time, then a shallow one over the steps' class tokens.
3. `factorised-self-attention`: every layer attends within a step of time, then along time at one place.
4. `factorised-dot-product`: half of every layer's heads attend within a step, the other half along time.

transformers has the first only; it is written here with the other three, and compared with it in the tests.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvideo.encoders.base import VideoEncoder, linear_head
from mmvideo.encoders.preset import Input, Preset, Published
from mmvideo.errors import InvalidInput
from mmvideo.nn.checkpoints import Format
from mmvideo.nn.vit import SelfAttention, TransformerLayer, init_vit
from mmvideo.types import Features

PAPER = "Arnab et al. 2021, arXiv:2103.15691, comparison of the four models (ViT-B, tubelets of 16x16x2, Kinetics-400)"
ATTENTIONS = ("joint", "factorised-encoder", "factorised-self-attention", "factorised-dot-product")
INPUT = Input(32, 224, 224, mean=(0.5,) * 3, std=(0.5,) * 3, fps=12.5)
EPS = 1e-6


def _base(attention: str, about: str, params: float, gflops: float, top1: float) -> Preset:
    return Preset(f"ViT-B, {about}", INPUT, {"attention": attention}, views=(4, 1),
                  weights="transformers: google/vivit-b-16x2-kinetics400" if attention == "joint" else "",
                  published=Published(PAPER, params, gflops, top1=top1, top1_on="Kinetics-400"))


def _tiny(attention: str) -> Preset:
    return Preset(f"small enough to train in minutes, {attention}", Input(16, 64, 64),
                  {"attention": attention, "dim": 192, "depth": 4, "heads": 4, "depth_time": 2}, num_classes=10,
                  views=(1, 1))


class SpaceThenTime(TransformerLayer):
    """Attention within a step of time, then along time, then the perceptron (equations 4 to 6)."""

    def __init__(self, dim: int, heads: int):
        super().__init__(dim, heads, eps=EPS, gelu="tanh")
        self.norm_time = nn.LayerNorm(dim, eps=EPS)
        self.attn_time = SelfAttention(dim, heads)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (B, t, h * w, D) to the same."""
        b, t, n, d = x.shape
        x = x + self.attn(self.norm1(x).view(b * t, n, d)).view(b, t, n, d)
        along = self.norm_time(x).transpose(1, 2).reshape(b * n, t, d)
        x = x + self.attn_time(along).view(b, n, t, d).transpose(1, 2)
        return x + self.mlp(self.norm2(x))


class SplitHeads(TransformerLayer):
    """One attention whose first half of the heads looks within a step, and the second along time (section 3.3)."""

    def __init__(self, dim: int, heads: int):
        super().__init__(dim, heads, eps=EPS, gelu="tanh")

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (B, t, h * w, D) to the same."""
        b, t, n, d = x.shape
        heads = self.attn.heads
        qkv = self.attn.qkv(self.norm1(x)).view(b, t, n, 3, heads, d // heads).permute(3, 0, 4, 1, 2, 5)
        within = F.scaled_dot_product_attention(*qkv[:, :, : heads // 2])
        along = F.scaled_dot_product_attention(*qkv[:, :, heads // 2:].transpose(3, 4)).transpose(2, 3)
        mixed = torch.cat((within, along), 1).permute(0, 2, 3, 1, 4).reshape(b, t, n, d)
        x = x + self.attn.proj(mixed)
        return x + self.mlp(self.norm2(x))


class ViViT(VideoEncoder):
    """A transformer over tubelets. Tokens lie in the order (t, h, w).

    `joint` has a class token, which follows the tokens and is the pooled vector; `factorised-encoder` pools the class
    token of its transformer over time; the other two pool the mean, having no class token.

    Args:
        attention: which of the four models; see above.
        dim: D.
        depth: number of layers (of the transformer within steps, for the factorised encoder).
        heads: of attention.
        tubelet: frames and pixels of a tubelet, (t, p) of p x p pixels; t = 1 is the paper's uniform frame sampling.
        depth_time: layers over time of the factorised encoder.

    Raises:
        InvalidInput: an unknown attention, or a clip that tubelets do not tile.
    """

    PRESETS: ClassVar = {
        "vivit-b-joint": _base("joint", "all tubelets at once (model 1)", 88.9, 455.2, 80.0),
        "vivit-b-factorised-encoder": _base(
            "factorised-encoder", "within steps, then over steps (model 2)", 115.1, 284.4, 78.8),
        "vivit-b-factorised-self-attention": _base(
            "factorised-self-attention", "space then time in every layer (model 3)", 117.3, 372.3, 77.4),
        "vivit-b-factorised-dot-product": _base(
            "factorised-dot-product", "heads for space, heads for time (model 4)", 88.9, 277.1, 76.3),
        "vivit-tiny": _tiny("factorised-encoder"),
        "vivit-tiny-joint": _tiny("joint"),
        "vivit-tiny-self-attention": _tiny("factorised-self-attention"),
        "vivit-tiny-dot-product": _tiny("factorised-dot-product"),
    }
    CHECKPOINTS: ClassVar = {
        "transformers": Format(
            "VivitForVideoClassification of https://github.com/huggingface/transformers (model 1)",
            rename=(
                (r"^vivit\.", ""), (r"^embeddings\.cls_token", "cls_token"),
                (r"^embeddings\.position_embeddings", "position"),
                (r"^embeddings\.patch_embeddings\.projection\.", "embed."), (r"^encoder\.layer\.", "layers."),
                (r"\.layernorm_before\.", ".norm1."), (r"\.layernorm_after\.", ".norm2."),
                (r"\.attention\.attention\.(query|key|value)\.", r".attn.\1."),
                (r"\.attention\.([qkv])_proj\.", lambda found: {"q": ".attn.query.", "k": ".attn.key.",
                                                                "v": ".attn.value."}[found[1]]),
                (r"\.attention\.(o_proj|output\.dense)\.", ".attn.proj."), (r"\.intermediate\.dense\.", ".mlp.fc1."),
                (r"\.output\.dense\.", ".mlp.fc2."), (r"^layernorm\.", "norm."), (r"^classifier\.", "head.")),
            convert=lambda tensors: _join_qkv(tensors)),
    }

    def __init__(self, *, input: Input, num_classes: int = 0, attention: str = "joint",
                 dim: int = 768, depth: int = 12, heads: int = 12, tubelet: tuple[int, int] = (2, 16),
                 depth_time: int = 4):
        super().__init__(input=input, num_classes=num_classes)
        if attention not in ATTENTIONS:
            raise InvalidInput(f"attention is one of {', '.join(ATTENTIONS)}, not {attention!r}.")
        step, patch = self.tubelet = tuple(tubelet)
        if input.num_frames % step or input.height % patch or input.width % patch:
            raise InvalidInput(f"Clips of {input.num_frames} frames of {input.height}x{input.width} are not tiled by "
                               f"tubelets of {step} frames and {patch}x{patch} pixels; give multiples of them.")
        self.attention, self.dim = attention, dim
        self.grid = (input.num_frames // step, input.height // patch, input.width // patch)
        t, places = self.grid[0], self.grid[1] * self.grid[2]
        self.embed = nn.Conv3d(len(input.mean), dim, (step, patch, patch), (step, patch, patch))
        layer = {"factorised-self-attention": SpaceThenTime, "factorised-dot-product": SplitHeads}.get(attention)
        self.layers = nn.ModuleList(layer(dim, heads) if layer else TransformerLayer(dim, heads, eps=EPS, gelu="tanh")
                                    for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps=EPS)
        with_class = layer is None
        num_positions = places if attention == "factorised-encoder" else t * places
        self.position = nn.Parameter(torch.empty(1, num_positions + with_class, dim))
        if with_class:
            self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        if attention == "factorised-encoder":
            self.cls_time = nn.Parameter(torch.zeros(1, 1, dim))
            self.position_time = nn.Parameter(torch.empty(1, t + 1, dim))
            self.layers_time = nn.ModuleList(TransformerLayer(dim, heads, eps=EPS, gelu="tanh")
                                             for _ in range(depth_time))
            self.norm_time = nn.LayerNorm(dim, eps=EPS)
            nn.init.trunc_normal_(self.position_time, std=0.02)
        self.head = linear_head(dim, num_classes)
        self.apply(init_vit)
        nn.init.trunc_normal_(self.position, std=0.02)

    def num_tokens(self, num_frames: int, height: int, width: int) -> int:
        """Return N: a token for each tubelet, and the class token of the joint model."""
        self.check(num_frames, height, width)
        t, h, w = self.grid
        return t * h * w + (self.attention == "joint")

    def encode(self, frames: Tensor) -> Features:
        x = self.embed(frames.transpose(1, 2)).flatten(3).permute(0, 2, 3, 1)  # (B, t, h * w, D)
        b, t, n, d = x.shape
        if self.attention == "joint":
            x = torch.cat((self.cls_token.expand(b, -1, -1), x.flatten(1, 2)), 1) + self.position
            x = self._through(self.layers, self.norm, x)
            return Features(tokens=x.roll(-1, 1), grid=self.grid, pooled=x[:, 0], num_extra=1)
        if self.attention == "factorised-encoder":
            x = torch.cat((self.cls_token.expand(b * t, -1, -1), x.flatten(0, 1)), 1) + self.position
            x = self._through(self.layers, self.norm, x).view(b, t, n + 1, d)
            steps = torch.cat((self.cls_time.expand(b, -1, -1), x[:, :, 0]), 1) + self.position_time
            pooled = self._through(self.layers_time, self.norm_time, steps)[:, 0]
            return Features(tokens=x[:, :, 1:].flatten(1, 2), grid=self.grid, pooled=pooled)
        x = self._through(self.layers, self.norm, x + self.position.view(1, t, n, d)).flatten(1, 2)
        return Features(tokens=x, grid=self.grid, pooled=x.mean(1))

    @staticmethod
    def _through(layers: nn.ModuleList, norm: nn.Module, x: Tensor) -> Tensor:
        for layer in layers:
            x = layer(x)
        return norm(x)


def tubelets_from_patches(weight: Tensor, num_frames: int, how: Literal["central", "inflate"] = "central") -> Tensor:
    """Start the embedding of tubelets from that of an image network's patches (section 3.4).

    Args:
        weight: (D, C, p, p).
        num_frames: t of a tubelet.
        how: "central" puts the weights at frame t // 2 and zeros elsewhere (equation 9), "inflate" repeats them
            divided by t (equation 8).

    Returns:
        (D, C, t, p, p).
    """
    if how == "inflate":
        return weight[:, :, None].repeat(1, 1, num_frames, 1, 1) / num_frames
    tubelets = weight.new_zeros(*weight.shape[:2], num_frames, *weight.shape[2:])
    tubelets[:, :, num_frames // 2] = weight
    return tubelets


def _join_qkv(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Stack queries, keys and values in one matrix; one that lacks another stays as it is, to be named as unknown."""
    joined = dict(tensors)
    for name in tensors:
        names = [name.replace(".attn.query.", f".attn.{part}.") for part in ("query", "key", "value")]
        if ".attn.query." in name and all(n in tensors for n in names):
            joined[name.replace(".query.", ".qkv.")] = torch.cat([joined.pop(n) for n in names])
    return joined
