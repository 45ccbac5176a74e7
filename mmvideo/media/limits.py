"""How much a source may cost before it is refused."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MediaLimits:
    """Limits on downloads and on what is read from a file object."""

    max_bytes: int = 2 * 1024**3
    max_seconds: float = 300.0
    """Wall-clock seconds that a download may take."""
    max_redirects: int = 5


MAX_PIXELS = 16384 * 16384
"""Largest frame that a decoder may allocate; a damaged header can claim anything."""

MAX_RESULT_BYTES = 16 * 1024**3
"""Largest tensor of frames that one call returns; longer videos are read with `Source.stream`."""
