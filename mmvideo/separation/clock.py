"""The clock that sound and mouth crops share."""

from __future__ import annotations

SAMPLE_RATE = 16000
"""Samples per second of every mixture."""
FRAMES_PER_SECOND = 25
"""Mouth crops per second."""
FRAME_SAMPLES = SAMPLE_RATE // FRAMES_PER_SECOND
"""Samples that belong to one mouth crop: frame k is seen from sample 640 k to 640 (k + 1)."""
MOUTH_SIZE = 96
"""Height and width of the mouth crops in a cue; a network cuts or shrinks them to its own size."""


def num_frames(num_samples: int) -> int:
    """Return how many mouth crops a stretch of sound spans, the last one perhaps in part."""
    return -(-num_samples // FRAME_SAMPLES)


__all__ = ["FRAMES_PER_SECOND", "FRAME_SAMPLES", "MOUTH_SIZE", "SAMPLE_RATE", "num_frames"]
