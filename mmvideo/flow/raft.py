"""Flow by RAFT (Teed & Deng 2020, https://arxiv.org/abs/2003.12039), torchvision's network."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from mmvideo.deadline import check
from mmvideo.errors import InvalidInput
from mmvideo.flow.base import FlowMethod
from mmvideo.nn.checkpoints import load_strictly, read_checkpoint

SIZES = ("small", "large")
RANDOM = "random"
STRIDE, LEAST = 8, 128
"""RAFT takes multiples of 8 pixels, 128 or more: its pyramid of correlations ends at an eighth of an eighth."""


class RAFT(FlowMethod):
    """All pairs of pixels are compared, and a recurrent unit follows the comparison.

    Frames are padded to a multiple of 8 pixels by copies of their border; where a side is under 128 pixels, the frames
    are first enlarged, and the flow is brought back. Runs on the device of the frames, a clip at a time.

    Args:
        weights: torchvision's file for this size, such as raft_small_C_T_V2-01064c6d.pth or
            raft_large_C_T_SKHT_V2-ff5fadd5.pth; "random" to run without (for tests: what it gives is no flow).
        size: small (1 M parameters) or large (5 M).
        updates: of the recurrent unit.

    Raises:
        InvalidInput: no such size, or no weights.
        WeightsError: the file is damaged, or is of another architecture.
    """

    smallest = 8

    def __init__(self, *, weights: str = "", size: str = "small", updates: int = 12):
        if size not in SIZES:
            raise InvalidInput(f"RAFT is {' or '.join(SIZES)}, not {size!r}.")
        if not weights:
            raise InvalidInput("RAFT needs weights: give weights=FILE, torchvision's checkpoint of "
                               f"raft_{size} (https://docs.pytorch.org/vision/stable/models/raft.html).")
        from torchvision.models import optical_flow

        self.updates = updates
        self.net = getattr(optical_flow, f"raft_{size}")(weights=None, progress=False).eval().requires_grad_(False)
        if weights != RANDOM:
            load_strictly(self.net, read_checkpoint(weights), where=weights)

    def compute(self, frames: Tensor) -> Tensor:
        self.net.to(frames.device)
        pictures = frames.float() / 255 if frames.dtype == torch.uint8 else frames.float()
        return torch.stack([self._of_clip(clip) for clip in pictures])

    def _of_clip(self, clip: Tensor) -> Tensor:
        """Return (T - 1, 2, H, W) of (T, 3, H, W) in [0, 1]."""
        check()
        h, w = clip.shape[2:]
        scale = max(1.0, LEAST / min(h, w))
        if scale > 1:
            size = (math.ceil(h * scale), math.ceil(w * scale))
            clip = F.interpolate(clip, size, mode="bilinear", align_corners=False)
        big_h, big_w = clip.shape[2:]
        below, right = -big_h % STRIDE, -big_w % STRIDE
        clip = F.pad(clip * 2 - 1, (right // 2, right - right // 2, below // 2, below - below // 2), mode="replicate")
        flow = self.net(clip[:-1], clip[1:], num_flow_updates=self.updates)[-1]
        flow = flow[..., below // 2:below // 2 + big_h, right // 2:right // 2 + big_w]
        if scale > 1:
            flow = F.interpolate(flow, (h, w), mode="bilinear", align_corners=False)
            flow = flow * flow.new_tensor((w / big_w, h / big_h)).view(1, 2, 1, 1)
        return flow
