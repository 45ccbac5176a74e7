"""The names that users may rely on; taking one away or adding one is a decision, and changes this list."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import pytest

import mmvideo

REFERENCE = Path(__file__).resolve().parents[1] / "docs" / "api"
PUBLIC = {
    "mmvideo": [
        "ActingTrack", "ActionTracks", "Answer", "Audio", "Caption", "Classification", "Clips", "Domain", "Embedding",
        "Evidence", "Features", "GenerationOptions", "Hook", "JobOptions", "JobPlan", "JobSummary", "Label",
        "Localization", "LocatedSpan", "MediaInfo", "MmvideoError", "ObjectTrack", "Pipeline", "Recipe", "Result",
        "Segment", "SeparatedVoices", "Session", "Stage", "Stream", "Timings", "Tracks", "Transcript", "Usage",
        "Video", "Voice", "Word", "probe", "read_audio", "read_video", "write_audio", "write_video"],
    "mmvideo.media": ["AudioStreamInfo", "MediaInfo", "MediaLimits", "Source", "VideoStreamInfo", "open_source",
                      "probe", "read_audio", "read_video", "write_audio", "write_video"],
    "mmvideo.results": ["Answer", "Caption", "Citation", "Classification", "Embedding", "Evidence", "Generation",
                        "Result", "Usage"],
    "mmvideo.types": ["Audio", "Clips", "Cues", "Domain", "Features", "GenerationOptions", "Label", "Segment", "Size",
                      "Timings", "Video"],
    "mmvideo.objects.result": ["Tracks"],
    "mmvideo.localization.action_result": ["ActionTracks"],
    "mmvideo.localization.actions": ["ActingTrack"],
    "mmvideo.localization.result": ["Localization"],
    "mmvideo.localization.spans": ["LocatedSpan"],
    "mmvideo.objects.tracks": ["ObjectTrack"],
    "mmvideo.separation.voices": ["SeparatedVoices", "Sound", "SoundSync", "SpeakerTurn",
                                  "Voice"],
    "mmvideo.speech.result": ["Transcript", "Word"],
    "mmvideo.hooks": ["Hook", "Hooks", "Progress", "SaveIntermediates", "Timing"],
    "mmvideo.sampling": ["at_fps", "dense", "segments", "uniform", "windows"],
    "mmvideo.encoders.zoo": ["create"],
    "mmvideo.jobs": ["Item", "JobOptions", "JobPlan", "JobSummary", "read_inputs", "run_job", "status"],
}


def test_the_package_exports_exactly_the_public_names() -> None:
    assert sorted(mmvideo.__all__) == sorted(PUBLIC["mmvideo"]) == sorted(mmvideo._PUBLIC)


@pytest.mark.parametrize("module", PUBLIC)
def test_public_names_are_there(module: str) -> None:
    home = importlib.import_module(module)
    missing = [name for name in PUBLIC[module] if not hasattr(home, name)]
    assert missing == []


def _is_documented(name: str, directives: set[str]) -> bool:
    """Whether a page of docs/api names an object itself, or the module that it is in."""
    thing = getattr(mmvideo, name)
    home = inspect.getmodule(thing)
    return home is not None and bool({home.__name__, f"{home.__name__}.{name}"} & directives)


def test_every_public_name_is_in_the_reference() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in REFERENCE.glob("*.md"))
    directives = set(re.findall(r"^::: ([\w.]+)$", pages, flags=re.MULTILINE))
    assert [name for name in mmvideo.__all__ if not _is_documented(name, directives)] == []


def test_every_kind_of_result_and_what_it_holds_is_public() -> None:
    """What a result gives on can be named in an annotation without reaching into private modules."""
    from mmvideo.results import Result
    from mmvideo.separation.voices import SeparatedVoices

    kinds = [Result, mmvideo.Answer, mmvideo.Caption, mmvideo.Classification, mmvideo.Embedding, mmvideo.Tracks,
             mmvideo.Localization, mmvideo.ActionTracks, mmvideo.Transcript, SeparatedVoices]
    hints = [hint for kind in kinds for base in kind.__mro__ for hint in inspect.get_annotations(base).values()]
    held = {word for hint in hints for word in re.findall(r"[A-Z]\w+", hint)} - {"None", "Any"}
    assert held <= {name for names in PUBLIC.values() for name in names}
