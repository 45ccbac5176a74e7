"""Stage `read`: open what the caller gave."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from mmvideo.errors import UnknownName
from mmvideo.media import open_source
from mmvideo.media.probes import ProbedSource
from mmvideo.stages.base import Stage

_OPTIONS = tuple(name for name in inspect.signature(open_source).parameters if name != "source")


@dataclass(frozen=True)
class VideoRequest:
    """A video as the caller gave it, with options of `mmvideo.media.open_source` for this one (fps, audio ...)."""

    source: Any
    options: Mapping[str, Any] = field(default_factory=dict)
    span: tuple[float | None, float | None] = (None, None)
    """Start and end, in seconds, of the part that is looked at; None for those of the video."""


@dataclass(kw_only=True)
class Read(Stage):
    """Open the video; frames are decoded when a sampler asks for them."""

    needs: ClassVar = ("video",)
    gives: ClassVar = ("media",)

    strict: bool = False
    """Raise on damage instead of warning."""
    audio_stream: int | None = None
    """Which sound track, counted from 0; None for the default one."""
    video_stream: int | None = None
    """Which video track, counted from 0; None for the best, as FFmpeg chooses."""
    probe: str | None = None
    """Show something else than the video: blind, single-frame, frozen, shuffled, reversed or muted, to see what a model
    uses (`mmvideo.media.probes`)."""
    hdr: str = "tonemap"
    """``tonemap`` maps HDR to SDR, ``keep`` takes the values as they are stored."""

    def options(self, video: VideoRequest) -> dict[str, Any]:
        """Return the options with which a video is opened: its own, else those of the stage."""
        return {"strict": self.strict, "audio_stream": self.audio_stream, "video_stream": self.video_stream,
                "hdr": self.hdr, **video.options}

    def __call__(self, *, video: VideoRequest) -> dict[str, Any]:
        """Return the opened source, a context manager that the pipeline closes.

        Raises:
            UnknownName: an option that `open_source` does not have.
            MediaError: the video cannot be opened.
        """
        for name in video.options:
            if name not in _OPTIONS:
                raise UnknownName("option of a video", name, _OPTIONS)
        media = open_source(video.source, **self.options(video))
        if self.probe is not None:
            media = ProbedSource(media, self.probe)
        media.narrow(*video.span)
        return {"media": media}
