"""What the border of the toybox domain lets through: toybox clips, real films, and real pictures with nothing in them.

    python benchmarks/domain_border.py --shared ../shared [--every 4]

Windows are cut as the pipeline cuts them. Empty pictures are made of films of parking lots and lawns
(data/interactions): the median over time has no people in it. They are shown still, in grey, blurred, and as at night,
with a sensor's noise. None of this material sets the border; procedural clips come from seeds that do not either.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from mmvideo import weights
from mmvideo.errors import MmvideoError
from mmvideo.evaluation.intervals import wilson
from mmvideo.heads.domain import DomainHead
from mmvideo.media import open_source
from mmvideo.sampling import windows
from mmvideo.toybox.encoder import ToyboxAV
from mmvideo.toybox.training.batches import draw_batch
from mmvideo.toybox.training.outside import KINDS, outside_clips

OUTSIDE_SEED = 900
"""Not a seed of `mmvideo.toybox.training.domain.fit_domain`."""


def windows_of(path: Path, *, max_windows: int | None = None) -> Tensor | None:
    """Cut a film into windows, uint8 (B, 16, 3, 64, 64); None if it holds no picture that can be read."""
    try:
        with open_source(str(path), threads=1) as source:
            return windows(source, size=64, max_windows=max_windows).frames
    except MmvideoError:
        return None


def list_films(shared: Path, every: int) -> dict[str, list[Path]]:
    """List the films of every data set."""
    films = {"media": sorted((shared / "media").glob("*/*")), "sky": sorted((shared / "data/sky").glob("*.mp4")),
             "grid_s1": sorted((shared / "data/grid_s1").glob("*.mkv"))[::10]}
    for name in ("interactions", "exercises", "newsreaders"):
        with (shared / "data" / name / "clips.tsv").open(newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        films[name] = [shared / "data" / name / row["clip"] for row in rows]
    return {name: paths[::every] if name in ("interactions", "exercises", "newsreaders") else paths
            for name, paths in films.items()}


def without_people(frames: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """Make empty clips of a film's windows (B, 16, 3, 64, 64): the median over time, shown in four ways.

    Returns:
        uint8 (1, 16, 3, 64, 64) each.
    """
    ground = frames.flatten(0, 1).median(0).values.float() / 255
    soft = F.interpolate(F.interpolate(ground[None], size=(8, 8), mode="area"), size=(64, 64), mode="bicubic")[0]
    shown = {"still": ground, "grey": ground.mean(0, keepdim=True).expand(3, -1, -1), "blurred": soft,
             "night": ground * 0.15}
    noise = {"still": 0.0, "grey": 0.005, "blurred": 0.005, "night": 0.03}
    return {name: ((picture + noise[name] * torch.randn(1, 16, 3, 64, 64, generator=generator)).clamp(0, 1) * 255)
            .round().to(torch.uint8) for name, picture in shown.items()}


def sets(shared: Path, every: int, num_toybox: int) -> Iterator[tuple[str, Tensor]]:
    """Give the name of each kind of clips, and some of them at a time."""
    for level in ("easy", "standard", "hard"):
        for first in range(0, num_toybox, 64):
            yield f"toybox {level}", draw_batch(range(first, first + 64), split="test", levels={level: 1.0}).frames
    made = outside_clips(OUTSIDE_SEED, 100 * len(KINDS))
    for kind, clips in zip(KINDS, made.chunk(len(KINDS)), strict=True):
        yield f"procedural {kind}", clips
    generator = torch.Generator().manual_seed(0)
    for name, films in list_films(shared, every).items():
        for path in films:
            frames = windows_of(path)
            if frames is not None:
                yield name, frames
            if frames is not None and name == "interactions":
                for how, clip in without_people(frames, generator).items():
                    yield f"interactions without people, {how}", clip


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="folder with media/ and data/")
    parser.add_argument("--model", default="toybox-qa")
    parser.add_argument("--every", type=int, default=1, help="look at every n-th clip of the large data sets")
    parser.add_argument("--num-toybox", type=int, default=512, help="toybox clips of each level")
    arguments = parser.parse_args()
    encoder = ToyboxAV.from_pretrained(weights.part(arguments.model, "encoder"))
    head = DomainHead.from_pretrained(weights.part(arguments.model, "domain"))
    passed: dict[str, list[bool]] = {}
    for name, clips in sets(arguments.shared, arguments.every, arguments.num_toybox):
        for part in clips.split(32):
            passed.setdefault(name, []).extend(head(encoder(part))[1].tolist())
    print("| clips | windows | in domain | 95 % interval |\n|---|---|---|---|")
    for name, inside in passed.items():
        low, high = wilson((sum(inside), len(inside)))
        print(f"| {name} | {len(inside)} | {sum(inside)}: {sum(inside) / len(inside):.1%} | {low:.1%} to {high:.1%} |")


if __name__ == "__main__":
    main()
