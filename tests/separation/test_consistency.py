"""Voices of one mixture sum to it where they nearly do, and only there."""

from __future__ import annotations

import torch
from torch import Tensor

from mmvideo.separation.consistency import share_the_rest
from mmvideo.separation.losses import si_sdr


def tone(hertz: float, level: float = 0.1) -> Tensor:
    return level * torch.sin(torch.arange(16000) * (2 * torch.pi * hertz / 16000))


def test_what_two_voices_lost_is_given_back_to_the_one_it_sounds_like() -> None:
    voices = torch.stack([tone(300), tone(1000)])
    found = voices * torch.tensor([[0.8], [0.9]])
    shared = share_the_rest(found, voices.sum(0))
    error = lambda estimate: (estimate - voices).square().mean()  # noqa: E731
    assert error(shared) < 0.2 * error(found)


def test_the_tone_of_nobody_stays_out_of_the_voices() -> None:
    voices, hum = torch.stack([tone(300), tone(1000)]), tone(3000, 0.3)
    shared = share_the_rest(voices, voices.sum(0) + hum)
    assert (si_sdr(shared, voices) > 30).all()


def test_a_silent_voice_stays_silent_and_one_alone_is_left_as_it_is() -> None:
    speaks = torch.stack([tone(300), torch.zeros(16000)])
    shared = share_the_rest(0.8 * speaks, speaks[0])
    assert shared[1].abs().max() < 1e-6
    assert (shared[0] - speaks[0]).square().mean() < 0.1 * (0.2 * speaks[0]).square().mean()
    alone = speaks[:1]
    assert share_the_rest(alone, speaks[0] + tone(3000)) is alone
