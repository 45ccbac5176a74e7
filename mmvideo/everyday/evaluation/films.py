"""Photographs shown as short films, so that a model of videos can be judged by what people wrote of photographs."""

from __future__ import annotations

import io
import random
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from mmvideo.media.write import write_video

FPS, SECONDS, SIDE = 12, 3.0, 224


def photographs_of(folder: Path, split: str) -> Iterator[tuple[str, Image.Image]]:
    """Yield the name and picture of every photograph of a split, by name."""
    with zipfile.ZipFile(folder / f"{split}.zip") as opened:
        for name in sorted(opened.namelist()):
            if not name.endswith("/"):
                yield Path(name).stem, Image.open(io.BytesIO(opened.read(name))).convert("RGB")


def write_film(path: Path, name: str, picture: Image.Image, *, still: bool) -> Path:
    """Write a photograph as a film of 3 s, H.264: still, or with a slow pan or zoom that its name decides."""
    rng = random.Random(zlib.crc32(name.encode()))
    first, last = rng.uniform(0.75, 1.0), rng.uniform(0.75, 1.0)
    start, end = ([rng.uniform(0, 1 - share) for _ in range(2)] for share in (first, last))
    width, height = picture.size
    count = int(FPS * SECONDS)
    frames = []
    for i in range(count):
        at = i / (count - 1)
        share = 1.0 if still else first + (last - first) * at
        left, top = (0.0, 0.0) if still else (min(a + (b - a) * at, 1 - share) for a, b in zip(start, end, strict=True))
        box = (left * width, top * height, (left + share) * width, (top + share) * height)
        frames.append(np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=box)))
    write_video(path, np.stack(frames).transpose(0, 3, 1, 2), fps=FPS)
    return path


__all__ = ["FPS", "SECONDS", "photographs_of", "write_film"]
