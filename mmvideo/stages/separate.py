"""Stages `hear`, `faces` and `separate`: the sound of a clip, its faces, and the voice of each."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import torch

from mmvideo import checks
from mmvideo import weights as weight_files
from mmvideo.errors import InvalidInput, NoAudioTrack, VideoDecodeError
from mmvideo.faces import FaceFinder, Faces, TrackGiven
from mmvideo.registry import find
from mmvideo.separation.base import FRAME_SAMPLES, SAMPLE_RATE, Separator
from mmvideo.separation.sync import LipSync
from mmvideo.separation.voices import SeparatedVoices
from mmvideo.stages.base import Stage, report, set_by_load
from mmvideo.stages.separate_run import Run
from mmvideo.stages.separate_sync import UNSURE, decide_sync, load_sync, measure_sync
from mmvideo.types import Domain

FPS = SAMPLE_RATE // FRAME_SAMPLES
_SOUND = "separator"
"""The embedded model whose part "sound" serves those that have none."""


@dataclass(frozen=True)
class Heard:
    """The clock that sound and faces share: moment k begins at `start_seconds + k / 25`."""

    start_seconds: float
    num_rows: int


@dataclass(kw_only=True)
class Hear(Stage):
    """See that there is sound, before anything long begins."""

    needs: ClassVar = ("media",)
    gives: ClassVar = ("heard",)

    max_seconds: float | None = None
    """Refuse longer clips; null for any length."""

    def __call__(self, *, media: Any) -> dict[str, Any]:
        """Return the clock of the clip: from the first picture (or sound, if earlier) to the last of both.

        Raises:
            NoAudioTrack: there is nothing to separate.
            VideoDecodeError: there is nothing at all.
            InvalidInput: longer than `max_seconds`.
        """
        if not media.has_audio and media.info.main_video is None:
            raise VideoDecodeError(f"{media.info.source} holds neither pictures nor sound that can be read; it is "
                                   "damaged or cut short. Copy or download it again.")
        if not media.has_audio:
            raise NoAudioTrack(f"{media.info.source} has no sound track, so there are no voices to separate; give a "
                               "clip with sound.")
        if self.max_seconds is not None:
            checks.number("max_seconds", self.max_seconds, above=0)
        start, end = media.start_seconds, media.end_seconds
        for track in media.info.audio[:1]:
            early = np.ceil(max(0.0, start - track.start_seconds) * FPS - 1e-6) / FPS
            end = max(end, track.start_seconds + (track.duration_seconds or 0.0))
            start -= early
        if self.max_seconds is not None and end - start > self.max_seconds:
            raise InvalidInput(f"{media.info.source} is {end - start:.0f} s long; at most {self.max_seconds:g} s are "
                               "taken here. Cut it, or raise max_seconds of the stage 'hear'.")
        if not media.can_last(end - start):
            raise VideoDecodeError(f"{media.info.source} is said to last {end - start:.0f} s, but holds far less. Cut "
                                   "it to where there is picture and sound.")
        return {"heard": Heard(start, max(1, int(np.ceil((end - start) * FPS - 1e-6))))}


@dataclass(kw_only=True)
class FindFaces(Stage):
    """Find and follow the faces, and cut out their mouths."""

    needs: ClassVar = ("media", "heard")
    gives: ClassVar = ("faces",)

    detector: str | None = None
    """A face detector (`mmvideo list face-detectors`); null for BlazeFace, which ships with mmvideo."""
    interval: float = 0.2
    """Seconds between detections."""
    min_mouth: float = 32.0
    """Pixels that the region around a mouth must have; smaller faces are refused."""
    boxes: list[float] = field(default_factory=list)
    """Faces marked by hand, four numbers each (x0, y0, x1, y1 in pixels), which stay where they are; then none is
    searched for."""

    def __call__(self, *, media: Any, heard: Heard) -> dict[str, Any]:
        """Return the faces; none where there is no picture.

        Raises:
            VideoDecodeError: the picture cannot be decoded.
        """
        if len(self.boxes) % 4:
            raise InvalidInput(f"boxes must hold four numbers a face, not {len(self.boxes)}.")
        given = [TrackGiven([self.boxes[i:i + 4]]) for i in range(0, len(self.boxes), 4)]
        if media.info.main_video is None:
            return {"faces": Faces([], heard.start_seconds, heard.num_rows, warnings=("there is no picture",))}
        finder = FaceFinder(self.detector, interval=self.interval, min_mouth=self.min_mouth)
        return {"faces": finder(media, given=given, on_progress=report)}


@dataclass(kw_only=True)
class Separate(Stage):
    """Give each face its voice, window by window; what nobody takes is `off_screen`."""

    needs: ClassVar = ("media", "heard", "faces")
    gives: ClassVar = ("voices",)

    separator: str
    """A family of separators (`mmvideo list separators`)."""
    weights: str = "separator"
    """A model with the parts "faces" and, to fall back on, "sound"; embedded models without it take that of
    `separator`."""
    without_faces: str = "sound"
    """What to do when nobody is seen: "sound" separates by sound alone, "mixture" leaves the sound as it is."""
    sync: str = "correct"
    """What to do where the sound is surely early or late: "correct" shifts the mouths from 50 ms on, "refuse" raises
    `SoundOutOfSync` beyond 80 ms, "off" leaves it; the result says what was found in any case."""
    network: Separator = set_by_load()
    twin: Separator | None = field(default=None, init=False)
    lip_sync: LipSync = set_by_load()

    def load(self, device: torch.device) -> None:
        """Read the weights of the network that sees, and of its twin that only hears.

        Raises:
            InvalidInput: `without_faces` or `sync` is none of these.
        """
        self.lip_sync = load_sync(self.sync)
        if self.without_faces not in ("sound", "mixture"):
            raise InvalidInput(f"without_faces must be 'sound' or 'mixture', not {self.without_faces!r}.")
        family = find("separators", self.separator)
        self.network = family.from_pretrained(weight_files.part(self.weights, "faces"), device=device)
        home = weight_files.folder(self.weights) / "sound"
        if not home.is_dir() and self.weights in weight_files.embedded_names():
            home = weight_files.folder(_SOUND) / "sound"
        if self.without_faces == "sound" and home.is_dir():
            self.twin = family.from_pretrained(home, device=device)

    def modules(self) -> dict[str, torch.nn.Module]:
        """Return the networks."""
        return {name: net for name, net in (("faces", self.network), ("sound", self.twin)) if net is not None}

    def __call__(self, *, media: Any, heard: Heard, faces: Faces) -> dict[str, Any]:
        """Return a `SeparatedVoices`.

        Raises:
            SoundOutOfSync: the sound is early or late, and `sync` is "refuse".
        """
        rows = round(self.network.window_seconds * FPS)
        if faces.tracks and not any(t.readable(k, k + rows) for t in faces.tracks
                                    for k in range(t.first, t.first + len(t), rows)):
            faces = replace(faces, tracks=[], refused=[*faces.refused, *faces.tracks], warnings=(
                *faces.warnings, "no mouth moves: the picture stands still, or the faces are blank"))
        network = self.network if faces.tracks else self.twin
        sync = decide_sync(measure_sync(self.lip_sync, media, heard.start_seconds, heard.num_rows, faces), self.sync)
        run = Run(media, heard.start_seconds, heard.num_rows, faces, network, sync)
        run.go(report)
        voices = run.voices()
        by = "faces" if faces.tracks else "nothing" if network is None else "sound"
        outside = []
        if by == "sound":
            outside.append("no face that can be read was found: voices were separated by sound alone, into at most "
                           "two, and which is whose is not known")
        if by == "nothing":
            outside.append("no face that can be read was found: the sound was left as it was")
        if run.silent:
            outside.append("the sound is silent from beginning to end")
        notes = [*faces.warnings, *outside, *([sync.text] if sync.late or sync.in_step < UNSURE else []),
                 *(f"person {v.number}: {v.note}" for v in voices if v.note)]
        return {"voices": SeparatedVoices(
            tracks=voices, off_screen=run.rest, mixture=run.mixture, by=by, cuts=faces.cuts,
            sync=sync if faces.tracks else None, turns=run.turns(),
            confidence=float(np.mean([v.confidence for v in voices])) if voices else 0.0,
            seconds_looked_at=tuple(start for v in voices for start, _ in v.spans),
            in_domain=Domain(not outside, "; ".join(outside)),
            rule=f"faces followed at {FPS} pictures a second; windows of {run.window / SAMPLE_RATE:.2f} s that overlap "
                 "by half and fade into each other", warnings=tuple(dict.fromkeys(notes)))}


__all__ = ["FindFaces", "Hear", "Heard", "Separate"]
