"""How often people who move before a still camera are taken for a camera that moves.

    python benchmarks/camera_still.py --shared ../shared [--weights runs/camera-motion] [--every 4]

Every clip of four data sets goes through `Pipeline("video-classification")` as a user's would. "Static" is the right
answer: each window is measured beside it, at up to 320 pixels and without the model (`still_share`). A window in which
nothing changes (frozen pictures at the end of a clip) does not count, nor do the clips in `MOVING`, whose camera really
moves: the windows with the smallest still share were looked at one by one, as first, middle and last frame, their
difference, and a row and a column over time. None of this material is trained on.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from camera_motion import STILL_CLIPS

from mmvideo.errors import MediaError
from mmvideo.evaluation.intervals import Count, wilson
from mmvideo.media import open_source
from mmvideo.pipeline import Pipeline
from mmvideo.results import Classification
from mmvideo.sampling import uniform
from mmvideo.sampling.gather import TimeSpan

SETS = {"interactions": "set", "newsreaders": "split", "exercises": "split"}
"""Folder of data/ -> the column of its clips.tsv that parts it."""

MOVING = {
    **dict.fromkeys(("0139", "0154", "0320", "0910", "0916", "0951", "0976", "0984", "1002", "1063", "1273", "1412"),
                    "the studio slides past at the start or end"),
    "b5c7ae09e7": "hand-held", "98bf475f92": "the camera follows her", "563579c6e5": "hand-held, very near",
    "322e98877e": "the camera rises",
}
"""Stem of a clip -> what its camera does; found by eye."""

GRID = 12
SIDE = 320


def watch_windows(pipe: Pipeline) -> dict[str, Any]:
    """Return a dict that will hold the windows of the latest video: `clips` and the `spans` that they stand for."""
    classifier, seen = dict(pipe.stages)["classify"].classifier, {}
    take = classifier.take

    def take_and_keep(media: Any) -> tuple[Any, Any]:
        seen["clips"], seen["spans"] = take(media)
        return seen["clips"], seen["spans"]

    classifier.take = take_and_keep
    return seen


@dataclass(frozen=True)
class Window:
    """What was said of one window, and what was measured beside it."""

    data: str
    part: str
    clip: str
    said: str
    clip_said: str
    sure: bool
    """The clip's answer was not flagged as doubtful."""
    still: float
    frozen: bool


def still_share(path: Path, span: TimeSpan) -> float:
    """Measure how much of the picture's edge stands still over a span.

    The picture is divided into 12 x 12 cells; of the two outermost rings those count that would change clearly if the
    camera moved by 2.5 % of the longer side. A cell is still if five later frames each differ from the first by less
    than 0.35 of that change, once a common change of brightness is taken off.

    Returns:
        The still cells' share of those that count; 1 if none counts.
    """
    times = {"start_seconds": span.start_seconds, "end_seconds": span.end_seconds}
    with open_source(path, threads=1) as source:
        try:
            frames = uniform(source, num_frames=6, **times).frames
        except MediaError:
            return 1.0
    grey = [_grey(frame) for frame in frames[0].permute(0, 2, 3, 1).numpy()]
    first, reach = grey[0], max(3, round(0.025 * max(grey[0].shape)))
    moved = np.mean([_cells((np.roll(first, step, axis) - first) ** 2)
                     for step in (-reach, reach) for axis in (0, 1)], axis=0)
    lighter = [np.median(later) - np.median(first) for later in grey]
    changed = np.max([_cells((later - first - more) ** 2)
                      for later, more in zip(grey[1:], lighter[1:], strict=True)], axis=0)
    edge = np.ones((GRID, GRID), bool)
    edge[2:-2, 2:-2] = False
    counts = edge & (moved > 6.0)
    return float((counts & (changed < 0.35 * moved)).sum() / counts.sum()) if counts.any() else 1.0


