"""The small separator that ships with mmvideo: a complex mask for each face, and its twin without eyes.

The mixture is encoded once; each face then steers its own copy of the trunk, and sees what the other faces' mouths do.
Everything is wide linear layers and LayerNorm over the channels of one moment, which a CPU does fast; convolutions over
time are depthwise. Two steps of 20 ms belong to one mouth picture.

The trunk is that of Conv-TasNet (Luo & Mesgarani 2019, arXiv:1809.07454), on spectra, with per-step normalisation;
"audio-visual, masks on spectra, lips upsampled and joined in the middle" is Afouras et al. 2018 (arXiv:1804.04121).
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmvideo.errors import InvalidInput
from mmvideo.separation.base import FRAME_SAMPLES, Separator, SeparatorPreset
from mmvideo.separation.spectrum import Spectrum, as_complex
from mmvideo.separation.stream import SeparatorStream
from mmvideo.separation.streaming_state import Past
from mmvideo.types import Cues

WINDOW, HOP = 640, 320
STEPS = FRAME_SAMPLES // HOP
"""Steps that belong to one mouth picture."""
PIXELS = 48
_LIMIT = 2.0
"""Bound of both parts of the mask."""
_COMPRESS = 0.3
_DEEP = [1, 2, 4, 8, 16, 32, 1, 4, 16, 1, 2, 4, 8, 16, 32]


class MouthMaskBlock(nn.Module):
    """Linear, depthwise convolution over time, linear; with a residual.

    Args:
        dim: width of the residual.
        hidden: width in between.
        dilation: steps between the three taps.
        causal: look back only.
    """

    def __init__(self, dim: int, hidden: int, dilation: int, *, causal: bool = False):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.into = nn.Linear(dim, hidden)
        self.taps = nn.Parameter(torch.tensor([[0.2], [0.6], [0.2]]).repeat(1, hidden))
        self.hidden_norm = nn.LayerNorm(hidden)
        self.out = nn.Linear(hidden, dim)
        self.dilation, self.causal = dilation, causal
        nn.init.zeros_(self.out.bias)
        with torch.no_grad():
            self.out.weight.mul_(0.5)

    def forward(self, x: Tensor, past: Past) -> Tensor:
        """(N, T, dim) -> (N, T, dim); if causal, going on from `past`."""
        h = F.silu(self.into(self.norm(x)))
        d, t = self.dilation, x.shape[1]
        h = past.before(self, h, 2 * d) if self.causal else F.pad(h, (0, 0, d, d))
        taps = self.taps.to(h.dtype)
        h = h[:, :t] * taps[0] + h[:, d:d + t] * taps[1] + h[:, 2 * d:] * taps[2]
        return x + self.out(self.hidden_norm(F.silu(h)))


class Exchange(nn.Module):
    """Tells the trunk of each face what those of the other faces see; nothing at first, and nothing to one face alone.

    Args:
        dim: width of the trunk.
    """

    def __init__(self, dim: int):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.out = nn.Linear(dim, dim, bias=False)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, P, T, dim) -> (B, P, T, dim)."""
        seen = self.norm(x)
        return x + self.out((seen.sum(1, keepdim=True) - seen) / max(1, x.shape[1] - 1))


