"""Recurrent convolutional networks: a convolutional GRU at several layers of a 2D network.

Ballas et al. 2016, Delving deeper into convolutional networks for learning video representations
(https://arxiv.org/abs/1511.06432).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmvideo.encoders.base import VideoEncoder, features_of_map
from mmvideo.encoders.preset import Input, Preset
from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.nn.frame_backbone import TINY_RESNET, FrameBackbone
from mmvideo.types import Features

RECURRENCES = ("gru", "tanh")


class ConvRecurrence(nn.Module):
    """A recurrence whose products are convolutions.

    With * for convolution and . for the product of elements, "gru" is
        z_t = sigmoid(W_z * x_t + U_z * h_{t-1})
        r_t = sigmoid(W_r * x_t + U_r * h_{t-1})
        c_t = tanh(W * x_t + U * (r_t . h_{t-1}))
        h_t = (1 - z_t) . h_{t-1} + z_t . c_t
    and "tanh" is h_t = tanh(W * x_t + U * h_{t-1}). A state from the layer below enters both gates of the GRU
    (section 3.2; in "tanh", the sum) through convolutions of its own, not the candidate c_t. That the stacked network
    too has a classifier at every layer is how we read the paper. h_0 = 0.

    Args:
        dim_in: channels of x.
        dim: channels of h.
        kernel: height and width of the filters, odd.
        recurrence: "gru" or "tanh".
        dim_below: channels of the state below; 0 for none.
    """

    def __init__(self, dim_in: int, dim: int, *, kernel: int = 3, recurrence: str = "gru", dim_below: int = 0):
        super().__init__()
        self.dim, self.gated = dim, recurrence == "gru"
        gates = 2 if self.gated else 0
        self.inputs = nn.Conv2d(dim_in, (gates + 1) * dim, kernel, padding=kernel // 2)
        """W_z, W_r and W, one above the other (W alone without gates), with the biases."""
        self.gates = nn.Conv2d(dim, 2 * dim, kernel, padding=kernel // 2, bias=False) if self.gated else None
        """U_z and U_r."""
        self.state = nn.Conv2d(dim, dim, kernel, padding=kernel // 2, bias=False)
        """U."""
        self.below = nn.Conv2d(dim_below, (gates or 1) * dim, kernel, padding=kernel // 2,
                               bias=False) if dim_below else None

    def forward(self, maps: Tensor, below: Tensor | None = None) -> Tensor:
        """Return h (B, T, dim, h, w) of x (B, T, dim_in, h, w), with `below` (B, T, dim_below, h', w').

        The state below is max-pooled to h x w.
        """
        b, t = maps.shape[:2]
        # What does not depend on the past is computed for all frames at once.
        drive = self.inputs(maps.flatten(0, 1))
        if below is not None and self.below is not None:
            smaller = F.adaptive_max_pool2d(below.flatten(0, 1), maps.shape[-2:])
            extra = self.below(smaller)
            drive = torch.cat((drive[:, :extra.shape[1]] + extra, drive[:, extra.shape[1]:]), 1)
        steps, h = [], drive.new_zeros(b, self.dim, *drive.shape[-2:])
        for x in drive.unflatten(0, (b, t)).unbind(1):
            if self.gates is None:
                h = torch.tanh(x + self.state(h))
            else:
                z, r = torch.sigmoid(x[:, :2 * self.dim] + self.gates(h)).chunk(2, 1)
                h = (1 - z) * h + z * torch.tanh(x[:, 2 * self.dim:] + self.state(r * h))
            steps.append(h)
        return torch.stack(steps, 1)


class RCN(VideoEncoder):
    """Recurrences over the maps of several stages of a timm backbone, a classifier on each, probabilities averaged.

    The last state of each stage is averaged over space and classified on its own. Tokens are the states of the topmost
    recurrence, grid (T, h, w); pooled features are the last states of all stages, averaged over space, side by side.

    Args:
        backbone: an architecture of timm that gives maps at several stages.
        backbone_options: further keyword arguments of it.
        levels: stages, as timm counts them; the last one must be among them unless `use_vector`.
        pooled_levels: those of them to be max-pooled 2x2 first (timm's VGG gives maps before pooling).
        use_vector: also a recurrence, with 1x1 filters, over the vector before the backbone's classifier (VGG's fc7).
        dims: channels of the states.
        recurrence: "gru" or "tanh".
        stacked: each recurrence also reads the state of the one below, max-pooled.
        dropout: before each classifier.

    Raises:
        UnknownName: no such recurrence.
        InvalidInput: as many `dims` as recurrences are needed; the backbone lacks a stage.
    """

    any_length: ClassVar[bool] = True
    PRESETS: ClassVar = {
        "rcn-vgg16": Preset(
            "GRU-RCN on pool2 to pool5 and fc7 of VGG-16", Input(10, 224, 224),
            {"backbone": "vgg16", "levels": (1, 2, 3, 5), "pooled_levels": (1, 2, 3), "use_vector": True,
             "dims": (64, 128, 256, 256, 512)}, num_classes=101, views=(25, 10)),
        "rcn-vgg16-stacked": Preset(
            "the same, each GRU reading the state below too", Input(10, 224, 224),
            {"backbone": "vgg16", "levels": (1, 2, 3, 5), "pooled_levels": (1, 2, 3), "use_vector": True,
             "dims": (64, 128, 256, 256, 512), "stacked": True}, num_classes=101, views=(25, 10)),
        "rcn-resnet50": Preset("GRU-RCN on the four stages of ResNet-50", Input(10, 224, 224),
                               {"backbone": "resnet50", "levels": (1, 2, 3, 4)}, views=(10, 1)),
        "rcn-tiny": Preset(
            "small enough to train in minutes", Input(16, 64, 64),
            {"backbone": "resnet18",
             "backbone_options": {**TINY_RESNET, "stem_width": 8, "channels": (16, 32, 64, 128)},
             "levels": (1, 2, 3, 4), "dims": (16, 24, 32, 64), "dropout": 0.0}, num_classes=10, views=(1, 1)),
    }

    def __init__(self, *, input: Input, num_classes: int = 0, backbone: str = "resnet50",
                 backbone_options: Mapping[str, Any] | None = None, levels: Sequence[int] = (1, 2, 3, 4),
                 pooled_levels: Sequence[int] = (), use_vector: bool = False, dims: Sequence[int] = (64, 128, 256, 256),
                 recurrence: str = "gru", stacked: bool = False, dropout: float = 0.7):
        super().__init__(input=input, num_classes=num_classes)
        if recurrence not in RECURRENCES:
            raise UnknownName("recurrence", recurrence, RECURRENCES)
        if len(dims) != len(levels) + use_vector:
            raise InvalidInput(f"dims={tuple(dims)} are {len(dims)} states for {len(levels) + use_vector} recurrences; "
                               "give one for each of levels, and one more with use_vector.")
        self.frames = FrameBackbone(backbone, height=input.height, width=input.width, channels=len(input.mean),
                                    options=backbone_options)
        self.levels, self.pooled_levels, self.use_vector = tuple(levels), tuple(pooled_levels), use_vector
        self.any_size, self.dim, self._dim_pooled = self.frames.any_size, dims[-1], sum(dims)
        sizes = self.frames.level_dims(self.levels, input.height, input.width)
        sizes += [self.frames.dim_pooled] * use_vector
        kernels = [3] * len(self.levels) + [1] * use_vector
        below = (0, *dims[:-1]) if stacked else (0,) * len(dims)
        self.recurrences = nn.ModuleList(
            ConvRecurrence(size, dim, kernel=k, recurrence=recurrence, dim_below=under)
            for size, dim, k, under in zip(sizes, dims, kernels, below, strict=True))
        self.dims = tuple(dims)
        self.dropout = nn.Dropout(dropout)
        self.heads = nn.ModuleList(nn.Linear(dim, num_classes) for dim in dims if num_classes)

    @property
    def dim_pooled(self) -> int:
        """Sum of the states' channels."""
        return self._dim_pooled

    def num_tokens(self, num_frames: int, height: int, width: int) -> int:
        """Return N: the topmost state of each frame."""
        self.check(num_frames, height, width)
        if self.use_vector:
            return num_frames
        h, w = self.frames.level_sizes(self.levels, height, width)[-1]
        return num_frames * (h // 2 * (w // 2) if self.levels[-1] in self.pooled_levels else h * w)

    def encode(self, frames: Tensor) -> Features:
        b, t = frames.shape[:2]
        raw, maps = self.frames.levels(frames.flatten(0, 1), self.levels)
        maps = [F.max_pool2d(m, 2) if level in self.pooled_levels else m
                for level, m in zip(self.levels, maps, strict=True)]
        if self.use_vector:
            maps.append(self.frames.pool(raw)[..., None, None])
        state, last = None, []
        for recurrence, x in zip(self.recurrences, maps, strict=True):
            state = recurrence(x.unflatten(0, (b, t)), state)
            last.append(state[:, -1].mean((2, 3)))
        return features_of_map(state.transpose(1, 2), pooled=torch.cat(last, 1))

    def classify(self, features: Features) -> Tensor:
        """Return the logarithm of the mean over stages of the class probabilities, float (B, num_classes)."""
        states = features.pooled.split(self.dims, 1)
        each = [head(self.dropout(x)).log_softmax(-1) for head, x in zip(self.heads, states, strict=True)]
        return torch.stack(each).logsumexp(0) - math.log(len(each))
