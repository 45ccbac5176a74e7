"""The names that users may rely on; taking one away or adding one is a decision, and changes this list."""

from __future__ import annotations

import importlib

import pytest

import mmvideo

PUBLIC = {
    "mmvideo": [
        "Answer", "Audio", "Caption", "Classification", "Clips", "Domain", "Features", "Hook", "JobOptions", "Label",
        "MmvideoError", "Pipeline", "Recipe", "Result", "Segment", "SeparatedVoices", "Session", "Stage", "Video",
        "probe", "read_audio", "read_video", "write_audio", "write_video"],
    "mmvideo.media": ["MediaLimits", "open_source", "probe", "read_audio", "read_video", "write_audio", "write_video"],
    "mmvideo.hooks": ["Hook", "Hooks", "Progress", "SaveIntermediates", "Timing"],
    "mmvideo.sampling": ["at_fps", "dense", "uniform", "windows"],
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
