"""Cuts are found in real pictures; motion, flashes and slow fades are not cuts."""

from __future__ import annotations

from itertools import pairwise

import av
import pytest
import torch
from torch import Tensor

from mmvideo.errors import InvalidInput
from mmvideo.sampling.shots import find_cuts
from mmvideo.types import Video


def as_batches(frames: Tensor, *, batch: int, fps: float = 25.0) -> list[Video]:
    seconds = 10.0 + torch.arange(len(frames), dtype=torch.float64) / fps
    return [Video(frames[i:i + batch], seconds[i:i + batch], len(frames) / fps) for i in range(0, len(frames), batch)]


def noise_scene(seed: int, num: int, *, step: int = 0) -> Tensor:
    """A textured scene, (num, 3, 48, 64), that moves by `step` pixels a frame."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 8, 40, generator=generator)
    wide = torch.nn.functional.interpolate(coarse, size=(48, 640), mode="bilinear")[0]
    cut = [wide[:, :, (t * step) % 500:][:, :, :64] for t in range(num)]
    return (torch.stack(cut) * 255).to(torch.uint8)


@pytest.mark.parametrize("batch", [1, 2, 7, 64])
def test_a_cut_is_found_at_its_frame_whatever_the_batches(batch: int) -> None:
    frames = torch.cat([noise_scene(1, 20), noise_scene(2, 9, step=1), noise_scene(3, 15)])
    assert find_cuts(as_batches(frames, batch=batch)) == pytest.approx([10 + 20 / 25, 10 + 29 / 25])


def test_fast_motion_is_no_cut() -> None:
    assert find_cuts(as_batches(noise_scene(4, 40, step=12), batch=16)) == []


def test_a_flash_is_no_cut() -> None:
    frames = noise_scene(5, 30)
    frames[12] = 255
    assert find_cuts(as_batches(frames, batch=16)) == []


def test_a_slow_fade_is_no_cut() -> None:
    frames = (noise_scene(6, 40).float() * torch.linspace(1, 0, 40).view(-1, 1, 1, 1)).to(torch.uint8)
    assert find_cuts(as_batches(frames, batch=16)) == []


def test_nothing_gives_no_cut_and_bad_options_are_refused() -> None:
    assert find_cuts([]) == []
    with pytest.raises(InvalidInput, match="positive"):
        find_cuts([], threshold=0)


@pytest.mark.shared
def test_cuts_between_real_clips(shared) -> None:
    names = ["actions/eat.mkv", "actions/carphone_pristine.mp4", "faces/interview.mp4", "actions/test.mp4",
             "edge/chaplin.mp4", "actions/test.avi"]
    parts, edges = [], []
    for name in names:
        with av.open(str(shared / "media" / name)) as container:
            frames = [f.to_ndarray(format="rgb24", width=64, height=48) for f, _ in
                      zip(container.decode(video=0), range(30), strict=False)]
        edges.append(sum(map(len, parts)))
        parts.append(torch.stack([torch.from_numpy(f).permute(2, 0, 1) for f in frames]))
    found = find_cuts(as_batches(torch.cat(parts), batch=32))
    assert found == pytest.approx([10 + edge / 25 for edge in edges[1:]])


@pytest.mark.shared
def test_cuts_of_a_real_file_lie_within_it(shared) -> None:
    from mmvideo.media import open_source

    with open_source(shared / "media/edge/nasa_13013.mp4") as source:
        edges = [source.start_seconds, *find_cuts(source), source.end_seconds]
    assert all(a < b for a, b in pairwise(edges))
    assert len(edges) > 2
