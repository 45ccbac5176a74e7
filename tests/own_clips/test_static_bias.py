"""Against backgrounds: stills of other clips laid over clips, and moments in place of colours."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mmvideo import Pipeline
from mmvideo.encoders import zoo
from mmvideo.encoders.base import frames_as_channels
from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.labelled.augment import with_stills
from mmvideo.media import write_video
from mmvideo.training.finetune.options import FinetuneOptions
from mmvideo.training.finetune.trainer import train_finetune


def moving_clips(num: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, (num, 3, 3, 8, 8), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def test_a_still_changes_all_frames_of_a_clip_by_one_picture() -> None:
    clips = moving_clips()
    assert with_stills(clips, 0.0) is clips
    torch.manual_seed(1)
    mixed = with_stills(clips, 1.0)
    assert mixed.dtype == torch.uint8
    assert all((mixed[i] != clips[i]).any() for i in range(len(clips)))
    torch.manual_seed(1)
    assert torch.equal(mixed, with_stills(clips, 1.0)), "the same draw gives the same clips"
    still = clips[:, :1].expand(-1, 3, -1, -1, -1)
    assert all(torch.equal(one[:1].expand_as(one), one) for one in with_stills(still, 1.0)), "still clips stay so"
    assert with_stills(clips[:1], 1.0) is not None, "a clip alone has no other"
    torch.manual_seed(3)
    many = moving_clips(200)
    share = (with_stills(many, 0.3) != many).flatten(1).any(1).float().mean()
    assert 0.15 < float(share) < 0.45


def test_channels_are_moments_and_what_stands_still_is_grey() -> None:
    clip = torch.rand(1, 4, 3, 5, 5)
    seen = frames_as_channels(clip)
    grey = (clip * torch.tensor((0.299, 0.587, 0.114)).view(3, 1, 1)).sum(2)
    assert seen.shape == clip.shape
    assert torch.allclose(seen[0, 2], grey[0, 1:4])
    assert torch.allclose(seen[0, 0, 0], grey[0, 0]), "the first frame has itself before it"
    assert torch.allclose(seen[0, 3, 2], grey[0, 3]), "and the last itself after it"
    still = frames_as_channels(clip[:, :1].expand(-1, 4, -1, -1, -1))
    assert torch.allclose(still[:, :, :1].expand_as(still), still)


def write_way(path: Path, way: int, seed: int) -> Path:
    """Write a clip in which a bar moves right or left."""
    rng = np.random.default_rng(seed)
    frames = np.full((6, 32, 32, 3), rng.integers(30, 90), np.uint8)  # in both ways the same three places
    for time in range(6):
        at = 4 + 10 * (time // 2 if way > 0 else 2 - time // 2)
        frames[time, 8:24, at:at + 4] = 230
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, torch.from_numpy(frames).permute(0, 3, 1, 2), fps=6)
    return path


def test_a_network_of_single_frames_sees_the_way_in_moments(tmp_path: Path) -> None:
    for number in range(6):
        write_way(tmp_path / "clips" / "onward" / f"{number}.mp4", 1, number)
        write_way(tmp_path / "clips" / "backward" / f"{number}.mp4", -1, number)
    right = {}
    for channels in ("colour", "times"):
        made = FinetuneOptions(data=str(tmp_path / "clips"), encoder="single-frame-tiny", frames=3, size=32, epochs=9,
                               batch_size=8, workers=1, augment="none", label_smoothing=0.0, precision="no",
                               validation_share=0.0, test_share=0.34, cache=str(tmp_path / "cache"), channels=channels,
                               stills=0.25 if channels == "times" else 0.0, learning_rate=3e-3)
        train_finetune(made, tmp_path / channels)
        right[channels] = json.loads((tmp_path / channels / "figures.json").read_text())["top1"]
    assert right["times"] > 0.9
    assert right["colour"] < 0.8, "frames one by one do not tell the way"
    config = json.loads((tmp_path / "times" / "model" / "config.json").read_text())
    assert config["input"]["channels"] == "times"
    assert "channels" not in json.loads((tmp_path / "colour" / "model" / "config.json").read_text())["input"]
    assert zoo.load(tmp_path / "times" / "model").input.channels == "times"
    found = Pipeline("video-classification", str(tmp_path / "times"))(tmp_path / "clips" / "onward" / "1.mp4")
    assert found.labels[0].name == "onward"


@pytest.mark.parametrize(("given", "error"), [({"channels": "flow"}, UnknownName), ({"stills": 2.0}, InvalidInput)])
def test_other_channels_and_shares_are_refused(given: dict, error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(given))):
        FinetuneOptions(data="clips", **given)
