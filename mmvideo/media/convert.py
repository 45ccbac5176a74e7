"""A decoded frame to upright 8-bit RGB of the asked size, in one pass of the scaler.

The scaler turns 10-bit, 4:4:4, full-range and any colour matrix into 8-bit RGB, exactly as ``frame.to_rgb()`` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import av
import numpy as np
import torch
from av.video.reformatter import VideoReformatter
from PIL import Image
from torch import Tensor

from mmvideo import checks
from mmvideo.errors import InvalidInput, VideoDecodeError
from mmvideo.media.hdr import Colour, full_scale, tone_mapped
from mmvideo.types import Size

_SCALER_REFUSES = (av.ArgumentError, av.error.PatchWelcomeError)

Fit = Literal["crop", "pad", "squash"]
FITS = ("crop", "pad", "squash")
MAX_SIDE = 16384
"""Most rows or columns of a result."""
MAX_WASTE = 16
"""A picture whose scaled form has more pixels than this times its result is cut before it is scaled."""


@dataclass(frozen=True)
class Turn:
    """How stored pixels become upright ones: quarter turns counter-clockwise, after an optional mirror."""

    quarters: int = 0
    mirrored: bool = False

    @property
    def swaps_sides(self) -> bool:
        return self.quarters % 2 == 1


def turn_of(frame: av.VideoFrame) -> Turn:
    """Read a frame's display matrix (ISO 14496-12, 8.5.2.3): quarter turns and mirror."""
    quarters = round(frame.rotation / 90) % 4
    try:
        matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV 18 cannot name some kinds of side data and then lists none
        return Turn(quarters)
    if matrix is None:
        return Turn(quarters)
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].astype(float)
    if a * d - b * c >= 0:
        return Turn(quarters)
    # A mirrored picture: undo a flip of x first, then read the turn of what remains.
    a, b = -a, -b
    return Turn(round(np.degrees(np.arctan2(-b, a)) / 90) % 4, True)


def check_size(size: Size | int | tuple[int, int] | None) -> Size | None:
    """Accept a Size, (height, width), one number for a square, or None for the source's own size.

    Raises:
        InvalidInput: not positive whole numbers.
    """
    if size is None:
        return None
    if isinstance(size, Size):
        size = (size.height, size.width)
    sides = size if isinstance(size, tuple | list) else (size, size)
    if len(sides) != 2:
        raise InvalidInput(f"size must be an int, (height, width), Size or None, not {checks.described(size)}.")
    return Size(*(checks.whole("size", side, low=1, high=MAX_SIDE) for side in sides))


