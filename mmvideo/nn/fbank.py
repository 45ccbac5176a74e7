"""Log-mel filter banks as Kaldi makes them, in batches and on any device."""

from __future__ import annotations

import math
from contextlib import nullcontext

import torch
from torch import Tensor, nn

FRAMES_PER_SECOND = 100
_WINDOW_SECONDS = 0.025
_PREEMPHASIS = 0.97


def mel_filters(num_mels: int, fft: int, sample_rate: int, *, low_hertz: float = 20.0) -> Tensor:
    """Return Kaldi's triangles (fft / 2 + 1, num_mels), even in mels from `low_hertz` to half the sample rate."""
    from torchaudio.compliance.kaldi import get_mel_banks

    triangles, _ = get_mel_banks(num_mels, fft, float(sample_rate), low_hertz, 0.0, 100.0, -500.0, 1.0)  # no warping
    return nn.functional.pad(triangles, (0, 1)).T.contiguous()  # Kaldi leaves the highest frequency out


class Fbank(nn.Module):
    """Waveforms (B, S) to log-mel energies (B, 1 + (S - window) // hop, num_mels): 25 ms windows every 10 ms.

    The same as torchaudio.compliance.kaldi.fbank without dither: each window loses its mean, high frequencies are
    raised by a first difference of 0.97, the window is Hann's, energies are powers. The filters are torchaudio's. Its
    `fbank` takes one waveform a call, mostly twice the time, and rounds to half precision under autocast
    (docs/sounds.md).
    """

    def __init__(self, num_mels: int, sample_rate: int):
        super().__init__()
        self.window, self.hop = round(sample_rate * _WINDOW_SECONDS), sample_rate // FRAMES_PER_SECOND
        self.fft = 2 ** math.ceil(math.log2(self.window))
        self.register_buffer("shape", torch.hann_window(self.window, periodic=False), persistent=False)
        self.register_buffer("filters", mel_filters(num_mels, self.fft, sample_rate), persistent=False)

    def num_frames(self, samples: int) -> int:
        """Return how many windows fit."""
        return max(0, 1 + (samples - self.window) // self.hop)

    def forward(self, audio: Tensor) -> Tensor:
        # Energies span twelve orders of magnitude: never in half precision. The meta device knows no precision.
        with nullcontext() if audio.is_meta else torch.autocast(audio.device.type, enabled=False):
            frames = audio.float().unfold(1, self.window, self.hop)
            frames = frames - frames.mean(-1, keepdim=True)
            before = torch.cat((frames[..., :1], frames[..., :-1]), -1)
            spectrum = torch.fft.rfft((frames - _PREEMPHASIS * before) * self.shape, self.fft)
            power = spectrum.real.square() + spectrum.imag.square()
            return (power @ self.filters).clamp_min(torch.finfo(torch.float32).eps).log()
