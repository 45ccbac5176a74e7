"""Every family through the public path: transformers' own logits on the same frames, and the true times of frames."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from torch import Tensor

from mmvideo import Pipeline
from mmvideo.hooks import Hook
from mmvideo.types import GenerationOptions
from mmvideo.vlm.chat_conversation import ChatConversation
from tests.hub.checkpoints import FAMILIES

QUESTION = "What does the red ball do?"
FPS, SECONDS = 10, 4
NEEDS_SOUND = ("gemma4", "qwen2_5_omni", "qwen3_omni_moe")


class Keep(Hook):
    """Keeps what stages gave."""

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}

    def after(self, stage: str, given: Any, seconds: float) -> None:
        self.fields.update(given)


def moving(count: int, height: int = 72, width: int = 96) -> np.ndarray:
    """Return frames (T, H, W, 3) that all differ: a bright square over a gradient."""
    ramp = np.linspace(20, 200, width)[None, :, None] * np.ones((height, 1, 3))
    frames = np.repeat(ramp[None], count, 0)
    for t in range(count):
        left = int(t * (width - 24) / max(count - 1, 1))
        frames[t, 20:44, left:left + 24] = (250, 30 + 5 * t % 200, 40)
    return frames.round().astype(np.uint8)


def write(path: Path, times: list[float], rate: int = 1000) -> Path:
    """Write frames at given times, losslessly, with PyAV alone."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264rgb", rate=rate, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = 96, 72, "rgb24"
        stream.time_base = stream.codec_context.time_base = Fraction(1, rate)
        for image, seconds in zip(moving(len(times)), times, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = round(seconds * rate), Fraction(1, rate)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def decode(path: Path) -> tuple[np.ndarray, list[float]]:
    """Read all frames (T, H, W, 3) and their times with PyAV alone."""
    with av.open(str(path)) as file:
        frames = list(file.decode(video=0))
    return np.stack([f.to_ndarray(format="rgb24") for f in frames]), [float(f.time) for f in frames]


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("clips") / "steady.mkv", [i / FPS for i in range(FPS * SECONDS)], FPS)


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames that come slowly at first, then fast."""
    times = [0.0, 0.9, 1.7, 2.6, 3.1, 3.2, 3.3, 3.4, 3.5, 3.6, 3.7, 3.8]
    return write(tmp_path_factory.mktemp("clips") / "uneven.mkv", times)


def theirs(folder: Path, frames: np.ndarray, rows: list[int], sound: Tensor | None) -> tuple[Any, dict[str, Any]]:
    """Return transformers' model and the inputs that its own processor makes of chosen frames."""
    from transformers import AutoModelForMultimodalLM, AutoProcessor
    from transformers.models.qwen2_5_omni.modeling_qwen2_5_omni import Qwen2_5OmniForConditionalGeneration
    from transformers.video_utils import VideoMetadata

    processor = AutoProcessor.from_pretrained(folder)
    if "qwen2_5_omni" in folder.name:  # the whole model wants a file with speakers beside the weights
        folder.joinpath("spk_dict.pt").exists() or torch.save({}, folder / "spk_dict.pt")
        model = Qwen2_5OmniForConditionalGeneration.from_pretrained(folder)
    else:
        model = AutoModelForMultimodalLM.from_pretrained(folder)
    model = getattr(model, "thinker", model).eval()
    chosen = torch.from_numpy(frames[rows]).permute(0, 3, 1, 2)
    if getattr(processor, "video_processor", None) is None:
        content = [part for row in rows for part in ({"type": "text", "text": f"{row / FPS:.2f} s:"},
                                                     {"type": "image", "image": chosen[rows.index(row)]})]
        content.append({"type": "text", "text": QUESTION})
        return model, processor.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=True, return_dict=True, return_tensors="pt",
            add_generation_prompt=True)
    content = [{"type": "video"}, {"type": "text", "text": QUESTION}]
    told = VideoMetadata(total_num_frames=len(frames), fps=FPS, duration=len(frames) / FPS, frames_indices=rows,
                         height=72, width=96)
    given: dict[str, Any] = {"videos": [chosen], "video_metadata": [told], "do_sample_frames": False,
                             "fps": len(rows) / SECONDS}
    if sound is not None:
        given |= {"audio": [sound.numpy()], "sampling_rate": 16_000}
        if "omni" in folder.name:
            given |= {"load_audio_from_video": True, "audio_from_video_indices": [0]}
        else:
            content.insert(1, {"type": "audio"})
    text = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    begins = processor.tokenizer.bos_token
    if begins and text.startswith(begins):
        given["add_special_tokens"] = False
    inputs = processor(text=[text], return_tensors="pt", **given)
    return model, {**inputs, "use_audio_in_video": True} if "omni" in folder.name else inputs


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_and_words_are_those_of_transformers(family: str, checkpoint: Callable[[str], Path],
                                                    steady: Path) -> None:
    folder, keep = checkpoint(family), Keep()
    sound = torch.sin(torch.arange(16_000 * SECONDS) / 9)[None] * 0.3 if family in NEEDS_SOUND else None
    frames, _ = decode(steady)
    source, options = (str(steady), {}) if sound is None else (
        frames, {"fps": FPS, "audio": sound, "sample_rate": 16_000})
    pipe = Pipeline("video-qa", model=folder, device="cpu", dtype="float32", num_frames=5,
                    size=[72, 96])  # the file's own, so that transformers' processor sees the pixels of the file
    answer = pipe(source, QUESTION, hook=keep, max_new_tokens=6, **options)
    rows = [round(seconds * FPS) for seconds in answer.seconds_looked_at]
    assert rows == [4, 12, 20, 28, 36]
    model, inputs = theirs(folder, frames, rows, None if sound is None else sound[0])
    with torch.inference_mode():
        expected = model(**inputs).logits[0, -1]
        said, likeliest = (model.generate(**inputs, max_new_tokens=6, do_sample=False, num_beams=beams)[
            0, inputs["input_ids"].shape[1]:] for beams in (1, 1 if family == "glm46v" else 3))
    conversation: ChatConversation = keep.fields["conversation"]
    found = conversation.logits(QUESTION)
    assert expected.std() > 0.05
    torch.testing.assert_close(found, expected, atol=1e-4 * float(expected.abs().max()), rtol=0)
    tokenizer = pipe.stages[1][1].reader.chat.tokenizer
    assert answer.text == tokenizer.decode(said, skip_special_tokens=True).strip()
    beams = conversation.reply(QUESTION, GenerationOptions(max_new_tokens=6, num_beams=3))
    if family != "glm46v":  # its own generate() fails with several beams
        assert beams.text == tokenizer.decode(likeliest, skip_special_tokens=True).strip()


