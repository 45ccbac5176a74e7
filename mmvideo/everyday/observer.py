"""What is there in a video, with seconds: everything that the networks of the everyday model find, before any words.

Several videos go through together; every pass of a network has a fixed number of rows, so that what is found in a video
does not depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmvideo import weights
from mmvideo.deadline import check
from mmvideo.everyday.camera import CameraJudge
from mmvideo.everyday.conversation import CaptionGroup, EverydayConversation
from mmvideo.everyday.evidence_line import evidence_line
from mmvideo.everyday.facts import Facts, RepeatedMovement, ShotFacts
from mmvideo.everyday.kinds_of_animals import animals_of
from mmvideo.everyday.look import SAMPLE_RATE, Looked, look_over
from mmvideo.everyday.observation import Observation
from mmvideo.everyday.part_colours import colourfulness, dressed, part_colours
from mmvideo.everyday.repetition import repeated_movement
from mmvideo.everyday.stirs import stir_spans
from mmvideo.everyday.word_guide import WordGuide
from mmvideo.everyday.words import WordHead
from mmvideo.nn.pretrained import Pretrained
from mmvideo.objects.follow import follow_many, prepared
from mmvideo.objects.tracks import ObjectTrack
from mmvideo.registry import find
from mmvideo.sounds.speech import speech_spans_of
from mmvideo.sounds.tagger import events_of
from mmvideo.types import Audio, Features, Label

FRAMES_A_SHOT = 4
"""Frames of a shot that the encoder sees, spread evenly."""
LONGEST_SHOT_SECONDS = 12.0
"""A longer shot is described in parts."""
MOST_SHOTS = 24
_ROWS = 4
"""Frames in one pass of the encoder and of the detector: hardly slower a frame than more, and few are filled up."""
_SIDE = 224
_MOST_THINGS = 15
_FEWEST_SMALL = 12
"""Small frames of a shot in which a repetition is looked for."""


class Observer(Pretrained):
    """Finds facts in videos.

    Args:
        dim: D of the encoder's features.
        words: of the word head, whose weights are kept here.
        detector: registered object detector.
        camera: classifier of the camera's movement.
        judges: model with the heads `domain` (is it real footage?) and `scenes` (what kind of place is it?).
    """

    def __init__(self, *, dim: int, words: list[str], detector: str = "nanodet", camera: str = "camera-motion",
                 judges: str = "scene-and-objects"):
        super().__init__()
        self.config = {"dim": dim, "words": list(words), "detector": detector, "camera": camera,
                       "judges": judges}
        self.words = WordHead(dim=dim, words=words)
        self._others: dict[str, Any] = {}

    def other(self, name: str) -> Any:
        """Return a network that has weights of its own, loaded when it is first needed."""
        if name not in self._others:
            if name == "detector":
                made = find("object-detectors", self.config["detector"])()
            elif name == "camera":
                made = CameraJudge(self.config["camera"])
            else:
                made = find("heads", f"everyday-{name}").from_pretrained(weights.part(self.config["judges"], name))
            self._others[name] = made
        return self._others[name]

    def guide(self, tokenizer: Any) -> WordGuide:
        """Return what leads captions to the words of the picture, made once for the language model's tokenizer."""
        if "guide" not in self._others:
            self._others["guide"] = WordGuide(self.words, tokenizer)
        guide: WordGuide = self._others["guide"]
        return guide

    def networks(self) -> dict[str, nn.Module]:
        """Return all networks, for counting and moving them."""
        found: dict[str, nn.Module] = {"words": self.words, "camera": self.other("camera"),
                                       "domain": self.other("domain"), "scenes": self.other("scenes")}
        return {**found, **self.other("detector").modules()}

    look = staticmethod(look_over)

    @torch.inference_mode()
    def observe(self, encoder: Any, videos: Sequence[Looked]) -> list[Observation]:
        """Find the facts of several videos.

        Args:
            encoder: gives tokens of a 7x7 grid and has a classifier of things, as Lite0.
            videos: what was kept of each.
        """
        shots = [_shots(video) for video in videos]
        frames, pooled, logits = self._pictures(encoder, videos, shots)
        detector = self.other("detector")
        tracks = follow_many([prepared(video.large.pictures, video.large.seconds, detector, video.cuts)
                              for video in videos], detector, rows=_ROWS)
        camera = self._camera(videos)
        sounds = [tuple(Audio(one.samples[None], SAMPLE_RATE, one.start_seconds) for one in video.sounds
                        if len(one.samples)) for video in videos]
        flat = [one for some in sounds for one in some]
        heard = iter(events_of([one.samples[0] for one in flat], SAMPLE_RATE, [one.start_seconds for one in flat])
                     if flat else ())
        spoken = iter(speech_spans_of(flat) if flat else ())
        found = []
        for number, video in enumerate(videos):
            check()
            things = self._things(encoder, logits[number])
            grids = torch.stack([shot.mean(0) for shot in frames[number]])
            said = self.words.named(_features(grids), least=0.0)
            repeated = [one for span in _cut_spans(video) if (one := _repeated(video, span)) is not None]
            events = [segment for _ in sounds[number] for segment in next(heard)]
            speech = [segment for _ in sounds[number] for segment in next(spoken)]
            parts = part_colours(video.large, tracks[number])
            facts = Facts(
                video.start_seconds, video.end_seconds,
                tuple(replace(self._shot(video, span, labels, words, part), animals=animals_of(row.softmax(-1)))
                      for span, labels, words, part, row in
                      zip(shots[number], things, said, frames[number], logits[number], strict=True)),
                tracks=tuple(dressed(track, parts) for track in tracks[number]),
                camera=camera[number], sounds=tuple(events), speech=tuple(speech),
                has_audio=video.has_audio, repeated=tuple(repeated),
                seconds_looked_at=tuple(video.large.seconds.tolist()), part_colours=parts,
                colourfulness=colourfulness(video.large), stirs=_stirs(video))
            lines = tuple(_line(tracks[number], start, end, labels)
                          for (start, end), labels in zip(shots[number], things, strict=True))
            domain = self.other("domain").judge(pooled[number])
            seconds = tuple(
                tuple(float(video.large.seconds[i]) for i in _spread(video, *span)) for span in shots[number]
            )
            found.append(Observation(video, facts, grids, tuple(frames[number]), lines, domain, seconds))
        return found

    def conversations(self, model: Any, videos: Sequence[Looked], size: int) -> list[Any]:
        """Observe several videos and return a conversation about each; see `mmvideo.everyday.conversation`.

        Args:
            model: the composed model.
            videos: what was kept of each.
            size: shots of which captions are written in every pass of the language model.
        """
        found = self.observe(model.parts["encoder"], videos)
        group = CaptionGroup(model, found, size)
        return [EverydayConversation(model, one, group=group) for one in found]

    def _pictures(self, encoder: Any, videos: Sequence[Looked], shots: Sequence[Sequence[tuple[float, float]]]
                  ) -> tuple[list[list[Tensor]], list[Tensor], list[Tensor]]:
        """Encode some frames of every shot.

        Returns:
            For each video the grids (T, 49, D) of the frames of its shots, the pooled features of all its frames, and
            the logits (B, classes) of its shots.
        """
        chosen: list[list[list[int]]] = []
        rows: list[Tensor] = []
        for video, spans in zip(videos, shots, strict=True):
            picked = [_spread(video, start, end) for start, end in spans]
            chosen.append(picked)
            rows += [video.large.pictures[i] for some in picked for i in some]
        tokens = []
        for first in range(0, len(rows), _ROWS):
            check()
            some = [_squashed(one) for one in rows[first:first + _ROWS]]
            batch = torch.stack([*some, *some[:1] * (_ROWS - len(some))])
            seen = encoder(batch[:, None])
            tokens.append(seen.tokens[:len(some)])
        whole, at = torch.cat(tokens), 0
        frames, pooled, logits = [], [], []
        for picked in chosen:
            parts, scores, count = [], [], sum(map(len, picked))
            pooled.append(whole[at:at + count].mean(1))
            for shot in picked:
                part = whole[at:at + len(shot)]
                at += len(shot)
                parts.append(part)
                scores.append(encoder.head(part.mean(1)).softmax(-1).mean(0).log())
            frames.append(parts)
            logits.append(torch.stack(scores))
        return frames, pooled, logits

    def _shot(self, video: Looked, span: tuple[float, float], things: tuple[Label, ...], words: dict[str, float],
              frames: Tensor) -> ShotFacts:
        """Return what a shot shows as a picture; frames are float (T, 49, D)."""
        where, places = self.other("scenes").describe(frames.mean(1))
        indoors = where.confidence if where.name == "indoors" else 1 - where.confidence
        seen = video.large.within(*span).pictures
        light = seen.float().mean((0, 2, 3)) / 255 if len(seen) else torch.full((3,), 0.5)
        brightness = float(light @ torch.tensor([0.299, 0.587, 0.114]))
        return ShotFacts(*span, None, things, words, brightness, indoors, places)

    def _things(self, encoder: Any, logits: Tensor) -> list[tuple[Label, ...]]:
        """Return the likeliest classes of every shot."""
        shares = logits.softmax(-1)
        names = thing_names()
        return [tuple(Label(names[int(i)], float(share)) for share, i in zip(*row.topk(_MOST_THINGS), strict=True))
                for row in shares]

    def _camera(self, videos: Sequence[Looked]) -> list[tuple[Any, ...]]:
        judge, cut = self.other("camera"), [_cut_spans(video) for video in videos]
        windows = [judge.windows(video.small, spans) for video, spans in zip(videos, cut, strict=True)]
        shares = iter(judge.probabilities(torch.cat([rows for rows, _ in windows])).split(
            [len(rows) for rows, _ in windows]))
        return [judge.segments(next(shares), spans) for _, spans in windows]


