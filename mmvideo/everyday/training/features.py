"""Step one: what the image encoder and the detector see in every photograph is computed once and kept on the disk."""

from __future__ import annotations

import io
import json
import logging
import random
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mmvideo import weights
from mmvideo.errors import MediaNotFound
from mmvideo.everyday.training.photographs import SPLITS, VIEWS, grids_file, known_file
from mmvideo.registry import find
from mmvideo.training import resume
from mmvideo.training.trainer import Trainer

SIDE, DETECTOR_SIDE = 224, 416
NUM_THINGS = 5
_LEAST_SCORE = 0.3
log = logging.getLogger("mmvideo.training")


@dataclass(frozen=True)
class FeatureOptions:
    """Options of `configs/train/everyday-features.yaml`."""

    photographs: str
    """Folder of train.zip, val.zip, test.zip and their .tsv files."""
    seed: int = 0
    steps: int = 1
    """Passes over the photographs; there is no use in more."""
    batch: int = 16
    """Photographs at a time."""

    def record(self) -> dict[str, Any]:
        """Return what `run.json` keeps, see `mmvideo.training.resume`."""
        options = asdict(self)
        schedule = {"steps": options.pop("steps"), "seed": options.pop("seed"), "batch_size": options.pop("batch")}
        return resume.record(schedule, {"trainer": "everyday-features", "options": options, "data": {"views": VIEWS}})


def write_features(options: FeatureOptions, out: Path) -> None:
    """Write the cache that `Photographs.read` reads, split by split; splits that are done are left as they are.

    Raises:
        MediaNotFound: no such photographs.
    """
    encoder = find("encoders", "lite0").from_pretrained(weights.part("lite0", "encoder")).eval()
    encoder = encoder.fold() if hasattr(encoder, "fold") else encoder
    detector = find("object-detectors", "nanodet")(min_score=_LEAST_SCORE)
    names = weights.config(weights.folder("lite0"))["labels"]
    out.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        if not known_file(out, split).is_file():
            _write_split(options, out, split, encoder, detector, names)


@torch.inference_mode()
def _write_split(options: FeatureOptions, out: Path, split: str, encoder: Any, detector: Any,
                 names: Sequence[str]) -> None:
    archive = Path(options.photographs).expanduser() / f"{split}.zip"
    if not archive.is_file():
        raise MediaNotFound(f"{archive} is absent; name the folder of the photographs with photographs:.")
    rng, known = random.Random(options.seed), {}
    with zipfile.ZipFile(archive) as opened:
        files = sorted(name for name in opened.namelist() if not name.endswith("/"))
        grids = np.lib.format.open_memmap(grids_file(out, split), mode="w+", dtype=np.float16,
                                          shape=(len(files), len(VIEWS), 49, encoder.dim))
        for first, some in _batches(files, options.batch):
            pictures = [Image.open(io.BytesIO(opened.read(name))).convert("RGB") for name in some]
            seen = torch.stack([view for picture in pictures for view in views(picture, rng)])
            tokens = encoder(seen[:, None]).tokens.unflatten(0, (len(some), -1))  # (B, 4, 49, D)
            kept = torch.stack((tokens[:, 0], tokens[:, 1], tokens[:, 2:].mean(1)), 1)
            grids[first:first + len(some)] = kept.half().numpy()
            shares = encoder.head(tokens[:, 0].mean(1)).softmax(-1)
            objects = detector.run(torch.stack([_pixels(picture, DETECTOR_SIDE) for picture in pictures]))
            for name, found, row in zip(some, objects, shares, strict=True):
                best = row.topk(NUM_THINGS)
                known[Path(name).stem] = {
                    "objects": [[one.label, round(one.score, 3), [round(x, 3) for x in one.box]] for one in found],
                    "things": [[names[int(i)], round(float(share), 4)] for share, i in zip(*best, strict=True)]}
            log.info("%s: %d of %d photographs", split, first + len(some), len(files))
        grids.flush()
    known_file(out, split).write_text(json.dumps(known), encoding="utf-8")


def _batches(files: Sequence[str], size: int) -> Iterator[tuple[int, Sequence[str]]]:
    for first in range(0, len(files), size):
        yield first, files[first:first + size]


def views(picture: Image.Image, rng: random.Random) -> list[Tensor]:
    """Return a photograph as it is, mirrored, and the first and last frame of a slow pan or zoom over it.

    Returns:
        Four uint8 (3, 224, 224).
    """
    first = rng.uniform(0.72, 1.0)
    last = min(1.0, max(0.7, first + rng.uniform(-0.2, 0.2)))
    frames = []
    for share in (first, last):
        left, top = (rng.uniform(0, 1 - share) for _ in range(2))
        width, height = picture.size
        box = (left * width, top * height, (left + share) * width, (top + share) * height)
        frames.append(_pixels(picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=box), SIDE))
    turned = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return [_pixels(picture, SIDE), _pixels(turned, SIDE), *frames]


def _pixels(picture: Image.Image, side: int) -> Tensor:
    """Return a picture squashed to a square, uint8 (3, side, side)."""
    resized = picture if picture.size == (side, side) else picture.resize((side, side), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(resized)).permute(2, 0, 1)


TRAINER = Trainer(write_features, options=FeatureOptions)

__all__ = ["TRAINER", "FeatureOptions", "views", "write_features"]
