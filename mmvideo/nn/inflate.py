"""Any 2D CNN made to see time (Carreira & Zisserman 2017, https://arxiv.org/abs/1705.07750, section 2.4).

A convolution's weights are copied along time and divided by the number of copies. A clip of one repeated frame then
gives what the 2D network gives for the frame, at every time, if the border in time is padded with copies of the first
and the last frame; with zeros, as the papers' networks have it, only where no kernel reaches over the border.

The network runs on (B T, C, H, W) as it stands, so its own forward, its poolings and its functional calls need no
rewriting: a normalisation over the frames of all clips is the 3D one, a pooling of k x k is one of 1 x k x k. Only the
parts that mix frames unfold time: the inflated convolutions, poolings in time, non-local blocks.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmvideo.errors import InvalidInput
from mmvideo.nn.module_surgery import insert_after
from mmvideo.nn.non_local import NonLocal3d

Rule = Callable[[str, nn.Conv2d], int]
"""Name of a convolution and the convolution -> its extent K_t in time; 1 leaves it as it is."""
PADDINGS = ("replicate", "zeros")


def cubic(name: str, conv: nn.Conv2d) -> int:
    """Make N x N to N x N x N, as the paper; even and unequal sides take the next smaller odd number."""
    side = min(conv.kernel_size)
    return side - 1 + side % 2


def inflate_pointwise(name: str, conv: nn.Conv2d) -> int:
    """Make 1 x 1 to 3 x 1 x 1 and leave all else, as the residual I3D of Wang et al. 2018."""
    return 3 if max(conv.kernel_size) == 1 else 1


class _Batch:
    """How many clips run, known to all parts of one inflated network."""

    size = 1


class InflatedConv(nn.Conv3d):
    """A convolution K_t x h x w on frames (B T, C, H, W); named and filled as the 2D one that it stands for."""

    def __init__(self, conv: nn.Conv2d, kernel: int, padding: str, batch: _Batch):
        dynamic = type(conv).__name__ == "Conv2dSame"  # timm's port of TensorFlow's padding
        if type(conv) is not nn.Conv2d and not dynamic:
            raise InvalidInput(f"A {type(conv).__name__} computes in its own way and cannot be inflated; give it a K_t "
                               "of 1 in the rule.")
        own_border = dynamic or isinstance(conv.padding, str) or conv.padding_mode != "zeros"
        super().__init__(conv.in_channels, conv.out_channels, (kernel, *conv.kernel_size), (1, *conv.stride),
                         (0, 0, 0) if own_border else (0, *conv.padding), (1, *conv.dilation), conv.groups,
                         conv.bias is not None, device=conv.weight.device, dtype=conv.weight.dtype)
        self.dynamic, self.in_time, self.batch = dynamic, padding, batch
        self.border = list(conv._reversed_padding_repeated_twice) if own_border else []
        self.border_mode = "constant" if conv.padding_mode == "zeros" else conv.padding_mode
        with torch.no_grad():
            self.weight.copy_(conv.weight.unsqueeze(2).expand_as(self.weight) / kernel)
            if conv.bias is not None:
                self.bias.copy_(conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        if self.dynamic:
            sides = zip(x.shape[:1:-1], self.kernel_size[:0:-1], self.stride[:0:-1], self.dilation[:0:-1], strict=True)
            missing = [max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0) for n, k, s, d in sides]
            x = F.pad(x, [side for m in missing for side in (m // 2, m - m // 2)])
        elif self.border:
            x = F.pad(x, self.border, mode=self.border_mode)
        x, reach = x.unflatten(0, (self.batch.size, -1)), self.kernel_size[0] // 2
        if self.in_time == "replicate":
            x = x[:, torch.arange(-reach, x.shape[1] + reach, device=x.device).clamp(0, x.shape[1] - 1)]
        inside = (0 if self.in_time == "replicate" else reach, *self.padding[1:])
        x = F.conv3d(x.transpose(1, 2), self.weight, self.bias, self.stride, inside, self.dilation, self.groups)
        return x.transpose(1, 2).flatten(0, 1)


class InTime(nn.Module):
    """Run a part that takes (B, D, t, h, w) on frames (B T, D, h, w)."""

    def __init__(self, part: nn.Module, batch: _Batch):
        super().__init__()
        self.part, self.batch = part, batch

    def forward(self, x: Tensor) -> Tensor:
        x = self.part(x.unflatten(0, (self.batch.size, -1)).transpose(1, 2))
        return x.transpose(1, 2).flatten(0, 1)


class Inflated(nn.Module):
    """What `inflate` returns: clips (B, C, T, H, W) -> what the 2D network gives for every time left, (B, t, ...).

    State is under `network`, with the 2D network's names.
    """

    def __init__(self, network: nn.Module, batch: _Batch):
        super().__init__()
        self.network, self.batch = network, batch

    def forward(self, clips: Tensor) -> Tensor:
        self.batch.size = clips.shape[0]
        y = self.network(clips.transpose(1, 2).flatten(0, 1))
        if not isinstance(y, Tensor):
            y = y[0]  # the logits, before those of auxiliary classifiers
        return y.unflatten(0, (self.batch.size, -1))

    def pool_time_after(self, name: str, *, kind: type[nn.Module] = nn.MaxPool3d) -> None:
        """Halve time behind a named part (`network.` left out).

        Raises:
            UnknownName: there is no such part.
        """
        insert_after(self.network, name, "pool_time", InTime(kind((2, 1, 1)), self.batch))

    def insert_non_local(self, after: Mapping[str, int], **options: Any) -> None:
        """Put non-local blocks behind named parts; as `mmvideo.nn.non_local.insert_non_local`.

        Raises:
            UnknownName: there is no such part.
        """
        for name, dim in after.items():
            insert_after(self.network, name, "non_local", InTime(NonLocal3d(dim, **options), self.batch))


def inflate(network: nn.Module, *, rule: Rule = cubic, padding: str = PADDINGS[0]) -> Inflated:
    """Make a 3D network of a 2D CNN, trained or not; the given one stays as it is.

    Args:
        network: frames (B, C, H, W) -> a tensor (B, ...).
        rule: K_t of each convolution: `cubic`, `pointwise`, or a function of yours.
        padding: of the border in time, "replicate" (a static clip gives exactly the 2D output) or "zeros".

    Raises:
        InvalidInput: an unknown padding, an even K_t, nothing to inflate, or a convolution of a class of its own that
            the rule gives a K_t above 1.
    """
    if padding not in PADDINGS:
        raise InvalidInput(f"Time is padded with {' or '.join(PADDINGS)}, not {padding!r}.")
    result, batch = Inflated(copy.deepcopy(network), _Batch()), _Batch()
    result.batch = batch
    inflated = 0
    for name, conv in [(n, m) for n, m in result.named_modules() if isinstance(m, nn.Conv2d)]:
        kernel = rule(name.removeprefix("network."), conv)
        if kernel < 1 or kernel % 2 == 0:
            raise InvalidInput(f"The rule gives {name} a K_t of {kernel}; it must be odd, so that the length stays.")
        if kernel > 1:
            parent, _, last = name.rpartition(".")
            setattr(result.get_submodule(parent), last, InflatedConv(conv, kernel, padding, batch))
            inflated += 1
    if not inflated:
        raise InvalidInput(f"The rule inflates no convolution of {type(network).__name__}.")
    return result.train(network.training)
