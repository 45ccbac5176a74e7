"""The face detector that ships: BlazeFace full range over the whole picture and over squares cut out of it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np
import torch
import torchvision
from torch import Tensor

from mmvideo import weights
from mmvideo.faces.blazeface import FullRange

SHIFT, GROWN = -0.088, 1.019
"""Where Haar's boxes lie: their centre is that much of a side higher, their side that much longer. Mouths are cut out
by such boxes. Medians over 69 faces of 22 clips (interquartile ranges 0.03 and 0.10)."""
_SAME = 0.3
"""Boxes with a larger intersection over union are one face."""
_LARGEST_BATCH = 16
_MOST_SQUARES = 40
"""More are not looked at: panoramas and stripes are seen in fewer."""


class BlazeFace:
    """Find faces, also small, dark and turned ones, as long as eyes or mouth show.

    Args:
        min_score: least probability that a box holds a face.
        fine: also look at squares of about half the picture's height, which finds faces of 40 pixels in a picture of
            1,080 rows, at five times the cost; without, faces of about 60 pixels are found.

    Raises:
        WeightsError: the weights are missing or damaged.
    """

    def __init__(self, *, min_score: float = 0.5, fine: bool = False):
        self.min_score, self.fine = min_score, fine
        network = FullRange.from_pretrained(weights.part("faces", "full"))
        self._network = network.to(memory_format=torch.channels_last)  # four fifths of the time on a CPU
        (stride, _), = self._network.strides
        cells = torch.arange(self._network.size // stride) + 0.5
        self._anchors = torch.cartesian_prod(cells, cells).flip(1) * stride  # (A, 2) x, y in pixels of the input

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """Return float32 (N, 4) boxes, likeliest first, from brow to chin with Haar's margins."""
        found, scores = self.search(picture)
        return self._boxes(found, scores)

    def glance(self, picture: np.ndarray, *, whole: bool) -> tuple[np.ndarray, bool]:
        """Do as a call, but tell whether the squares were needed; with `whole`, look at the whole picture alone.

        Args:
            picture: uint8 (H, W, 3) RGB.
            whole: leave out the squares, which are four fifths of the work on a wide picture.

        Returns:
            Boxes, and whether a face was found in the squares that the whole picture did not show.
        """
        coarse = self.search(picture, squares=0)
        if whole:
            return self._boxes(*coarse), False
        fine = self.search(picture, squares=1)
        found, scores = (torch.cat(parts) for parts in zip(coarse, fine, strict=True))
        alone = torchvision.ops.box_iou(fine[0], coarse[0]).amax(1) < _SAME if len(coarse[0]) else torch.ones(
            len(fine[0]), dtype=torch.bool)
        return self._boxes(found, scores), bool(alone.any())

    def _boxes(self, found: Tensor, scores: Tensor) -> np.ndarray:
        kept = torchvision.ops.nms(found, scores, _SAME)
        boxes: np.ndarray = found[kept].numpy()
        sides = (boxes[:, 2:] - boxes[:, :2]).mean(1, keepdims=True)
        centres = (boxes[:, 2:] + boxes[:, :2]) / 2 + sides * np.array([0, SHIFT], np.float32)
        half = sides * (GROWN / 2)
        return np.concatenate([centres - half, centres + half], 1).astype(np.float32)

    def search(self, picture: np.ndarray, *, squares: int | None = None) -> tuple[Tensor, Tensor]:
        """Return the network's own boxes (N, 4) and scores (N,), several for one face.

        Args:
            picture: uint8 (H, W, 3) RGB.
            squares: 0 for the whole picture alone, 1 for the squares alone; both by default.
        """
        size, found = self._network.size, []
        height, width = picture.shape[:2]
        views = list(_squares(height, width, size, fine=self.fine))
        views = views if squares is None else views[1:] if squares else views[:1]
        if not views:
            return torch.zeros(0, 4), torch.zeros(0)
        for start in range(0, len(views), _LARGEST_BATCH):
            some = views[start:start + _LARGEST_BATCH]
            cut = torch.from_numpy(np.stack([_view(picture, square, size) for square in some]))
            with torch.inference_mode():
                logits, values = self._network(cut.permute(0, 3, 1, 2).float() / 127.5 - 1)
            rows, anchors = (logits.sigmoid() >= self.min_score).nonzero(as_tuple=True)
            corners = torch.tensor(some, dtype=torch.float32)[rows]  # left, top, side
            centre, half = values[rows, anchors, :2] + self._anchors[anchors], values[rows, anchors, 2:4] / 2
            boxes = torch.cat((centre - half, centre + half), 1) * (corners[:, 2:] / size)
            found.append((boxes + corners[:, :2].repeat(1, 2), logits[rows, anchors].sigmoid()))
        boxes, scores = (torch.cat(parts) for parts in zip(*found, strict=True))
        return boxes, scores


def _squares(height: int, width: int, size: int, *, fine: bool) -> Iterator[tuple[int, int, int]]:
    """Yield left, top and side of the squares that are looked at; the first holds the whole picture."""
    short, long = sorted((height, width))
    yield (width - long) // 2, (height - long) // 2, long
    if long > size and long > 1.15 * short:
        yield from _grid(height, width, short, overlap=0.4)
    if fine and short > 1.5 * size:
        yield from _grid(height, width, round(0.55 * short), overlap=0.25)


def _grid(height: int, width: int, side: int, *, overlap: float) -> Iterator[tuple[int, int, int]]:
    """Yield squares that cover the picture and overlap by at least a share of their side; none if it takes too many."""
    across, down = (1 + math.ceil((n - side) / (side * (1 - overlap))) for n in (width, height))
    if across * down > _MOST_SQUARES:
        return
    lefts = np.linspace(0, width - side, across).round().astype(int)
    tops = np.linspace(0, height - side, down).round().astype(int)
    yield from ((int(left), int(top), side) for top in tops for left in lefts)


def _view(picture: np.ndarray, square: tuple[int, int, int], size: int) -> np.ndarray:
    """Cut a square out and scale it to `size` pixels a side; black where it reaches beyond the picture."""
    (left, top, side), (height, width) = square, picture.shape[:2]
    x, y = max(0, left), max(0, top)
    cut = picture[y:min(height, top + side), x:min(width, left + side)]
    scale = size / side
    shape = (max(1, round(cut.shape[1] * scale)), max(1, round(cut.shape[0] * scale)))
    small = cv2.resize(cut, shape, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    out = np.zeros((size, size, 3), np.uint8)
    x, y = round((x - left) * scale), round((y - top) * scale)
    small = small[:size - y, :size - x]
    out[y:y + small.shape[0], x:x + small.shape[1]] = small
    return out


__all__ = ["BlazeFace"]
