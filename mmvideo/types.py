"""What travels between the parts of mmvideo: tensors that never lose their clock.

Legend, used in every docstring: B batch, T frames, C channels, H height, W width, N tokens, D width of a token,
S audio samples, P faces (speakers). Time is in seconds (float, names end in ``_seconds``); ranges are half open.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mmvideo import checks
from mmvideo.errors import InvalidInput
from mmvideo.generation import GenerationOptions, is_text


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise InvalidInput(message)


def _is_tensor(value: Any, ndim: int, dtype: torch.dtype) -> bool:
    return isinstance(value, Tensor) and value.ndim == ndim and value.dtype == dtype and not value.is_meta


def _set(instance: Any, name: str, value: Any) -> None:
    """Set a field of a frozen dataclass to its checked value, within `__post_init__`."""
    object.__setattr__(instance, name, value)


@dataclass(frozen=True, repr=False)
class Video:
    """Decoded frames with the time at which each is shown."""

    frames: Tensor
    """uint8 (T, C, H, W), RGB, upright (rotation applied)."""
    pts_seconds: Tensor
    """float64 (T,), increasing; the file's own timestamps, on the clock of the source."""
    duration_seconds: float
    """Length of the whole source, which the frames may only sample."""
    start_seconds: float = 0.0
    """Time of the first frame of the source (its start offset)."""
    fps: float | None = None
    """Average frame rate of the source; None if unknown. Informative: never used to make up a timestamp."""
    source: str = "<memory>"
    warnings: tuple[str, ...] = ()
    """What is missing or doubtful: damage, disagreeing counts, padding."""

    def __post_init__(self) -> None:
        _check(_is_tensor(self.frames, 4, torch.uint8),
               f"Video.frames must be a uint8 tensor (T, C, H, W), not {checks.described(self.frames)}.")
        _check(isinstance(self.pts_seconds, Tensor) and self.pts_seconds.shape == self.frames.shape[:1],
               f"Video.pts_seconds must be a tensor with a time for each of {self.frames.shape[0]} frames, not "
               f"{checks.described(self.pts_seconds)}.")
        _check(not self.pts_seconds.is_complex() and bool(torch.isfinite(self.pts_seconds).all()),
               "Video.pts_seconds must be finite numbers.")
        _set(self, "duration_seconds", checks.number("Video.duration_seconds", self.duration_seconds, low=0))
        _set(self, "start_seconds", checks.time("Video.start_seconds", self.start_seconds))
        if self.fps is not None:
            _set(self, "fps", checks.number("Video.fps", self.fps, above=0))

    def __len__(self) -> int:
        return self.frames.shape[0]

    def __iter__(self) -> Iterator[tuple[Tensor, float]]:
        return zip(self.frames, self.pts_seconds.tolist(), strict=True)

    def __repr__(self) -> str:
        t, _, h, w = self.frames.shape
        span = f"{self.pts_seconds[0]:.2f}-{self.pts_seconds[-1]:.2f} s" if t else "empty"
        return f"Video({t} frames {w}x{h}, {span} of {self.duration_seconds:.2f} s, source={self.source!r})"


@dataclass(frozen=True, repr=False)
class Audio:
    """Sound on the same clock as the video that it came with."""

    samples: Tensor
    """float32 (channels, S) in [-1, 1]."""
    sample_rate: int
    """Samples per second of each channel."""
    start_seconds: float = 0.0
    """Time of the first sample on the source's clock."""
    source: str = "<memory>"
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check(_is_tensor(self.samples, 2, torch.float32) and self.samples.shape[0] > 0,
               f"Audio.samples must be a float32 tensor (channels, S), not {checks.described(self.samples)}.")
        _set(self, "sample_rate", checks.sample_rate(self.sample_rate, "Audio.sample_rate"))
        _set(self, "start_seconds", checks.time("Audio.start_seconds", self.start_seconds))

    @property
    def duration_seconds(self) -> float:
        return self.samples.shape[1] / self.sample_rate

    def __repr__(self) -> str:
        return (f"Audio({self.samples.shape[0]} channels, {self.duration_seconds:.2f} s at {self.sample_rate} Hz "
                f"from {self.start_seconds:.2f} s)")


