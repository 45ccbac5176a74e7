"""Does a model look at the video? The same clips intact and changed, with questions of which the answers follow.

Clips of the toybox are rendered, so that what happens in them is known; clips of a folder are judged by what does not
need a label: their length, whether they run backwards, stand still, or are silent.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from mmvideo.benchmarks.base import BenchmarkItem, Scored, VideoBenchmark, read_json
from mmvideo.errors import MediaNotFound
from mmvideo.jobs.inputs import SUFFIXES
from mmvideo.media import open_source, probe, write_video
from mmvideo.media.probes import ProbedSource

CHECKS = {"frozen": "Does anything move in this video?", "muted": "Does this video have sound?",
          "duration": "How long is this video?"}
_LONGEST_SECONDS = 10.0
_SIZE = 224


class Trust(VideoBenchmark):
    """Questions about intact clips and changed ones, half each, so that one answer to all is right half the time."""

    about = "Trust: frozen, muted, reversed, one frame, wrong order, duration, on clips of yours and the toybox"
    source = "mmvideo"

    def read(self, data: Path, *, subtitles: bool = False) -> list[BenchmarkItem]:
        """Make changed twins of every clip of a folder, below `data`/.trust, and ask about both.

        Raises:
            MediaNotFound: the folder holds no clip.
        """
        clips = sorted(path for path in data.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()
                       and ".trust" not in path.parts)
        if not clips:
            raise MediaNotFound(f"{data} holds no clip; give --data a folder of clips, or make some: mmvideo toybox "
                                f"make {data} --num 20.")
        found: list[BenchmarkItem] = []
        for clip in clips:
            found += self._items(clip, data / ".trust")
        return found

    def _items(self, clip: Path, home: Path) -> list[BenchmarkItem]:
        name = clip.stem
        info = probe(clip, check_seconds=0)
        if info.main_video is None:
            return []
        yes_no = ("yes", "no")
        intact = _twin(clip, home, None)
        found = [_item(name, "frozen", "intact", intact, "Does anything move in this video?", yes_no, 0),
                 _item(name, "frozen", "changed", _twin(clip, home, "frozen"), "Does anything move in this video?",
                       yes_no, 1),
                 _item(name, "one-frame", "changed", _twin(clip, home, "single-frame"),
                       "Is this a moving video, or one still picture shown all the time?",
                       ("a moving video", "one still picture"), 1),
                 _item(name, "one-frame", "intact", intact,
                       "Is this a moving video, or one still picture shown all the time?",
                       ("a moving video", "one still picture"), 0)]
        for kind, text in (("reversed", "Does this video run forwards or backwards?"),
                           ("shuffled", "Are the parts of this video in their natural order, or mixed up?")):
            two = ("forwards", "backwards") if kind == "reversed" else ("in their natural order", "mixed up")
            found += [_item(name, kind, "intact", intact, text, two, 0),
                      _item(name, kind, "changed", _twin(clip, home, kind), text, two, 1)]
        if info.audio:
            found += [_item(name, "muted", "intact", clip, CHECKS["muted"], yes_no, 0),
                      _item(name, "muted", "changed", intact, CHECKS["muted"], yes_no, 1)]
        seconds = min(info.duration_seconds, _LONGEST_SECONDS)
        lengths = sorted({round(seconds * share, 1) for share in (0.25, 0.5, 1.0, 2.0)})
        options = tuple(f"about {one:g} seconds" for one in lengths)
        right = lengths.index(min(lengths, key=lambda one: abs(one - seconds)))
        found.append(_item(name, "duration", "intact", intact, CHECKS["duration"], options, right))
        facts = clip.with_suffix(".json")
        if facts.is_file() and isinstance(given := read_json(facts.parent, facts.name), dict) and "toys" in given:
            counts = tuple(str(n) for n in range(1, 7))  # of a rendered clip: `mmvideo toybox make` writes what is true
            if str(len(given["toys"])) in counts:
                found.append(_item(name, "count", "intact", intact, "How many objects are there in this video?", counts,
                                   len(given["toys"]) - 1))
        return found

    def summary(self, scored: Sequence[Scored]) -> dict[str, float]:
        """Return for each check the share of clips whose intact and changed twins were both told right."""
        pairs: dict[tuple[str, str], list[float]] = {}
        for one in scored:
            pairs.setdefault((one.item.tags["check"], one.item.group), []).append(one.score)
        checks = sorted({check for check, _ in pairs})
        return {f"both_{check}": sum(all(scores) for (name, _), scores in pairs.items() if name == check)
                / max(1, sum(name == check for name, _ in pairs)) for check in checks}


def _item(name: str, check: str, state: str, video: Path, question: str, options: tuple[str, ...], answer: int
          ) -> BenchmarkItem:
    return BenchmarkItem(f"{name}-{check}-{state}", video, question, options, answer, group=f"{name}-{check}",
                         tags={"check": check, "state": state})


def _twin(clip: Path, home: Path, change: str | None) -> Path:
    """Return a copy of the first ten seconds without sound, through a probe; made once.

    Intact and changed clips are written alike, so that neither size nor compression gives them away.
    """
    path = home / f"{clip.stem}-{change or 'intact'}.mp4"
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_source(clip) as inner:
        source: Any = ProbedSource(inner, change or "muted")
        end = inner.start_seconds + _LONGEST_SECONDS
        frames = [frame for video in source.stream(size=_SIZE, end_seconds=end) for frame in video]
        times = [seconds for _, seconds in frames]
    part = path.with_suffix(".part.mp4")
    write_video(part, torch.stack([picture for picture, _ in frames]), pts_seconds=times)
    part.rename(path)
    return path


__all__ = ["CHECKS", "Trust"]
