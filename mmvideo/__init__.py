"""mmvideo: answer questions about, caption, classify and separate voices in video.

Public names are imported on first use, so `import mmvideo` needs no torch.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

if "torch" not in sys.modules:  # OpenMP reads it once, when torch loads: threads that wait must not spin on a busy core
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.2.0"

_PUBLIC = {
    "Pipeline": "mmvideo.pipeline",
    "Recipe": "mmvideo.recipes",
    "probe": "mmvideo.media",
    "read_video": "mmvideo.media",
    "read_audio": "mmvideo.media",
    "write_video": "mmvideo.media",
    "write_audio": "mmvideo.media",
    "Audio": "mmvideo.types",
    "Clips": "mmvideo.types",
    "Features": "mmvideo.types",
    "Video": "mmvideo.types",
    "MmvideoError": "mmvideo.errors",
}

if TYPE_CHECKING:
    from mmvideo.errors import MmvideoError
    from mmvideo.media import probe, read_audio, read_video, write_audio, write_video
    from mmvideo.pipeline import Pipeline
    from mmvideo.recipes import Recipe
    from mmvideo.types import Audio, Clips, Features, Video

__all__ = [
    "Audio", "Clips", "Features", "MmvideoError", "Pipeline", "Recipe", "Video",
    "probe", "read_audio", "read_video", "write_audio", "write_video",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'mmvideo' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
