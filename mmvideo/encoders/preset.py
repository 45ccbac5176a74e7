"""What is known of an encoder before it runs: its input, its options, its published figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
KINETICS_MEAN, KINETICS_STD = (0.45, 0.45, 0.45), (0.225, 0.225, 0.225)
"""The two usual normalisations, for values in [0, 1]."""
PUBLIC_LICENCE = "Apache-2.0"


@dataclass(frozen=True)
class Input:
    """The clip that an encoder was made for."""

    num_frames: int
    height: int
    width: int
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    """Per channel, for values in [0, 1]."""
    fps: float | None = None
    """Frames a second that the weights were trained with (after striding); None: no fixed rate."""
    focus: str = ""
    """A sampler that shows it a part: moving (what moves) or person (people, cut out). Empty: the whole picture."""
    channels: str = ""
    """times: frames are made grey, and the three channels are the frame before, the frame and the frame after it, so
    that what moves has colour (`frames_as_channels`). Empty: colours as filmed."""


LITE0_INPUT = Input(8, 224, 224, mean=(0.5,) * 3, std=(0.5,) * 3)
"""Eight frames, normalised as EfficientNet-Lite0's weights expect them."""


@dataclass(frozen=True)
class AudioInput:
    """The sound that an encoder was made for."""

    sample_rate: int
    """Samples per second."""
    seconds: float
    """Length; shorter sound is padded."""
    mean: float = -4.2677393
    std: float = 4.5689974
    """Of the log-mel spectrogram; AudioSet's by default."""


@dataclass(frozen=True)
class Published:
    """Figures as their source states them, for one view of the preset's input and its number of classes."""

    source: str
    """Paper (and table) or repository that states the figures."""
    params_millions: float | None = None
    gflops: float | None = None
    """In the source's own unit; see `unit`."""
    unit: str = "multiply-adds"
    """What the source counts as one FLOP: nearly all of the field counts a multiply-add once ("multiply-adds"), some
    count it twice ("operations")."""
    top1: float | None = None
    """Per cent, on the data set that `top1_on` names, with the paper's own number of views."""
    top1_on: str = ""
    difference: str = ""
    """Why our count is not within 0.5 % (parameters) or 2 % (GFLOPs) of the stated one; empty if it is."""


@dataclass(frozen=True)
class Preset:
    """One member of a family."""

    about: str
    input: Input | AudioInput
    options: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments of the family's class."""
    num_classes: int = 400
    views: tuple[int, int] = (10, 3)
    """Clips along time x crops that the paper averages over in testing."""
    averages: str = ""
    """What is averaged over views, "logits" or "probabilities"; empty: what the family averages."""
    licence: str = PUBLIC_LICENCE
    """Licence of the public weights, or of ours if there are none."""
    weights: str = ""
    """Where public weights come from and in which of the family's checkpoint formats; empty: train it yourself."""
    published: Published | None = None