@dataclass(frozen=True, repr=False)
class Clips:
    """Windows of a video, ready for an encoder: the border between media and models."""

    frames: Tensor
    """uint8 (B, T, C, H, W)."""
    pts_seconds: Tensor
    """float64 (B, T): the time of each frame looked at."""
    valid: Tensor
    """bool (B, T): False where a frame only repeats another because the source was too short."""
    audio: Tensor | None = None
    """float32 (B, S) mono waveform of each clip's span, zero where the source has no sound; None if deaf."""
    sample_rate: int | None = None
    has_audio: bool = False
    """Whether the source has a sound track at all (silence and absence are different answers)."""
    rule: str = ""
    """How the frames were chosen, in words, with the padding rule if it was used."""
    notes: tuple[str, ...] = ()
    """What was done otherwise than asked, such as fewer frames than a limit allows."""
    aspect: float | None = None
    """Width over height of the picture where frames were squashed into another shape; None where they were not."""
    context: str = ""
    """Words that stand before every question about it, such as what is said in it and when."""

    def __post_init__(self) -> None:
        _check(self.frames.ndim == 5, f"Clips.frames must be (B, T, C, H, W), not {tuple(self.frames.shape)}.")
        for name in ("pts_seconds", "valid"):
            shape = getattr(self, name).shape
            _check(shape == self.frames.shape[:2],
                   f"Clips.{name} must be {tuple(self.frames.shape[:2])} (B, T), not {tuple(shape)}.")
        _check((self.audio is None) or (self.sample_rate is not None), "Clips.audio needs a sample_rate.")

    def __repr__(self) -> str:
        b, t, _, h, w = self.frames.shape
        return f"Clips({b} x {t} frames {w}x{h}, audio={'yes' if self.has_audio else 'no'}, {self.rule})"


@dataclass(frozen=True, repr=False)
class Features:
    """What an encoder saw."""

    tokens: Tensor
    """float (B, N, D)."""
    grid: tuple[int, int, int]
    """(t, h, w) with t * h * w = N (the video part; further tokens may follow and are counted in `num_extra`)."""
    pooled: Tensor
    """float (B, D)."""
    num_extra: int = 0
    """Tokens after the grid (audio, registers)."""

    def __post_init__(self) -> None:
        t, h, w = self.grid
        _check(t * h * w + self.num_extra == self.tokens.shape[1],
               f"Features: grid {self.grid} and {self.num_extra} extra tokens do not make {self.tokens.shape[1]}.")

    def __repr__(self) -> str:
        return f"Features(tokens {tuple(self.tokens.shape)}, grid {self.grid})"


@dataclass(frozen=True, repr=False)
class Cues:
    """What is seen of the people who may be speaking: 25 mouth crops a second, aligned with 16 kHz sound.

    Crop k belongs to samples 640 k to 640 (k + 1) of the mixture.
    """

    mouths: Tensor
    """(B, P, T, H, W) grey crops around the mouth of each of P faces: uint8, or float in [0, 1]; the face stages give
    96 x 96 pixels."""
    valid: Tensor
    """bool (B, P, T): False where the face was not seen; the crop then means nothing."""
    faces: Tensor | None = None
    """uint8 (B, P, 3, H, W): one still picture of each whole face, RGB; None where nobody asks for it."""

    def __post_init__(self) -> None:
        _check(self.mouths.ndim == 5, f"Cues.mouths must be (B, P, T, H, W), not {tuple(self.mouths.shape)}.")
        _check(self.valid.shape == self.mouths.shape[:3] and self.valid.dtype == torch.bool,
               f"Cues.valid must be bool {tuple(self.mouths.shape[:3])} (B, P, T), not {self.valid.dtype} "
               f"{tuple(self.valid.shape)}.")
        _check(self.faces is None or (self.faces.ndim == 5 and self.faces.shape[:2] == self.mouths.shape[:2]),
               "Cues.faces must be (B, P, 3, H, W) with the B and P of the mouths.")

    @property
    def num_faces(self) -> int:
        return self.mouths.shape[1]

    @property
    def num_frames(self) -> int:
        return self.mouths.shape[2]

    def between(self, start: int, end: int) -> Cues:
        """Return frames [start, end); what lies after the last frame is filled with crops that are not valid."""
        missing = max(0, end - max(start, self.num_frames))
        mouths, valid = self.mouths[:, :, start:end], self.valid[:, :, start:end]
        if missing:
            mouths = torch.nn.functional.pad(mouths, (0, 0, 0, 0, 0, missing))
            valid = torch.nn.functional.pad(valid, (0, missing))
        return Cues(mouths, valid, self.faces)

    def to(self, device: torch.device | str) -> Cues:
        """Return the cues on a device."""
        return Cues(self.mouths.to(device), self.valid.to(device),
                    None if self.faces is None else self.faces.to(device))

    def __repr__(self) -> str:
        b, p, t, h, w = self.mouths.shape
        return f"Cues({b} x {p} faces, {t} frames {w}x{h}, {self.valid.float().mean():.0%} seen)"


