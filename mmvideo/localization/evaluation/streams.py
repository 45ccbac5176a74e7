"""Streams of real clips joined one after the other, with the label of each at its times.

Clips are brought to one size, rate and mean brightness, so that a join shows as little as it can; it still is a cut,
which is why a detector of cuts stands beside every figure.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from mmvideo.errors import InvalidInput, MediaNotFound
from mmvideo.localization.action_model import FrameMaps
from mmvideo.localization.features import FeatureSequence
from mmvideo.localization.training import AnnotatedFilm
from mmvideo.media import open_source
from mmvideo.sampling.fps import at_fps
from mmvideo.sampling.shots import FRAME_SIZE, find_cuts
from mmvideo.types import Segment, Video

FPS = 4.0
"""Frames a second of a stream."""
SIZE = 224
BRIGHTNESS = 110.0
"""Mean of every clip's pixels, 0 to 255."""
NOTHING = "none"
"""Label of clips in which nothing that counts happens."""


@dataclass(frozen=True)
class RealClip:
    """A clip with its label."""

    path: Path
    label: str
    group: str
    """Split or set."""
    part: str
    """Shoot or sequence."""


def read_clips(folder: Path) -> list[RealClip]:
    """Read clips.tsv of a folder: clip, label, split or set, shoot or sequence.

    Raises:
        MediaNotFound: it is absent.
        InvalidInput: it has other columns.
    """
    table = folder / "clips.tsv"
    if not table.is_file():
        raise MediaNotFound(f"{table} is absent; the folder must hold clips.tsv and its clips.")
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    if not rows or len(rows[0]) < 4 or not {"clip", "label"} <= rows[0].keys():
        raise InvalidInput(f"{table} must have the columns clip, label, split or set, shoot or sequence.")
    group, part = [name for name in rows[0] if name not in ("clip", "label")][:2]
    return [RealClip(folder / row["clip"], row["label"], row[group], row[part]) for row in rows]


def few_of_each(clips: Sequence[RealClip], most: int, seed: int = 0) -> list[RealClip]:
    """Return at most so many clips of each label, drawn."""
    rng, found = random.Random(seed), []
    for label in sorted({one.label for one in clips}):
        mine = [one for one in clips if one.label == label]
        rng.shuffle(mine)
        found += mine[:most]
    return found


def clip_frames(clip: RealClip) -> Tensor:
    """Return the frames of a clip, uint8 (T, 3, SIZE, SIZE), of one mean brightness."""
    with open_source(clip.path) as media:
        clips = at_fps(media, fps=FPS, size=(SIZE, SIZE), fit="squash")
    frames = clips.frames[0].float()
    return (frames * (BRIGHTNESS / frames.mean().clamp(min=1.0))).clamp(0, 255).round().to(torch.uint8)


@dataclass(frozen=True)
class ClipLook:
    """What a stream keeps of a clip."""

    clip: RealClip
    features: Tensor
    """float32 (T, 2 C): the mean over places of an encoder's map of each frame, and of how it changed."""
    small: Tensor
    """uint8 (T, 3, h, w), for a detector of cuts."""


def looks_of_clips(clips: Sequence[RealClip], encoder: FrameMaps) -> Iterator[ClipLook]:
    """Look at every clip once."""
    for clip in clips:
        frames = clip_frames(clip)
        maps = encoder.maps(frames)
        before = torch.cat((maps[:1], maps[:-1]))
        features = torch.cat((maps.mean((2, 3)), (maps - before).abs().mean((2, 3))), 1)
        small = F.interpolate(frames, FRAME_SIZE, mode="bilinear", antialias=True)
        yield ClipLook(clip, features.half().float(), small)


def joined_streams(looks: Sequence[ClipLook], *, of_clips: int = 12, seed: int = 0
                   ) -> list[tuple[AnnotatedFilm, Tensor]]:
    """Join clips in a drawn order, so many a stream.

    Returns:
        Each stream with its small frames.
    """
    order = list(looks)
    random.Random(seed).shuffle(order)
    found = []
    for first in range(0, len(order), of_clips):
        some, events, at = order[first:first + of_clips], [], 0.0
        for one in some:
            end = at + len(one.features) / FPS
            if one.clip.label != NOTHING:
                events.append(Segment(at, end, one.clip.label))
            at = end
        film = AnnotatedFilm(FeatureSequence(torch.cat([one.features for one in some]), 0.0, 1 / FPS), tuple(events))
        if events:
            found.append((film, torch.cat([one.small for one in some])))
    return found


def cut_spans(small: Tensor) -> list[tuple[float, float]]:
    """Return the spans between the cuts that a detector finds in small frames of a stream."""
    times = torch.arange(len(small), dtype=torch.float64) / FPS
    cuts = find_cuts([Video(small, times, len(small) / FPS)])
    borders = [0.0, *cuts, len(small) / FPS]
    return [(a, b) for a, b in pairwise(borders) if b > a]


__all__ = ["BRIGHTNESS", "FPS", "NOTHING", "SIZE", "ClipLook", "RealClip", "clip_frames", "cut_spans", "few_of_each",
           "joined_streams", "looks_of_clips", "read_clips"]
