"""The size to which a model's processor brings frames, known before they are decoded: its own code run on shapes.

A processor works its size out from the number of frames, their height and width and the limits in its files, each in a
way of its own. On the meta device it does all of that and touches no pixel, so that no rule is written down twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from mmvideo.errors import UnsuitableClip

UNKNOWN_PIXELS = 1280 * 720
"""Most pixels of a frame for a processor that cannot be run on shapes, such as one of numpy or Pillow."""
MOST_ENLARGED_PIXELS = 1 << 22
"""A processor that would make a smaller frame larger than this is not asked to: a picture one pixel high, say."""
MOST_ENLARGED = 2.0
"""How many times as many pixels a processor may make of a frame that is larger: sides are rounded to whole patches."""

HeightWidth = tuple[int, int]
Run = Callable[[Tensor], Any]


def decoding_size(run: Run, count: int, height: int, width: int, *, model: str = "this model",
                  source: str = "<memory>") -> HeightWidth | None:
    """Return the size (height, width) at which frames are decoded; None for their own.

    It is never smaller than what the processor makes along either side, unless the frames are, and the processor brings
    frames of it to the same size as the whole ones.

    Args:
        run: calls the processor as it is called later, on frames (count, 3, height, width) without pixels.
        count: frames.
        height: of the upright frames in pixels.
        width: likewise.
        model: named by errors, as is `source`.

    Raises:
        UnsuitableClip: the processor would enlarge them beyond `MOST_ENLARGED_PIXELS`, and more than `MOST_ENLARGED`.
    """
    whole = resizes(run, count, height, width)
    if whole is None:
        scale = math.sqrt(UNKNOWN_PIXELS / (height * width))
        return (max(1, int(height * scale)), max(1, int(width * scale))) if scale < 1 else None
    if not whole.first:
        return None
    target = (max(h for h, _ in whole.first), max(w for _, w in whole.first))
    if target[0] * target[1] > max(MOST_ENLARGED_PIXELS, MOST_ENLARGED * height * width):
        raise UnsuitableClip(f"The processor of {model} would enlarge the frames of {source} from {width}x{height} to "
                             f"{target[1]}x{target[0]} pixels; this picture is too thin for it.")
    for size in ((min(height, target[0]), min(width, target[1])), target):
        if size == (height, width):
            return None
        if size[0] * size[1] < height * width:
            found = resizes(run, count, *size)
            if found is not None and found.every | {target} == whole.every | {target}:
                return size
    return None


@dataclass(frozen=True)
class Resizes:
    """Sizes (height, width) to which a processor resizes frames."""

    first: frozenset[HeightWidth]
    """From the size that they are given in."""
    every: frozenset[HeightWidth]
    """From that or any other."""


def resizes(run: Run, count: int, height: int, width: int) -> Resizes | None:
    """Run a processor on the shape of frames, and note how it resizes them; None where its code does not tell.

    A size that frames have already is not among those to which they are resized.
    """
    frames = torch.empty(count, 3, height, width, dtype=torch.uint8, device="meta")
    noted = _Noting(height, width)
    with noted, _quiet(), _ending_early():
        run(frames)
        noted.past = True
    return Resizes(frozenset(noted.first), frozenset(noted.every)) if noted.every or noted.past else None


class _Noting(TorchDispatchMode):
    """Notes to which sizes tensors are resized, and whether normalising, which comes after that, has begun."""

    def __init__(self, height: int, width: int):
        super().__init__()
        self.size = (height, width)
        self.first: set[HeightWidth] = set()
        self.every: set[HeightWidth] = set()
        self.past = False

    def __torch_dispatch__(self, function: Any, types: Any, arguments: tuple = (), named: Any = None) -> Any:
        out = function(*arguments, **(named or {}))
        given = arguments[0] if arguments else None
        if isinstance(given, Tensor) and given.ndim >= 3:
            name = str(function)
            if "upsample" in name:
                size = (out.shape[-2], out.shape[-1])
                self.every.add(size)
                if tuple(given.shape[-2:]) == self.size:
                    self.first.add(size)
            self.past |= name.startswith(("aten.sub", "aten.div"))
        return out


@contextmanager
def _ending_early() -> Iterator[None]:
    """Let a processor stop where it needs pixels; what it refuses for good it refuses again when it is given them."""
    try:
        yield
    except (NotImplementedError, RuntimeError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError,
            AssertionError, OSError):
        return


@contextmanager
def _quiet() -> Iterator[None]:
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)


__all__ = ["MOST_ENLARGED", "MOST_ENLARGED_PIXELS", "UNKNOWN_PIXELS", "Resizes", "decoding_size", "resizes"]
