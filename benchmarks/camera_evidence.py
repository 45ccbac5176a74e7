"""What the evidence of still places costs a camera that moves: the classifier with and without it, on the same windows.

    python benchmarks/camera_evidence.py --shared ../shared [--num-per-source 50 --seed 8] [--num-per-part 120]

Windows are moved over clips whose camera stands still, as in `camera_motion.py`: over media/, and over the clips of
three data sets, part by part. Each window is judged three ways in one pass: by the matching network alone, with the
places that hold still, and with their drift. Differences are paired, with 95 % bootstrap intervals.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from camera_motion import EMBEDDED, move_window, read_frames, real_clips, through_h264
from camera_still import MOVING, SETS
from torch import Tensor
from torch.nn import functional as F

from mmvideo.camera_motion.encoder import LABELS, CameraMotion
from mmvideo.heads.linear import LinearHead

STATIC, SHAKE = LABELS.index("static"), LABELS.index("shake")


def windows_of_sets(shared: Path, per_part: int, seed: int) -> Iterator[tuple[str, Tensor, int]]:
    """Yield data set and part, frames (1, 16, 3, H, W) and label: three moved windows of each drawn clip."""
    rng = np.random.default_rng(seed)
    for data, column in SETS.items():
        with (shared / "data" / data / "clips.tsv").open(newline="") as file:
            rows = [row for row in csv.DictReader(file, delimiter="\t") if Path(row["clip"]).stem not in MOVING]
        for part in sorted({row[column] for row in rows}):
            some = [row for row in rows if row[column] == part]
            for k, i in enumerate(rng.choice(len(some), min(per_part, len(some)), replace=False)):
                frames, seconds = read_frames(shared / "data" / data / some[i]["clip"], 0.0, 6.0)
                for j in range(3):
                    span = min(rng.uniform(1.0, 2.0), float(seconds[-1] - seconds[0]))
                    begin = rng.uniform(seconds[0], seconds[-1] - span + 1e-6)
                    at = np.abs(seconds[None] - np.linspace(begin, begin + span, 16)[:, None]).argmin(1)
                    label = 1 + (3 * k + j) % (len(LABELS) - 1)
                    moved, _ = move_window(frames[at], label, rng)
                    if rng.random() < 0.5:
                        moved = through_h264(moved, int(rng.integers(23, 36)))
                    yield f"{data} {part}", torch.from_numpy(moved.copy()).permute(0, 3, 1, 2)[None], label


@torch.inference_mode()
def answers(encoder: CameraMotion, head: LinearHead, clips: list[Tensor]) -> np.ndarray:
    """Labels (3, B) of the matching alone, with still places, and with their drift."""
    small = torch.stack([F.interpolate(clip[0].float().div(255), size=encoder.input_size, mode="bilinear",
                                       antialias=True) for clip in clips])
    pooled = torch.cat([encoder(some).pooled for some in small.split(25)])
    weight, bias = head.score.weight, head.score.bias
    ends = (encoder.dim, encoder.dim_pooled - 1, encoder.dim_pooled)
    return torch.stack([F.linear(pooled[:, :end], weight[:, :end], bias).argmax(1) for end in ends]).numpy()


def interval(first: np.ndarray, second: np.ndarray) -> str:
    """Say how the share of right answers changes on the same windows, with its 95 % interval."""
    change, rng = second.astype(float) - first, np.random.default_rng(0)
    drawn = [change[rng.integers(len(change), size=len(change))].mean() for _ in range(4000)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{change.mean():+.3f} ({low:+.3f} to {high:+.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="folder with media/ and data/")
    parser.add_argument("--weights", type=Path, default=EMBEDDED)
    parser.add_argument("--num-per-source", type=int, default=50, help="windows of each clip of media/")
    parser.add_argument("--seed", type=int, default=8, help="of the windows of media/")
    parser.add_argument("--num-per-part", type=int, default=120, help="clips of each part of the data sets")
    given = parser.parse_args()
    encoder, head = CameraMotion.from_pretrained(given.weights), LinearHead.from_pretrained(given.weights)
    found: dict[str, list[tuple[int, np.ndarray]]] = {}
    for clip in real_clips(given.shared / "media", given.num_per_source, given.seed):
        name = {STATIC: "media, static", SHAKE: "media, shake"}.get(clip.label, "media, moves")
        found.setdefault(name, []).append((clip.label, answers(encoder, head, [clip.frames])[:, 0]))
    for name, frames, label in windows_of_sets(given.shared, given.num_per_part, 5):
        found.setdefault(name, []).append((label, answers(encoder, head, [frames])[:, 0]))
    print("| windows moved over | number | matching alone | with still places | with drift | gained or lost |\n"
          "|---|---|---|---|---|---|")
    for name, rows in found.items():
        right = np.array([said == label for label, said in rows]).T
        print(f"| {name} | {len(rows)} | {' | '.join(f'{one.mean():.3f}' for one in right)} | "
              f"{interval(right[0], right[2])} |")


if __name__ == "__main__":
    main()
