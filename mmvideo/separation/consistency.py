"""What no voice took is given back where it is little: voices of one mixture sum to it.

Mixture consistency (Wisdom et al. 2019, "Differentiable consistency constraints for improved deep speech enhancement",
arXiv:1811.08521), bin by bin, and fading out where much is left: that is noise, or somebody who is not seen.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mmvideo.separation.spectrum import Spectrum

_WINDOW, _HOP = 640, 320


def share_the_rest(voices: Tensor, mixture: Tensor) -> Tensor:
    """Return voices that sum to the mixture where they nearly do.

    In each bin of a spectrum, the rest R is shared in proportion to the voices' magnitudes, of sum A, and counts
    1 - |R| / A, at least 0. A silent voice stays silent.

    Args:
        voices: float (P, S), of two faces or more; one alone would be given the noise.
        mixture: float (S,).
    """
    if len(voices) < 2:
        return voices
    spectrum = Spectrum(_WINDOW, _WINDOW, _HOP, root=True).to(voices.device)
    spectra = spectrum.analyse(torch.cat((voices, (mixture - voices.sum(0))[None])))  # (P + 1, F, T)
    own, rest = spectra[:-1], spectra[-1]
    size = own.abs()
    total = size.sum(0).clamp_min(1e-7)
    counts = (1 - rest.abs() / total).clamp_min(0)
    shared = own + size / total * counts * rest
    return spectrum.synthesise(shared, voices.shape[-1])


__all__ = ["share_the_rest"]
