"""What a composed model is trained on: conversations about videos, such as those in LLaVA's JSON lines."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from mmvideo.errors import InvalidInput, MediaNotFound
from mmvideo.media import open_source
from mmvideo.nn.facts import Facts
from mmvideo.sampling.gather import sound_of, span_of
from mmvideo.sampling.uniform import uniform
from mmvideo.training import checks
from mmvideo.training.resume import digest
from mmvideo.training.sequence_packing import Asked
from mmvideo.vlm.composed import ClipSpec

MARKS = ("<video>", "<image>")
"""Placeholders in LLaVA's files; the video goes first anyway."""


@dataclass(frozen=True)
class Shown:
    """Clips, and the questions about each."""

    frames: Tensor
    """uint8 (B, T, C, H, W)."""
    audio: Tensor | None
    """float32 (B, S)."""
    has_audio: Tensor
    """bool (B,)."""
    asked: list[list[Asked]]
    facts: Facts | None = None
    """What is true of the clips, where the source knows it."""


class Data(Protocol):
    """Batches that follow from their number alone, so that a run can go on exactly where it stopped."""

    def train(self, number: int, size: int) -> Shown: ...

    def held_out(self) -> Iterator[Shown]: ...

    def identity(self) -> dict[str, Any]: ...


@dataclass
class Jsonl:
    """LLaVA's format, a line a conversation: {"video": path, "conversations": [{"from": "human", "value": ...},
    {"from": "gpt", "value": ...}, ...]}. Lines about one video are packed, so that it is encoded once.

    Args:
        path: the file; paths of videos are relative to its folder, or absolute.
        look: what is looked at of each video.
        validation_share: share of the videos that are held out.

    Raises:
        MediaNotFound: no such file, or a video that is not there.
        InvalidInput: a line of another form.
    """

    path: Path
    look: ClipSpec
    validation_share: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        checks.shares(validation_share=self.validation_share)
        if not self.path.is_file():
            raise MediaNotFound(f"No file {self.path} of conversations.")
        grouped: dict[str, list[Asked]] = {}
        for number, line in enumerate(self.path.read_text(encoding="utf-8").splitlines(), 1):
            if line.strip():
                video, asked = _parsed(line, f"{self.path.name}, line {number}")
                grouped.setdefault(str(self.path.parent / video), []).extend(asked)
        if missing := [video for video in grouped if not Path(video).is_file()]:
            raise MediaNotFound(f"{self.path.name} names {len(missing)} videos that are absent, such as {missing[0]}.")
        clips = sorted(grouped.items())
        home = self.path.parent
        names = [Path(video).relative_to(home) if Path(video).is_relative_to(home) else video for video, _ in clips]
        self._digest = digest([[str(name), [asdict(one) for one in asked]]
                               for name, (_, asked) in zip(names, clips, strict=True)])
        random.Random(self.seed).shuffle(clips)
        kept = min(max(1, round(self.validation_share * len(clips))), len(clips) - 1)
        if kept < 1:
            raise InvalidInput(f"{self.path.name} is about {len(clips)} video; training needs two or more.")
        self._validation, self._training = clips[:kept], clips[kept:]

    def train(self, number: int, size: int) -> Shown:
        """Take the next videos of an epoch's order, which is drawn anew from the seed for every epoch."""
        chosen = []
        for i in range(number * size, (number + 1) * size):
            epoch, place = divmod(i, len(self._training))
            order = random.Random(f"{self.seed}/{epoch}").sample(range(len(self._training)), len(self._training))
            chosen.append(self._training[order[place]])
        return self._shown(chosen)

    def held_out(self) -> Iterator[Shown]:
        """Yield the held-out videos."""
        for first in range(0, len(self._validation), 8):
            yield self._shown(self._validation[first:first + 8])

    def identity(self) -> dict[str, Any]:
        """Return a digest of the conversations; their folder may move."""
        return {"kind": "conversations", "entries": self._digest,
                "split": [self.validation_share, self.seed]}

    def _shown(self, clips: list[tuple[str, list[Asked]]]) -> Shown:
        frames, sounds, heard = zip(*(self._seen(video) for video, _ in clips), strict=True)
        return Shown(torch.stack(frames), torch.stack(sounds) if self.look.sample_rate else None, torch.tensor(heard),
                     [asked for _, asked in clips])

    def _seen(self, video: str) -> tuple[Tensor, Tensor, bool]:
        """Look at one window's worth of frames, spread over the whole video, and the sound of its length."""
        with open_source(video) as source:
            clips = uniform(source, num_frames=self.look.num_frames, size=(self.look.height, self.look.width))
            sound = torch.zeros(1)
            if self.look.sample_rate:
                sound = sound_of(source, [span_of(source, None, None)], self.look.sample_rate,
                                 self.look.window_seconds)[0]
            return clips.frames[0], sound, source.has_audio


def _parsed(line: str, where: str) -> tuple[str, list[Asked]]:
    form = ('each line is {"video": path, "conversations": [{"from": "human", "value": "..."}, {"from": "gpt", '
            '"value": "..."}, ...]}')
    try:
        raw: dict[str, Any] = json.loads(line)
        turns = [(turn["from"], str(turn["value"])) for turn in raw["conversations"]]
        video = str(raw["video"])
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput(f"{where}: {form} ({type(error).__name__}: {error}).") from error
    told: list[tuple[str, str]] = []
    asked = []
    if not turns or len(turns) % 2:
        raise InvalidInput(f"{where}: turns come in pairs of human and gpt; {form}.")
    for (who, question), (other, answer) in zip(turns[::2], turns[1::2], strict=True):
        if (who, other) != ("human", "gpt"):
            raise InvalidInput(f"{where}: turns alternate between human and gpt, not {who!r}, {other!r}; {form}.")
        for mark in MARKS:
            question = question.replace(mark, "")
        asked.append(Asked(question.strip(), answer.strip(), tuple(told)))
        told.append((question.strip(), answer.strip()))
    return video, asked


__all__ = ["Data", "Jsonl", "Shown"]
