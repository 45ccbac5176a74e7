"""Batches of the audio tagger: windows of recordings, mixed and changed as rooms, microphones and files change sound.

All of it happens to log-mel energies, where two sounds add up as powers, loudness is a constant, a filter a curve over
the bands, and speed and pitch a stretch of either axis. So a batch costs little beside the network.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mmvideo.encoders.logmel_lite import SILENCE
from mmvideo.sounds.labels import EVENTS
from mmvideo.sounds.training.recordings import Recording

FRAMES = 128
"""Spectra of a window, 50 a second."""
_LONGEST = 160
"""Spectra that are cut out, so that a window can be played faster."""
_DB = float(np.log(10) / 10)
"""One decibel in the unit of log-mel energies."""
_ACTIVE_DB = 15.0
"""How far below its loudest a recording still counts as heard: the rest may be padding."""
SHARES = {"esc10": 0.36, "urban": 0.32, "speech": 0.15, "babble": 0.05, "noise": 0.12}
_BACKGROUNDS = {"event": 0.45, "speech": 0.2, "babble": 0.1, "noise": 0.25}


class SoundBatches:
    """Draws batches from recordings; batch k follows from its number and the seed alone.

    Args:
        recordings: what is learned from.
        seed: of the draws.
    """

    def __init__(self, recordings: Sequence[Recording], seed: int):
        self.seed = seed
        self.names = sorted(r.name for r in recordings)
        self.by_event: dict[str, dict[str, list[Recording]]] = {"esc10": {}, "urban": {}}
        self.speech = [r for r in recordings if r.corpus == "speech"]
        self.noise = [r for r in recordings if r.corpus == "noise"]
        for one in recordings:
            if one.event:
                self.by_event[one.corpus].setdefault(one.event, []).append(one)
        has = {"speech": self.speech, "babble": self.speech, "noise": self.noise, **self.by_event}
        self.shares = {name: share for name, share in SHARES.items() if has[name]}
        self.backgrounds = {name: share for name, share in _BACKGROUNDS.items() if name == "event" or has[name]}

    def batch(self, number: int, size: int) -> tuple[Tensor, Tensor]:
        """Return log-mel energies (size, 128, 64) and what is heard in them, float (size, number of events)."""
        energies, heard, _ = self.drawn(number, size)
        return energies, heard

    def drawn(self, number: int, size: int) -> tuple[Tensor, Tensor, list[list[str]]]:
        """Return what `batch` does, and the origins of the events that are mixed in each window."""
        rng = np.random.default_rng((self.seed, number))
        rows, heard, origins = zip(*(self._example(rng) for _ in range(size)), strict=True)
        return masked(filtered(torch.stack(rows), rng), rng), torch.stack(heard), list(origins)

    def _example(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, list[str]]:
        energies, event, origin = self._one(_drawn(self.shares, rng), rng)
        origins = [origin] if event else []
        heard = torch.zeros(len(EVENTS))
        if event:
            heard[EVENTS.index(event)] = 1.0
        backgrounds = {k: v for k, v in self.backgrounds.items() if event or k != "event"}
        if rng.random() < 0.2:
            energies = reverberant(energies, float(rng.uniform(0.6, 3.0)))
        if backgrounds and rng.random() < 0.55:
            # Speech may drown an event a little; an event behind another counts while it is near in level.
            behind = _drawn(backgrounds, rng)
            other, second, origin = self._one(_drawn(_EVENT_SHARES, rng) if behind == "event" else behind, rng)
            quieter = rng.uniform(0, 20) if second else rng.uniform(-4, 20)
            energies = torch.logaddexp(energies, other + peak_level(energies) - peak_level(other) - quieter * _DB)
            if second:
                origins.append(origin)
            if second and quieter < 12:
                place = EVENTS.index(second)
                heard[place] = max(float(heard[place]), 1.0 if quieter < 6 else 0.5)
        return energies, heard, origins

    def _one(self, kind: str, rng: np.random.Generator) -> tuple[Tensor, str, str]:
        """Return a window, its event and where it comes from: a corpus, speech, many voices at once, or noise."""
        if kind in self.by_event:
            events = self.by_event[kind] or next(iter(e for e in self.by_event.values() if e))
            event = sorted(events)[rng.integers(len(events))]
            one = events[event][rng.integers(len(events[event]))]
            return window(one.energies, rng), event, one.origin
        pool = self.noise if kind == "noise" else self.speech
        count = int(rng.integers(3, 8)) if kind == "babble" else 1
        parts = [window(pool[rng.integers(len(pool))].energies, rng) for _ in range(count)]
        if rng.random() < 0.4:  # a short clip: what it is cut from goes on at neither end
            parts = [short(part, rng) for part in parts]
        if count == 1:
            return parts[0], "", ""
        return torch.stack([p - peak_level(p) for p in parts]).logsumexp(0) - 3.0, "", ""


_EVENT_SHARES = {"esc10": 0.5, "urban": 0.5}


def _drawn(shares: dict[str, float], rng: np.random.Generator) -> str:
    weights = np.array(list(shares.values()))
    return list(shares)[rng.choice(len(weights), p=weights / weights.sum())]


def peak_level(energies: Tensor) -> float:
    """Return the level of the loudest tenth of spectra (T, 64), in log-mel units."""
    return float(energies.float().logsumexp(1).topk(max(1, len(energies) // 10)).values.mean())


def window(energies: Tensor, rng: np.random.Generator) -> Tensor:
    """Cut out a window (128, 64) with something heard in it, played at another speed and pitch."""
    energies = energies.float()
    level = energies.logsumexp(1)
    active = torch.nonzero(level > level.max() - _ACTIVE_DB * _DB).flatten()
    middle = int(active[rng.integers(len(active))])
    start = middle - int(rng.uniform(0.1, 0.9) * _LONGEST)
    if rng.random() < 0.75:  # else silence before or after the recording stays
        start = max(0, min(start, len(energies) - _LONGEST))
    lead, end = max(0, -start), start + _LONGEST
    part = F.pad(energies[max(0, start):end], (0, 0, lead, max(0, end - max(len(energies), 0))), value=SILENCE)
    part = part[:_LONGEST]
    speed, spread = rng.uniform(0.85, 1.2), rng.uniform(0.94, 1.06)
    share = FRAMES * speed / _LONGEST
    place = rng.uniform(-1, 1) * (1 - min(share, 1.0))
    stretch = torch.tensor([[[spread, 0.0, rng.uniform(-0.07, 0.07)], [0.0, min(share, 1.0), place]]]).float()
    grid = F.affine_grid(stretch, [1, 1, FRAMES, part.shape[1]], align_corners=False)
    return F.grid_sample(part[None, None], grid, padding_mode="border", align_corners=False)[0, 0]


def short(energies: Tensor, rng: np.random.Generator) -> Tensor:
    """Leave a stretch of 0.3 to 2 s of a window (128, 64), at its beginning as often as elsewhere; else silence."""
    length = int(rng.integers(15, 100))
    start = 0 if rng.random() < 0.5 else int(rng.integers(0, FRAMES - length))
    kept = torch.full_like(energies, SILENCE)
    kept[start:start + length] = energies[start:start + length]
    return kept


def reverberant(energies: Tensor, decay_db: float) -> Tensor:
    """Let sound (T, 64) die away by so many decibels a spectrum, as in a room."""
    spread = energies.clone()
    for at in range(1, len(spread)):
        spread[at] = torch.logaddexp(spread[at], spread[at - 1] - decay_db * _DB)
    return spread


def filtered(energies: Tensor, rng: np.random.Generator) -> Tensor:
    """Change loudness, colour, bandwidth and noise floor of windows (B, 128, 64)."""
    size, bands = len(energies), energies.shape[2]
    points = torch.from_numpy(rng.normal(0, 2.5 * _DB, (size, 1, 6))).float()
    colour = F.interpolate(points, bands, mode="linear", align_corners=True)
    gain = torch.from_numpy(rng.uniform(-24, 8, (size, 1, 1)) * _DB).float()
    energies = energies + colour + gain
    narrow = torch.from_numpy(np.where(rng.random(size) < 0.15, rng.integers(36, 62, size), bands))
    low = torch.from_numpy(np.where(rng.random(size) < 0.2, rng.integers(2, 14, size), 0))
    band = torch.arange(bands)
    cut = (band >= narrow[:, None, None]) | (band < low[:, None, None])  # telephones, small microphones, old records
    energies = energies.masked_fill(cut, SILENCE)
    floor = torch.from_numpy(np.where(rng.random(size) < 0.6, rng.uniform(-14, -8, size), SILENCE)).float()
    tilt = torch.from_numpy(rng.uniform(-2, 2, (size, 1, 1))).float() * torch.linspace(-1, 1, bands)
    uneven = torch.from_numpy(rng.normal(0, 0.6, energies.shape)).float()
    return torch.logaddexp(energies.clamp_min(SILENCE), (floor[:, None, None] + tilt + uneven).clamp_min(SILENCE))


def masked(energies: Tensor, rng: np.random.Generator) -> Tensor:
    """Blank a stretch of time and a range of bands in every second window (SpecAugment, Park et al. 2019)."""
    energies = energies.clone()
    for row in energies:
        mean = row.mean()
        for axis, longest in ((0, 24), (1, 10)):
            if rng.random() < 0.5:
                length = int(rng.integers(1, longest))
                at = int(rng.integers(0, row.shape[axis] - length))
                row.narrow(axis, at, length).fill_(mean)
    return energies


__all__ = ["FRAMES", "SoundBatches", "filtered", "masked", "peak_level", "reverberant", "short", "window"]
