"""A window over a cut is separated in parts where other people are seen after it; in one piece where the same are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mmvideo.faces import Faces, FaceTrack
from mmvideo.faces.spool import Spool
from mmvideo.separation.base import FRAME_SAMPLES
from mmvideo.stages.separate_run import Run
from mmvideo.types import Cues

ROWS, CUT = 64, 30
SOUND = torch.full((ROWS * FRAME_SAMPLES,), 0.1)


class Shares(nn.Module):
    """Gives face p of P the share (p + 1) / 10 of the sound, and remembers how much it was given at once."""

    sees, window_seconds = True, 2.56

    def __init__(self) -> None:
        super().__init__()
        self.given: list[tuple[int, int, int]] = []

    def forward(self, mixture: Tensor, cues: Cues) -> Tensor:
        self.given.append((cues.valid.shape[1], cues.valid.shape[2], mixture.shape[1]))
        share = torch.arange(1, cues.valid.shape[1] + 1) / 10
        return mixture[:, None] * share[:, None]


def track(number: int, first: int, count: int) -> FaceTrack:
    mouths = Spool((96, 96), np.uint8)
    mouths.append(np.random.default_rng(number).integers(0, 255, (count, 96, 96), dtype=np.uint8))
    lively = np.full(count, 30, np.float32)
    still = np.zeros((224, 224, 3), np.uint8)
    boxes = np.tile(np.array([[0, 0, 100, 100]], np.float32), (count, 1))
    return FaceTrack(number, first, boxes, np.ones(count, bool), mouths, still, 60.0, lively, lively)


def heard(tracks: list[FaceTrack], cuts: tuple[float, ...]) -> tuple[Shares, dict[int, Tensor]]:
    network = Shares()
    run = Run(None, 0.0, ROWS, Faces(tracks, 0.0, ROWS, cuts=cuts), network)
    return network, run._voices(0, SOUND)


@pytest.mark.parametrize("cut_seconds", [CUT / 25, CUT / 25 - 0.013])  # a cut between two rows too
def test_other_people_after_a_cut_are_another_piece(cut_seconds: float) -> None:
    tracks = [track(1, 0, ROWS), track(2, 0, CUT), track(3, CUT, ROWS - CUT)]
    network, voices = heard(tracks, (cut_seconds,))
    assert network.given == [(2, CUT, CUT * FRAME_SAMPLES), (2, ROWS - CUT, (ROWS - CUT) * FRAME_SAMPLES)]
    at = CUT * FRAME_SAMPLES
    assert torch.allclose(voices[0], SOUND * 0.1)
    assert torch.allclose(voices[1][:at], SOUND[:at] * 0.2)
    assert not voices[1][at:].any()
    assert not voices[2][:at].any()
    assert torch.allclose(voices[2][at:], SOUND[at:] * 0.2)


def test_the_same_people_after_a_cut_are_one_piece() -> None:
    network, voices = heard([track(1, 0, ROWS), track(2, 0, ROWS)], (CUT / 25,))
    assert network.given == [(2, ROWS, ROWS * FRAME_SAMPLES)]
    assert torch.allclose(voices[1], SOUND * 0.2)


def test_nobody_is_heard_while_nobody_is_seen() -> None:
    network, voices = heard([track(1, 0, CUT)], (CUT / 25,))
    assert network.given == [(1, CUT, CUT * FRAME_SAMPLES)]
    assert not voices[0][CUT * FRAME_SAMPLES:].any()