class LipNet(nn.Module):
    """What a mouth does, from its pictures: each against the mean of its window, so that who it is matters little.

    Args:
        dim: width of what is given.
        causal: look back only.
    """

    def __init__(self, dim: int, *, causal: bool = False):
        super().__init__()
        self.front = nn.Sequential(
            nn.Conv2d(2, 16, 7, 3, 3), nn.BatchNorm2d(16), nn.SiLU(),
            nn.Conv2d(16, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.SiLU(),
            nn.Conv2d(32, 48, 3, 2, 1), nn.BatchNorm2d(48), nn.SiLU(),
        )
        self.flat = nn.Linear(48 * 16 + 1, dim)
        self.blocks = nn.ModuleList(MouthMaskBlock(dim, 2 * dim, d, causal=causal) for d in (1, 2, 4))
        self.norm = nn.LayerNorm(dim)
        self.causal = causal

    def forward(self, mouths: Tensor, valid: Tensor, past: Past) -> Tensor:
        """(N, T, 48, 48) in [0, 1] and bool (N, T) -> (N, T, dim); if causal, going on from `past`."""
        n, t = mouths.shape[:2]
        seen = valid.to(mouths)[..., None, None]
        if self.causal:  # what was seen so far
            mean = (past.sum("mouths", mouths * seen) / past.sum("seen", seen).clamp_min(1)).to(mouths)
        else:
            mean = (mouths * seen).sum(1, keepdim=True) / seen.sum(1, keepdim=True).clamp_min(1)
        spread = mean.var((-1, -2), keepdim=True).add(4e-4).sqrt()
        level = mean.mean((-1, -2), keepdim=True)
        pictures = torch.stack([(mouths - level) / spread, (mouths - mean) * 3 / spread], 2) * seen[:, :, None]
        maps = self.front(pictures.flatten(0, 1).contiguous(memory_format=torch.channels_last))
        x = self.flat(torch.cat([maps.flatten(1).view(n, t, -1), seen[..., 0]], -1))
        for block in self.blocks:
            x = block(x, past)
        return self.norm(x)


class MouthMask(Separator):
    """One waveform a face, or, without eyes, a fixed number of waveforms in no order.

    Args:
        dim: width of the trunk.
        hidden: width inside its blocks.
        lips: width of what is known of a mouth.
        dilations: of the blocks after the mixture and the face are joined; those before are the first `shared` of them.
        shared: blocks that see the mixture only, and run once.
        outputs: 0 for one output a face; else that many, and no eyes.
        causal: no look at later sound or pictures, but for the 40 ms of a spectrum's window.
        exchange: numbers of the blocks of the trunk after which each face learns what the others' blocks see.
    """

    PRESETS: ClassVar = {
        "mouth-mask-deep": SeparatorPreset("6.9 M parameters; the separator that learned from CC BY data alone", {
            "dim": 384, "dilations": _DEEP}, weights="in the wheel: weights: separator"),
        "mouth-mask-exchange": SeparatorPreset(
            "7.1 M parameters: mouth-mask-deep, whose faces hear of each other",
            {"dim": 384, "dilations": _DEEP, "exchange": [3, 9]},
            weights="in the wheel: weights: separator-research-only"),
        "mouth-mask-deep-causal": SeparatorPreset("the same without a look ahead", {
            "dim": 384, "dilations": _DEEP, "causal": True}),
        "mouth-mask-wide": SeparatorPreset("5.1 M parameters: six blocks less", {"dim": 384}),
        "mouth-mask-s": SeparatorPreset("2.7 M parameters: half as wide between its blocks", {}),
        "mouth-mask-s-causal": SeparatorPreset("the same without a look ahead", {"causal": True}),
        "mouth-mask-s-deaf-to-faces": SeparatorPreset("mouth-mask-s without eyes: two voices in no order",
                                                      {"outputs": 2}, weights="in the wheel: weights: separator"),
        "mouth-mask-xs": SeparatorPreset("0.32 M parameters, to try things out", {
            "dim": 64, "hidden": 128, "lips": 48, "dilations": [1, 4, 16, 2, 8], "shared": 2}),
        "mouth-mask-m": SeparatorPreset("7.8 M parameters", {
            "dim": 320, "hidden": 640, "lips": 160, "dilations": [1, 2, 4, 8, 16, 32] * 2}),
    }

    def __init__(self, *, dim: int = 192, hidden: int = 384, lips: int = 128,
                 dilations: list[int] | tuple[int, ...] = (1, 2, 4, 8, 16, 32, 1, 4, 16), shared: int = 4,
                 outputs: int = 0, causal: bool = False, exchange: list[int] | tuple[int, ...] = ()):
        super().__init__()
        self.config = {"dim": dim, "hidden": hidden, "lips": lips, "dilations": list(dilations), "shared": shared,
                       "outputs": outputs, "causal": causal}
        if exchange:
            self.config["exchange"] = list(exchange)
        self.sees, self.num_outputs = not outputs, outputs or None
        bins = WINDOW // 2 + 1
        self.spectrum = Spectrum(WINDOW, WINDOW, HOP, root=True)
        self.into = nn.Linear(3 * bins, dim)
        self.shared = nn.ModuleDict({"blocks": nn.ModuleList(
            MouthMaskBlock(dim, hidden, d, causal=causal) for d in list(dilations)[:shared])})
        if self.sees:
            self.lips = LipNet(lips, causal=causal)
            self.join = nn.Linear(dim + 2 * lips, dim)
        self.trunk = nn.ModuleDict({"blocks": nn.ModuleList(
            MouthMaskBlock(dim, hidden, d, causal=causal) for d in dilations)})
        self.exchange = nn.ModuleDict({str(number): Exchange(dim) for number in exchange})
        self.norm = nn.LayerNorm(dim)
        self.mask = nn.Linear(dim, 2 * bins * max(1, outputs))
        with torch.no_grad():
            self.mask.weight.mul_(0.3)
            self.mask.bias.copy_(torch.tensor([0.3, 0.0]).repeat_interleave(bins).repeat(max(1, outputs)))

    def forward(self, mixture: Tensor, cues: Cues | None = None) -> Tensor:
        """Separate windows; see `Separator.forward`.

        Mouths of another size than 48 pixels are shrunk to it. An all-unseen face gets what the trunk makes of no cue:
        the caller decides what to do with a face that was never seen.
        """
        if self.sees:
            cues = self.check(mixture, cues)
        elif mixture.ndim != 2:
            raise InvalidInput(f"MouthMask takes a mixture (B, S), not {tuple(mixture.shape)}.")
        past = Past()
        spec = self.spectrum.analyse(mixture)
        steps, samples = spec.shape[-1], mixture.shape[-1]
        if self.config["causal"]:
            hops = F.pad(mixture, (0, steps * HOP - samples)).unflatten(1, (steps, HOP))
            level = self.level_so_far(hops, torch.arange(1, steps + 1, device=mixture.device) * HOP, samples, past)
        else:
            level = mixture.square().mean(-1, keepdim=True).add(1e-8).sqrt()
        seen = None
        if self.sees:
            moment = torch.arange(steps, device=mixture.device) // STEPS
            seen = self.look(cues, past)[:, :, moment.clamp(max=cues.num_frames - 1)]
        masked = self.masked(spec, level, seen, past)
        return self.spectrum.synthesise(masked, samples)

    @property
    def window(self) -> Tensor:
        """Of the spectrum, (640,)."""
        return self.spectrum.window

    def stream(self, num_faces: int = 0) -> SeparatorStream:
        """Begin to separate sound that is still being recorded; see `Separator.stream`."""
        if not self.config["causal"]:
            return super().stream(num_faces)
        return SeparatorStream(self, num_faces)

    def masked(self, spec: Tensor, level: Tensor, seen: Tensor | None, past: Past) -> Tensor:
        """Return the spectra of the voices, complex (B, P, F, T).

        Args:
            spec: of the mixture, complex (B, F, T).
            level: effective value of the mixture, (B, 1) or, at each step, (B, T).
            seen: of each face at each step, (B, P, T, `look`'s width); None without eyes.
            past: what went before.
        """
        h = self.into(_features(spec / level[:, None]))
        for block in self.shared["blocks"]:
            h = block(h, past)
        h = h[:, None]
        if seen is not None:
            h = h.expand(-1, seen.shape[1], -1, -1)
            h = h + self.join(torch.cat([h, seen], -1))
        b, p, steps, _ = h.shape
        x = h.flatten(0, 1)
        for number, block in enumerate(self.trunk["blocks"]):
            x = block(x, past)
            if str(number) in self.exchange:
                x = self.exchange[str(number)](x.view(b, p, steps, -1)).flatten(0, 1)
        mask = (_LIMIT * torch.tanh(self.mask(self.norm(x)))).float()
        mask = mask.view(b, p, steps, -1, 2, spec.shape[1]).movedim(2, -1).flatten(1, 2)  # (B, outputs, 2, F, T)
        return as_complex(mask) * spec[:, None]

    def level_so_far(self, hops: Tensor, ends: Tensor, samples: int, past: Past) -> Tensor:
        """Return the effective value (B, T) of all that each step knows.

        Args:
            hops: the sound that each step hears for the first time, (B, T, 320); zeros after its end.
            ends: sample with which each of them ends, (T,).
            samples: of the whole sound, as far as it is known.
            past: what went before.
        """
        power = past.sum("power", hops.square().sum(-1)) / ends.clamp(max=samples)
        return power.add(1e-8).sqrt().to(hops)

    def look(self, cues: Cues, past: Past) -> Tensor:
        """Return what each mouth does, beside the mean of what the others do: (B, P, frames, 2 * lips)."""
        b, p, t = cues.valid.shape
        mouths = cues.mouths.to(self.window.device).float()
        if cues.mouths.dtype == torch.uint8:
            mouths = mouths / 255
        if mouths.shape[-2:] != (PIXELS, PIXELS):
            mouths = F.interpolate(mouths.flatten(0, 1), size=(PIXELS, PIXELS), mode="area").view(b, p, t, PIXELS, -1)
        own = self.lips(mouths.flatten(0, 1), cues.valid.flatten(0, 1), past).view(b, p, t, -1)
        others = (own.sum(1, keepdim=True) - own) / max(1, p - 1)
        return torch.cat([own, others], -1)


def _features(spec: Tensor) -> Tensor:
    """Return the compressed magnitude, real and imaginary parts of a spectrum (B, F, T), as (B, T, 3 F)."""
    size = spec.abs().clamp_min(1e-4)
    small = size.pow(_COMPRESS)
    squeezed = spec * (small / size)
    return torch.cat([small, squeezed.real, squeezed.imag], 1).transpose(1, 2)


__all__ = ["LipNet", "MouthMask", "MouthMaskBlock"]
