"""Optical flow: known translations, the common interface, RAFT beside torchvision's own, the stage."""

from __future__ import annotations

import sys

import pytest
import torch
import torch.nn.functional as F

from mmvideo.errors import InvalidInput, MissingExtra, RecipeError, UnknownName, WeightsError
from mmvideo.flow.base import as_bytes, from_bytes
from mmvideo.registry import find, names
from mmvideo.stages.flow import OpticalFlow
from mmvideo.types import Clips

MOTIONS = [(2, 1), (-3, 0), (0, 4), (-1, -2), (0, 0)]


def moving(dx: int, dy: int, frames: int = 3, side: int = 96) -> torch.Tensor:
    """Make a smooth texture that moves by whole pixels, (1, T, 3, H, W) in [0, 1]; nothing wraps round into view."""
    generator = torch.Generator().manual_seed(7)
    border = 8 * frames
    noise = torch.rand(1, 3, side // 4 + border // 2, side // 4 + border // 2, generator=generator)
    texture = F.interpolate(noise, scale_factor=4, mode="bicubic").clamp(0, 1)[0]
    return torch.stack([texture[:, border - dy * t:border - dy * t + side, border - dx * t:border - dx * t + side]
                        for t in range(frames)])[None]


@pytest.mark.parametrize("name", ["dis", "farneback"])
@pytest.mark.parametrize(("dx", "dy"), MOTIONS)
def test_a_translation_is_found(name: str, dx: int, dy: int) -> None:
    flow = find("flows", name)()(moving(dx, dy))
    assert flow.shape == (1, 2, 2, 96, 96)
    assert flow.dtype == torch.float32
    error = (flow - torch.tensor([dx, dy]).view(2, 1, 1))[..., 12:-12, 12:-12].abs()
    assert error.mean() < 0.1
    assert error.flatten(3).quantile(0.99, -1).max() < 0.3


@pytest.mark.parametrize("name", ["dis", "farneback"])
def test_bytes_and_floats_agree_and_clips_are_on_their_own(name: str) -> None:
    stored = (torch.cat((moving(2, 1), moving(-3, 0))) * 255).round().to(torch.uint8)
    method = find("flows", name)()
    flow = method(stored)
    assert torch.equal(flow, method(stored.float() / 255))
    assert torch.equal(flow[1:], method(stored[1:]))


def test_shapes_without_data_and_single_frames() -> None:
    dis = find("flows", "dis")()
    assert dis(torch.empty(2, 5, 3, 32, 40, device="meta")).shape == (2, 4, 2, 32, 40)
    assert dis(torch.empty(2, 5, 3, 32, 40, device="meta")).is_meta
    assert dis(torch.rand(2, 1, 3, 32, 40)).shape == (2, 0, 2, 32, 40)
    assert dis(torch.rand(1, 2, 1, 32, 40)).shape == (1, 1, 2, 32, 40)


def test_what_is_no_clip_is_refused() -> None:
    dis = find("flows", "dis")()
    for wrong in (torch.rand(3, 3, 32, 32), torch.rand(1, 2, 2, 32, 32), torch.zeros(1, 2, 3, 32, 32).long(),
                  torch.rand(1, 2, 3, 8, 32)):
        with pytest.raises(InvalidInput):
            dis(wrong)
    with pytest.raises(InvalidInput, match="ultrafast"):
        find("flows", "dis")(speed="slow")
    with pytest.raises(UnknownName, match="dis"):
        find("flows", "diss")
    assert names("flows") == ["dis", "farneback", "raft", "tvl1"]


def test_tvl1_runs_or_says_what_is_missing() -> None:
    import cv2

    if not hasattr(cv2, "optflow"):
        with pytest.raises(MissingExtra, match="opencv-contrib"):
            find("flows", "tvl1")()
        return
    error = find("flows", "tvl1")()(moving(2, 1, 2)) - torch.tensor([2, 1]).view(2, 1, 1)
    assert error[..., 12:-12, 12:-12].abs().mean() < 0.1


@pytest.fixture(scope="module")
def raft_file(tmp_path_factory: pytest.TempPathFactory):
    from torchvision.models.optical_flow import raft_small

    torch.manual_seed(0)
    net = raft_small(weights=None).eval()
    path = tmp_path_factory.mktemp("raft") / "raft_small.pth"
    torch.save(net.state_dict(), path)
    return net, path


def test_raft_gives_what_torchvision_gives(raft_file) -> None:
    net, path = raft_file
    clip = moving(2, 1, 3, 128)
    flow = find("flows", "raft")(weights=str(path), updates=2)(clip)
    with torch.no_grad():
        theirs = net(clip[0, :-1] * 2 - 1, clip[0, 1:] * 2 - 1, num_flow_updates=2)[-1]
    assert (flow[0] - theirs).abs().max() <= 1e-4 * theirs.abs().max()


def test_raft_takes_any_size(raft_file) -> None:
    raft = find("flows", "raft")(weights=str(raft_file[1]), updates=1)
    assert raft(torch.rand(1, 2, 3, 130, 141)).shape == (1, 1, 2, 130, 141)
    small = raft(torch.rand(1, 2, 3, 64, 48))
    assert small.shape == (1, 1, 2, 64, 48)
    assert torch.isfinite(small).all()


def test_raft_needs_weights_that_fit(raft_file) -> None:
    with pytest.raises(InvalidInput, match="weights=FILE"):
        find("flows", "raft")()
    with pytest.raises(WeightsError, match="missing"):
        find("flows", "raft")(weights=str(raft_file[1]), size="large")
    with pytest.raises(InvalidInput, match="small or large"):
        find("flows", "raft")(weights="random", size="huge")


def test_flow_as_bytes_is_cut_and_comes_back() -> None:
    flow = torch.tensor([-100.0, -20, -3.3, 0, 7.7, 20, 50])
    stored = as_bytes(flow)
    assert stored.dtype == torch.uint8
    assert stored.tolist()[0] == 0
    assert stored.tolist()[-1] == 255
    assert (from_bytes(stored) - flow.clamp(-20, 20)).abs().max() <= 20 / 255 + 1e-5


def test_the_stage_gives_flow_of_clips() -> None:
    frames = (moving(2, 1) * 255).to(torch.uint8)
    clips = Clips(frames=frames, pts_seconds=torch.arange(3)[None].double(), valid=torch.ones(1, 3, dtype=torch.bool))
    stage = OpticalFlow.from_options({"method": "dis", "options": {"speed": "medium"}}, "test")
    stage.load(torch.device("cpu"))
    flow = stage(clips=clips)["flow"]
    assert torch.equal(flow, find("flows", "dis")()(frames))
    wrong = OpticalFlow.from_options({"method": "dis", "options": {"pace": 1}}, "test")
    with pytest.raises(RecipeError, match="pace"):
        wrong.load(torch.device("cpu"))


def test_opencv_is_read_only_when_flow_is_computed() -> None:
    import subprocess

    code = ("import sys, mmvideo.flow.opencv, mmvideo.flow.raft; "
            "print(*(name in sys.modules for name in ('cv2', 'torchvision')))")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          ).stdout.split() == ["False", "False"]
