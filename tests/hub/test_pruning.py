"""Chat models that read fewer visual tokens: those that stay keep their positions, and read as with a mask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from mmvideo import Pipeline
from mmvideo.errors import InvalidInput, UnsupportedModel
from mmvideo.media import write_video
from mmvideo.types import GenerationOptions
from mmvideo.vlm.token_pruning import grid_of
from tests.hub import checkpoints

FAMILIES = ("smolvlm", "qwen2_5_vl")
SHORT = GenerationOptions(max_new_tokens=3)
OPTIONS: dict[str, Any] = {"dtype": "float32", "num_frames": 4, "max_new_tokens": 3}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("hub")
    return {family: checkpoints.make(family, home / family) for family in FAMILIES}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A still picture in whose left half something changes after a while."""
    frames = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)).repeat(40, 1, 1, 1) * 255
    frames = torch.nn.functional.avg_pool2d(frames, 9, 1, 4)
    frames[20:, :, :, :32] = 255 - frames[20:, :, :, :32]
    path = tmp_path_factory.mktemp("clips") / "half.mp4"
    write_video(path, frames.to(torch.uint8), fps=10, crf=1)
    return path


def _conversation(folder: Path, clip: Path, **options: Any) -> Any:
    return Pipeline("video-qa", str(folder), "cpu", **OPTIONS, **options).open(clip)._fields["conversation"]


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_left_out_reads_as_if_it_were_masked(family: str, folders: dict[str, Path], clip: Path) -> None:
    whole, fewer = (_conversation(folders[family], clip, **more) for more in ({}, {"drop_below": 0.05}))
    plan = fewer.first.pruning
    assert 0 < int(plan.gone.sum()) < len(plan.gone)
    assert fewer.num_read == whole.num_read - int(plan.gone.sum())
    question = fewer.question("who moves?", ())
    model, places = fewer.chat.model, fewer._places
    ids = torch.cat((fewer.prefix, question), 1)
    mask = torch.ones_like(ids)
    mask[0, plan.visual[plan.gone]] = 0
    found = places.of(ids)
    at = torch.arange(ids.shape[1])[None] if found is None else found[0]
    seen = {name: value for name, value in fewer.first.tensors.items() if name.startswith(("pixel", "video_grid"))}
    with torch.inference_mode():
        masked = model(input_ids=ids, attention_mask=mask, position_ids=at, **seen).logits[0, -1]
    torch.testing.assert_close(fewer.logits("who moves?"), masked.float(), atol=2e-4, rtol=1e-3)
    assert not torch.allclose(fewer.logits("who moves?"), whole.logits("who moves?"), atol=1e-5)
    assert fewer.reply("who moves?", SHORT).num_written == 3


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_changes_where_nothing_is_left_out(family: str, folders: dict[str, Path], clip: Path) -> None:
    whole, same = (_conversation(folders[family], clip, **more) for more in ({}, {"drop_below": 0.0}))
    torch.testing.assert_close(same.logits("who?"), whole.logits("who?"), atol=1e-5, rtol=1e-5)
    assert same.reply("who?", SHORT).text == whole.reply("who?", SHORT).text


@pytest.mark.parametrize("family", FAMILIES)
def test_merged_tokens_are_fewer_and_in_order(family: str, folders: dict[str, Path], clip: Path) -> None:
    whole, merged = (_conversation(folders[family], clip, **more) for more in ({}, {"merge_to": 0.5}))
    count = len(merged.first.pruning.visual)
    assert merged.num_read == whole.num_read - count + round(count / 2)
    assert torch.isfinite(merged.logits("who?")).all()
    both = _conversation(folders[family], clip, merge_to=0.5, drop_below=0.05)
    assert both.num_read < merged.num_read


def test_a_job_reads_fewer_tokens_too(folders: dict[str, Path], clip: Path, tmp_path: Path) -> None:
    rows = []
    for name, more in (("whole", {}), ("fewer", {"drop_below": 0.05})):
        pipe = Pipeline("video-captioning", str(folders["smolvlm"]), "cpu", **OPTIONS, **more)
        summary = pipe.map([str(clip)], out=tmp_path / name, workers=1)
        assert summary.failures == ()
        rows += list(summary.rows())
        assert rows[-1]["text"] == pipe(clip).text
    assert rows[1]["usage"]["prompt_tokens"] < rows[0]["usage"]["prompt_tokens"]


def test_what_cannot_be_left_out(folders: dict[str, Path], clip: Path) -> None:
    for options in ({"drop_below": 2.0}, {"merge_to": 0.0}):
        with pytest.raises(InvalidInput, match=next(iter(options))):
            _conversation(folders["smolvlm"], clip, **options)
    with pytest.raises(UnsupportedModel, match="not known"):
        grid_of(50, 4, None, 1, "model")
    assert grid_of(64, 4, None, 1, "model") == (4, 4, 4)
    assert grid_of(24, 8, torch.tensor([[4, 4, 6]]), 2, "model") == (4, 2, 3)
