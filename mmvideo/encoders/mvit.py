"""MViT: a transformer that pools its tokens on the way (Fan et al. 2021, https://arxiv.org/abs/2104.11227).

MViTv2 (Li et al. 2022, https://arxiv.org/abs/2112.01526) adds relative positions in height, width and time, and adds
the pooled queries to what attention gives. The network is torchvision's.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mmvideo.encoders.base import VideoEncoder, linear_head
from mmvideo.encoders.preset import KINETICS_MEAN, KINETICS_STD, Input, Preset, Published
from mmvideo.errors import InvalidInput
from mmvideo.nn.checkpoints import Format
from mmvideo.types import Features

V1 = ("docs/source/model_zoo.md of github.com/facebookresearch/pytorchvideo (parameters, GFLOPs); MODEL_ZOO.md of "
      "github.com/facebookresearch/SlowFast (top-1)")
V2 = "Li et al. 2022, arXiv:2112.01526; projects/mvitv2/README.md of github.com/facebookresearch/SlowFast"
PYSLOWFAST = "https://github.com/facebookresearch/SlowFast"
PYTORCHVIDEO = "https://github.com/facebookresearch/pytorchvideo"
STRIDE = (2, 4, 4)
"""Of the first convolution, in frames and pixels."""


def _input(num_frames: int, stride: int) -> Input:
    return Input(num_frames, 224, 224, mean=KINETICS_MEAN, std=KINETICS_STD, fps=30 / stride)


def block_settings(*, version: int, depth: int, widen_at: tuple[int, ...], dim: int, heads: int,
                   stride_kv: int) -> list[dict[str, Any]]:
    """Return what torchvision's MSBlockConfig takes, for each layer.

    Args:
        version: 1 or 2. Version 1 widens in the perceptron of the layer before a stage, pools queries only where a
            stage begins; version 2 widens in the attention of a stage's first layer, and pools queries everywhere.
        depth: number of layers.
        widen_at: layers where a stage begins: there height and width are halved, width and heads doubled.
        dim: width of the first stage.
        heads: of the first stage.
        stride_kv: how much keys and values are pooled in the first stage; halved in every next one.
    """
    result, kernel = [], [3, 3, 3]
    for i in range(depth):
        stage = sum(i >= first for first in widen_at)
        before = sum(i - 1 >= first for first in widen_at) if version == 2 else stage
        after = stage if version == 2 else sum(i + 1 >= first for first in widen_at)
        step, pooled = 2 if i in widen_at else 1, max(stride_kv // 2**stage, 1)
        pools_q = version == 2 or step > 1
        result.append({
            "num_heads": heads * 2**stage, "input_channels": dim * 2**before, "output_channels": dim * 2**after,
            "kernel_q": kernel if pools_q else [], "stride_q": [1, step, step] if pools_q else [],
            "kernel_kv": kernel, "stride_kv": [1, pooled, pooled]})
    return result


SLOWFAST_NAMES = (
    (r"^patch_embed\.proj\.", "trunk.conv_proj."), (r"^cls_token$", "trunk.pos_encoding.class_token"),
    (r"^pos_embed_(spatial|temporal)$", r"trunk.pos_encoding.\1_pos"),
    (r"^pos_embed_class$", "trunk.pos_encoding.class_pos"),
    (r"^norm\.", "trunk.norm."), (r"^head\.projection\.", "head.1."), (r"^blocks\.", "trunk.blocks."),
    (r"\.attn\.proj\.", ".attn.project.0."), (r"\.attn\.pool_([qkv])\.", r".attn.pool_\1.pool."),
    (r"\.attn\.norm_([qkv])\.", r".attn.pool_\1.norm_act.0."), (r"\.mlp\.fc1\.", ".mlp.0."),
    (r"\.mlp\.fc2\.", ".mlp.3."), (r"(blocks\.\d+)\.proj\.", r"\1.project."),
)
"""PySlowFast's names -> ours."""


PYTORCHVIDEO_NAMES = (
    (r"\._attention_pool_", None),  # the same tensors once more
    (r"^patch_embed\.patch_model\.", "patch_embed.proj."), (r"^cls_positional_encoding\.", ""),
    (r"^norm_embed\.", "norm."), (r"^head\.proj\.", "head.projection."), *SLOWFAST_NAMES,
)
"""pytorchvideo's names -> ours, but for what `_joined` joins."""


