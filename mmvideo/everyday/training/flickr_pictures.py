"""Photographs of Flickr8k and their pooled features under the embedded Lite0."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mmvideo import weights
from mmvideo.encoders import zoo


def photographs(folder: Path, split: str) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name of each photograph of a split and its pixels, uint8 (224, 224, 3), in order of names."""
    with zipfile.ZipFile(folder / f"{split}.zip") as archive:
        for name in sorted(archive.namelist()):
            yield Path(name).stem, np.array(Image.open(io.BytesIO(archive.read(name))).convert("RGB"))


def pooled_features(folder: Path, split: str, kept: Path | None = None) -> tuple[list[str], Tensor]:
    """Return names and pooled features float16 (M, 1280) of the photographs of a split.

    Args:
        folder: of Flickr8k.
        split: train, val or test.
        kept: folder with files `SPLIT.pt` that hold `names` and `pooled`, as this function would give them.
    """
    if kept is not None:
        found = torch.load(kept / f"{split}.pt", weights_only=True)
        return found["names"], found["pooled"]
    network = zoo.load(weights.folder("lite0"))
    names, rows = [], []
    with torch.inference_mode():
        for name, pixels in photographs(folder, split):
            frames = torch.from_numpy(pixels).permute(2, 0, 1)
            names.append(name)
            rows.append(network(frames[None, None]).pooled[0].half())
    return names, torch.stack(rows)


__all__ = ["photographs", "pooled_features"]
