"""The reader of models behind a server: frames and sound of a video, as they are sent."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from mmvideo import media as media_files
from mmvideo.errors import UnknownName
from mmvideo.remote.client import Client
from mmvideo.remote.conversation import RemoteConversation
from mmvideo.remote.view import RemoteView, jpeg, wav
from mmvideo.sampling.fps import at_fps
from mmvideo.sampling.gather import span_of
from mmvideo.sampling.uniform import uniform
from mmvideo.stages.readers import Reader, Reading, Taken, ViewOptions, budget_of
from mmvideo.types import Audio, Clips, Expected, GenerationOptions

FORMS = ("images", "video")
LONGEST_SIDE = 768
"""Pixels of the longer side of the frames that are sent, where no size is asked for."""
SAMPLE_RATE = 16_000


class RemoteReader(Reader):
    """Sends a server frames with their times, and the sound where it takes any.

    Args:
        client: of the server; None can only `take`.
        frames_as: `images`, or `video`: one mp4 of the frames.

    Raises:
        UnknownName: another `frames_as`.
    """

    takes = frozenset(("start_seconds", "end_seconds", "size", "num_frames", "fps", "max_frames", "sound", "frames_as"))

    def __init__(self, client: Client | None, view: ViewOptions, *, frames_as: str = FORMS[0]):
        if frames_as not in FORMS:
            raise UnknownName("value of frames_as", frames_as, FORMS)
        self.client, self.view, self.frames_as = client, view, frames_as

    def modules(self) -> dict[str, nn.Module]:
        """Return nothing: the networks are on the server."""
        return {}

    def check(self, questions: Sequence[str], options: GenerationOptions) -> None:
        """Accept everything; the server says what it does not take."""

    def take(self, media: Any, expected: Expected) -> Taken:
        """Choose frames within every limit, and write them as they are sent."""
        budget = budget_of(self.view)
        span = span_of(media, self.view.start_seconds, self.view.end_seconds)
        count = max(1, budget.frames(span.seconds) >> self.view.halvings)
        rest: dict[str, Any] = {"size": self.view.size, "start_seconds": self.view.start_seconds,
                                "end_seconds": self.view.end_seconds,
                                "sample_rate": SAMPLE_RATE if self.view.sound else None}
        if self.view.size is None and (smaller := _smaller(media)) is not None:
            rest |= {"size": smaller, "fit": "squash"}
        clips = at_fps(media, fps=budget.fps, max_frames=count, **rest) if budget.fps is not None else \
            uniform(media, num_frames=count, **rest)
        return Taken(clips, prepared=self._written(clips, span.seconds))

    def _written(self, clips: Clips, seconds: float) -> RemoteView:
        kept = clips.valid[0]
        frames, times = clips.frames[0][kept], tuple(clips.pts_seconds[0][kept].tolist())
        heard = clips.audio[0] if clips.audio is not None and clips.has_audio else None
        sound = None if heard is None else wav(heard, clips.sample_rate or SAMPLE_RATE)
        if self.frames_as == "images":
            return RemoteView(tuple(jpeg(frame) for frame in frames), times, seconds, sound=sound)
        begin = times[0]
        audio = None if heard is None else Audio(heard[None], clips.sample_rate or SAMPLE_RATE)
        with tempfile.TemporaryDirectory() as home:
            path = Path(home, "frames.mp4")
            media_files.write_video(path, frames, pts_seconds=[at - begin for at in times], audio=audio)
            return RemoteView((), times, seconds, video=path.read_bytes())

    def read(self, taken: Taken) -> Reading:
        """Return the conversation; nothing is sent before a question."""
        assert self.client is not None, "the stage was loaded"
        return Reading(RemoteConversation(self.client, taken.prepared))

    def look(self, media: Any, expected: Expected) -> tuple[Taken, Reading]:
        """Take and read in one."""
        taken = self.take(media, expected)
        return replace(taken, prepared=None), self.read(taken)


def _smaller(media: Any) -> tuple[int, int] | None:
    """Return height and width of frames that are at most `LONGEST_SIDE` long; None where they are."""
    main = media.info.main_video
    height, width = (main.width, main.height) if main.rotation % 180 else (main.height, main.width)
    longest = max(height, width)
    if longest <= LONGEST_SIDE or min(height, width) < 1:
        return None
    first, second = (max(2, 2 * round(side * LONGEST_SIDE / longest / 2)) for side in (height, width))
    return first, second


__all__ = ["FORMS", "LONGEST_SIDE", "RemoteReader"]