def _joined(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Join the projections to queries, keys and values, which pytorchvideo holds apart."""
    found = {name: tensor for name, tensor in tensors.items() if not re.search(r"\.attn\.[qkv]\.", name)}
    for name in tensors:
        if ".attn.q." in name:
            parts = [tensors[name.replace(".attn.q.", f".attn.{part}.")] for part in "qkv"]
            found[name.replace(".attn.q.", ".attn.qkv.")] = torch.cat(parts)
    return _squeezed(found)


def _squeezed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Drop the batch axis that PySlowFast's positions have."""
    return {name: tensor.flatten(0, -2) if name.endswith("_pos") and "class" not in name
            else tensor.flatten() if name.endswith(("class_token", "class_pos")) else tensor
            for name, tensor in tensors.items()}


def _preset(about: str, input: Input, published: Published, *, views: tuple[int, int] = (5, 1), weights: str = "",
            **options: Any) -> Preset:
    return Preset(about, input, options, views=views, published=published,
                  weights=weights or f"pyslowfast: {PYSLOWFAST}",
                  licence="Apache-2.0 (code), CC-BY-NC-4.0 (weights of the release)")


class MViT(VideoEncoder):
    """A multiscale vision transformer; the class token is the pooled vector and follows the grid's tokens.

    Args:
        version: 1 or 2; see `block_settings` for this and the next five.
        depth: number of layers.
        widen_at: layers where a stage begins.
        dim: width of the first stage.
        heads: of the first stage.
        stride_kv: pooling of keys and values in the first stage.
        drop_path: share of layers skipped in training, in the last layer.
        dropout: before the classifier.

    Raises:
        InvalidInput: another version, or frames that are not square multiples of the strides.
    """

    PRESETS: ClassVar = {
        "mvit-v1-b-16x4": _preset(
            "version 1, base, 16 frames in steps of 4", _input(16, 4),
            Published(V1, 36.61, 70.80, top1=78.4, top1_on="Kinetics-400"), version=1,
            weights=f"torchvision: mvit_v1_b; pyslowfast: {PYSLOWFAST}; pytorchvideo: {PYTORCHVIDEO}"),
        "mvit-v1-b-32x3": _preset(
            "version 1, base, 32 frames in steps of 3", _input(32, 3),
            Published(V1, 36.61, 170.37, top1=80.4, top1_on="Kinetics-400"), version=1,
            weights=f"pyslowfast: {PYSLOWFAST}; pytorchvideo: {PYTORCHVIDEO}"),
        "mvit-v2-s-16x4": _preset(
            "version 2, small, 16 frames in steps of 4", _input(16, 4),
            Published(V2, 34.5, 64, top1=81.0, top1_on="Kinetics-400"),
            weights=f"torchvision: mvit_v2_s; pyslowfast: {PYSLOWFAST}"),
        "mvit-v2-b-32x3": _preset(
            "version 2, base, 24 layers, 32 frames in steps of 3", _input(32, 3),
            Published(V2, 51.2, 225.0, top1=82.9, top1_on="Kinetics-400"),
            depth=24, widen_at=(2, 5, 21), drop_path=0.3),
        "mvit-tiny": Preset(
            "version 2, small enough to train in minutes", Input(16, 64, 64),
            {"depth": 6, "widen_at": (1, 3), "dim": 48, "stride_kv": 4, "drop_path": 0.0, "dropout": 0.0},
            num_classes=10, views=(1, 1)),
    }
    averages: ClassVar[str] = "probabilities"
    CHECKPOINTS: ClassVar = {
        "torchvision": Format("mvit_v1_b and mvit_v2_s of https://github.com/pytorch/vision",
                              rename=((r"^(?!head\.)", "trunk."),)),
        "pyslowfast": Format(f"{PYSLOWFAST}: MVIT_B_16x4_CONV, MVITv2_S_16x4, MVITv2_B_32x3", rename=SLOWFAST_NAMES,
                             convert=_squeezed),
        "pytorchvideo": Format(f"{PYTORCHVIDEO}: MVIT_B_16x4, MVIT_B_32x3", rename=PYTORCHVIDEO_NAMES, convert=_joined),
    }

    def __init__(self, *, input: Input, num_classes: int = 0, version: int = 2, depth: int = 16,
                 widen_at: tuple[int, ...] = (1, 3, 14), dim: int = 96, heads: int = 1, stride_kv: int = 8,
                 drop_path: float = 0.2, dropout: float = 0.5):
        from torchvision.models.video.mvit import MSBlockConfig
        from torchvision.models.video.mvit import MViT as Network

        super().__init__(input=input, num_classes=num_classes)
        if version not in (1, 2):
            raise InvalidInput(f"version is 1 or 2, not {version!r}.")
        side = STRIDE[1] * 2 ** len(widen_at)
        if input.height != input.width or input.height % side or input.num_frames % STRIDE[0]:
            raise InvalidInput(f"MViT takes square frames whose sides are multiples of {side} and clips of an even "
                               f"number of frames, not {input.num_frames} of {input.height}x{input.width}.")
        settings = block_settings(version=version, depth=depth, widen_at=tuple(widen_at), dim=dim, heads=heads,
                                  stride_kv=stride_kv)
        self.trunk = Network(
            (input.height, input.width), input.num_frames, [MSBlockConfig(**s) for s in settings],
            residual_pool=version == 2, residual_with_cls_embed=False, rel_pos_embed=version == 2,
            proj_after_attn=version == 2, stochastic_depth_prob=drop_path, num_classes=1)
        self.trunk.head = nn.Identity()
        self.dim, self.stages = settings[-1]["output_channels"], len(widen_at)
        self.head = linear_head(self.dim, num_classes, dropout=dropout)
        self.head.apply(_init_head)

    def num_tokens(self, num_frames: int, height: int, width: int) -> int:
        """Return N: a token for each 2 frames and 32x32 pixels (three stages after the first), and the class token."""
        self.check(num_frames, height, width)
        t, h, w = self._grid()
        return t * h * w + 1

    def _grid(self) -> tuple[int, int, int]:
        i, step = self.input, 2**self.stages
        return i.num_frames // STRIDE[0], i.height // STRIDE[1] // step, i.width // STRIDE[2] // step

    def encode(self, frames: Tensor) -> Features:
        x = self.trunk.conv_proj(frames.transpose(1, 2))
        grid = tuple(x.shape[2:])
        x = self.trunk.pos_encoding(x.flatten(2).transpose(1, 2))
        for block in self.trunk.blocks:
            x, grid = block(x, grid)
        x = self.trunk.norm(x)
        return Features(tokens=x.roll(-1, 1), grid=grid, pooled=x[:, 0], num_extra=1)


def _init_head(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
