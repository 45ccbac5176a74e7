"""Hints: what this package's own stages measured in a video, with times, as words before a question to a chat model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from mmvideo.errors import InvalidInput, NoAudioTrack, NoVideoTrack, UnknownName
from mmvideo.objects.result import track_words
from mmvideo.sounds.waveform import RATE
from mmvideo.speech.pieces import heard_spans
from mmvideo.stages.base import Stage
from mmvideo.stages.classify import Classify
from mmvideo.stages.sample import Shots
from mmvideo.stages.track_objects import TrackObjects
from mmvideo.stages.transcribe import Transcribe
from mmvideo.types import Expected, Segment

KINDS = ("camera", "speech", "sounds", "objects", "faces")
SPEECH = ("auto", "subtitles", "speech")
MOST_LINES = 60
"""Of one kind; of more, the longest spans are told."""
_ROWS_A_SECOND = 25
_GAP_SECONDS = 0.05


class Measurer:
    """Measures what is asked for, with small networks on the CPU.

    Args:
        kinds: of `KINDS`.
        speech: "auto" tells what is said where there are subtitles or a speech model; None only where it is a hint.
        speech_model: of transformers.

    Raises:
        UnknownName: no such hint.
        WeightsError: weights are missing or damaged.
    """

    def __init__(self, kinds: Sequence[str], speech: str | None, speech_model: str | None):
        for kind in kinds:
            if kind not in KINDS:
                raise UnknownName("hint", kind, KINDS)
        if speech is not None and speech not in SPEECH:
            raise InvalidInput(f"speech must be one of {', '.join(SPEECH)}, not {speech!r}.")
        self.kinds = [kind for kind in KINDS if kind in kinds or (kind == "speech" and speech is not None)]
        self._spoken = "speech" in kinds
        self._stages: dict[str, Stage] = {}
        for kind in self.kinds:
            made: Stage | None = {
                "camera": lambda: Classify(weights="camera-motion"), "sounds": lambda: Classify(weights="sounds"),
                "objects": lambda: TrackObjects(weights="objects"), "faces": lambda: None,
                "speech": lambda: Transcribe(weights=speech_model, origin=speech or "auto")}[kind]()
            if made is not None:
                made.load(torch.device("cpu"))
                self._stages[kind] = made

    def words(self, media: Any) -> str:
        """Return what was measured in an opened source, a sentence a span; empty where there is nothing to tell."""
        parts: list[str] = []
        for kind in self.kinds:
            measure: Callable[[Any], Sequence[Segment]] = getattr(self, f"_{kind}")
            try:
                found = measure(media)
            except (NoAudioTrack, NoVideoTrack):  # there is nothing to measure
                continue
            if found:
                parts.extend(_sentence(kind, one) for one in _most(_joined(found)))
        return "What was measured in this video:\n" + "\n".join(parts) + "\n\n" if parts else ""

    def said(self, media: Any) -> str:
        """Return what is said in an opened source, in one line, without times; empty where nothing is."""
        try:
            return " ".join(word for one in self._speech(media) for word in one.text.split())
        except NoAudioTrack:
            return ""

    def _camera(self, media: Any) -> Sequence[Segment]:
        return self._stages["camera"](media=media)["classification"].segments

    def _sounds(self, media: Any) -> Sequence[Segment]:
        return self._stages["sounds"](media=media)["classification"].segments

    def _objects(self, media: Any) -> Sequence[Segment]:
        shots = Shots()(media=media)["shots"]
        tracks = self._stages["objects"](media=media, shots=shots)["tracks"].tracks
        return [Segment(one.start_seconds, one.end_seconds, track_words(one)) for one in tracks]

    def _faces(self, media: Any) -> Sequence[Segment]:
        from mmvideo.faces.find import FaceFinder  # needs torchvision and scipy; other questions are spared them

        faces = FaceFinder(interval=0.4, min_mouth=8.0)(media)
        return [Segment(faces.start_seconds + one.first / _ROWS_A_SECOND,
                        faces.start_seconds + (one.first + len(one)) / _ROWS_A_SECOND, f"face {number}")
                for number, one in enumerate(faces.tracks, 1)]

    def _speech(self, media: Any) -> Sequence[Segment]:
        stage = self._stages["speech"]
        assert isinstance(stage, Transcribe)
        if stage.weights is None and media.subtitles(stage.language) is None:
            if not self._spoken or not media.has_audio:  # "auto": nothing is there to read or to hear it with
                return ()
            start, end = media.asked_span
            sounds = media.stream_audio(sample_rate=RATE, mono=True, start_seconds=start, end_seconds=end)
            spans, _ = heard_spans(sounds)
            return [replace(one, text=_SPEAKS) for one in spans]
        return stage(media=media)["transcript"].segments


_SPEAKS = "somebody speaks"
_TOLD = {"camera": "the camera {}.", "speech": "is said: \"{}\"", "sounds": "is heard: {}.", "objects": "is seen: {}.",
         "faces": "is seen: {}."}
_CAMERA = {"static": "stands still", "shake": "shakes", **{f"{verb} {way}": f"{verb}s {way}" for verb, ways in (
    ("pan", ("left", "right")), ("tilt", ("up", "down")), ("zoom", ("in", "out")), ("roll", ("left", "right")))
    for way in ways}}


def _sentence(kind: str, segment: Segment) -> str:
    """Tell a span in a sentence, which small language models follow more often than lines under titles."""
    words, start, end = " ".join(segment.text.split()), f"{segment.start_seconds:.1f}", f"{segment.end_seconds:.1f}"
    if kind == "camera":
        words = _CAMERA.get(words, words)
    told = f"{words}." if words == _SPEAKS else _TOLD[kind].format(words)
    return (f"At {start} s " if start == end else f"From {start} to {end} s ") + told


def _joined(segments: Sequence[Segment]) -> list[Segment]:
    """Join spans of the same words that follow each other without a gap."""
    joined: list[Segment] = []
    for one in segments:
        if joined and joined[-1].text == one.text and abs(joined[-1].end_seconds - one.start_seconds) < _GAP_SECONDS:
            joined[-1] = replace(joined[-1], end_seconds=one.end_seconds)
        else:
            joined.append(one)
    return joined


def _most(segments: Sequence[Segment]) -> list[Segment]:
    """Return the longest spans, in order."""
    longest = sorted(segments, key=lambda one: one.start_seconds - one.end_seconds)[:MOST_LINES]
    return sorted(longest, key=lambda one: (one.start_seconds, one.end_seconds))


def with_context(expected: Expected, context: str) -> Expected:
    """Return what will be asked with these words before it, so that room is left for them."""
    return replace(expected, texts=tuple(context + text for text in expected.texts)) if context else expected


__all__ = ["KINDS", "SPEECH", "Measurer", "with_context"]
