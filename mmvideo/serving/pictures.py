"""Pictures of a request, each behind its time in words, as the frames of a video."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from mmvideo.errors import contained
from mmvideo.serving.address import Place, locate
from mmvideo.serving.problems import Refused
from mmvideo.serving.rules import Rules

MOST = 256
"""Pictures of a request."""
_MOST_PIXELS = 50_000_000
"""Pixels of one; of all together so many times as many."""
_ALL_TOGETHER = 4
_TIME = re.compile(r"^\s*(\d{1,6}(?:\.\d{1,6})?)\s*s(?:econds?)?\s*:?\s*$")


@dataclass(frozen=True)
class Picture:
    """A picture of a request."""

    url: str
    seconds: float | None
    """What the text before it says; None where it says no time."""


def time_in(text: str) -> float | None:
    """Return the seconds that a text names and nothing else, as `0.50 s`; None where it says something else."""
    found = _TIME.match(text)
    return float(found[1]) if found else None


def slideshow(pictures: list[Picture], rules: Rules) -> Place:
    """Return the place of a video made of pictures; they are decoded when it is opened.

    Without times they are a second apart.

    Raises:
        Refused: no data address, too many, or times that do not ascend.
    """
    if len(pictures) > MOST:
        raise Refused(f"A request can hold {MOST} pictures, not {len(pictures)}.", "messages")
    if any(picture.url[:5].lower() != "data:" for picture in pictures):
        raise Refused("A picture must be a data address (data:image/jpeg;base64,...).", "messages")
    timed = [picture.seconds for picture in pictures if picture.seconds is not None]
    if timed and len(timed) != len(pictures):
        raise Refused("Either every picture stands behind its time, as '0.50 s', or none does.", "messages")
    seconds = timed or [float(number) for number in range(len(pictures))]
    if any(later <= before for before, later in pairwise(seconds)):
        raise Refused("The times before the pictures must ascend.", "messages")
    files = tuple(locate(picture.url, rules).content for picture in pictures)
    digest = hashlib.sha256()
    for at, file in zip(seconds, files, strict=True):
        digest.update(f"{at} {len(file)} ".encode() + hashlib.sha256(file).digest())
    return Place(Slideshow(files, tuple(seconds)), digest.hexdigest())


def _refusal(words: str) -> Callable[[Exception], Refused]:
    return lambda error: Refused(f"{words}: {type(error).__name__}.", "messages")


@dataclass(frozen=True)
class Slideshow:
    """Pictures and their times."""

    files: tuple[bytes, ...]
    seconds: tuple[float, ...]

    def decoded(self) -> tuple[Any, dict[str, Any]]:
        """Return uint8 (T, 3, H, W) at the size of the first picture, and the options that say when each is shown.

        Raises:
            Refused: a picture that cannot be decoded, or pictures of too many pixels.
        """
        from PIL import Image

        frames: list[np.ndarray] = []
        size: tuple[int, int] | None = None
        for number, file in enumerate(self.files):
            words = f"Picture {number + 1} cannot be decoded"
            with contained(_refusal(words)), Image.open(io.BytesIO(file)) as picture:
                size = size or picture.size
                if picture.width * picture.height > _MOST_PIXELS or \
                        size[0] * size[1] * len(self.files) > _MOST_PIXELS * _ALL_TOGETHER:
                    raise Refused(f"The pictures have too many pixels: {_MOST_PIXELS} each, and {_ALL_TOGETHER} times "
                                  "as many together, are decoded.", "messages")
                frames.append(np.asarray(picture.convert("RGB").resize(size)))
        return np.stack(frames).transpose(0, 3, 1, 2).copy(), {"pts_seconds": list(self.seconds)}


__all__ = ["MOST", "Picture", "Slideshow", "slideshow", "time_in"]
