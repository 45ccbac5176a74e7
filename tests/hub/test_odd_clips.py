"""Clips that a processor, template, tokenizer or OpenCV refuses: one typed error of that clip, on every way in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import jinja2
import numpy as np
import pytest
import torch
from PIL import Image

from mmvideo import Pipeline
from mmvideo.cli import main
from mmvideo.errors import InvalidInput, OutOfMemory, UnsuitableClip, VideoDecodeError, translated
from mmvideo.flow.opencv import DIS
from mmvideo.hub.classifier import HubClassifier
from mmvideo.hub.load import LoadOptions
from mmvideo.hub.resolve import resolve
from mmvideo.jobs import JobOptions, run_job
from mmvideo.registry import find as part
from mmvideo.vlm.chat import ChatModel, VideoInput
from tests.hub.checkpoints import FAMILIES
from tests.hub.test_classifiers import FAMILIES as CLASSIFIERS
from tests.tiny import make_clip

IN_PAIRS = ("qwen2_5_vl", "qwen3_vl", "qwen3_5", "glm46v", "qwen2_5_omni", "qwen3_omni_moe")
"""Families whose processor reads frames two by two."""
TOO_SMALL = {"rcn-vgg16", "two-stream-vgg16", "single-frame-convnext-tiny", "slowfast-r101-8x8-nl"}
"""Presets that take frames of any size as far as their layers can halve them."""
ODD = ((1, 72, 96), (4, 16, 4000), (2, 2000, 1), (3, 1, 2000), (1, 1, 1), (3, 3, 5))
"""Frames, height and width."""


def seen(count: int, height: int, width: int) -> VideoInput:
    frames = torch.randint(0, 256, (count, 3, height, width), generator=torch.Generator().manual_seed(0))
    return VideoInput(frames.to(torch.uint8), torch.arange(count).double() / 2, count / 2, source="odd.mp4")


def light(folder: Path) -> ChatModel:
    return ChatModel.without_weights(resolve(str(folder)), LoadOptions())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_processor_takes_a_clip_or_says_which_it_does_not(family: str, checkpoint: Callable[[str], Path]) -> None:
    chat = light(checkpoint(family))
    for count, height, width in ODD:
        clip = seen(count, height, width)
        if family not in (*IN_PAIRS, "video_llama_3") or max(height, width) < 200 * min(height, width):
            assert chat.prompt("?", clip).num_seen_tokens > 0
            continue
        with pytest.raises(UnsuitableClip, match=f"processor of .*{family} does.*{clip}.*ValueError.*ratio") as caught:
            chat.prompt("?", clip)
        assert isinstance(caught.value.__cause__, ValueError)
        assert f"odd.mp4 with {count} frame" in str(caught.value)
        assert f"{width}x{height}" in str(caught.value)


@pytest.mark.parametrize("family", IN_PAIRS)
def test_a_single_frame_is_given_twice_at_its_own_time(family: str, checkpoint: Callable[[str], Path]) -> None:
    chat, one = light(checkpoint(family)), seen(1, 72, 96)
    twice = VideoInput(one.frames.repeat(2, 1, 1, 1), one.pts_seconds.repeat(2), one.duration_seconds)
    found, expected = chat.prompt("?", one), chat.prompt("?", twice)
    assert found.tensors.keys() == expected.tensors.keys()
    for name, value in expected.tensors.items():
        if isinstance(value, torch.Tensor):
            torch.testing.assert_close(found.tensors[name], value, rtol=0, atol=0)
    assert len(one.frames) == 1


@pytest.mark.parametrize("family", ["qwen3_vl", "qwen3_5", "glm46v"])
def test_a_clip_under_half_a_second_is_answered(family: str, checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    clip = str(make_clip(tmp_path / "short.mp4", seconds=0.4))
    pipe = Pipeline("video-qa", model=checkpoint(family), device="cpu", dtype="float32", max_new_tokens=2)
    answer = pipe(clip, "what?")
    assert len(answer.seconds_looked_at) == 1
    assert answer.usage.completion_tokens
    longer = str(make_clip(tmp_path / "longer.mp4", seconds=2))
    one = Pipeline("video-qa", model=checkpoint(family), device="cpu", dtype="float32", max_new_tokens=2, max_frames=1)
    assert len(one(longer, "what?").seconds_looked_at) == 1


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A picture of aspect 250, and a clip."""
    home = tmp_path_factory.mktemp("odd")
    Image.fromarray(np.full((16, 4000, 3), 90, np.uint8)).save(home / "thin.png")
    return str(home / "thin.png"), str(make_clip(home / "clip.mp4", seconds=1))


