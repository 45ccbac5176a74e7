"""Many videos in one batch of a chat model: the words and sureness of one at a time, whoever the neighbours are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from mmvideo.hub.load import LoadOptions
from mmvideo.hub.resolve import find
from mmvideo.types import GenerationOptions
from mmvideo.vlm.batch import Prepared, Unread, reply_together
from mmvideo.vlm.chat import ChatModel, Seen
from tests.hub import checkpoints

QUESTIONS = ("What happens?", "Does the red ball roll from left to right, and does it fall at 1.5 seconds?", "Who?")


def _seen(number: int, frames: int = 4) -> Seen:
    pixels = torch.randint(0, 256, (frames, 3, 8, 8), generator=torch.Generator().manual_seed(number))
    pixels = torch.nn.functional.interpolate(pixels.float(), size=(56, 84), mode="bilinear").to(torch.uint8)
    return Seen(pixels, torch.arange(frames).double() / 2, frames / 2)


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
    found, options = find(str(checkpoint(family))), LoadOptions(dtype="float32")
    chat = ChatModel.from_pretrained(found, torch.device("cpu"), options)
    light = ChatModel.without_weights(found, options)
    clips = []
    for number in range(3):
        seen = _seen(number)
        ours, theirs = light.prompt("?", seen).tensors, chat.prompt("?", seen).tensors
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours if isinstance(ours[name], torch.Tensor))
        clips.append(Unread(chat, Prepared(seen, light.prompt("?", seen))))
    if family == "molmo2":  # its inputs hold places in one another: it reads videos one by one
        assert clips[0].prepared.bucket is None
        return
    assert clips[0].prepared.bucket is not None
    assert clips[0].prepared.bucket == clips[1].prepared.bucket
    said = reply_together(clips, QUESTIONS, size=2, max_new_tokens=5)
    for clip, question, reply in zip(clips, QUESTIONS, said, strict=True):
        alone = clip.conversation().reply(question, GenerationOptions(max_new_tokens=5))
        assert reply.text == alone.text
        assert reply.confidence == pytest.approx(alone.confidence, abs=1e-4)
    others = reply_together([clips[2], clips[0]], [QUESTIONS[2], QUESTIONS[0]], size=2, max_new_tokens=5)
    for reply, before in zip(others, (said[2], said[0]), strict=True):
        assert reply.text == before.text
        # several threads share the sums of a batch in ways that differ by a bit or two; rows are rounded far above that
        assert reply.confidence == pytest.approx(before.confidence, abs=1e-6), "other neighbours, the same digits"
    with _one_thread():
        said = reply_together(clips, QUESTIONS, size=2, max_new_tokens=5)
        others = reply_together([clips[2], clips[0]], [QUESTIONS[2], QUESTIONS[0]], size=2, max_new_tokens=5)
        assert others == [said[2], said[0]], "other neighbours, the same bits"
    assert len({reply.confidence for reply in said}) == 3
