"""Options of stages, budgets and questions that cannot be used are typed errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmvideo.errors import InvalidInput
from mmvideo.media import open_source
from mmvideo.sampling.budget import Budget
from mmvideo.sampling.shots import find_cuts
from mmvideo.stages.read import Read, VideoRequest
from mmvideo.stages.sample import Sample, Shots
from mmvideo.stages.separate import Hear
from mmvideo.types import Audio, GenerationOptions

FRAMES = np.zeros((20, 16, 24, 3), np.uint8)
ODD = ["2", float("nan"), float("inf"), -1, 0, 2 + 1j, [2], {}, True, 10**400]


def source():
    return open_source(FRAMES, fps=10, audio=Audio(torch.zeros(1, 16000), 8000))


@pytest.mark.parametrize("value", ODD, ids=repr)
@pytest.mark.parametrize("name", ["num_frames", "fps", "max_frames", "max_tokens"])
def test_budgets(name, value):
    with pytest.raises(InvalidInput, match=name):
        Budget(**{name: value})


@pytest.mark.parametrize("value", ODD, ids=repr)
@pytest.mark.parametrize("name", ["window_seconds", "num_frames", "max_windows"])
def test_samplers_within_stages(name, value):
    options = {"sampler": "windows", "size": 8, name: value}
    with pytest.raises(InvalidInput, match=name):
        Sample.from_options(options, "here")(media=source())
    with pytest.raises(InvalidInput, match=name):
        Sample.from_options(options, "here")(media=source(), shots=((0.0, 1.0), (1.0, 2.0)))


@pytest.mark.parametrize("value", ["2", float("nan"), float("inf"), -1, [2]], ids=repr)
def test_other_stages(value):
    for stage, rest in ((Shots(min_seconds=value), {}), (Hear(max_seconds=value), {}),
                        (Sample(sampler="windows", size=8, min_window_seconds=value), {"shots": ((0.0, 1.0),)})):
        with pytest.raises(InvalidInput):
            stage(media=source(), **rest)
    for name in ("threshold", "ratio"):
        with pytest.raises(InvalidInput, match=name):
            find_cuts(source(), **{name: value})


def test_a_misspelt_option_of_a_video():
    with pytest.raises(InvalidInput, match="Did you mean 'fps'"):
        Read()(video=VideoRequest(FRAMES, {"fsp": 10}))


@pytest.mark.parametrize("options", [
    {"max_new_tokens": "9"}, {"max_new_tokens": 0}, {"max_new_tokens": float("nan")}, {"temperature": "hot"},
    {"temperature": float("nan")}, {"temperature": -1}, {"seed": "x"}, {"seed": 2**70}, {"choices": 3},
    {"choices": ["a", 3]}, {"choices": "ab"}, {"history": 3}, {"stream": "yes"}, {"choices": ["a"]}], ids=repr)
def test_questions(options):
    with pytest.raises(InvalidInput):
        GenerationOptions.of(options)
