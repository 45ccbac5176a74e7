"""HDR and wide colour to BT.709 SDR: tone mapping by one rule, with the curves of the published recommendations.

    R'G'B', 16 bit --EOTF--> light --> light in BT.709 --EETF of max(R, G, B)--> SDR light --BT.1886--> R'G'B', 8 bit

Light is in units of `WHITE_NITS`. SDR in BT.2020 takes the same way without the EETF. docs/media.md states the rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import av
import cv2
import numpy as np

HDR = ("tonemap", "keep")
PQ, HLG = 16, 18
"""Transfer characteristics of ITU-T H.273: SMPTE ST 2084 and ARIB STD-B67."""
BT2020, P3, BT709 = 9, 12, 1
"""Colour primaries of ITU-T H.273 (12 is SMPTE EG 432-1, P3 with white D65)."""
_ICTCP, _FULL_RANGE = 14, 2
_SDR_TRANSFERS = (1, 2, 6, 14, 15)
"""BT.709, unspecified, BT.601, and BT.2020 with 10 and 12 bits."""

PEAK_NITS = 1000.0
"""Brightest light that is kept apart from white: the nominal peak of HLG (BT.2100) and of most PQ masters."""
WHITE_NITS = 203.0
"""Light that becomes SDR white after tone mapping: HDR reference white (BT.2408)."""
_GAMMA_SDR = 2.4
_GAMMA_HLG = 1.2
"""System gamma of HLG at a peak of 1000 cd/m2 (BT.2100, table 5, note 5f)."""
_LUMA_BT2020 = np.array([0.2627, 0.6780, 0.0593])

_CHROMATICITIES = {BT709: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
                   BT2020: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
                   P3: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))}
_D65 = (0.3127, 0.3290)

_LEVELS = 1 << 16
_MOST_LIGHT = 20000 / WHITE_NITS
"""More than 10000 cd/m2 in other primaries can give."""
_BLOCK_PIXELS = 1 << 16
"""Pixels that are mapped at once, so that what is between stays in the processor's cache."""


def pq_eotf(signal: np.ndarray) -> np.ndarray:
    """Return the light of a PQ signal (SMPTE ST 2084, BT.2100 table 4).

    Args:
        signal: in [0, 1].

    Returns:
        cd/m2, in [0, 10000].
    """
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 4096 * 128, 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    power = np.power(np.clip(signal, 0, 1), 1 / m2)
    return 10000 * np.power(np.maximum(power - c1, 0) / (c2 - c3 * power), 1 / m1)


def pq_inverse_eotf(nits: np.ndarray) -> np.ndarray:
    """Return the PQ signal of a light in cd/m2."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 4096 * 128, 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    power = np.power(np.clip(nits, 0, 10000) / 10000, m1)
    return np.power((c1 + c2 * power) / (1 + c3 * power), m2)


def hlg_inverse_oetf(signal: np.ndarray) -> np.ndarray:
    """Return the scene light of an HLG signal (ARIB STD-B67, BT.2100 table 5); both in [0, 1]."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    signal = np.clip(signal, 0, 1)
    return np.where(signal <= 0.5, signal ** 2 / 3, (np.exp((signal - c) / a) + b) / 12)


def eetf(nits: np.ndarray, *, peak: float = PEAK_NITS, white: float = WHITE_NITS) -> np.ndarray:
    """Compress light into what a darker display shows (BT.2390, annex 5; black levels are 0).

    Unchanged below a knee (88 cd/m2 for the usual peaks), then a Hermite spline in PQ to `white` at `peak` and above.
    """
    top = pq_inverse_eotf(np.asarray(peak))
    signal = np.minimum(pq_inverse_eotf(nits) / top, 1)
    most = pq_inverse_eotf(np.asarray(white)) / top
    knee = 1.5 * most - 0.5
    t = np.clip((signal - knee) / (1 - knee), 0, 1)
    spline = ((2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * most)
    return pq_eotf(np.where(signal < knee, signal, spline) * top)


def to_bt709(primaries: int) -> np.ndarray:
    """Return the (3, 3) matrix from linear RGB of other primaries to those of BT.709, by way of CIE XYZ (white D65)."""
    return np.linalg.inv(_to_xyz(BT709)) @ _to_xyz(primaries)


def _to_xyz(primaries: int) -> np.ndarray:
    """SMPTE RP 177: columns are the XYZ of each primary, scaled so that they add up to white."""
    columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in _CHROMATICITIES[primaries]]).T
    white = np.array((_D65[0] / _D65[1], 1, (1 - _D65[0] - _D65[1]) / _D65[1]))
    return columns * np.linalg.solve(columns, white)


@dataclass(frozen=True)
class Colour:
    """Transfer characteristic and primaries, which decide how a frame is mapped."""

    transfer: int
    primaries: int

    @staticmethod
    def of(frame: av.VideoFrame) -> Colour | None:
        """Return the colour of a frame that has to be mapped, or None for plain SDR."""
        transfer, primaries = int(frame.color_trc), int(frame.color_primaries)
        if transfer in (PQ, HLG):
            known = primaries if primaries in _CHROMATICITIES else BT2020
            return Colour(transfer, known)
        if primaries == BT2020 and transfer in _SDR_TRANSFERS:
            return Colour(BT709, BT2020)
        return None

    @property
    def name(self) -> str:
        """PQ, HLG or BT.2020 (SDR in wide colour)."""
        return {PQ: "PQ", HLG: "HLG"}.get(self.transfer, "BT.2020")