def test_call_map_command_and_job_go_on_after_such_a_clip(checkpoint: Callable[[str], Path], odd: tuple[str, str],
                                                          tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = str(checkpoint("qwen3_vl"))
    pipe = Pipeline("video-captioning", model=model, device="cpu", dtype="float32", num_frames=2, max_new_tokens=2)
    with pytest.raises(UnsuitableClip, match=r"thin\.png.*4000x16") as caught:
        pipe(odd[0])
    assert isinstance(caught.value.__cause__, ValueError)
    thin, good = pipe.map(odd)
    assert isinstance(thin, UnsuitableClip)
    assert good.usage.completion_tokens
    with pytest.raises(SystemExit) as stopped:
        main(["caption", *odd, "--model", model, "--device", "cpu", "--json", "--set", "encode_video.num_frames=2",
              "--set", "caption.max_new_tokens=2"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["type"] for line in lines] == ["UnsuitableClip", "Caption"]
    assert stopped.value.code == UnsuitableClip.exit_code
    job = run_job(pipe, list(odd), tmp_path / "job", JobOptions(workers=1, batch_size=2))
    assert [failure[1:3] for failure in job.failures] == [("failed", "UnsuitableClip")]
    (row,) = job.rows()
    assert row["text"] == good.text


class Panic(Exception):
    """What a library without classes of its own raises."""


@pytest.mark.parametrize("raised", [
    ValueError("v"), TypeError("t"), KeyError("k"), IndexError("i"), RuntimeError("r"), AssertionError(), Panic("p"),
    OSError("o"), ZeroDivisionError("z"), UnicodeEncodeError("utf-8", "\ud800", 0, 1, "u"), cv2.error("c"),
    jinja2.TemplateError("j")], ids=lambda error: type(error).__name__)
def test_whatever_a_library_raises_is_typed(raised: Exception, checkpoint: Callable[[str], Path],
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    chat = light(checkpoint("smolvlm"))

    def refuse(*given: Any, **options: Any) -> None:
        raise raised

    clip = seen(2, 72, 96)
    first = chat.prompt("?", clip)
    for owner, name, call, kind in (
            (type(chat.processor), "__call__", lambda: chat.prompt("?", clip), UnsuitableClip),
            (type(chat.processor), "apply_chat_template", lambda: chat.text("?", clip), InvalidInput),
            (type(chat.tokenizer), "__call__", lambda: chat.ids("?", clip, (), first), InvalidInput)):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, refuse)
            with pytest.raises(kind, match=type(raised).__name__) as caught:
                call()
        assert caught.value.__cause__ is raised


def test_own_errors_and_lack_of_memory_go_through(checkpoint: Callable[[str], Path],
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    given = VideoDecodeError("damaged")
    with pytest.raises(VideoDecodeError) as caught, translated("it", "processor", "clip"):
        raise given
    assert caught.value is given
    with pytest.raises(KeyboardInterrupt), translated("it", "processor", "clip"):
        raise KeyboardInterrupt
    chat = light(checkpoint("smolvlm"))
    for error in (MemoryError(), torch.OutOfMemoryError("CUDA out of memory"),
                  RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")):
        def refuse(*given: Any, error: Exception = error, **options: Any) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(type(chat.processor), "__call__", refuse)
            with pytest.raises(OutOfMemory, match=r"preparing odd\.mp4"):
                chat.prompt("?", seen(2, 72, 96))


@pytest.mark.parametrize("family", CLASSIFIERS)
def test_classifiers_of_the_hub(family: str, tmp_path: Path) -> None:
    model, prepares = CLASSIFIERS[family]()
    model.save_pretrained(tmp_path)
    prepares.save_pretrained(tmp_path)
    classifier = HubClassifier.from_pretrained(resolve(tmp_path), torch.device("cpu"), LoadOptions(dtype="float32"))
    for _, height, width in ODD:
        assert classifier.logits(seen(8, height, width).frames[None]).isfinite().all()
    if family == "vjepa2":  # takes any number of frames
        assert classifier.logits(seen(1, 72, 96).frames[None]).isfinite().all()
        return
    with pytest.raises(UnsuitableClip, match=r"The network of .* odd\.mp4 with 2 frames of 96x72"):
        classifier.logits(seen(2, 72, 96).frames[None], "odd.mp4")


@pytest.mark.parametrize("preset", ["rcn-vgg16", "two-stream-vgg16", "single-frame-convnext-tiny",
                                    "slowfast-r101-8x8-nl", "timesformer-tiny", "x3d-tiny"])
def test_encoders_of_the_zoo(preset: str) -> None:
    from mmvideo.encoders.zoo import family_of

    with torch.device("meta"):
        encoder = part("encoders", family_of(preset, "encoders")).create(preset).eval()
    given = encoder.input
    for count, height, width in (*((given.num_frames, h, w) for _, h, w in ODD), (1, given.height, given.width)):
        frames = torch.zeros(1, count, len(given.mean), height, width, dtype=torch.uint8, device="meta")
        if (height, width) == (given.height, given.width):
            assert encoder(frames).pooled.shape == (1, encoder.dim_pooled)
            continue
        if encoder.any_size and (preset not in TOO_SMALL or height == 72):
            assert encoder(frames).pooled.shape == (1, encoder.dim_pooled)
            continue
        with pytest.raises(InvalidInput, match=rf"{height}x{width}"):
            encoder(frames)


def test_optical_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: Any) -> None:
        raise cv2.error("OpenCV(5) (-215:Assertion failed) !empty()")

    monkeypatch.setattr(DIS, "pair", refuse)
    with pytest.raises(UnsuitableClip, match=r"DIS of OpenCV does not take frames of 32x16 pixels \(error: OpenCV"):
        DIS()(torch.zeros(1, 2, 3, 16, 32, dtype=torch.uint8))