def thing_names() -> Sequence[str]:
    """Return the names of the encoder's classes."""
    names: Sequence[str] = weights.config(weights.folder("lite0"))["labels"]
    return names


def _features(grids: Tensor) -> Features:
    return Features(grids, (1, 7, 7), grids.mean(1))


def _squashed(picture: Tensor) -> Tensor:
    """Scale uint8 (3, H, W) to 224x224, whatever its shape, as the photographs of training are."""
    return F.interpolate(picture[None], (_SIDE, _SIDE), mode="bilinear", antialias=True)[0]


def _cut_spans(video: Looked) -> list[tuple[float, float]]:
    borders = [video.start_seconds, *video.cuts, video.end_seconds]
    return [(a, b) for a, b in pairwise(borders) if b > a] or [
        (video.start_seconds, video.end_seconds)]


def _repeated(video: Looked, span: tuple[float, float]) -> RepeatedMovement | None:
    """Return the movement that is repeated in a shot; a video that was looked at in places alone has none."""
    frames = video.small.within(*span)
    if video.notes or len(frames) < _FEWEST_SMALL:
        return None
    return repeated_movement(frames.pictures, frames.seconds)


def _stirs(video: Looked) -> tuple[tuple[float, float, float], ...]:
    """Return when most moves; unknown where a video was looked at in places alone."""
    return () if video.notes else stir_spans(video.small, _cut_spans(video))


