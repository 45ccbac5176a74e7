"""Labelled segments of egocentric videos, for the trainer and the evaluator."""

from __future__ import annotations

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmvideo.egocentric.annotations import VerbNounSegment, read_annotations
from mmvideo.egocentric.scores import NOUN, VERB
from mmvideo.errors import InvalidInput, MediaNotFound, shown
from mmvideo.media import open_source
from mmvideo.sampling import uniform
from mmvideo.training.clip_data import LabelledClips
from mmvideo.training.resume import digest

ENDINGS = (".mp4", ".MP4", ".mov", ".mkv", ".webm", ".avi")


class EgocentricClips:
    """Segments of annotated videos; clips of the tasks "verb" and "noun".

    Args:
        videos: the folder of the files, also in subfolders, each named after its video.
        train: annotations to learn from.
        validation: held out; "" for none.
        num_frames, height, width: of the clips.
        workers: decoding threads.
        seed: of the order.

    Raises:
        MediaNotFound: no such folder or list, or a video that is not there.
        RecipeError: annotations that cannot be.
        InvalidInput: a held-out verb or noun that is not among those to learn.
    """

    def __init__(self, videos: str | Path, train: str | Path, validation: str | Path = "", *, num_frames: int = 16,
                 height: int = 64, width: int = 64, workers: int = 2, seed: int = 0):
        self.segments = {"train": read_annotations(train),
                         "validation": read_annotations(validation) if validation else []}
        self.files = video_files(Path(videos), {one.video for rows in self.segments.values() for one in rows})
        names = {kind: sorted({getattr(one, kind) for one in self.segments["train"]}) for kind in ("verb", "noun")}
        for kind, known in names.items():
            if new := sorted({getattr(one, kind) for one in self.segments["validation"]} - set(known)):
                raise InvalidInput(f"{validation} holds {kind}s that {train} does not: {shown(new)}.")
        self.labels: dict[str, tuple[str, ...]] = {
            "verb": tuple(VERB + name for name in names["verb"]), "noun": tuple(NOUN + name for name in names["noun"])}
        self.shape, self.seed = (num_frames, height, width), seed
        self.pool = ThreadPoolExecutor(max(1, workers))

    def size(self, split: str) -> int | None:
        """Return the number of segments of a split."""
        return len(self.segments[split])

    def identity(self) -> dict[str, Any]:
        """Return the labels, the shape of a clip, and a digest of each list."""
        return {"labels": self.labels, "clips": list(self.shape), **{split: digest([
            (s.video, s.start_seconds, s.end_seconds, s.verb, s.noun) for s in rows])
            for split, rows in self.segments.items()}}

    def draw(self, indices: Sequence[int], split: str) -> LabelledClips:
        """Read segments, many at once.

        Raises:
            MediaError: a file that cannot be read; it is named.
        """
        chosen = [self._choose(index, split) for index in indices]
        frames = torch.stack(list(self.pool.map(self._read, chosen)))
        return LabelledClips(frames, {
            "verb": torch.tensor([self.labels["verb"].index(VERB + one.verb) for one in chosen]),
            "noun": torch.tensor([self.labels["noun"].index(NOUN + one.noun) for one in chosen])})

    def _choose(self, index: int, split: str) -> VerbNounSegment:
        rows = self.segments[split]
        if split != "train":
            return rows[index]
        epoch, place = divmod(index, len(rows))
        order = list(range(len(rows)))
        random.Random(f"{self.seed}/{epoch}").shuffle(order)
        return rows[order[place]]

    def _read(self, one: VerbNounSegment) -> Tensor:
        num_frames, height, width = self.shape
        with open_source(self.files[one.video], threads=1) as source:
            return uniform(source, num_frames=num_frames, size=(height, width), start_seconds=one.start_seconds,
                           end_seconds=one.end_seconds).frames[0]


def video_files(folder: Path, videos: set[str]) -> dict[str, Path]:
    """Return the file of each video.

    Raises:
        MediaNotFound: no such folder, or a video that is not in it.
    """
    if not folder.is_dir():
        raise MediaNotFound(f"{folder} is no folder; give that of the videos.")
    there = {path.stem: path for path in sorted(folder.rglob("*")) if path.suffix in ENDINGS}
    if missing := sorted(videos - set(there)):
        raise MediaNotFound(f"{folder} holds no file of {len(missing)} of {len(videos)} annotated videos, as "
                            f"{missing[0]}.mp4.")
    return {name: there[name] for name in videos}


__all__ = ["EgocentricClips", "video_files"]