TOLD = {
    "smolvlm": (r"Frame from (\d\d):(\d\d):", 1.0), "qwen3_vl": (r"<([\d.]+) seconds>", 0.1),
    "qwen3_5": (r"<([\d.]+) seconds>", 0.1), "video_llama_3": (r"Time ([\d.]+)s:", 0.1),
    "llava": (r"([\d.]+) s:", 0.01),
    "molmo2": (r"([\d.]+) <frame_start>", 0.1), "gemma4": (r"(\d\d):(\d\d)", 1.0),
    "glm46v": (r"([\d.]+) seconds", 0.1),
}
"""How a family writes the time of a frame, and the unit to which it rounds or cuts it."""


@pytest.mark.parametrize("family", [*TOLD, "qwen2_5_vl", "qwen2_5_omni", "qwen3_omni_moe"])
def test_the_model_is_told_the_true_times(family: str, checkpoint: Callable[[str], Path], uneven: Path) -> None:
    keep = Keep()
    pipe = Pipeline("video-qa", model=checkpoint(family), device="cpu", dtype="float32", num_frames=6)
    pipe(str(uneven), QUESTION, hook=keep, max_new_tokens=1)
    conversation: ChatConversation = keep.fields["conversation"]
    _, times = decode(uneven)
    seen = conversation.seen.pts_seconds.tolist()
    assert all(min(abs(seconds - true) for true in times) < 1e-3 for seconds in seen)
    assert not np.allclose(np.diff(seen), np.diff(seen)[0])
    given = conversation.first.tensors
    if family not in TOLD:
        name = "second_per_grid_ts" if family == "qwen2_5_vl" else "video_second_per_grid"
        expected = 2 * conversation.seen.duration_seconds / len(seen)
        assert float(torch.as_tensor(given[name]).flatten()[0]) == pytest.approx(expected, rel=1e-3)
        return
    pattern, unit = TOLD[family]
    text = conversation.chat.tokenizer.decode(given["input_ids"][0])
    told = [sum(float(part) * 60 ** power for power, part in enumerate(reversed(match.groups())))
            for match in re.finditer(pattern, text)]
    if family in ("qwen3_vl", "qwen3_5"):  # one time for two frames, their mean
        seen = [(a + b) / 2 for a, b in zip(seen[::2], [*seen[1::2], seen[-1]][:-(-len(seen) // 2)], strict=True)]
    if family == "glm46v":  # one time for two frames, that of the first
        seen = seen[::2]
    assert told == pytest.approx(seen, abs=unit)