def _shots(video: Looked) -> list[tuple[float, float]]:
    """Return the spans that are described: shots with a frame of their own, long ones in parts, thinned evenly."""
    spans = []
    for start, end in _cut_spans(video):
        parts = max(1, round((end - start) / LONGEST_SHOT_SECONDS))
        spans += [(start + (end - start) * i / parts, start + (end - start) * (i + 1) / parts) for i in range(parts)]
    while len(spans) > MOST_SHOTS:  # neighbours are joined
        spans = [(spans[i][0], spans[min(i + 1, len(spans) - 1)][1]) for i in range(0, len(spans), 2)]
    times = video.large.seconds
    kept = [(a, b) for a, b in spans if bool(((times >= a - 1e-6) & (times < b - 1e-6)).any())]
    kept = kept or [(video.start_seconds, video.end_seconds)]
    starts = [video.start_seconds, *(start for start, _ in kept[1:])]
    return list(zip(starts, [*starts[1:], video.end_seconds], strict=True))


def _spread(video: Looked, start: float, end: float) -> list[int]:
    """Return the numbers of the large frames of a shot that the encoder sees."""
    times = video.large.seconds
    inside = ((times >= start - 1e-6) & (times < end - 1e-6)).nonzero().flatten().tolist() or [0]
    count = min(FRAMES_A_SHOT, len(inside))
    return [inside[int((i + 0.5) * len(inside) / count)] for i in range(count)]


def _line(tracks: Sequence[ObjectTrack], start: float, end: float, things: Sequence[Label]) -> str:
    """Say what was seen in a shot: as many of a kind as were seen at once."""
    most: dict[str, list[float]] = {}
    times = sorted({at for track in tracks for at in track.seconds if start <= at < end})
    for at in times:
        now: dict[str, list[float]] = {}
        for track in tracks:
            if at in track.seconds:
                now.setdefault(track.label, []).append(track.confidence)
        for label, scores in now.items():
            if len(scores) > len(most.get(label, [])):
                most[label] = scores
    return evidence_line([(label, score) for label, scores in most.items() for score in scores],
                         [(thing.name, thing.confidence) for thing in things])


__all__ = ["Observer", "thing_names"]
