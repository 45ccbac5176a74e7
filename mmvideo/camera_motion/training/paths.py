"""Camera paths of the ten classes.

A camera path is (T, 4): x and y of the view's centre (in half widths and half heights of the frame, y down), the
logarithm of the magnification, and the roll in radians (positive: counter-clockwise as the operator sees it).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mmvideo.camera_motion.training.draws import chance, draw_uniform, log_uniform, wobble

LABELS = ("static", "pan left", "pan right", "tilt up", "tilt down", "zoom in", "zoom out", "roll left", "roll right",
          "shake")
STATIC, SHAKE = 0, 9
AXIS_OF = {1: (0, -1.0), 2: (0, 1.0), 3: (1, -1.0), 4: (1, 1.0), 5: (2, 1.0), 6: (2, -1.0), 7: (3, 1.0), 8: (3, -1.0)}
"""Class -> (column of the path, sign of its growth)."""
SMALLEST = (0.06, 0.06, 0.05, math.radians(3.0))
LARGEST = (4.0, 4.0, 1.2, math.radians(110.0))
"""Whole move of a positive class: pan and tilt in half widths (so 3 % to 200 % of the frame), zoom in log, roll."""
STILL = (0.012, 0.012, 0.008, math.radians(0.4))
"""Largest move that is still called static."""


def _easing(generator: torch.Generator, times: Tensor) -> Tensor:
    """Map time to the share of the move that is done: constant, eased, faster, slower, or only for a while."""
    num = times.shape[0]
    start = torch.where(chance(generator, 0.3, num, 1), draw_uniform(generator, 0, 0.4, num, 1), torch.zeros(num, 1))
    end = torch.where(chance(generator, 0.3, num, 1), draw_uniform(generator, 0.6, 1.0, num, 1), torch.ones(num, 1))
    inner = ((times - start) / (end - start)).clamp(0, 1)
    curves = torch.stack([inner, inner * inner * (3 - 2 * inner), inner**1.7, 1 - (1 - inner) ** 1.7])
    kind = torch.multinomial(torch.tensor([0.4, 0.3, 0.15, 0.15]), num, replacement=True, generator=generator)
    return curves[kind, torch.arange(num)]


def camera_paths(labels: Tensor, times: Tensor, generator: torch.Generator) -> Tensor:
    """Draw camera paths of given classes.

    Args:
        labels: int64 (B,).
        times: float (B, T) in [0, 1].

    Returns:
        float (B, T, 4).
    """
    num = len(labels)
    done = _easing(generator, times)
    path = torch.zeros(num, times.shape[1], 4)
    smallest, largest = torch.tensor(SMALLEST), torch.tensor(LARGEST)
    size = log_uniform(generator, 1.0, 2.0, num) .log() / math.log(2.0)  # uniform in [0, 1]
    jitter = wobble(generator, num, times) * torch.tensor([1.0, 1.0, 0.3, 0.4]) * torch.where(
        chance(generator, 0.25, num, 4), 0.0, 1.0)[:, None]
    moving = torch.zeros(num, dtype=torch.bool)
    strength = torch.zeros(num)
    for label, (axis, sign) in AXIS_OF.items():
        chosen = labels == label
        move = smallest[axis] * (largest[axis] / smallest[axis]) ** size
        path[chosen, :, axis] = (sign * done * move[:, None])[chosen]
        moving |= chosen
        # the same move seen in the picture, in half widths: half of the log scale or of the angle on average
        strength[chosen] = (move * (1.0 if axis < 2 else 0.5))[chosen]
        path = _add_minor(path, chosen, axis, strength, done, generator)
    handheld = chance(generator, 0.5, num) * torch.minimum(draw_uniform(generator, 0, 0.22, num) * strength,
                                                            torch.tensor(0.06))
    shaken = log_uniform(generator, 0.04, 0.3, num)
    tiny = draw_uniform(generator, 0, 1, num) * chance(generator, 0.6, num)
    scale = torch.where(moving, handheld, torch.where(labels == SHAKE, shaken, torch.zeros(num)))
    path = path + jitter * scale[:, None, None]
    shake = labels == SHAKE
    path[shake, :, :2] += _main_shake(jitter, shake, generator) * shaken[shake, None, None]
    still = wobble(generator, num, times) * torch.tensor(STILL) * 0.7 + torch.tensor(STILL) * 0.3 * done[..., None]
    return torch.where((labels == STATIC)[:, None, None], still * tiny[:, None, None], path)


def _main_shake(jitter: Tensor, shake: Tensor, generator: torch.Generator) -> Tensor:
    """Give a shake without horizontal and vertical part one of them."""
    empty = jitter[shake, :, :2].abs().amax((1, 2)) < 1e-6
    times = torch.linspace(0, 1, jitter.shape[1]).expand(int(shake.sum()), -1)
    return wobble(generator, len(times), times)[..., :2] * empty[:, None, None]


def _add_minor(path: Tensor, chosen: Tensor, axis: int, strength: Tensor, done: Tensor,
               generator: torch.Generator) -> Tensor:
    """Mix a weaker move of other kinds into half of the clips: a pan is rarely exactly level."""
    num = len(chosen)
    minor = draw_uniform(generator, -1, 1, num, 4) * torch.tensor([0.3, 0.3, 0.15, 0.15]) * strength[:, None]
    minor = minor * (chance(generator, 0.5, num, 4) & chosen[:, None])
    minor = minor.clamp(-0.3, 0.3)
    minor[:, axis] = 0
    return path + done[..., None] * minor[:, None]


__all__ = ["AXIS_OF", "LABELS", "LARGEST", "SHAKE", "SMALLEST", "STATIC", "STILL", "camera_paths"]
