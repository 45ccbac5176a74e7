"""What every encoder shares (presets, a classifier, checkpoints of others), and what every video encoder does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from inspect import signature
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from mmvideo.encoders.preset import AudioInput, Input, Preset
from mmvideo.errors import InvalidInput, UnknownName, lacks_memory
from mmvideo.nn import checkpoints
from mmvideo.nn.flat_conv import flatten
from mmvideo.nn.pretrained import Pretrained
from mmvideo.types import Features

OUTPUTS = ("classes", "tags", "numbers")
"""What logits are: of one label of several (softmax), of any number of labels (sigmoid), or the numbers themselves."""


def option_names(of: Callable) -> list[str]:
    """Return the names of the options of a class or function: of what it takes, all but `input` and `num_classes`."""
    return [name for name, p in signature(of).parameters.items()
            if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD) and name not in ("input", "num_classes")]


class Encoder(checkpoints.Loadable, Pretrained):
    """A member of the zoo: built from a preset, with a classifier where `num_classes` is not 0, filled from a release.

    Args:
        input: what the network is made for.
        num_classes: width of the classifier; 0 for none.
    """

    PRESETS: ClassVar[dict[str, Preset]] = {}
    """Members of the family; every name begins with the family's registered name."""
    INPUT: ClassVar[type] = Input
    """Class of `input`."""

    dim: int
    """D of the tokens."""

    def __init__(self, *, input: Input | AudioInput, num_classes: int = 0):
        super().__init__()
        self.input, self.num_classes = input, num_classes
        self.preset = ""
        self.labels: tuple[str, ...] = ()
        self.outputs = OUTPUTS[0]

    @property
    def dim_pooled(self) -> int:
        """Width of the pooled features: D, unless the family says otherwise."""
        return self.dim

    @classmethod
    def option_names(cls, options: Mapping[str, Any]) -> list[str]:
        """Return the names of the options that go with those that are given."""
        return option_names(cls)

    @classmethod
    def create(cls, preset: str, *, num_classes: int | None = None, input: Input | AudioInput | None = None,
               labels: Sequence[str] = (), outputs: str = OUTPUTS[0], **options: Any) -> Self:
        """Build a preset with random weights.

        Args:
            preset: a name in `PRESETS`.
            num_classes: another width of the classifier than the preset's; 0 for none.
            input: another input than the preset's.
            labels: names of the classes, in the order of the logits; sets `num_classes`.
            outputs: one of `OUTPUTS`.
            options: changes of the preset's options.

        Raises:
            UnknownName: no such preset, no such option, or no such kind of outputs.
            InvalidInput: a number of classes that cannot be.
        """
        if preset not in cls.PRESETS:
            raise UnknownName(f"preset of {cls.__name__}", preset, cls.PRESETS)
        found = cls.PRESETS[preset]
        known = cls.option_names({**found.options, **options})
        for name in options:
            if name not in known:
                raise UnknownName(f"option of {preset}", name, known)
        if outputs not in OUTPUTS:
            raise UnknownName("kind of outputs", outputs, OUTPUTS)
        classes = len(labels) or (found.num_classes if num_classes is None else num_classes)
        if not isinstance(classes, int) or classes < 0:
            raise InvalidInput(f"num_classes is 0 (no classifier) or more, not {classes!r}.")
        encoder = flatten(cls(input=input or found.input, num_classes=classes, **{**found.options, **options}))
        encoder.preset, encoder.labels, encoder.outputs = preset, tuple(labels), outputs
        if found.averages:
            encoder.averages = found.averages
        clip = {name: value for name, value in asdict(encoder.input).items()
                if value or name not in ("focus", "channels")}
        encoder.config = {"preset": preset, "num_classes": classes, "labels": list(labels), "input": clip,
                          **({} if outputs == OUTPUTS[0] else {"outputs": outputs}), **options}
        return encoder

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Build what `save_pretrained` described."""
        given = {name: tuple(v) if isinstance(v, list) else v for name, v in config["input"].items()}
        return cls.create(**{**config, "input": cls.INPUT(**given)})

    def classify(self, features: Features) -> Tensor:
        """Return logits, float (B, num_classes)."""
        return self.head(features.pooled)


class VideoEncoder(Encoder):
    """Clips (B, T, C, H, W) -> Features, and with `num_classes` also -> logits.

    A family is one subclass in one file: it sets `PRESETS`, builds its network from keyword options, and implements
    `encode`; `classify` only if its classifier is more than one linear layer named `head` over the pooled features.

    Args:
        input: the clip that the network is made for.
        num_classes: width of the classifier; 0 for none.
    """

    any_length: ClassVar[bool] = False
    """Whether clips of another number of frames than `input.num_frames` are taken as they are."""
    any_size: bool = False
    """Whether frames of another height and width are taken as they are."""
    averages: str = "logits"
    """What is averaged over the views of a video in testing: "logits" or "probabilities"."""
    min_frames: int = 1
    """With `any_length`: shorter clips are padded to this."""

    def __init__(self, *, input: Input, num_classes: int = 0):
        super().__init__(input=input, num_classes=num_classes)
        shape = (1, 1, len(input.mean), 1, 1)
        self.register_buffer("mean", torch.tensor(input.mean).view(shape), persistent=False)
        self.register_buffer("std", torch.tensor(input.std).view(shape), persistent=False)

    def forward(self, frames: Tensor) -> Features:
        """Encode clips.

        Args:
            frames: (B, T, C, H, W), uint8 in [0, 255] or float in [0, 1].

        Raises:
            InvalidInput: a clip that does not fit; says what does.
        """
        prepared = self.prepare(frames)
        try:
            return self.encode(prepared)
        except RuntimeError as error:  # of a layer whose kernel is larger than what is left of a small picture
            i, (height, width) = self.input, prepared.shape[3:]
            if (height, width) == (i.height, i.width) or lacks_memory(error):
                raise
            raise InvalidInput(f"{self.preset or type(self).__name__} does not take frames of {height}x{width} pixels "
                               f"(height x width): {error}. It is made for {i.height}x{i.width}.") from error

    def encode(self, frames: Tensor) -> Features:
        """Encode checked and normalised clips, float (B, T, C, H, W)."""
        raise NotImplementedError

    def logits(self, frames: Tensor) -> Tensor:
        """Return logits, float (B, num_classes), of clips (B, T, C, H, W).

        Raises:
            InvalidInput: as `forward`, or the encoder was built without a classifier.
        """
        self.need_classifier()
        return self.classify(self(frames))

    def need_classifier(self) -> None:
        """Raise InvalidInput if the encoder was built without a classifier."""
        if not self.num_classes:
            raise InvalidInput(f"{self.preset or type(self).__name__} was built without a classifier; "
                               "build it with num_classes or labels.")

    def need_clips(self, frames: Tensor) -> None:
        """Raise InvalidInput unless these are clips of five axes, as many channels as are normalised, none empty."""
        name, channels = self.preset or type(self).__name__, len(self.input.mean)
        if not isinstance(frames, Tensor):
            raise InvalidInput(f"{name} takes a tensor of clips (B, T, C, H, W), not a {type(frames).__name__}.")
        if frames.ndim != 5 or frames.shape[2] != channels or 0 in frames.shape:
            raise InvalidInput(f"{name} takes clips (B, T, C, H, W) with C = {channels} and all else 1 or more, "
                               f"not {tuple(frames.shape)}.")

    def num_tokens(self, num_frames: int, height: int, width: int) -> int:
        """Return N for a clip, without running.

        Raises:
            InvalidInput: the encoder does not take such a clip.
        """
        raise NotImplementedError

    def check(self, num_frames: int, height: int, width: int) -> None:
        """Raise InvalidInput unless clips of this geometry (after padding) are taken; families add their own limits."""
        i, name = self.input, self.preset or type(self).__name__
        if not self.any_length and num_frames != i.num_frames:
            raise InvalidInput(f"{name} takes clips of {i.num_frames} frames, not {num_frames}; sample "
                               f"num_frames={i.num_frames} (shorter clips are padded with their last frame).")
        if not self.any_size and (height, width) != (i.height, i.width):
            raise InvalidInput(f"{name} takes frames of {i.height}x{i.width} pixels (height x width), not "
                               f"{height}x{width}; set size: [{i.height}, {i.width}] in the sample stage.")

    def prepare(self, frames: Tensor) -> Tensor:
        """Check, pad and normalise clips. A clip that is too short is padded by repeating its last frame.

        Returns:
            float (B, T, C, H, W).

        Raises:
            InvalidInput: wrong rank, channels, dtype or geometry.
        """
        self.need_clips(frames)
        name = self.preset or type(self).__name__
        if frames.dtype != torch.uint8 and not frames.is_floating_point():
            raise InvalidInput(f"{name} takes uint8 in [0, 255] or float in [0, 1], not {frames.dtype}.")
        shortest = self.min_frames if self.any_length else self.input.num_frames
        if (missing := shortest - frames.shape[1]) > 0:
            frames = torch.cat((frames, frames[:, -1:].expand(-1, missing, -1, -1, -1)), 1)
        self.check(frames.shape[1], *frames.shape[3:])
        if frames.dtype == torch.uint8:
            frames = frames.to(self.mean.dtype) / 255
        if self.input.channels:
            frames = frames_as_channels(frames)
        return (frames.to(self.mean.dtype) - self.mean) / self.std


def frames_as_channels(frames: Tensor) -> Tensor:
    """Return clips whose channels are grey frames before, at and after each time; the ends are repeated.

    GrayST of Kim et al. 2022, "Capturing temporal information in a single frame: channel sampling strategies for
    action recognition", https://arxiv.org/abs/2201.10394. What stands still is grey, what moves has coloured edges,
    and a network with weights of images keeps its three channels.

    Args:
        frames: float (B, T, 3, H, W).
    """
    weights = torch.tensor((0.299, 0.587, 0.114), dtype=frames.dtype, device=frames.device).view(3, 1, 1)
    grey = (frames * weights).sum(2)  # (B, T, H, W)
    before, after = torch.cat((grey[:, :1], grey[:, :-1]), 1), torch.cat((grey[:, 1:], grey[:, -1:]), 1)
    return torch.stack((before, grey, after), 2)


def features_of_map(maps: Tensor, *, pooled: Tensor | None = None) -> Features:
    """Lay a feature map (B, D, t, h, w) out as tokens on its grid; pooled is their mean unless given."""
    t, h, w = maps.shape[2:]
    tokens = maps.flatten(2).transpose(1, 2)
    return Features(tokens=tokens, grid=(t, h, w), pooled=tokens.mean(1) if pooled is None else pooled)


def linear_head(dim: int, num_classes: int, *, dropout: float = 0.0) -> nn.Module:
    """Return the usual classifier: dropout and one linear layer; the identity without classes."""
    if not num_classes:
        return nn.Identity()
    return nn.Sequential(nn.Dropout(dropout), nn.Linear(dim, num_classes)) if dropout else nn.Linear(dim, num_classes)
