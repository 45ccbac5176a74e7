"""Streams of joined clips, the detector of cuts beside them, and the evaluator on a few fabricated clips."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from mmvideo import write_video
from mmvideo.errors import InvalidInput, MediaNotFound
from mmvideo.localization.action_model import ActionModel, FrameMaps
from mmvideo.localization.evaluation import evaluator
from mmvideo.localization.evaluation.heads import fit_actions
from mmvideo.localization.evaluation.streams import (
    BRIGHTNESS,
    FPS,
    ClipLook,
    RealClip,
    clip_frames,
    cut_spans,
    few_of_each,
    joined_streams,
    read_clips,
)
from mmvideo.objects.base import Detection
from mmvideo.objects.nanodet_detector import NanoDetDetector


def _look(label: str, count: int, shade: int) -> ClipLook:
    small = torch.full((count, 3, 24, 32), shade, dtype=torch.uint8)
    small[:, :, ::2] = 255 - shade
    return ClipLook(RealClip(Path("a.mp4"), label, "train", "1"), torch.randn(count, 6), small)


def test_streams_hold_every_clip_once_with_its_times() -> None:
    looks = [_look("jump", 8, 10), _look("sit", 12, 200), _look("none", 4, 90), _look("jump", 8, 140)]
    (film, small), = joined_streams(looks, of_clips=4)
    assert len(film.features.values) == len(small) == 32
    assert sorted(one.text for one in film.events) == ["jump", "jump", "sit"]
    assert sum(one.end_seconds - one.start_seconds for one in film.events) == 28 / FPS
    assert [b - a for a, b in cut_spans(torch.cat((looks[0].small, looks[1].small)))] == [2.0, 3.0]
    assert joined_streams([_look("none", 4, 1)]) == []


def test_clips_are_read_thinned_and_made_equally_bright(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", torch.full((10, 3, 48, 64), 30, dtype=torch.uint8), fps=10)
    (tmp_path / "clips.tsv").write_text("clip\tlabel\tsplit\tshoot\na.mp4\tjump\ttrain\tx\na.mp4\tjump\ttest\ty\n")
    clips = read_clips(tmp_path)
    assert [one.group for one in clips] == ["train", "test"]
    assert len(few_of_each(clips, 1)) == 1
    frames = clip_frames(clips[0])
    assert frames.shape == (4, 3, 224, 224)
    assert float(frames.float().mean()) == pytest.approx(BRIGHTNESS, abs=1.0)
    with pytest.raises(MediaNotFound):
        read_clips(tmp_path / "none")
    (tmp_path / "clips.tsv").write_text("film\tlabel\n")
    with pytest.raises(InvalidInput):
        read_clips(tmp_path)


def test_the_head_of_actions_is_fitted() -> None:
    torch.manual_seed(0)
    model = ActionModel(labels=["push", "hug"], encoder="lite0", dim=3)
    samples = torch.randn(40, 6)
    truth = (samples[:, 0] > 0).long()
    fit_actions(model, samples, truth, decay=1e-4)
    found = model.head.projection((samples - model.mean) / model.spread).argmax(1)
    assert (found == truth).float().mean() > 0.95


class _TinyMaps(FrameMaps):
    def __init__(self, name: str, device: str = "cpu"):
        pass

    def maps(self, frames: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(frames.float() / 255, (2, 3))


def test_the_evaluator_reports_every_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = ["clip\tlabel\tset\tsequence"]
    for number, (label, group) in enumerate([(label, group) for group in ("set1", "set2") for label in ("hug", "push")
                                             for _ in range(2)] + [("none", "set1")] * 2):
        shade = {"hug": 40, "push": 210, "none": 120}[label]
        frames = torch.full((12, 3, 48, 64), shade, dtype=torch.uint8)
        frames[:, 0, :, number::4] = 255
        write_video(tmp_path / f"{number}.mp4", frames, fps=6)
        rows.append(f"{number}.mp4\t{label}\t{group}\t{number}")
    (tmp_path / "clips.tsv").write_text("\n".join(rows) + "\n")
    monkeypatch.setattr(evaluator, "FrameMaps", _TinyMaps)
    monkeypatch.setattr(evaluator, "DIM", 3)
    monkeypatch.setattr(NanoDetDetector, "run", lambda self, pictures: [
        (Detection("person", (0.1, 0.1, 0.5, 0.9), 0.9, 0.9),) for _ in pictures])
    raw = {"exercises": str(tmp_path), "interactions": str(tmp_path), "parts": ["interactions", "actions"], "steps": 4,
           "most": 2}
    reports = list(evaluator.EVALUATOR(dict(raw), out=tmp_path / "out", where="here"))
    assert [one["method"] for one in reports] == ["ActionFormer", "actionness, grouped", "cut detector",
                                                  "features in boxes, logistic regression"]
    assert all(0 <= one["mAP"] <= 1 for one in reports[:3])
    assert reports[3]["clips"] == reports[3]["learnt from"] == 4
    assert reports[3]["interval"][0] <= reports[3]["accuracy"] <= reports[3]["interval"][1]
    assert json.loads((tmp_path / "out/localization.json").read_text()) == reports
    with pytest.raises(InvalidInput):
        evaluator.check_real({**raw, "most": 0}, "here")
