"""Frames are decoded at the size that a processor makes of them, which its own code tells on shapes alone."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from PIL import Image

from mmvideo import Pipeline
from mmvideo.errors import UnsuitableClip
from mmvideo.hub.load import LoadOptions
from mmvideo.hub.resolve import resolve
from mmvideo.jobs import partition
from mmvideo.jobs.inputs import Item
from mmvideo.jobs.options import JobOptions
from mmvideo.media import open_source
from mmvideo.vlm.chat import ChatModel, VideoInput
from mmvideo.vlm.frame_size import UNKNOWN_PIXELS, decoding_size, resizes
from tests.hub.checkpoints import FAMILIES
from tests.hub.test_families import FPS, NEEDS_SOUND, QUESTION, SECONDS, Keep, moving, steady, theirs  # noqa: F401

GEOMETRIES = ((2, 1080, 1920), (8, 540, 960), (5, 960, 540), (3, 72, 96), (7, 241, 322), (1, 300, 300))
"""Frames, height, width."""


def calls(prepares: Any) -> Callable[[torch.Tensor], Any]:
    return lambda frames: prepares([frames], do_sample_frames=False, return_tensors="pt")


def light(folder: Path) -> ChatModel:
    return ChatModel.without_weights(resolve(str(folder)), LoadOptions())


@pytest.mark.parametrize("family", FAMILIES)
def test_the_model_is_shown_the_same(family: str, checkpoint: Callable[[str], Path]) -> None:
    chat = light(checkpoint(family))
    smaller = 0
    for count, height, width in GEOMETRIES:
        frames, pts = moving(count, height, width), torch.arange(count).double() / 2
        size = chat.decoding_size(count, height, width)
        if size is None:
            continue
        assert size[0] <= height or size[1] <= width
        assert size[0] * size[1] < height * width
        smaller += 1
        with open_source(frames, fps=2) as source:
            ours = source.frames_at(pts.tolist(), size=size, fit="squash").frames
        whole = chat.prompt("?", VideoInput(torch.from_numpy(frames).permute(0, 3, 1, 2), pts, count / 2)).tensors
        found = chat.prompt("?", VideoInput(ours, pts, count / 2)).tensors
        assert found.keys() == whole.keys()
        for name, value in whole.items():
            if isinstance(value, torch.Tensor) and "pixel_values" in name:
                assert found[name].shape == value.shape, name
                difference = (found[name].float() - value.float()).abs().mean() / value.float().std()
                assert difference < 0.12, f"{family} {count}x{height}x{width}: {difference}"
            elif isinstance(value, torch.Tensor) and family != "video_llama_3":  # drops still places
                torch.testing.assert_close(found[name], value, rtol=0, atol=0, msg=name)
    assert smaller >= 1


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_those_of_transformers_on_the_same_pixels(family: str, checkpoint: Callable[[str], Path],
                                                             steady: Path) -> None:  # noqa: F811
    folder, keep = checkpoint(family), Keep()
    sound = torch.sin(torch.arange(16_000 * SECONDS) / 9)[None] * 0.3 if family in NEEDS_SOUND else None
    large = np.repeat(np.repeat(moving(FPS * SECONDS), 6, 1), 6, 2)
    options = {"fps": FPS} if sound is None else {"fps": FPS, "audio": sound, "sample_rate": 16_000}
    pipe = Pipeline("video-qa", model=folder, device="cpu", dtype="float32", num_frames=5)
    answer = pipe(large, QUESTION, hook=keep, max_new_tokens=1, **options)
    rows = [round(seconds * FPS) for seconds in answer.seconds_looked_at]
    seen = keep.fields["conversation"].seen.frames
    size = pipe.stages[1][1].reader.chat.decoding_size(5, 432, 576)
    assert tuple(seen.shape[-2:]) == (size or (432, 576))
    assert size is not None or family == "qwen3_omni_moe", "its processor makes 128 x 28 x 28 pixels or more"
    frames = np.zeros((len(large), *seen.shape[-2:], 3), np.uint8)
    frames[rows] = seen.permute(0, 2, 3, 1).numpy()
    model, inputs = theirs(folder, frames, rows, None if sound is None else sound[0])
    with torch.inference_mode():
        expected = model(**inputs).logits[0, -1]
    found = keep.fields["conversation"].logits(QUESTION)
    torch.testing.assert_close(found, expected, atol=1e-4 * float(expected.abs().max()), rtol=0)


def film(path: Path, count: int, height: int, width: int, fps: int = 2) -> str:
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "qp": "40"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(count):
            picture = np.full((height, width, 3), 20 + 10 * number % 200, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode())
    return str(path)


@pytest.mark.parametrize(("count", "height", "width"), [(41, 1080, 1920), (2, 2160, 3840)])
def test_memory_follows_what_the_model_is_shown(count: int, height: int, width: int,
                                                checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    clip, keep = film(tmp_path / "film.mp4", count, height, width), Keep()
    pipe = Pipeline("video-qa", model=checkpoint("smolvlm"), device="cpu", dtype="float32", fps=2, max_new_tokens=1)
    answer = pipe(clip, "what?", hook=keep)
    assert len(answer.seconds_looked_at) == count
    assert keep.fields["clips"].frames.shape == (1, count, 3, 36, 64)


def test_the_promise_for_768_frames() -> None:
    from transformers import Qwen3VLVideoProcessor, SmolVLMVideoProcessor

    for prepares, most in ((Qwen3VLVideoProcessor(), 60e6), (SmolVLMVideoProcessor(size={"longest_edge": 512}), 350e6)):
        height, width = decoding_size(calls(prepares), 768, 1080, 1920)
        assert 768 * 3 * height * width < most
        assert resizes(calls(prepares), 768, height, width).first <= {(364, 364)}, "resampled once, but to a square"


@pytest.mark.parametrize("count", [2, 3, 8, 40])
def test_few_frames_of_4k_are_read_though_their_sides_are_rounded_up(count: int) -> None:
    from transformers import Qwen3VLVideoProcessor

    prepares = Qwen3VLVideoProcessor(size={"longest_edge": 25_165_824, "shortest_edge": 4096})  # as released
    height, width = decoding_size(calls(prepares), count, 2160, 3840) or (2160, 3840)
    assert height * width <= 2160 * 3840
    if count == 2:
        assert resizes(calls(prepares), count, 2160, 3840).first == {(2176, 3840)}


def test_processors_that_tell_nothing_are_given_a_bounded_size() -> None:
    def numpy(frames: torch.Tensor) -> np.ndarray:
        return np.stack([np.asarray(frame) for frame in frames])

    height, width = decoding_size(numpy, 4, 2160, 3840)
    assert height * width <= UNKNOWN_PIXELS
    assert width / height == pytest.approx(16 / 9, rel=0.01)
    assert decoding_size(numpy, 4, 480, 640) is None


def test_a_thin_picture_is_not_blown_up(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    path = tmp_path / "thin.png"
    Image.fromarray(np.full((1, 8000, 3), 90, np.uint8)).save(path)
    pipe = Pipeline("video-captioning", model=checkpoint("llava"), device="cpu")
    with pytest.raises(UnsuitableClip, match=r"llava would enlarge the frames of .*thin\.png from 8000x1 to 448000x56"):
        pipe(str(path))


def test_a_size_that_was_chosen_is_kept(checkpoint: Callable[[str], Path], steady: Path) -> None:  # noqa: F811
    for size, expected in (([72, 96], (72, 96)), (40, (40, 40)), (None, (48, 64))):
        keep = Keep()
        pipe = Pipeline("video-qa", model=checkpoint("smolvlm"), device="cpu", num_frames=2, size=size,
                        max_new_tokens=1)
        pipe(str(steady), "what?", hook=keep)
        assert tuple(keep.fields["clips"].frames.shape[-2:]) == expected


def test_pictures_of_a_report_keep_their_shape(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    clip = film(tmp_path / "wide.mp4", 4, 90, 320)
    pipe = Pipeline("video-captioning", model=checkpoint("internvl"), device="cpu", num_frames=4, max_new_tokens=1)
    head, tail = partition.split_stages(pipe.stages)
    for _, stage in head:
        stage.load(torch.device("cpu"))
    needed = partition.needs(tail, "caption")
    decoded = partition.decode(Item("wide", clip), clip, head, needed, JobOptions(), thumbnail=True,
                            tail=tail)
    picture = Image.open(io.BytesIO(decoded.thumbnail))
    assert picture.width / picture.height == pytest.approx(4 * 320 / 90, rel=0.02)