@dataclass(frozen=True)
class Geometry:
    """Where the pixels go: size to scale to (upright), then what to cut out or where to paste."""

    scaled: Size
    result: Size
    top: int
    left: int

    @staticmethod
    def plan(height: int, width: int, size: Size | None, fit: Fit) -> Geometry:
        """Plan the way from an upright picture of (height, width) pixels to `size`."""
        checks.one_of("fit", fit, FITS)
        if size is None:
            size = Size(height, width)
        if fit == "squash":
            scaled = size
        else:
            choose = max if fit == "crop" else min
            scale = choose(size.height / height, size.width / width)
            scaled = Size(max(1, round(height * scale)), max(1, round(width * scale)))
        return Geometry(scaled, size, (scaled.height - size.height) // 2, (scaled.width - size.width) // 2)

    @property
    def is_thin(self) -> bool:
        """Whether nearly all of the scaled picture would be cut off (1 x 4000 pixels as a square)."""
        scaled, result = self.scaled, self.result
        wide = max(scaled.height, scaled.width) > MAX_SIDE
        return wide or scaled.height * scaled.width > MAX_WASTE * result.height * result.width

    def of_part(self) -> Geometry:
        """Return the geometry of a picture of which only the visible part was scaled."""
        part = Size(min(self.scaled.height, self.result.height), min(self.scaled.width, self.result.width))
        return Geometry(part, self.result, min(0, self.top), min(0, self.left))


class Converter:
    """Turns decoded frames of one stream into rows of a batch, with one copy of the pixels.

    Args:
        size: the size of the result in upright pixels; None keeps the source's own.
        fit: ``crop`` fills `size` and cuts the centre, ``pad`` puts the whole picture on black, ``squash`` ignores
            the aspect ratio.
        deinterlace: keep the first field of interlaced frames and interpolate the lines of the second.
        hdr: ``tonemap`` maps HDR and wide colour to BT.709 SDR (`mmvideo.media.hdr`), ``keep`` does not.
    """

    def __init__(self, *, size: Size | int | tuple[int, int] | None = None, fit: Fit = "crop",
                 deinterlace: bool = False, hdr: str = "tonemap"):
        self.size, self.fit, self.deinterlace, self.hdr = check_size(size), fit, deinterlace, hdr
        self._turn: Turn | None = None
        self._geometry: dict[tuple[int, int], Geometry] = {}
        self._first: Size | None = None
        self._scaler = VideoReformatter()  # one for all frames: frame.reformat would set one up for each

    def result_size(self, frame: av.VideoFrame) -> Size:
        """Return the size of the converted frame; the first frame decides where `size` is None."""
        return self._plan(frame).result

    def _plan(self, frame: av.VideoFrame) -> Geometry:
        key = (frame.height, frame.width)
        if key not in self._geometry:
            height, width = key[::-1] if self._turn_of(frame).swaps_sides else key
            target = self.size or self._first
            self._geometry[key] = Geometry.plan(height, width, target, self.fit)
            self._first = self._first or self._geometry[key].result
        return self._geometry[key]

    def _turn_of(self, frame: av.VideoFrame) -> Turn:
        """Return how the first frame is turned; all others are turned alike."""
        if self._turn is None:
            self._turn = turn_of(frame)
        return self._turn

    def into(self, frame: av.VideoFrame, out: np.ndarray) -> None:
        """Write a frame into `out`, uint8 (H, W, C) of `result_size`."""
        pixels, plan = self._upright(frame, self._plan(frame))
        _place(pixels, out, plan)

    def array(self, frame: av.VideoFrame) -> np.ndarray:
        """Return a frame as uint8 (H, W, C), without copying it where the scaler's output is the result."""
        pixels, plan = self._upright(frame, self._plan(frame))
        if plan.scaled == plan.result:
            return np.ascontiguousarray(pixels)
        out = np.empty((plan.result.height, plan.result.width, 3), np.uint8)
        _place(pixels, out, plan)
        return out

    def _upright(self, frame: av.VideoFrame, plan: Geometry) -> tuple[np.ndarray, Geometry]:
        """Return the upright scaled picture, and where it goes."""
        turn = self._turn_of(frame)
        colour = Colour.of(frame) if self.hdr == "tonemap" else None
        full = 0 if colour is None else full_scale(frame)
        if self.deinterlace and frame.interlaced_frame:
            kind = "rgb24" if colour is None else "rgb48le"
            frame = av.VideoFrame.from_ndarray(_first_field(_pixels(frame.reformat(format=kind))), format=kind)

        def rgb(size: Size) -> np.ndarray:
            scaled = self._scaler.reformat(frame, size.width, size.height, "rgb24" if colour is None else "rgb48le",
                                           threads=1)
            return _turned(_pixels(scaled) if colour is None else tone_mapped(_pixels(scaled), colour, full), turn)

        stored = Size(plan.scaled.width, plan.scaled.height) if turn.swaps_sides else plan.scaled
        if not plan.is_thin:
            try:
                return rgb(stored), plan
            except _SCALER_REFUSES:
                pass
        part = plan.of_part()
        try:
            pixels = rgb(Size(frame.height, frame.width))
        except _SCALER_REFUSES as error:
            raise VideoDecodeError(f"Frames of {frame.width} x {frame.height} pixels in {frame.format.name} cannot be "
                                   f"turned into RGB ({error}); convert the file to H.264.") from error
        return _scaled_part(pixels, plan, part.scaled), part


def _turned(pixels: np.ndarray, turn: Turn) -> np.ndarray:
    if turn.mirrored:
        pixels = pixels[:, ::-1]
    return np.rot90(pixels, turn.quarters) if turn.quarters else pixels


def _pixels(frame: av.VideoFrame) -> np.ndarray:
    """View the RGB plane of rgb24 or rgb48le as (H, W, C) without copying it."""
    plane = frame.planes[0]
    kind = np.dtype("<u2" if frame.format.name == "rgb48le" else "u1")
    rows = np.frombuffer(memoryview(plane), kind).reshape(-1, plane.line_size // kind.itemsize)
    return rows[:frame.height, :frame.width * 3].reshape(frame.height, frame.width, 3)


def _scaled_part(pixels: np.ndarray, plan: Geometry, size: Size) -> np.ndarray:
    """Scale the part of an upright picture that the result shows (bilinear).

    The scaler of FFmpeg makes only whole pictures, and none whose sides grow and shrink by large factors at once.
    """
    height, width = pixels.shape[:2]
    down, right = height / plan.scaled.height, width / plan.scaled.width
    top, left = max(0, plan.top) * down, max(0, plan.left) * right
    box = (left, top, min(width, left + size.width * right), min(height, top + size.height * down))
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(image.resize((size.width, size.height), Image.Resampling.BILINEAR, box=box))


def _first_field(pixels: np.ndarray) -> np.ndarray:
    """Replace odd lines by the mean of their neighbours (linear bob), so that one instant remains."""
    out = pixels.copy()
    above = pixels[0:-1:2].astype(np.uint32)
    below = np.concatenate([pixels[2::2], pixels[-2:-1] if len(pixels) % 2 == 0 else pixels[:0]])[:len(above)]
    out[1::2][:len(above)] = ((above + below + 1) // 2).astype(pixels.dtype)
    return out


def _place(pixels: np.ndarray, out: np.ndarray, plan: Geometry) -> None:
    height, width = out.shape[:2]
    if plan.scaled == plan.result:
        _copy(pixels, out)
        return
    top, left = max(0, plan.top), max(0, plan.left)
    into_top, into_left = max(0, -plan.top), max(0, -plan.left)
    part = pixels[top:top + height, left:left + width]
    if part.shape != out.shape:
        out[...] = 0
    _copy(part, out[into_top:into_top + part.shape[0], into_left:into_left + part.shape[1]])


def _copy(pixels: np.ndarray, out: np.ndarray) -> None:
    """Copy (H, W, 3) in as long pieces as memory allows: numpy may otherwise copy three bytes at a time."""
    if pixels.flags.c_contiguous and out.flags.c_contiguous and pixels.shape == out.shape:
        pixels, out = pixels.reshape(-1), out.reshape(-1)
    elif pixels.strides[1:] == out.strides[1:] == (3, 1):
        pixels, out = _lines(pixels), _lines(out)
    out[...] = pixels


def _lines(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    return np.lib.stride_tricks.as_strided(pixels, (height, width * 3), (pixels.strides[0], 1))


def as_tensor(batch: np.ndarray) -> Tensor:
    """View uint8 (T, H, W, C) as a tensor (T, C, H, W); the pixels stay where they are (channels last)."""
    return torch.from_numpy(batch).permute(0, 3, 1, 2)
