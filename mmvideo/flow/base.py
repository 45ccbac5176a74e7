"""What every method of optical flow does, and how flow travels as bytes."""

from __future__ import annotations

import torch
from torch import Tensor

from mmvideo.errors import InvalidInput

BOUND = 20.0
"""Pixels a frame at which the two-stream papers cut flow before they store it as bytes."""


class FlowMethod:
    """Frames -> displacements. A method implements `compute`; its options are keyword arguments of its class."""

    smallest: int = 16
    """Least height and width in pixels."""

    @torch.no_grad()
    def __call__(self, frames: Tensor) -> Tensor:
        """Estimate where each pixel of a frame is in the next one.

        Args:
            frames: (B, T, C, H, W) with C = 3 (RGB) or 1, uint8 in [0, 255] or float in [0, 1].

        Returns:
            float32 (B, T - 1, 2, H, W) on the device of the frames: dx (to the right) and dy (down) in pixels per frame
            step. Frames without data (the meta device) give flow without data.

        Raises:
            InvalidInput: another rank, number of channels or dtype, or frames that are too small.
        """
        if frames.ndim != 5 or frames.shape[2] not in (1, 3) or frames.shape[1] == 0:
            raise InvalidInput("Optical flow takes frames (B, T, C, H, W) with C = 3 or 1 and T of 1 or more, not "
                               f"{tuple(frames.shape)}.")
        if frames.dtype != torch.uint8 and not frames.is_floating_point():
            raise InvalidInput(f"Optical flow takes uint8 in [0, 255] or float in [0, 1], not {frames.dtype}.")
        b, t, _, h, w = frames.shape
        if min(h, w) < self.smallest:
            raise InvalidInput(f"{type(self).__name__} takes frames of {self.smallest}x{self.smallest} pixels or more, "
                               f"not {h}x{w}; sample larger frames.")
        shape = (b, t - 1, 2, h, w)
        if frames.is_meta or not b or t == 1:
            return torch.empty(shape, device=frames.device)
        return self.compute(frames if frames.shape[2] == 3 else frames.expand(-1, -1, 3, -1, -1))

    def compute(self, frames: Tensor) -> Tensor:
        """Do as `__call__`, with checked frames of three channels and T of 2 or more."""
        raise NotImplementedError


def as_bytes(flow: Tensor, *, bound: float = BOUND) -> Tensor:
    """Cut flow at +-bound pixels and lay it out linearly on [0, 255].

    Simonyan & Zisserman 2014 (section 5) store it so; the fixed bound is their successors'.

    Returns:
        uint8 as `flow`; 127 and 128 are (nearly) no motion.
    """
    return ((flow.clamp(-bound, bound) + bound) * (255 / (2 * bound))).round().to(torch.uint8)


def from_bytes(stored: Tensor, *, bound: float = BOUND) -> Tensor:
    """Undo `as_bytes`, float32 in pixels; off by bound / 255 at most, besides what was cut."""
    return stored.float() * (2 * bound / 255) - bound
