"""FaceMesh, MediaPipe's network of 468 points on a face (Kartynnik et al. 2019, https://arxiv.org/abs/1907.06724).

The network is that of MediaPipe's release (`face_landmark`); its weights are converted by `mmvideo.faces.convert`.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from mmvideo.faces.blazeface import BlazeBlock, SameConv
from mmvideo.nn.pretrained import Pretrained

NUM_POINTS = 468
INNER_LIPS = (13, 14)
"""Points in the middle of the upper and of the lower lip, on their inner edges."""
MOUTH_CORNERS = (61, 291)
EYES = ((33, 133), (362, 263))
"""Outer and inner corner of the eye on the left of the picture; inner and outer of the one on the right."""
FOREHEAD, CHIN = 10, 152
LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409,
        78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415)
"""The 40 points of the lips: outer edge below and above, inner edge below and above, from left to right each."""


def _block(channels: int, out: int, stride: int = 1) -> BlazeBlock:
    return BlazeBlock(channels, out, stride=stride, activation=nn.PReLU(out))


def _head(outputs: int, blocks: int) -> nn.Sequential:
    """Make a branch from 6x6 cells to one row of values."""
    return nn.Sequential(_block(128, 128, 2), *[_block(128, 128) for _ in range(blocks)], nn.Conv2d(128, 32, 1),
                         nn.PReLU(32), _block(32, 32), nn.Conv2d(32, outputs, 3, 3))


class FaceMesh(Pretrained):
    """Points of one face in a square crop of 192x192 pixels; 0.6 M parameters."""

    size = 192

    def __init__(self) -> None:
        super().__init__()
        self.config: dict = {}
        widths = [16, 16, 16, 32, 32, 32, 64, 64, 64, 128, 128, 128, 128, 128, 128]
        downs = {2, 5, 8, 11}
        self.stem = nn.Sequential(SameConv(3, 16, 3, 2), nn.PReLU(16))
        self.blocks = nn.Sequential(*[_block(a, b, 2 if number in downs else 1)
                                      for number, (a, b) in enumerate(pairwise(widths))])
        self.mesh = _head(3 * NUM_POINTS, 2)
        self.face = _head(1, 0)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Find the points.

        Args:
            crops: float32 (B, 3, 192, 192) in [0, 1], RGB, each a face with a quarter of its size around it.

        Returns:
            (B, 468, 3) points x, y in pixels of the crop and z at the same scale, smaller nearer to the camera; and
            (B,) probabilities that the crop shows a face.
        """
        x = self.blocks(self.stem(crops))  # (B, 128, 6, 6)
        return self.mesh(x).reshape(-1, NUM_POINTS, 3), torch.sigmoid(self.face(x)).flatten()


__all__ = ["CHIN", "EYES", "FOREHEAD", "INNER_LIPS", "LIPS", "MOUTH_CORNERS", "NUM_POINTS", "FaceMesh"]
