"""The precision of a CPU is the one that was faster, whatever its flags say."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mmvideo.hub.load import LoadOptions
from mmvideo.nn import autotune, precision
from mmvideo.training.loop import native_bfloat16


@pytest.fixture(autouse=True)
def _empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(autotune.VARIABLE, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    autotune._chosen.clear()


def processor(monkeypatch: pytest.MonkeyPatch, *, flag: bool, milliseconds: dict[torch.dtype, float]) -> list[str]:
    """Let products take so long; return the list of those that were timed."""
    timed: list[str] = []

    def product(dtype: torch.dtype) -> Callable[[], None]:
        return lambda: (timed.append(str(dtype)), time.sleep(milliseconds[dtype] / 1e3))[1]

    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: flag)
    monkeypatch.setattr(precision, "_product", product)
    return timed


@pytest.mark.parametrize(("float32", "bfloat16", "chosen"), [(4, 12, torch.float32), (12, 4, torch.bfloat16)])
def test_the_faster_precision_is_taken(monkeypatch: pytest.MonkeyPatch, float32: float, bfloat16: float,
                                       chosen: torch.dtype) -> None:
    timed = processor(monkeypatch, flag=True, milliseconds={torch.float32: float32, torch.bfloat16: bfloat16})
    assert LoadOptions().torch_dtype(torch.device("cpu")) == chosen
    assert native_bfloat16() == (chosen == torch.bfloat16)
    measured = len(timed)
    assert measured > 0
    autotune._chosen.clear()  # as another process
    assert LoadOptions().torch_dtype(torch.device("cpu")) == chosen
    assert len(timed) == measured, "measured again"
    assert LoadOptions(dtype="bfloat16").torch_dtype(torch.device("cpu")) == torch.bfloat16


def test_without_the_instructions_nothing_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    timed = processor(monkeypatch, flag=False, milliseconds={torch.float32: 1, torch.bfloat16: 1})
    assert LoadOptions().torch_dtype(torch.device("cpu")) == torch.float32
    assert timed == []


def test_real_products_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert precision.bfloat16_is_faster() in (True, False)
    assert precision._product(torch.bfloat16)().shape == (512, 3072)
