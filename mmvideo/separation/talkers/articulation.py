"""From a voice to what its mouth would do: opening, width, rounding and teeth, 25 times a second.

A rule, not a model: how open the jaw is follows the first formant's band and the loudness, how wide or round the lips
are the second formant's, and hissing sounds show the teeth. It is rough, and right in the one thing that matters here:
the mouth moves when, and about as much as, its own voice does.
"""

from __future__ import annotations

import torch
from torch import Tensor

Gestures = Tensor
"""float32 (..., T, 4) in [0, 1]: opening, width, rounding, teeth."""

RATE = 16000
FRAME = RATE // 25
_HOP = 160
_WINDOW = 512
_BANDS = ((200, 450), (500, 1000), (700, 1300), (1800, 3000), (3800, 7600))
_SPREAD = 4.0
"""Steps of 10 ms by which the movement is smoothed (one sigma): lips are slower than sounds."""


def articulate(sound: Tensor, *, lead_seconds: float = 0.02, floor_db: float = 24.0) -> Gestures:
    """Return the gestures of voices.

    Args:
        sound: float (..., S) at 16 kHz, one clean voice each.
        lead_seconds: how much the lips are ahead of the sound.
        floor_db: below the voice's loud parts by this much, the mouth is half shut.

    Returns:
        float32 (..., T, 4) for T = S // 640 frames; frame k stands for samples 640 k to 640 (k + 1).
    """
    flat = sound.reshape(-1, sound.shape[-1]).float()
    bands = _band_levels(flat)
    loud = bands.exp().sum(-1).log()
    reference = loud.quantile(0.95, dim=-1, keepdim=True)
    voiced = torch.sigmoid((loud - reference + floor_db / 4.343) / 0.8)
    voiced = voiced * (reference > -16).float()
    low, first, back, front, hiss = bands.unbind(-1)
    open_ = torch.sigmoid((first - low) * 0.9)
    spread = torch.sigmoid((front - back + 1.0) * 0.8)
    hissing = torch.sigmoid((hiss - torch.logaddexp(first, low)) * 1.2)
    opening = voiced * (0.2 + 0.8 * open_) * (1 - 0.7 * hissing) * torch.sigmoid((loud - reference + 3) / 1.0) ** 0.3
    rounding = voiced * (1 - spread) * (1 - 0.5 * open_)
    teeth = voiced * (0.35 * spread + 0.65 * hissing)
    raw = torch.stack([opening, voiced * spread, rounding, teeth], 1)  # (N, 4, steps)
    return _sampled(raw, flat.shape[-1], lead_seconds).reshape(*sound.shape[:-1], -1, 4)


def _band_levels(flat: Tensor) -> Tensor:
    """Return the logarithm of the power in each band, every 10 ms, float (N, steps, bands)."""
    spec = torch.stft(flat, _WINDOW, _HOP, window=torch.hann_window(_WINDOW), center=True, pad_mode="constant",
                      return_complex=True).abs().square()
    hertz = torch.arange(spec.shape[1]) * RATE / _WINDOW
    picked = torch.stack([((hertz >= a) & (hertz < b)).float() / 64 for a, b in _BANDS])
    return (picked @ spec).clamp_min(1e-9).log().transpose(1, 2)


def _sampled(raw: Tensor, num_samples: int, lead_seconds: float) -> Tensor:
    """Smooth over time and take the value at the middle of each frame."""
    reach = torch.arange(-12.0, 13.0)
    kernel = torch.exp(-0.5 * (reach / _SPREAD).square())
    smooth = torch.nn.functional.conv1d(torch.nn.functional.pad(raw.flatten(0, 1)[:, None], (12, 12), mode="replicate"),
                                        (kernel / kernel.sum())[None, None])[:, 0].view_as(raw)
    frames = torch.arange(num_samples // FRAME)
    at = ((frames * FRAME + FRAME / 2 + lead_seconds * RATE) / _HOP).round().long().clamp(max=smooth.shape[-1] - 1)
    return smooth[..., at].transpose(1, 2).clamp(0, 1)


__all__ = ["Gestures", "articulate"]
