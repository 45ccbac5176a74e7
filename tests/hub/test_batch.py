"""Many videos in one batch of a chat model: the words and sureness of one at a time, whoever the neighbours are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mmvideo.hub.load import LoadOptions
from mmvideo.hub.resolve import resolve
from mmvideo.types import GenerationOptions
from mmvideo.vlm.batch import Prepared, UnreadChat, reply_batched
from mmvideo.vlm.chat import ChatModel, VideoInput
from mmvideo.vlm.generate import Generated
from tests.hub import checkpoints

QUESTIONS = ("What happens?", "Does the red ball roll from left to right, and does it fall at 1.5 seconds?", "Who?")


def _seen(number: int, frames: int = 4) -> VideoInput:
    pixels = torch.randint(0, 256, (frames, 3, 8, 8), generator=torch.Generator().manual_seed(number))
    pixels = torch.nn.functional.interpolate(pixels.float(), size=(56, 84), mode="bilinear").to(torch.uint8)
    return VideoInput(pixels, torch.arange(frames).double() / 2, frames / 2)


def _asked(clips: Sequence[UnreadChat], questions: Sequence[str]) -> list[Generated]:
    options = GenerationOptions(max_new_tokens=5)
    return [reply for (reply,) in reply_batched(clips, [[text] for text in questions], options, size=2)]


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("family", checkpoints.FAMILIES)
def test_a_batch_says_what_each_video_says_alone(family: str, checkpoint: Callable[[str], Path]) -> None:
    found, options = resolve(str(checkpoint(family))), LoadOptions(dtype="float32")
    chat = ChatModel.from_pretrained(found, torch.device("cpu"), options)
    light = ChatModel.without_weights(found, options)
    clips = []
    for number in range(3):
        seen = _seen(number)
        ours, theirs = light.prompt("?", seen).tensors, chat.prompt("?", seen).tensors
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours if isinstance(ours[name], torch.Tensor))
        clips.append(UnreadChat(chat, Prepared(seen, light.prompt("?", seen))))
    if family == "molmo2":  # its inputs hold places in one another: it reads videos one by one
        assert clips[0].prepared.bucket is None
        return
    assert clips[0].prepared.bucket is not None
    assert clips[0].prepared.bucket == clips[1].prepared.bucket
    said = _asked(clips, QUESTIONS)
    for clip, question, reply in zip(clips, QUESTIONS, said, strict=True):
        alone = clip.conversation().reply(question, GenerationOptions(max_new_tokens=5))
        assert replace(reply, confidence=0.0) == replace(alone, confidence=0.0), "every field"
        assert reply.confidence == pytest.approx(alone.confidence, abs=1e-4)
    others = _asked([clips[2], clips[0]], [QUESTIONS[2], QUESTIONS[0]])
    for reply, before in zip(others, (said[2], said[0]), strict=True):
        assert reply.text == before.text
        # several threads share the sums of a batch in ways that differ by a bit or two; rows are rounded far above that
        assert reply.confidence == pytest.approx(before.confidence, abs=1e-6), "other neighbours, the same digits"
    with _one_thread():
        said = _asked(clips, QUESTIONS)
        others = _asked([clips[2], clips[0]], [QUESTIONS[2], QUESTIONS[0]])
        assert others == [said[2], said[0]], "other neighbours, the same bits"
    assert len({reply.confidence for reply in said}) == 3
