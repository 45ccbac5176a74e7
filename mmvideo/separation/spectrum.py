"""Short-time spectra, and complex masks on them."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Spectrum(nn.Module):
    """The short-time Fourier transform and its inverse, with a Hann window, centred frames.

    Args:
        num_fft: F is num_fft / 2 + 1.
        window: its length in samples, at most `num_fft`.
        hop: samples from frame to frame; a stretch of S samples has S // hop + 1 frames.
        pad_mode: what lies before the first and after the last sample: "constant" (silence) or "reflect".
        root: take the square root of the window, whose squares sum to 1 where windows overlap by half.
    """

    window: Tensor

    def __init__(self, num_fft: int, window: int, hop: int, *, pad_mode: str = "constant", root: bool = False):
        super().__init__()
        self.num_fft, self.hop, self.pad_mode = num_fft, hop, pad_mode
        hann = torch.hann_window(window)
        self.register_buffer("window", hann.sqrt() if root else hann, persistent=False)

    @property
    def num_bins(self) -> int:
        """F."""
        return self.num_fft // 2 + 1

    def analyse(self, waves: Tensor) -> Tensor:
        """Return complex (..., F, T) of waveforms (..., S)."""
        spec = torch.stft(waves.reshape(-1, waves.shape[-1]), self.num_fft, self.hop, self.window.shape[0], self.window,
                          center=True, pad_mode=self.pad_mode, return_complex=True)
        return spec.reshape(*waves.shape[:-1], *spec.shape[-2:])

    def synthesise(self, spec: Tensor, num_samples: int) -> Tensor:
        """Return waveforms (..., S) of spectra (..., F, T)."""
        waves = torch.istft(spec.reshape(-1, *spec.shape[-2:]), self.num_fft, self.hop, self.window.shape[0],
                            self.window, center=True, length=num_samples)
        return waves.reshape(*spec.shape[:-2], num_samples)


def as_channels(spec: Tensor) -> Tensor:
    """Return a complex (..., F, T) as real and imaginary channels, float (..., 2, F, T)."""
    return torch.stack((spec.real, spec.imag), -3)


def as_complex(channels: Tensor) -> Tensor:
    """Do the inverse of `as_channels`."""
    real, imaginary = channels.float().unbind(-3)  # complex numbers know no bfloat16
    return torch.complex(real, imaginary)


def ratio_mask(target: Tensor, mixture: Tensor, *, limit: float) -> Tensor:
    """Return the complex ratio mask that turns the mixture into the target, each part within +-`limit`.

    Williamson et al. 2016 (IEEE/ACM TASLP 24(3)). Both are complex (..., F, T); so is the mask.
    """
    power = mixture.real.square() + mixture.imag.square()
    mask = target * mixture.conj() / (power + 1e-12)
    return torch.complex(mask.real.clamp(-limit, limit), mask.imag.clamp(-limit, limit))


__all__ = ["Spectrum", "as_channels", "as_complex", "ratio_mask"]
