"""Names of colours: a pixel takes the name of the nearest of some samples in CIELAB, where distance is what eyes see.

The eleven basic colour terms of Berlin and Kay 1969; the samples of each are our own choice.
"""

from __future__ import annotations

import cv2
import numpy as np

_SAMPLES = {
    "black": "000000 141414 262626 1a1a24 241c1a",
    "white": "ffffff ebebeb dedede f0ece4 e2e6ee",
    "grey": "4d4d4d 6b6b6b 808080 9c9c9c b8b8b8 6c7078 8c8680",
    "red": "ff0000 cc1a1a a01818 d03c3c 7c1010",
    "orange": "ff8c00 ff7020 e88028 ffa640",
    "yellow": "ffff00 f0d820 ffe070 d8c030 f8f080",
    "green": "00a000 208030 60b040 104820 90d070 607038 30b090",
    "blue": "0000ff 2040b0 4080e0 80b8f0 102060 3878a0 203050 60c8e0",
    "purple": "800080 6030a0 9060c0 502060 b080d8",
    "pink": "ff80c0 ffb0c8 f060a0 e8a0b0 ff40a0",
    "brown": "7a4a20 5c3818 94683c b08858 4a2c1c 6c4c3c 86604c",
}
COLOURS = tuple(_SAMPLES)
"""The names that there are."""
MIN_SHARE = 0.25
"""Of the pixels, for a colour to be named."""
_UPPER_BODY = ((2.0, 0.18, 0.48), (1.2, 0.35, 0.75), (0.0, 0.5, 0.95))
"""Height over width of a person's box from which rows between two shares of it show the upper body's clothing."""


def _table() -> tuple[np.ndarray, np.ndarray]:
    """Return the samples, float32 (S, 3) CIELAB, and the number of the name of each, (S,)."""
    pairs = [(number, code) for number, codes in enumerate(_SAMPLES.values()) for code in codes.split()]
    rgb = np.array([[int(code[k:k + 2], 16) for k in (0, 2, 4)] for _, code in pairs], np.float32) / 255
    return cv2.cvtColor(rgb[None], cv2.COLOR_RGB2LAB)[0], np.array([number for number, _ in pairs])


_LAB, _NAMES = _table()


def colour_shares(picture: np.ndarray) -> np.ndarray:
    """Return the share of the pixels that has each colour, float64 (11,); zeros for a picture without pixels.

    Args:
        picture: uint8 (H, W, 3) RGB.
    """
    if not picture.size:
        return np.zeros(len(COLOURS))
    side = min(24, max(picture.shape[:2]))
    small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    pixels = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).reshape(-1, 3)
    nearest = ((pixels[:, None] - _LAB) ** 2).sum(2).argmin(1)
    return np.bincount(_NAMES[nearest], minlength=len(COLOURS)) / len(pixels)


def named(shares: np.ndarray) -> tuple[str, ...]:
    """Return the colours that stand out, the most frequent first; at most two."""
    order = np.argsort(-shares, kind="stable")[:2]
    return tuple(COLOURS[k] for k in order if shares[k] >= MIN_SHARE)


def inner(picture: np.ndarray, box: tuple[float, float, float, float], *, person: bool,
          aspect: float = 1.0) -> np.ndarray:
    """Cut out the middle of a box, where the object is; of a person, the clothing of the upper body.

    Args:
        picture: uint8 (H, W, 3).
        box: left, top, right, bottom as shares.
        person: whether it holds one.
        aspect: width over height of the picture before it was scaled.
    """
    left, top, right, bottom = box
    wide, high = right - left, bottom - top
    rows = (0.2, 0.8)
    if person:
        tall = high / max(wide * aspect, 1e-6)
        rows = next((low, up) for least, low, up in _UPPER_BODY if tall >= least)
    height, width = picture.shape[:2]
    y0, y1 = (int((top + high * share) * height) for share in rows)
    x0, x1 = (int((left + wide * share) * width) for share in (0.25, 0.75))
    return picture[y0:max(y1, y0 + 1), x0:max(x1, x0 + 1)]


__all__ = ["COLOURS", "MIN_SHARE", "colour_shares", "inner", "named"]
