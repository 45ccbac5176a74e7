"""Memory of a chat model's frames, measured: it follows what the model is shown, not the size of the film."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mmvideo.hub.load import LoadOptions
from mmvideo.hub.resolve import resolve
from mmvideo.vlm.chat import ChatModel
from tests.jobs.conftest import load

COUNT, HEIGHT, WIDTH = 32, 1080, 1920
WHOLE = COUNT * 3 * HEIGHT * WIDTH


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the largest size of a process is read on Linux")
def test_decoding_needs_a_fraction_of_the_frames_at_their_own_size(checkpoint: Callable[[str], Path],
                                                                   tmp_path: Path) -> None:
    measure, film = load("frames_memory"), tmp_path / "film.mp4"
    measure.make_film(film, COUNT, HEIGHT)
    torch.set_num_threads(1)
    chat = ChatModel.without_weights(resolve(str(checkpoint("smolvlm"))), LoadOptions())
    measure.taken_memory(chat, film, 2, None)
    shown = measure.taken_memory(chat, film, COUNT, None)
    assert (shown["frames"], shown["height"], shown["width"]) == (COUNT, 36, 64)
    assert shown["peak"] >= shown["decoding"]
    assert shown["peak"] < 0.25 * WHOLE, shown
    native = measure.taken_memory(chat, film, COUNT, (HEIGHT, WIDTH))
    assert native["decoding"] > 0.9 * WHOLE, f"the measure does not see whole frames: {native}"
