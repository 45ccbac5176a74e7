"""A small model of the real classes and a few clips, for jobs."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file

from mmvideo import Pipeline, weights
from mmvideo.jobs import engines

CHECKOUT = Path(__file__).resolve().parents[2]


def load(name: str) -> ModuleType:
    """Import a file of benchmarks/."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, CHECKOUT / "benchmarks" / f"{name}.py")
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights, made larger so that what is written depends on what is seen."""
    folder = tiny.make_qa(tmp_path_factory.mktemp("model") / "qa")
    path = folder / "language" / "model.safetensors"
    save_file({name: 10 * t if t.ndim == 2 else t for name, t in load_file(path).items()}, path, {"format": "pt"})
    weights.seal(folder)
    return folder


@pytest.fixture(scope="session")
def captioning(model: Path) -> Pipeline:
    torch.set_num_threads(1)
    return Pipeline("video-captioning", str(model), "cpu", encode_video={"domain": "test-inside"},
                    caption={"max_new_tokens": 6})


@pytest.fixture(scope="session")
def answering(model: Path) -> Pipeline:
    return Pipeline("video-qa", str(model), "cpu", encode_video={"domain": "test-inside"}, answer={"max_new_tokens": 6})


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return load("jobs_kill").make_clips(tmp_path_factory.mktemp("clips"), 12)


@pytest.fixture(scope="session")
def benchmark() -> Callable[[str], ModuleType]:
    return load


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the engine `local` be the one of tests/jobs/quick.py."""
    monkeypatch.setitem(engines._WHERE, "local", "quick:work")
