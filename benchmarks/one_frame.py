"""python benchmarks/one_frame.py [--model DIR] [--num 1600] [--split test]: what frames alone tell of `direction`.

Which of the four ways a toy moves is asked of films that exist forwards and backwards, so frames without their order
can tell the line (across or up and down) and never the way along it. Places of toys, without any picture, give the best
guess of the line from the place in one frame, and from all frames taken one by one. With a trained classifier of the
comparison (`OUT/runs/single-frame-tiny-.../model`), its share of right lines and of right ways among these follow.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

from mmvideo.encoders import zoo
from mmvideo.evaluation.intervals import wilson
from mmvideo.toybox import tasks
from mmvideo.toybox import vocabulary as v
from mmvideo.training import classifier

CELLS = 40
"""Cells a side, over a square of twice the frame's width around its middle."""


def places(first: int, num: int, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return toys' places (num, T, 2) in frame widths, and whether each moves up or down (num,)."""
    times = np.arange(tasks.NUM_FRAMES) / v.MODEL_FPS
    found, line = [], []
    for number in range(first, first + num):
        spec, labels, _ = tasks.scene("motion", 2 * number, split)
        toy = spec.toys[0]
        found.append(np.array(toy.position) + times[:, None] * np.array(toy.velocity))
        line.append(labels["direction"] >= 2)
    return np.array(found), np.array(line)


def guesses(split: str, *, learned: int, asked: int) -> tuple[float, float]:
    """Return how often the line is guessed from a place in one frame, and from all frames one by one."""
    def cells(of: np.ndarray) -> np.ndarray:
        x, y = np.clip(((of + 0.5) / 2 * CELLS).astype(int), 0, CELLS - 1).transpose(2, 0, 1)
        return x * CELLS + y

    seen, line = places(0, learned, "train")
    counts = [np.bincount(cells(seen[line == which]).ravel(), minlength=CELLS**2) + 1.0 for which in (False, True)]
    odds = np.log(counts[1] / counts[1].sum()) - np.log(counts[0] / counts[0].sum())
    seen, line = places(0, asked, split)
    told = odds[cells(seen)]
    return float(((told > 0) == line[:, None]).mean()), float(((told.sum(1) > 0) == line).mean())


@torch.inference_mode()
def measured(folder: str, *, num: int, split: str) -> dict[str, tuple[int, int]]:
    """Return (right, asked) of a trained classifier: the way, the line, and the way where the line is right."""
    encoder = zoo.load(folder).eval()
    data = classifier.data_for(encoder.preset, task=tuple(tasks.LABELS))
    counts = {"way (4)": [0, 0], "line (2)": [0, 0], "way along the right line": [0, 0]}
    for begin in range(0, num, classifier.CHUNK):
        clips = data.draw(range(begin, min(begin + classifier.CHUNK, num)), split)
        truth = clips.labels["direction"]
        said = classifier.by_task(classifier.logits_of(encoder, clips), data.labels)["direction"].argmax(1)
        kept = truth != tasks.NONE
        same, line = (said == truth)[kept], (said // 2 == truth // 2)[kept]
        for name, right, asked in (("way (4)", same, kept.sum()), ("line (2)", line, kept.sum()),
                                   ("way along the right line", same & line, line.sum())):
            counts[name][0] += int(right.sum())
            counts[name][1] += int(asked)
    return {name: (right, asked) for name, (right, asked) in counts.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="", help="folder of a trained classifier of all tasks")
    parser.add_argument("--num", type=int, default=1600, help="test clips of all kinds; a quarter of them move")
    parser.add_argument("--split", default="test")
    given = parser.parse_args()
    one, every = guesses(given.split, learned=40_000, asked=10_000)
    print(f"line guessed from the toy's place in one frame {one:.1%}, from 16 frames one by one {every:.1%}; "
          f"so direction at most {one / 2:.1%} and {every / 2:.1%}")
    for name, count in (measured(given.model, num=given.num, split=given.split) if given.model else {}).items():
        low, high = wilson(count)
        print(f"{name}: {count[0]} of {count[1]}, {count[0] / max(count[1], 1):.1%} [{low:.1%}, {high:.1%}]")


if __name__ == "__main__":
    main()
