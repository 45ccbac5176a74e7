"""Work in threads beside the search for faces changes nothing and hides no error."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from mmvideo import deadline
from mmvideo.errors import TimeLimitExceeded, VideoDecodeError
from mmvideo.faces.beside import read_ahead
from mmvideo.faces.find import FaceFinder
from mmvideo.media import open_source
from mmvideo.nn.threads import one_thread
from mmvideo.weights import weights_root


def test_items_come_in_order_and_an_error_after_them() -> None:
    def numbers() -> Iterator[int]:
        yield from range(5)
        raise VideoDecodeError("damaged")

    seen: list[int] = []
    with pytest.raises(VideoDecodeError, match="damaged"):
        seen.extend(read_ahead(numbers()))
    assert seen == [0, 1, 2, 3, 4]


def test_a_time_limit_holds_in_the_thread_too() -> None:
    def numbers() -> Iterator[int]:
        deadline.check()
        yield 1

    with deadline.within(deadline.Deadline(1.0, spent=2.0)), pytest.raises(TimeLimitExceeded):
        list(read_ahead(numbers()))


def test_one_thread_is_for_a_while() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with one_thread() as several:
            assert several
            assert torch.get_num_threads() == 1
            with one_thread() as inner:
                assert not inner
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_the_faces_are_the_same_with_threads_and_without() -> None:
    clip, finder, found, before = weights_root() / "demo" / "voices.mp4", FaceFinder(), [], torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            with open_source(clip) as source:
                found.append(finder(source).tracks)
    finally:
        torch.set_num_threads(before)
    alone, beside = found
    assert len(alone) == len(beside) == 2
    for one, other in zip(alone, beside, strict=True):
        np.testing.assert_array_equal(one.boxes, other.boxes)
        np.testing.assert_array_equal(one.mouths.read(0, len(one)), other.mouths.read(0, len(other)))
