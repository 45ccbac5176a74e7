"""Ratios against torchmetrics and by hand; losses that stop where they should, and stay finite."""

from __future__ import annotations

import pytest
import torch

from mmvideo.separation.losses import best_permutation, negative_snr, separation_loss, si_sdr, silent_target, snr
from mmvideo.separation.spectrum import Spectrum, as_channels, as_complex, ratio_mask


def test_ratios_are_those_of_the_definition() -> None:
    target = torch.randn(3, 8000)
    noise = torch.randn(3, 8000)
    noise *= (target.square().sum(-1) / noise.square().sum(-1)).sqrt()[:, None] * 10 ** (-12 / 20)
    assert torch.allclose(snr(target + noise, target), torch.full((3,), 12.0), atol=1e-3)
    assert torch.allclose(si_sdr(0.1 * (target + noise), target), si_sdr(target + noise, target), atol=1e-2)


def test_si_sdr_is_torchmetrics() -> None:
    functional = pytest.importorskip("torchmetrics.functional.audio")
    estimate, target = torch.randn(4, 16000) + 0.3, torch.randn(4, 16000)
    estimate[:2] += 3 * target[:2]
    theirs = functional.scale_invariant_signal_distortion_ratio(estimate, target, zero_mean=True)
    assert torch.allclose(si_sdr(estimate, target), theirs, atol=1e-3)


def test_the_loss_nears_its_limit_and_no_further() -> None:
    target = torch.randn(2, 8000)
    assert torch.allclose(negative_snr(target, target), torch.full((2,), -30.0), atol=1e-3)
    assert torch.allclose(negative_snr(torch.zeros_like(target), target), torch.zeros(2), atol=0.01)
    assert torch.allclose(silent_target(torch.zeros(2, 8000), target), torch.full((2,), -30.0), atol=1e-3)
    assert torch.allclose(silent_target(target, target), torch.zeros(2), atol=0.01)


def test_a_silent_target_wants_silence_and_gradients_stay_finite() -> None:
    target = torch.randn(1, 2, 4000)
    target[:, 1] = 0
    mixture = target.sum(1)
    estimate = torch.randn(1, 2, 4000, requires_grad=True)
    loss = separation_loss(estimate, target, mixture)
    assert torch.allclose(loss[0, 0], negative_snr(estimate[0, 0], target[0, 0]))
    assert torch.allclose(loss[0, 1], silent_target(estimate[0, 1], mixture[0]))
    loss.sum().backward()
    assert estimate.grad.isfinite().all()
    assert (estimate.grad[0, 1] * estimate[0, 1]).sum() > 0, "less of the estimate is less of the loss"
    perfect = torch.zeros(1, 2, 4000, requires_grad=True)
    separation_loss(perfect, torch.zeros_like(target), mixture).sum().backward()
    assert perfect.grad.isfinite().all()


def test_the_best_order_is_found() -> None:
    target = torch.randn(4, 3, 2000)
    order = torch.stack([torch.randperm(3) for _ in range(4)])
    estimate = torch.empty_like(target)
    for b in range(4):
        estimate[b, order[b]] = target[b]
    loss, found = best_permutation(estimate, target)
    assert torch.equal(found, order)
    assert torch.allclose(loss, torch.full((4,), -30.0), atol=1e-2)


@pytest.mark.parametrize("samples", [40_800, 16_000, 12_345])
def test_a_spectrum_comes_back_as_the_waveform(samples: int) -> None:
    waves, spectrum = torch.randn(2, 3, samples), Spectrum(512, 400, 160)
    spec = spectrum.analyse(waves)
    assert spec.shape == (2, 3, 257, samples // 160 + 1)
    assert torch.equal(as_complex(as_channels(spec)), spec)
    inside = slice(0, samples // 160 * 160)
    assert torch.allclose(spectrum.synthesise(spec, samples)[..., inside], waves[..., inside], atol=1e-4)


def test_the_ratio_mask_makes_the_target_within_its_limit() -> None:
    mixture, target = (torch.randn(2, 257, 20, dtype=torch.complex64) for _ in range(2))
    mask = ratio_mask(target, mixture, limit=5)
    assert max(mask.real.abs().max(), mask.imag.abs().max()) <= 5
    free = ratio_mask(target, mixture, limit=1e9)
    assert torch.allclose(free * mixture, target, atol=1e-4)
