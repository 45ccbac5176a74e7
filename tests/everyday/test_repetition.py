"""Movements that are repeated are counted, and nothing is found where nothing is repeated."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from torch import Tensor

from mmvideo.errors import InvalidInput
from mmvideo.everyday.repetition import repeated_movement

TRUTH = json.loads((Path(__file__).parent / "repetitions.json").read_text())
ON_TEST = [entry for entry in TRUTH["played"] if "/test/" in entry["file"]]


def small_frames(path: Path, rate: float = 10.0, limit: int = 10_000) -> tuple[Tensor, Tensor]:
    """Return uint8 (T, 3, 48, 64) at most `rate` a second and their times (T)."""
    frames, seconds = [], []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if seconds and frame.time - seconds[-1] < 0.95 / rate:
                continue
            frames.append(frame.to_ndarray(width=64, height=48, format="rgb24"))
            seconds.append(float(frame.time))
            if len(frames) == limit:
                break
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2), torch.tensor(seconds, dtype=torch.float64)


def played(shared: Path, entry: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Return the film that an entry of `played` describes, with noise of one grey level."""
    part, _ = small_frames(shared / entry["file"], rate=1e3, limit=entry["frames"])
    last, at = len(part) - 1, []
    for index, speed in enumerate(entry["speeds"]):
        way = np.arange(0, last, speed).tolist()
        at += way + [float(last)] * entry["rests"][2 * index]
        if entry["forth_and_back"]:
            at += [last - place for place in way]
        at += [0.0 if entry["forth_and_back"] else float(last)] * entry["rests"][2 * index + 1]
    place = torch.tensor(at)
    before = place.floor().long().clamp(max=last - 1)
    film = torch.lerp(part[before].float(), part[before + 1].float(), (place - before)[:, None, None, None])
    noise = torch.randn(film.shape, generator=torch.Generator().manual_seed(entry["count"]))
    return (film + noise).round().clamp(0, 255).to(torch.uint8), torch.arange(len(at), dtype=torch.float64) / 10


def square(positions: Tensor) -> Tensor:
    """Return uint8 (T, 3, 48, 64): a bright square whose left edge is at the given pixels (T)."""
    columns = torch.arange(64)
    shown = (columns >= positions[:, None]) & (columns < positions[:, None] + 14)
    frames = torch.full((len(positions), 3, 48, 64), 60, dtype=torch.uint8)
    frames[:, :, 16:32] = torch.where(shown[:, None, None], 220, 60).to(torch.uint8)
    return frames


@pytest.mark.parametrize(("count", "seconds"), [(2, 6.0), (5, 10.0), (9, 9.0)])
def test_a_square_that_swings_is_counted(count: int, seconds: float) -> None:
    times = torch.arange(0, seconds, 0.1, dtype=torch.float64)
    found = repeated_movement(square(25 - 20 * torch.cos(2 * torch.pi * count * times / seconds)), times)
    assert found is not None
    assert abs(found.count - count) <= 1
    assert abs(found.period_seconds - seconds / count) < 0.35 * seconds / count
    assert 0.5 < found.confidence <= 1


def test_rests_before_and_after_are_left_out() -> None:
    times = torch.arange(0, 14.0, 0.1, dtype=torch.float64)
    swing = 25 - 20 * torch.cos(2 * torch.pi * (times - 4) / 1.5)
    found = repeated_movement(square(torch.where((times > 4) & (times < 10), swing, 5.0)), times)
    assert found is not None
    assert 3.0 < found.start_seconds < 5.0
    assert 9.0 < found.end_seconds < 11.0
    assert found.count in (3, 4, 5)
    assert all(found.start_seconds <= begin < found.end_seconds for begin in found.times)


def test_uneven_times_are_followed() -> None:
    generator = torch.Generator().manual_seed(1)
    times = torch.cumsum(0.06 + 0.08 * torch.rand(100, generator=generator, dtype=torch.float64), 0)
    found = repeated_movement(square(25 - 20 * torch.cos(2 * torch.pi * times / 2)), times)
    assert found is not None
    assert abs(found.count - float(times[-1] - times[0]) / 2) <= 1


def test_what_happens_once_or_never_is_not_repeated() -> None:
    times = torch.arange(0, 10.0, 0.1, dtype=torch.float64)
    once = square(5 + 40 * torch.sigmoid(3 * (times - 5)))
    still = torch.full_like(once, 90)
    noise = (still.float() + 2 * torch.randn(still.shape)).to(torch.uint8)
    drift = square(times * 4.5)
    cuts = torch.cat([torch.full((25, 3, 48, 64), grey, dtype=torch.uint8) for grey in (20, 120, 220, 70)])
    for frames in (once, still, noise, drift, cuts, once[:1], once[:3]):
        assert repeated_movement(frames, times[: len(frames)]) is None


def test_wrong_input_is_refused() -> None:
    frames = torch.zeros(5, 3, 48, 64, dtype=torch.uint8)
    with pytest.raises(InvalidInput, match="must be uint8"):
        repeated_movement(frames.float(), torch.arange(5))
    with pytest.raises(InvalidInput, match="increasing times"):
        repeated_movement(frames, torch.zeros(5))


def test_ten_seconds_take_no_longer_than_a_few_frames_of_decoding() -> None:
    times = torch.arange(0, 10.0, 0.1, dtype=torch.float64)
    frames = square(25 - 20 * torch.cos(torch.pi * times))
    took = []
    for _ in range(5):
        begin = time.process_time()
        repeated_movement(frames, times)
        took.append(time.process_time() - begin)
    assert min(took) < 0.05


@pytest.mark.shared
def test_films_of_exercises_are_counted(shared: Path) -> None:
    counts = [(entry["count"], found.count if (found := repeated_movement(*played(shared, entry))) else 0)
              for entry in ON_TEST]
    assert len(counts) >= 40
    assert np.mean([abs(true - said) <= 1 for true, said in counts]) >= 0.85
    assert np.mean([abs(true - said) / true for true, said in counts]) <= 0.15


@pytest.mark.shared
def test_exercises_done_once_interactions_and_newsreaders_are_not_repeated(shared: Path) -> None:
    once = [entry["file"] for entry in TRUTH["counted"] if entry["count"] <= 1 and "/test/" in entry["file"]][:20]
    others = sorted((shared / "data/interactions/set2").glob("*.mp4"))[:25]
    news = sorted((shared / "data/newsreaders/clips").glob("*.mp4"))[:10]
    clips = [*(shared / name for name in once), *others, *news]
    false = [clip.name for clip in clips if repeated_movement(*small_frames(clip))]
    assert len(false) <= 0.04 * len(clips), false
