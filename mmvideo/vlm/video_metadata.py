"""Tell a processor of transformers when its frames were shown, from the file's own timestamps.

Processors reckon the time of a frame as index / fps, which holds for a constant frame rate only. Here the "frames" of
the metadata are milliseconds: the rate is 1000 a second and the index of a frame is its timestamp in milliseconds, not
rounded. So every processor that divides index by rate arrives at the true time, and one that counts
frames / total * rate at the true mean rate.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

TICKS_PER_SECOND = 1000


def metadata(pts_seconds: Tensor, duration_seconds: float, *, height: int, width: int) -> Any:
    """Describe frames that have been chosen.

    Args:
        pts_seconds: float64 (T,), the time of each frame.
        duration_seconds: length of what they were chosen from.

    Returns:
        transformers' VideoMetadata, whose `timestamps` are `pts_seconds` and whose `sampled_fps` is T / duration.
    """
    from transformers.video_utils import VideoMetadata

    ticks = duration_seconds * TICKS_PER_SECOND
    return VideoMetadata(
        total_num_frames=ticks, fps=TICKS_PER_SECOND, width=width, height=height, duration=duration_seconds,
        video_backend="mmvideo", frames_indices=[seconds * TICKS_PER_SECOND for seconds in pts_seconds.tolist()])