@dataclass(frozen=True)
class Expected:
    """What a video will be asked, as far as that is known when it is read: the room to leave for it."""

    texts: tuple[str, ...] = ()
    """Questions or requests; empty where they are not known yet."""
    history: tuple[tuple[str, str], ...] = ()
    max_new_tokens: int = 0


@dataclass(frozen=True)
class Segment:
    """A half-open span of time with something said about it."""

    start_seconds: float
    end_seconds: float
    text: str
    confidence: float | None = None


@dataclass(frozen=True)
class SeenBox:
    """Something in a frame that an answer rests on."""

    seconds: float
    box: tuple[float, float, float, float]
    """Left, top, right, bottom, as shares of the picture's width and height."""
    label: str = ""
    confidence: float | None = None


@dataclass(frozen=True)
class Proof:
    """What something that was said about a video rests on: spans of time, frames, boxes in them."""

    intervals: tuple[tuple[float, float], ...] = ()
    """Start and end in seconds."""
    boxes: tuple[SeenBox, ...] = ()
    about: str = ""
    """What was found there, in words."""


@dataclass(frozen=True)
class Label:
    """A class and how sure the model is of it (probability in [0, 1])."""

    name: str
    confidence: float


@dataclass(frozen=True)
class Domain:
    """Whether the clip and the question belong to what the model was trained on: yes, no, or not judged.

    In a condition it is true only where the model judged and found them inside. `if not result.in_domain` therefore
    holds for what was not judged too, as it does for the null of a row; `outside` is the model's own no.
    """

    inside: bool | None
    """None where nothing was judged, because the model comes without a measure of what it knows."""
    reason: str = ""
    """Why not, or why it was not judged, in words; empty if inside."""
    suggestion: str = ""
    """The line of code that names a model which does know; empty if there is none, or no need."""
    score: float | None = None

    @property
    def judged(self) -> bool:
        """Whether the model has a measure of what it knows, and used it."""
        return self.inside is not None

    @property
    def outside(self) -> bool:
        """Whether the model judged, and found the clip or the question outside."""
        return self.inside is False

    def __bool__(self) -> bool:
        return self.inside is True


NOT_JUDGED = Domain(None, "not judged: this model comes without a measure of what it knows")
"""The domain of an answer of any model but the embedded ones."""


@dataclass(frozen=True)
class Timings:
    """Seconds spent in each stage, in order."""

    stages: tuple[tuple[str, float], ...] = ()

    @property
    def total_seconds(self) -> float:
        return sum(seconds for _, seconds in self.stages)


@dataclass(frozen=True)
class Size:
    """Height and width in pixels."""

    height: int
    width: int


# Results of pipelines (what a person sees) live in mmvideo/results.py, which may draw and save them.
__all__ = ["NOT_JUDGED", "Audio", "Clips", "Cues", "Domain", "Features", "GenerationOptions", "Label", "Proof",
           "SeenBox", "Segment", "Size", "Timings", "Video", "is_text"]
