"""A video as the whole model sees it, and as handicapped ones would: without pictures, without detectors, blind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from mmvideo import weights
from mmvideo.everyday.conversation import EverydayConversation
from mmvideo.everyday.evaluation.films import photographs_of, write_film
from mmvideo.everyday.facts import Facts, ShotFacts
from mmvideo.everyday.look import Frames, Looked
from mmvideo.everyday.observation import Observation
from mmvideo.media.api import open_source
from mmvideo.vlm.composed import Composed

VIEWS = ("all", "single frame", "pixels only", "facts only", "blind")


class Subject:
    """The everyday model, ready to look at files.

    Args:
        name: an embedded model or a folder.
    """

    def __init__(self, name: str):
        self.model = Composed.from_pretrained(weights.folder(name))
        encoder: Any = self.model.parts["encoder"]
        self.encoder = encoder.fold() if hasattr(encoder, "fold") else encoder
        self.observer: Any = self.model.parts["observer"]

    def look(self, path: Path) -> Looked:
        """Look at a file."""
        with open_source(path) as media:
            looked: Looked = self.observer.look(media)
        return looked

    def views(self, looked: Looked, views: Sequence[str]) -> Iterator[tuple[str, EverydayConversation]]:
        """Yield a conversation about a video in each view."""
        whole = self.observer.observe(self.encoder, [looked])[0]
        for view in views:
            if view == "single frame":
                found = self.observer.observe(self.encoder, [one_frame(looked)])[0]
            else:
                found = handicapped(whole, view)
            told = view in ("all", "single frame", "facts only")
            yield view, EverydayConversation(self.model, found, with_facts=told)


def one_frame(looked: Looked) -> Looked:
    """Return the same video as if only its middle frame were known."""
    middle = len(looked.large) // 2
    place = slice(middle, middle + 1)
    at = int((looked.small.seconds - looked.large.seconds[middle]).abs().argmin())
    return replace(looked, large=Frames(looked.large.pictures[place], looked.large.seconds[place]),
                   small=Frames(looked.small.pictures[at:at + 1], looked.small.seconds[at:at + 1]), cuts=(), sounds=(),
                   has_audio=False)


def handicapped(observation: Observation, view: str) -> Observation:
    """Take pictures, facts or both away from what was found."""
    if view in ("facts only", "blind"):
        observation = replace(observation, grids=torch.zeros_like(observation.grids),
                              frames=tuple(torch.zeros_like(one) for one in observation.frames))
    if view in ("pixels only", "blind"):
        facts = observation.facts
        shots = tuple(ShotFacts(shot.start_seconds, shot.end_seconds) for shot in facts.shots)
        observation = replace(observation, lines=("",) * len(observation.lines),
                              facts=Facts(facts.start_seconds, facts.end_seconds, shots))
    return observation


def films(photographs: Path, folder: Path, *, still: bool, most: int | None = None) -> Iterator[tuple[str, Path]]:
    """Write a film of every test photograph and yield its name and path; each takes the place of the one before."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (name, picture) in enumerate(photographs_of(photographs, "test")):
        if most is not None and number >= most:
            return
        yield name, write_film(folder / "film.mp4", name, picture, still=still)


__all__ = ["VIEWS", "Subject", "films", "handicapped", "one_frame"]
