"""Limits on what a source may cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class MediaLimits:
    """Limits on downloads, on what is read from a file object, and on the frames of any source."""

    max_bytes: int = 2 * 1024**3
    max_seconds: float = 300.0
    """Wall-clock seconds that a download may take, from the first look-up of its name to the last byte."""
    max_redirects: int = 5
    private_addresses: bool = True
    """Whether addresses may lead to this machine or its network. Where not, only hosts of the public internet are
    connected to, at the address that was checked, and proxies are not used, since these look names up themselves."""
    stop: Callable[[], bool] | None = field(default=None, compare=False)
    """Asked several times a second during a download; ends it when it returns True."""
    max_pixels: int = 8192 * 8192
    """Largest frame (8K film has half of it), by the size that its header declares. Every decoder allocates at least
    four bytes a pixel, and a header of a few bytes can claim anything."""


MAX_BATCH = 1_000_000
"""Most frames in one batch of `Source.stream`."""

MAX_RESULT_BYTES = 16 * 1024**3
"""Largest tensor of frames that one call returns; longer videos are read with `Source.stream`."""

MAX_SOUND_BYTES = 2 * 1024**3
"""Most sound beside the frames of one call: nine hours at 16 kHz."""

MAX_LEAD_SECONDS = 600.0
"""Longest silence that is put before a track which begins late."""
