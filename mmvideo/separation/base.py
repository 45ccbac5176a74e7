"""What every separator is: a mixture and the faces of its speakers in, one waveform a face out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

from torch import Tensor

from mmvideo.encoders.preset import PUBLIC_LICENCE, Published
from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.nn.checkpoints import Format, Loadable
from mmvideo.nn.pretrained import Pretrained
from mmvideo.separation.clock import FRAME_SAMPLES, FRAMES_PER_SECOND, MOUTH_SIZE, SAMPLE_RATE, num_frames
from mmvideo.types import Cues

if TYPE_CHECKING:
    from mmvideo.separation.stream import SeparatorStream


@dataclass(frozen=True)
class SeparatorPreset:
    """One member of a family of separators."""

    about: str
    options: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments of the family's class."""
    licence: str = PUBLIC_LICENCE
    """Licence of the public weights, or of ours if there are none."""
    weights: str = ""
    """Where public weights come from and in which of the family's checkpoint formats; empty: train it yourself."""
    published: Published | None = None
    published_seconds: float = 1.0
    """Seconds of sound that `published.gflops` is for."""
    published_without: tuple[str, ...] = ()
    """Parts that the published figures leave out."""
    quality: str = ""
    """What its authors measured, on their own data."""


class Separator(Loadable, Pretrained):
    """Mixture (B, S) and cues of P faces -> waveforms (B, P, S), each the voice of its face.

    A family is one subclass in one file: it sets `PRESETS`, takes JSON values as keyword options, and implements
    `forward`. A network without eyes sets `sees` to False and gives `num_outputs` waveforms in no order.
    """

    PRESETS: ClassVar[dict[str, SeparatorPreset]] = {}
    """Members of the family; every name begins with the family's registered name."""
    CHECKPOINTS: ClassVar[dict[str, Format]] = {}
    """Releases whose files `load_checkpoint` reads, by name."""
    sees: ClassVar[bool] = True
    """Whether it looks at faces; if not, `cues` may be None and the order of its outputs means nothing."""
    needs_still: ClassVar[bool] = False
    """Whether it also needs `Cues.faces`, a still picture of each face."""
    num_outputs: ClassVar[int | None] = None
    """P of a network without eyes; None where there is one output a face."""

    window_seconds: float = 2.56
    """Length of the windows in which the pipeline `source-separation` separates long sound."""

    @classmethod
    def create(cls, preset: str, **options: Any) -> Self:
        """Build a preset with random weights.

        Args:
            preset: a name in `PRESETS`.
            options: changes of the preset's options.

        Raises:
            UnknownName: no such preset.
        """
        if preset not in cls.PRESETS:
            raise UnknownName(f"preset of {cls.__name__}", preset, cls.PRESETS)
        return cls(**{**cls.PRESETS[preset].options, **options})

    def forward(self, mixture: Tensor, cues: Cues | None = None) -> Tensor:
        """Separate windows.

        Args:
            mixture: float (B, S) at 16 kHz.
            cues: mouths of P faces over ceil(S / 640) frames, or more; None only for a network without eyes.

        Returns:
            float (B, P, S), at the level at which each voice is in the mixture.

        Raises:
            InvalidInput: mixture and cues do not belong together; says what does.
        """
        raise NotImplementedError

    def stream(self, num_faces: int = 0) -> SeparatorStream:
        """Begin to separate sound that is still being recorded.

        Args:
            num_faces: how many faces there will be, from beginning to end; 0 for a network without eyes.

        Raises:
            InvalidInput: this network looks ahead; or the number of faces does not fit it.
        """
        raise InvalidInput(f"{type(self).__name__} as it was built looks ahead, so it needs sound that has ended: "
                           "call it on a whole mixture, or use Pipeline('source-separation') on a clip. One that looks "
                           "back only is the preset mouth-mask-deep-causal.")

    def check(self, mixture: Tensor, cues: Cues | None) -> Cues:
        """Return the cues of a window, cut or padded to its frames.

        Raises:
            InvalidInput: wrong rank, another batch, no cues, no still faces where they are needed.
        """
        name = type(self).__name__
        if mixture.ndim != 2 or not mixture.is_floating_point() or not mixture.shape[1]:
            raise InvalidInput(f"{name} takes a float mixture (B, S) at {SAMPLE_RATE} Hz, not {mixture.dtype} "
                               f"{tuple(mixture.shape)}.")
        if cues is None:
            raise InvalidInput(f"{name} needs the faces of the speakers: give cues=Cues(mouths, valid).")
        if cues.mouths.shape[0] != mixture.shape[0]:
            raise InvalidInput(f"{name}: {mixture.shape[0]} mixtures but cues of {cues.mouths.shape[0]}.")
        if self.needs_still and cues.faces is None:
            raise InvalidInput(f"{name} needs a still picture of each face beside its mouth: give Cues.faces "
                               "(B, P, 3, H, W).")
        return cues.between(0, num_frames(mixture.shape[1]))


__all__ = ["FRAMES_PER_SECOND", "FRAME_SAMPLES", "MOUTH_SIZE", "SAMPLE_RATE", "Separator", "SeparatorPreset",
           "num_frames"]
