"""mmvideo: answer questions about, caption, classify and separate voices in video.

Public names are imported on first use, so `import mmvideo` needs no torch.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

from mmvideo.version import __version__ as __version__

if "torch" not in sys.modules:  # OpenMP reads it once, when torch loads: threads that wait must not spin on a busy core
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_PUBLIC = {
    "Pipeline": "mmvideo.pipeline",
    "Recipe": "mmvideo.recipes",
    "probe": "mmvideo.media",
    "read_video": "mmvideo.media",
    "read_audio": "mmvideo.media",
    "write_video": "mmvideo.media",
    "write_audio": "mmvideo.media",
    "MediaInfo": "mmvideo.media",
    "Audio": "mmvideo.types",
    "Clips": "mmvideo.types",
    "Features": "mmvideo.types",
    "Video": "mmvideo.types",
    "Answer": "mmvideo.results",
    "Caption": "mmvideo.results",
    "Classification": "mmvideo.results",
    "Embedding": "mmvideo.results",
    "Evidence": "mmvideo.results",
    "Result": "mmvideo.results",
    "Usage": "mmvideo.results",
    "SeparatedVoices": "mmvideo.separation.voices",
    "Voice": "mmvideo.separation.voices",
    "ObjectTrack": "mmvideo.objects.tracks",
    "Tracks": "mmvideo.objects.result",
    "ActionTracks": "mmvideo.localization.action_result",
    "ActingTrack": "mmvideo.localization.actions",
    "Localization": "mmvideo.localization.result",
    "LocatedSpan": "mmvideo.localization.spans",
    "Transcript": "mmvideo.speech.result",
    "Word": "mmvideo.speech.result",
    "Domain": "mmvideo.types",
    "Label": "mmvideo.types",
    "Segment": "mmvideo.types",
    "Timings": "mmvideo.types",
    "GenerationOptions": "mmvideo.types",
    "Hook": "mmvideo.hooks",
    "Session": "mmvideo.session",
    "Stream": "mmvideo.session",
    "Stage": "mmvideo.stages.base",
    "JobOptions": "mmvideo.jobs",
    "JobPlan": "mmvideo.jobs",
    "JobSummary": "mmvideo.jobs",
    "MmvideoError": "mmvideo.errors",
}

if TYPE_CHECKING:
    from mmvideo.errors import MmvideoError
    from mmvideo.hooks import Hook
    from mmvideo.jobs import JobOptions, JobPlan, JobSummary
    from mmvideo.localization.action_result import ActionTracks
    from mmvideo.localization.actions import ActingTrack
    from mmvideo.localization.result import Localization
    from mmvideo.localization.spans import LocatedSpan
    from mmvideo.media import MediaInfo, probe, read_audio, read_video, write_audio, write_video
    from mmvideo.objects.result import Tracks
    from mmvideo.objects.tracks import ObjectTrack
    from mmvideo.pipeline import Pipeline
    from mmvideo.recipes import Recipe
    from mmvideo.results import Answer, Caption, Classification, Embedding, Evidence, Result, Usage
    from mmvideo.separation.voices import SeparatedVoices, Voice
    from mmvideo.session import Session, Stream
    from mmvideo.speech.result import Transcript, Word
    from mmvideo.stages.base import Stage
    from mmvideo.types import Audio, Clips, Domain, Features, GenerationOptions, Label, Segment, Timings, Video

__all__ = [
    "ActingTrack", "ActionTracks", "Answer", "Audio", "Caption", "Classification", "Clips", "Domain", "Embedding",
    "Evidence", "Features", "GenerationOptions", "Hook", "JobOptions", "JobPlan", "JobSummary", "Label", "Localization",
    "LocatedSpan", "MediaInfo", "MmvideoError", "ObjectTrack", "Pipeline", "Recipe", "Result", "Segment",
    "SeparatedVoices", "Session", "Stage", "Stream", "Timings", "Tracks", "Transcript", "Usage", "Video", "Voice",
    "Word", "probe", "read_audio", "read_video", "write_audio", "write_video",
]


if not TYPE_CHECKING:  # a type checker knows the names above, and that there are no others
    def __getattr__(name: str) -> Any:
        if name not in _PUBLIC:
            raise AttributeError(f"module 'mmvideo' has no attribute {name!r}")
        return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
