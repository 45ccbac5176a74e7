"""Shared fixtures; `MMVIDEO_REQUIRE=shared,...` turns the skips of these markers into failures."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import pytest
import torch
import torchaudio.compliance.kaldi  # noqa: F401  (its constants must not be made inside a test on the meta device)

from mmvideo import registry

CHECKOUT = Path(__file__).resolve().parents[1]
SHARED = CHECKOUT.parent / "shared"
REQUIRED = {name.strip() for name in os.environ.get("MMVIDEO_REQUIRE", "").split(",") if name.strip()}

# most tests of pipelines ask about rendered toys, of which all is known
for pipeline in ("VIDEO_QA", "VIDEO_CAPTIONING"):
    os.environ.setdefault(f"MMVIDEO_MODEL_{pipeline}", "toybox-qa")

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # a shell starts background jobs so; children would ignore it too
    signal.signal(signal.SIGINT, signal.default_int_handler)

PRESENT: dict[str, Callable[[], bool]] = {
    "shared": (SHARED / "media").is_dir,
    "gpu": torch.cuda.is_available,
    "browser": lambda: bool(which("chromium") or which("chromium-browser") or which("google-chrome"))
    and all(find_spec(name) for name in ("playwright", "gradio")),
}
"""Markers of tests that need something, and how to see whether it is here."""


def pytest_configure(config: pytest.Config) -> None:
    unknown = REQUIRED - set(PRESENT)
    if unknown:
        raise pytest.UsageError(f"MMVIDEO_REQUIRE names {sorted(unknown)}; allowed: {sorted(PRESENT)}.")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose need is absent, or fail it where MMVIDEO_REQUIRE says that it must run."""
    for name, present in PRESENT.items():
        if item.get_closest_marker(name) and not present():
            if name in REQUIRED:
                pytest.fail(f"MMVIDEO_REQUIRE={name}, but it is not here", pytrace=False)
            pytest.skip(f"needs {name}, which is not here")


@pytest.fixture(scope="session")
def shared() -> Path:
    return SHARED


@pytest.fixture(scope="session", autouse=True)
def _heads() -> Iterator[None]:
    """Register two domain heads whose verdict is known (tests/tiny.py)."""
    heads = {"test-inside": "tiny:AlwaysInside", "test-outside": "tiny:AlwaysOutside"}
    registry.PARTS["heads"] |= heads
    registry._table.cache_clear()
    yield
    for name in heads:
        del registry.PARTS["heads"][name]
    registry._table.cache_clear()


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