def _grey(frame: np.ndarray) -> np.ndarray:
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    shrink = min(1.0, SIDE / max(grey.shape))
    small = cv2.resize(grey, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(small, (0, 0), 1.0).astype(np.float32)


def _cells(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, (GRID, GRID), interpolation=cv2.INTER_AREA)


def judge(pipe: Pipeline, seen: dict[str, Any], path: Path, data: str, part: str) -> list[Window]:
    """Classify a clip, and measure each of its windows, which `seen` holds."""
    found: Classification = pipe(str(path))
    windows = []
    start, end, _ = STILL_CLIPS.get(f"{path.parent.name}/{path.name}", (0.0, float("inf"), ""))
    for span, frames in zip(seen["spans"], seen["clips"].frames, strict=True):
        if span.start_seconds < start or span.end_seconds > end + 0.5:
            continue
        middle = (span.start_seconds + span.end_seconds) / 2
        said = next((s.text for s in found.segments if s.start_seconds <= middle < s.end_seconds), found.label)
        frozen = bool((frames.float() - frames[:1].float()).abs().mean((1, 2, 3)).max() < 0.5)
        windows.append(Window(data, part, path.stem, said, found.label, bool(found.in_domain),
                              still_share(path, span), frozen))
    return windows


def list_clips(shared: Path, every: int) -> list[tuple[Path, str, str]]:
    """List path, data set and part of every `every`-th clip."""
    clips = [(shared / "media" / name, "media", "still") for name in STILL_CLIPS]
    for data, column in SETS.items():
        with (shared / "data" / data / "clips.tsv").open(newline="") as file:
            clips += [(shared / "data" / data / row["clip"], data, row[column])
                      for row in list(csv.DictReader(file, delimiter="\t"))[::every]]
    return clips


def _cell(wrong: int, asked: int) -> str:
    count: Count = (wrong, asked)
    low, high = wilson(count)
    return f"{wrong} of {asked}: {wrong / max(asked, 1):.1%} ({low:.1%} to {high:.1%})"


def report(windows: Sequence[Window], least: float) -> None:
    """Print false motion per data set and part, by window and by clip."""
    counted = [w for w in windows if not w.frozen and w.clip not in MOVING]
    print(f"{len(windows)} windows; {sum(w.frozen for w in windows)} frozen, "
          f"{sum(w.clip in MOVING and not w.frozen for w in windows)} of clips whose camera moves: not counted")
    print(f"\n| data | windows taken for motion | of those with {least:.0%} and more of the edge still | clips "
          "| and not flagged as doubtful | said |\n|---|---|---|---|---|---|")
    parts = [(d, None) for d in dict.fromkeys(w.data for w in counted)]
    parts += [(d, p) for d, p in dict.fromkeys((w.data, w.part) for w in counted) if d != "media"]
    for data, part in [*parts, (None, None)]:
        some = [w for w in counted if data in (None, w.data) and part in (None, w.part)]
        sure = [w for w in some if w.still >= least]
        clips = {(w.data, w.clip): w for w in some}.values()
        wrong = [w for w in some if w.said != "static"]
        said = ", ".join(f"{name} {n}" for name, n in Counter(w.said for w in wrong).most_common())
        print(f"| {data or 'all'}{' ' + part if part else ''} | {_cell(len(wrong), len(some))} | "
              f"{_cell(sum(w.said != 'static' for w in sure), len(sure))} | "
              f"{_cell(sum(w.clip_said != 'static' for w in clips), len(clips))} | "
              f"{_cell(sum(w.clip_said != 'static' and w.sure for w in clips), len(clips))} | {said} |")
    low = [w for w in counted if w.still < least]
    print(f"\nless than {least:.0%} of the edge still ({len(low)} windows): " + ", ".join(
        f"{w.data}/{w.clip} {w.still:.2f} {w.said}" for w in sorted(low, key=lambda w: w.still)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="folder with media/ and data/")
    parser.add_argument("--weights", default="camera-motion", help="an embedded model or a folder")
    parser.add_argument("--every", type=int, default=1, help="look at every n-th clip of data/")
    parser.add_argument("--least", type=float, default=0.25, help="still share from which a window counts as measured")
    arguments = parser.parse_args()
    pipe = Pipeline("video-classification", device="cpu", classify={"weights": arguments.weights})
    seen = watch_windows(pipe)
    windows: list[Window] = []
    for path, data, part in list_clips(arguments.shared, arguments.every):
        windows += judge(pipe, seen, path, data, part)
    report(windows, arguments.least)


if __name__ == "__main__":
    main()
