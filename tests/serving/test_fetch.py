"""One copy of an address for all who need it at the same time."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mmvideo.serving.fetch import Fetcher
from mmvideo.serving.rules import Rules


def test_a_copy_serves_others_as_long_as_somebody_needs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[Path] = []

    def fetch(self: Fetcher, url: str, copy: Any) -> Path:
        fetched.append(tmp_path / f"{len(fetched)}.mp4")
        fetched[-1].write_bytes(b"film")
        return fetched[-1]

    monkeypatch.setattr(Fetcher, "_fetch", fetch)

    async def ask() -> None:
        fetcher = Fetcher(Rules())
        first = await fetcher.get("https://example.org/a.mp4")
        late = await fetcher.get("https://example.org/a.mp4")
        assert late is first, "it has come, and is still needed"
        assert len(fetched) == 1
        first.release()
        assert fetched[0].is_file()
        late.release()
        assert not fetched[0].exists()
        assert await fetcher.get("https://example.org/a.mp4") is not first
        assert len(fetched) == 2
        await fetcher.get("https://example.org/b.mp4")
        assert len(fetcher._going) == 2, "what nobody needs any more is forgotten"
        fetcher.close()

    asyncio.run(ask())


def test_a_failed_download_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def fetch(self: Fetcher, url: str, copy: Any) -> Path:
        tried.append(url)
        raise OSError("no route")

    monkeypatch.setattr(Fetcher, "_fetch", fetch)

    async def ask() -> None:
        fetcher = Fetcher(Rules())
        for _ in range(2):
            with pytest.raises(OSError, match="no route"):
                await fetcher.get("https://example.org/a.mp4")
        fetcher.close()

    asyncio.run(ask())
    assert len(tried) == 2
