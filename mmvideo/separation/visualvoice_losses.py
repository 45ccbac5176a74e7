"""What VisualVoice learns from: masks, voices that stay themselves, and voices that match faces (Gao & Grauman 2021).

https://arxiv.org/abs/2101.03149, section 3.4. An example holds two clips A1, A2 of one person and a clip B of another.
Two mixtures, A1 + B and A2 + B, are separated for both faces.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from mmvideo.errors import InvalidInput
from mmvideo.separation.spectrum import as_channels, ratio_mask
from mmvideo.separation.visualvoice import MASK_LIMIT, MIXTURE_SHARE, AttributeNet, VisualVoice
from mmvideo.types import Cues

VOICE_LEVEL = 0.1
"""Root mean square that each clip is brought to before mixing."""


@dataclass(frozen=True)
class Trio:
    """A batch of examples: waveforms (B, 2.55 s) at 16 kHz, and cues with P = 1 that also hold still faces."""

    a1: Tensor
    a2: Tensor
    b: Tensor
    cues_a1: Cues
    cues_a2: Cues
    cues_b: Cues


class VisualVoiceLosses(nn.Module):
    """The three losses, with the vocal-attribute network that only they need.

    Args:
        separator: what is trained.
        margin: of the triplets.
        consistency: weight of the speaker-consistency loss.
        matching: weight of the cross-modal matching loss; without a face network there is none.
        clean_share: how often the clean voices' attributes take the place of the separated ones'.
    """

    def __init__(self, separator: VisualVoice, *, margin: float = 0.5, consistency: float = 0.01,
                 matching: float = 0.01, clean_share: float = 0.5):
        super().__init__()
        self.separator, self.vocal = separator, AttributeNet(2)
        self.margin, self.weights, self.clean_share = margin, (1.0, consistency, matching), clean_share

    def forward(self, trio: Trio) -> dict[str, Tensor]:
        """Return the losses "mask", "consistency" and "matching", and their weighted sum "total".

        Raises:
            InvalidInput: waveforms whose spectrum has not four frames for each mouth crop (2.55 s have).
        """
        voices = [w / w.square().mean(1, keepdim=True).sqrt().clamp_min(1e-6) * VOICE_LEVEL
                  for w in (trio.a1, trio.a2, trio.b)]
        a1, a2, b = (self.separator.spectrum.analyse(w) for w in voices)
        if a1.shape[2] != 4 * trio.cues_a1.num_frames:
            raise InvalidInput(f"A spectrum of {a1.shape[2]} frames needs {a1.shape[2] / 4:g} mouth crops, not "
                               f"{trio.cues_a1.num_frames}; cut waveforms to 640 T - 160 samples for T crops.")
        mixtures = torch.cat(((a1 + b), (a2 + b))) * MIXTURE_SHARE
        seen_a1, seen_a2, seen_b = (self.separator.visual(c) for c in (trio.cues_a1, trio.cues_a2, trio.cues_b))
        seen = torch.cat((torch.cat((seen_a1, seen_b), 1), torch.cat((seen_a2, seen_b), 1)))
        masks = self.separator.masks(mixtures, seen)
        targets = torch.cat((torch.stack((a1, b), 1), torch.stack((a2, b), 1)))
        losses = {"mask": self._mask(masks, targets, mixtures)}
        separated = masks * mixtures[:, None, :-1]
        losses |= self._attributes(separated, (a1, a2, b), seen_a1, seen_b)
        losses["total"] = sum(w * losses[n] for w, n in zip(self.weights, ("mask", "consistency", "matching"),
                                                            strict=True))
        return losses

    def _mask(self, masks: Tensor, targets: Tensor, mixtures: Tensor) -> Tensor:
        """Compare with the ideal masks, louder bins more; the sum of the means of the four separations."""
        heard = mixtures[:, None, :-1]
        ideal = ratio_mask(targets[:, :, :-1], heard, limit=MASK_LIMIT)
        weight = torch.log1p(heard.abs()).clamp(1e-3, 10)
        error = as_channels(masks - ideal).square() * weight.unsqueeze(2)
        return 4 * error.mean()

    def _attributes(self, separated: Tensor, clean: tuple[Tensor, Tensor, Tensor], seen_a: Tensor,
                    seen_b: Tensor) -> dict[str, Tensor]:
        if torch.rand(()) < self.clean_share:
            a1, a2, b = (self.vocal(as_channels(spec[:, :-1])) for spec in clean)
            b1 = b2 = b
        else:
            voices = self.vocal(as_channels(separated.flatten(0, 1))).unflatten(0, separated.shape[:2])
            (a1, b1), (a2, b2) = (half.unbind(1) for half in voices.chunk(2))
        consistency = self._triplet(a1, a2, b1) + self._triplet(a1, a2, b2)
        if not self.separator.needs_still:
            return {"consistency": consistency, "matching": consistency.new_zeros(())}
        width = self.separator.face.net.fc.out_features
        look_a, look_b = seen_a[:, 0, :width, 0], seen_b[:, 0, :width, 0]
        matching = (self._triplet(a1, look_a, look_b) + self._triplet(a2, look_a, look_b)
                    + self._triplet(b1, look_b, look_a) + self._triplet(b2, look_b, look_a))
        return {"consistency": consistency, "matching": matching}

    def _triplet(self, anchor: Tensor, same: Tensor, other: Tensor) -> Tensor:
        """Ask that the anchor be nearer to the same person than to the other, by a margin of cosine distance."""
        nearer = cosine_similarity(anchor, other) - cosine_similarity(anchor, same)
        return (nearer + self.margin).relu().mean()


__all__ = ["Trio", "VisualVoiceLosses"]