def full_scale(frame: av.VideoFrame) -> int:
    """Return the value of full scale where swscale turns a frame into rgb48le.

    It shifts bits of full range, and makes 255 << 8 (and a little) of white in limited range.
    """
    bits = min(16, max(component.bits for component in frame.format.components))
    if not frame.format.is_rgb and int(frame.color_range) != _FULL_RANGE and not frame.format.name.startswith("yuvj"):
        return 65283
    return ((1 << bits) - 1) << (16 - bits)


def is_unsupported(frame: av.VideoFrame) -> bool:
    """Tell whether a frame's colour matrix is one that swscale does not know (ICtCp of Dolby Vision)."""
    return int(frame.colorspace) == _ICTCP


@lru_cache(maxsize=8)
def _light_table(transfer: int, full: int) -> np.ndarray:
    """Return the light of each 16-bit value, float32 (65536,): in units of white, or scene light for HLG."""
    signal = np.minimum(np.arange(_LEVELS) / full, 1)
    if transfer == PQ:
        light = pq_eotf(signal) / WHITE_NITS
    elif transfer == HLG:
        light = hlg_inverse_oetf(signal)
    else:
        light = signal ** _GAMMA_SDR
    return light.astype(np.float32)


@lru_cache(maxsize=1)
def _gain_table() -> np.ndarray:
    """Return what light is multiplied with, by the square root of its greatest component, float32 (65536,)."""
    most = np.maximum(_MOST_LIGHT * (np.arange(_LEVELS) / (_LEVELS - 1)) ** 2, 1e-9)
    return (eetf(most * WHITE_NITS) / WHITE_NITS / most).astype(np.float32)


@lru_cache(maxsize=1)
def _signal_table() -> np.ndarray:
    """Return the 8-bit BT.1886 signal by the square root of light in 16 bits, uint8 (65536,)."""
    root = np.arange(_LEVELS) / (_LEVELS - 1)
    return np.round(255 * root ** (2 / _GAMMA_SDR)).astype(np.uint8)


def tone_mapped(pixels: np.ndarray, colour: Colour, full: int = _LEVELS - 1) -> np.ndarray:
    """Map a picture to BT.709 SDR.

    Args:
        pixels: uint16 (H, W, 3) R'G'B'.
        colour: of the picture.
        full: the value of full scale.

    Returns:
        uint8 (H, W, 3) R'G'B'.
    """
    out = np.empty(pixels.shape, np.uint8)
    rows = max(1, _BLOCK_PIXELS // pixels.shape[1])
    for at in range(0, len(pixels), rows):
        out[at:at + rows] = _block(pixels[at:at + rows], colour, full)
    return out


def _block(pixels: np.ndarray, colour: Colour, full: int) -> np.ndarray:
    # OpenCV's arithmetic and planes side by side: numpy takes five times as long over three interleaved channels.
    light = np.take(_light_table(colour.transfer, full), pixels, mode="clip")
    if colour.transfer == HLG:
        light = _displayed(light)
    if colour.primaries != BT709:
        light = cv2.transform(light, to_bt709(colour.primaries).astype(np.float32))
    light = np.maximum(light, 0, out=light)  # what BT.709 cannot show is clipped
    if colour.transfer in (PQ, HLG):
        planes = cv2.split(light)
        most = cv2.max(cv2.max(planes[0], planes[1]), planes[2])
        gain = np.take(_gain_table(), _roots(most, _MOST_LIGHT), mode="clip")
        light = cv2.merge([cv2.multiply(plane, gain) for plane in planes])
    return np.take(_signal_table(), _roots(light, 1), mode="clip")


def _displayed(scene: np.ndarray) -> np.ndarray:
    """Return display light in units of white for the scene light of HLG (BT.2100 table 5, OOTF)."""
    luminance = cv2.transform(scene, _LUMA_BT2020[None].astype(np.float32))
    factor = np.take(_ootf_table(), _roots(luminance, 1), mode="clip")
    return cv2.merge([cv2.multiply(plane, factor) for plane in cv2.split(scene)])


@lru_cache(maxsize=1)
def _ootf_table() -> np.ndarray:
    """Return the factor of the OOTF by the square root of luminance, float32 (65536,)."""
    luminance = (np.arange(_LEVELS) / (_LEVELS - 1)) ** 2
    return (luminance ** (_GAMMA_HLG - 1) * PEAK_NITS / WHITE_NITS).astype(np.float32)


def _roots(light: np.ndarray, most: float) -> np.ndarray:
    """Return the square root of light as uint16, where `most` is full scale: fine in the dark, where the eye is."""
    return cv2.multiply(cv2.sqrt(light), (_LEVELS - 1) / most**0.5, dtype=cv2.CV_16U)


__all__ = ["HDR", "PEAK_NITS", "WHITE_NITS", "Colour", "eetf", "full_scale", "hlg_inverse_oetf", "is_unsupported",
           "pq_eotf", "pq_inverse_eotf", "to_bt709", "tone_mapped"]
