"""CNN + LSTM: a step knows its past only, the order matters, steps join as stated."""

from __future__ import annotations

import pytest
import torch

from mmvideo.encoders.cnn_lstm import CNNLSTM
from mmvideo.errors import UnknownName


@pytest.fixture(scope="module")
def clip() -> torch.Tensor:
    return torch.rand(1, 6, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def encoder() -> CNNLSTM:
    torch.manual_seed(0)
    return CNNLSTM.create("cnn-lstm-tiny").eval()


def test_a_step_sees_its_past_only(encoder: CNNLSTM, clip: torch.Tensor) -> None:
    changed = clip.clone()
    changed[:, 3] = 0
    with torch.inference_mode():
        before, after = encoder(clip).tokens, encoder(changed).tokens
    differs = (before - after).abs().amax((0, 2)) > 1e-6
    assert differs.tolist() == [False, False, False, True, True, True]


def test_the_order_of_frames_matters(encoder: CNNLSTM, clip: torch.Tensor) -> None:
    with torch.inference_mode():
        forth, back = encoder.logits(clip), encoder.logits(clip.flip(1))
    assert (forth - back).abs().max() > 1e-4


@pytest.mark.parametrize("readout", ["mean", "last", "weighted"])
def test_steps_join_as_stated(readout: str, clip: torch.Tensor) -> None:
    encoder = CNNLSTM.create("cnn-lstm-tiny", readout=readout).eval()
    with torch.inference_mode():
        features = encoder(clip)
        steps = encoder.step_logits(features)
        weights = {"mean": torch.ones(6), "last": torch.eye(6)[5], "weighted": torch.arange(1., 7)}[readout]
        expected = (steps * (weights / weights.sum())[None, :, None]).sum(1)
        assert torch.allclose(encoder.classify(features), expected, atol=1e-5)


def test_an_unknown_readout_is_told() -> None:
    with pytest.raises(UnknownName, match="mean"):
        CNNLSTM.create("cnn-lstm-tiny", readout="first")
