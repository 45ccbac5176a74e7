"""Video Swin: attention within shifted windows of space and time (Liu et al. 2022, https://arxiv.org/abs/2106.13230).

The network is torchvision's.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from mmvideo.encoders.base import VideoEncoder, features_of_map, linear_head
from mmvideo.encoders.preset import Input, Preset, Published
from mmvideo.nn.checkpoints import Format
from mmvideo.types import Features

PAPER = ("Liu et al. 2022, arXiv:2106.13230; README of Video-Swin-Transformer (GFLOPs, top-1); MMAction2's "
         "configs/recognition/swin (parameters)")
PATCH = (2, 4, 4)


def _preset(about: str, published: Published, **options: object) -> Preset:
    return Preset(about, Input(32, 224, 224, fps=15), options, views=(4, 3), published=published,
                  weights="torchvision: swin3d_t, swin3d_s, swin3d_b",
                  licence="BSD-3-Clause (code), weights under the terms of Kinetics-400")


class VideoSwin(VideoEncoder):
    """A Swin transformer over patches of 2 frames and 4x4 pixels, merged 2x2 between stages; tokens of the last stage.

    Args:
        dim: width of the first stage, doubled in each next one.
        depths: layers of each stage.
        heads: of attention in each stage.
        window: of attention, in tokens of (t, h, w).
        drop_path: share of layers skipped in training, in the last layer.
    """

    PRESETS: ClassVar = {
        "video-swin-t": _preset("tiny, of the paper", Published(PAPER, 28.2, 87.9, top1=78.8, top1_on="Kinetics-400"),
                                drop_path=0.1),
        "video-swin-s": _preset("small", Published(PAPER, 49.8, 165.9, top1=80.6, top1_on="Kinetics-400"),
                                depths=(2, 2, 18, 2), drop_path=0.1),
        "video-swin-b": _preset("base", Published(PAPER, 88.0, 281.6, top1=80.6, top1_on="Kinetics-400"),
                                dim=128, depths=(2, 2, 18, 2), heads=(4, 8, 16, 32), drop_path=0.1),
        "video-swin-tiny": Preset("small enough to train in minutes", Input(16, 64, 64),
                                  {"dim": 48, "depths": (2, 2, 2), "heads": (2, 4, 8), "window": (4, 4, 4)},
                                  num_classes=10, views=(1, 1)),
    }
    averages: ClassVar[str] = "probabilities"
    CHECKPOINTS: ClassVar = {
        "torchvision": Format("swin3d_t, swin3d_s and swin3d_b of https://github.com/pytorch/vision",
                              rename=((r"^(?!head\.)", "trunk."),)),
    }

    def __init__(self, *, input: Input, num_classes: int = 0, dim: int = 96, depths: tuple[int, ...] = (2, 2, 6, 2),
                 heads: tuple[int, ...] = (3, 6, 12, 24), window: tuple[int, int, int] = (8, 7, 7),
                 drop_path: float = 0.0):
        from torchvision.models.video.swin_transformer import SwinTransformer3d

        super().__init__(input=input, num_classes=num_classes)
        self.trunk = SwinTransformer3d(list(PATCH), dim, list(depths), list(heads), list(window),
                                       stochastic_depth_prob=drop_path, num_classes=1)
        self.trunk.head = nn.Identity()
        self.dim, self.merges = self.trunk.num_features, len(depths) - 1
        self.head = linear_head(self.dim, num_classes)
        if num_classes:
            nn.init.trunc_normal_(self.head.weight, std=0.02)
            nn.init.zeros_(self.head.bias)

    def num_tokens(self, num_frames: int, height: int, width: int) -> int:
        """Return N: a token for each 2 frames and, with four stages, 32x32 pixels; borders are padded."""
        self.check(num_frames, height, width)
        side = PATCH[1] * 2**self.merges
        return -(-num_frames // PATCH[0]) * -(-height // side) * -(-width // side)

    def encode(self, frames: Tensor) -> Features:
        x = self.trunk.pos_drop(self.trunk.patch_embed(frames.transpose(1, 2)))
        x = self.trunk.norm(self.trunk.features(x))
        return features_of_map(x.permute(0, 4, 1, 2, 3))
