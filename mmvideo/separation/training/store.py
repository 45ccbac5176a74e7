"""Voices and faces laid end to end on one device, so that many stretches of them are taken at once.

A stretch has a speed: its sound, and the mouth with it, runs faster or slower, which also moves pitch and formants. So
a few hundred speakers sound like many more (speed perturbation, Ko et al. 2015).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from mmvideo.separation.talkers import Gestures, articulate
from mmvideo.separation.training.alike import speaker_prints
from mmvideo.separation.training.bank import FRAME, RATE, SIDE, Utterance
from mmvideo.separation.training.faces import EigenMouths

FRAMES = 64
SAMPLES = FRAMES * FRAME
LEAST = 1e-3
"""RMS below which a stretch counts as a pause and another is drawn."""
_MARGIN = 2 * FRAME
_REST = 12
"""Frames of a film in which nobody speaks that a silent face is made of."""
COLOURS = 6
"""Points at which the spectrum of a voice is raised or lowered, evenly spaced over the logarithm of frequency."""


@dataclass
class Stretches:
    """N stretches of N voices; every field is an array (N, ...)."""

    voice: np.ndarray
    """Number of the voice."""
    at: np.ndarray
    """First frame."""
    speed: np.ndarray
    """Frames of the voice that go by in one of the mixture."""
    colour_db: np.ndarray
    """(N, 6): how the spectrum is changed."""
    shift: np.ndarray
    """Frames by which the face is early; below 0 it is late."""
    silent: np.ndarray
    """The face says nothing, so there is nothing to hear."""

    def __len__(self) -> int:
        return len(self.voice)

    def __getitem__(self, rows: np.ndarray | slice) -> Self:
        return type(self)(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def put(self, rows: np.ndarray, other: Self) -> None:
        """Take the place of some of them."""
        for name in self.__dataclass_fields__:
            getattr(self, name)[rows] = getattr(other, name)


class Store:
    """Everything that mixtures are made of.

    Args:
        voices: with films or without; those shorter than a mixture are left out.
        eigen: mouths composed from real pictures; None to do without.
        device: where sounds and pictures are kept, and made.
    """

    def __init__(self, voices: list[Utterance], eigen: EigenMouths | None, device: torch.device | str = "cpu"):
        voices = [v for v in voices if len(v.sound) // FRAME >= FRAMES]
        self.device = torch.device(device)
        self.frames = np.array([len(v.sound) // FRAME for v in voices])
        self.filmed = np.array([v.mouths is not None for v in voices], bool)
        self.joined = np.array([v.joined for v in voices], bool)
        self._joins = [np.array((0, *v.joins)) for v in voices]
        names = sorted({v.speaker for v in voices})
        self.speaker = np.array([names.index(v.speaker) for v in voices])
        self.sounds_like = speaker_prints([v.sound for v in voices], self.speaker)
        self._first = np.concatenate([[0], np.cumsum(self.frames)[:-1]]).astype(np.int64)
        sounds = [v.sound[:n * FRAME] for v, n in zip(voices, self.frames, strict=True)]
        power = [np.square(s.reshape(-1, FRAME) / 32768).mean(1) for s in sounds]
        self._energy = np.concatenate([[0], np.cumsum(np.concatenate(power))])
        self._rest = np.array([_quietest(p, _REST) for p in power])
        self._sound = torch.from_numpy(np.pad(np.concatenate(sounds), _MARGIN)).to(self.device)
        self.eigen = eigen.to(self.device) if eigen else None
        self._gestures = self._table([articulate(_wave(s)) for s in sounds], 4)
        self._moved = eigen and self._table([eigen.coefficients(_wave(s).numpy()) for s in sounds], len(eigen.gain))
        films = [v.mouths for v in voices if v.mouths is not None]
        self._film_frames = np.array([0 if v.mouths is None else len(v.mouths) for v in voices])
        self._film_first = np.concatenate([[0], np.cumsum(self._film_frames)[:-1]]).astype(np.int64)
        self._films = torch.from_numpy(np.concatenate(films)).to(self.device) if films else None

    def _table(self, parts: list[Tensor], width: int) -> Tensor:
        return torch.cat([p[:n] for p, n in zip(parts, self.frames, strict=True)]).view(-1, width).to(self.device)

    def loudness(self, some: Stretches) -> np.ndarray:
        """Return the RMS (N,) of stretches before anything is done to them."""
        first = self._first[some.voice] + some.at
        last = first + np.round(FRAMES * some.speed).astype(int)
        return np.sqrt((self._energy[last] - self._energy[first]) / (last - first))

    def begins(self, some: Stretches) -> np.ndarray:
        """Return the first frames of stretches, int (N,), moved back to where a clip begins if their film is joined."""
        return np.array([int(joins[np.searchsorted(joins, at, "right") - 1]) if len(joins) > 1 else int(at)
                         for joins, at in ((self._joins[v], at) for v, at in zip(some.voice, some.at, strict=True))],
                        np.int64)

    def sound(self, some: Stretches, level: float = 0.1) -> Tensor:
        """Return float32 (N, 40960), each at an RMS of `level`; silent stretches are silent."""
        steps = torch.arange(SAMPLES, device=self.device, dtype=torch.float64)
        place = steps * self._on_device(some.speed)[:, None]
        whole = place.floor()
        part = (place - whole).float()
        whole = whole.long() + self._on_device((self._first[some.voice] + some.at) * FRAME + _MARGIN)[:, None]
        before, here, after, beyond = (self._sound[whole + k].float() / 32768 for k in (-1, 0, 1, 2))
        # Catmull-Rom: through the samples, and with their slopes
        wave = here + 0.5 * part * (after - before + part * (2 * before - 5 * here + 4 * after - beyond + part * (
            3 * (here - after) + beyond - before)))
        coloured = np.abs(some.colour_db).max(1) > 0
        if coloured.any():
            rows = self._on_device(coloured)
            wave[rows] = _coloured(wave[rows], self._on_device(some.colour_db[coloured]).float())
        power = wave.square().mean(-1, keepdim=True).sqrt().clamp_min(LEAST / 10)
        return wave * (level / power) * ~self._on_device(some.silent)[:, None]

    def gestures(self, some: Stretches) -> Gestures:
        """Return what drawn mouths do, float32 (N, 64, 4); silent ones are shut."""
        return self._of_sound(self._gestures, some)

    def moved(self, some: Stretches) -> Tensor:
        """Return how composed mouths move, float32 (N, 64, K); silent ones do not."""
        return self._of_sound(self._moved, some)

    def each_gestures(self) -> list[Tensor]:
        """Return what the drawn mouth of each voice does from its beginning to its end, float32 (frames, 4)."""
        return list(self._gestures.split(self.frames.tolist()))

    def between_frames(self, table: Tensor, some: Stretches) -> Tensor:
        """Return the rows (N, 64, K) of a table (all frames of all voices, K) that belong to stretches."""
        return self._between(table, some, self._first, self.frames)

    def films(self, some: Stretches) -> Tensor:
        """Return filmed mouths, float32 (N, 64, 48, 48) in [0, 1]; silent ones go through the 12
        quietest frames of their film, there and back."""
        kept = self._between(self._films, some, self._film_first, self._film_frames, rest=_REST)
        return kept.view(len(some), FRAMES, SIDE, SIDE) / 255

    def _of_sound(self, table: Tensor, some: Stretches) -> Tensor:
        speaks = ~self._on_device(some.silent)
        return self._between(table, some, self._first, self.frames) * speaks[:, None, None]

    def _between(self, table: Tensor, some: Stretches, first: np.ndarray, count: np.ndarray, *,
                 rest: int = 0) -> Tensor:
        """Take the rows of a table that belong to the frames of stretches, between two where the speed says so."""
        steps = np.arange(FRAMES)
        rows = some.at[:, None] + some.shift[:, None] + steps * some.speed[:, None]
        if rest:
            there_and_back = np.concatenate([np.arange(rest), np.arange(rest)[::-1]])
            still = there_and_back[(steps + some.at[:, None]).astype(int) % (2 * rest)]
            rows = np.where(some.silent[:, None], self._rest[some.voice][:, None] + still, rows)
        rows = rows.clip(0, count[some.voice][:, None] - 1)
        low = np.floor(rows)
        high = np.minimum(low + 1, count[some.voice][:, None] - 1)
        begin = first[some.voice][:, None]
        a, b = (table[self._on_device((begin + r).astype(np.int64))].float() for r in (low, high))
        return torch.lerp(a, b, self._on_device(rows - low).float().view(*rows.shape, *[1] * (a.ndim - 2)))

    def _on_device(self, x: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(x)).to(self.device)


def _quietest(power: np.ndarray, count: int) -> int:
    """Return the first of `count` frames in a row that are the quietest."""
    sums = np.cumsum(np.concatenate([[0], power]))
    return int((sums[count:] - sums[:-count]).argmin())


def _wave(sound: np.ndarray) -> Tensor:
    return torch.from_numpy(sound.astype(np.float32) / 32768)


def _coloured(wave: Tensor, colour_db: Tensor) -> Tensor:
    """Raise and lower parts of the spectra of (N, S) as a room or a microphone would, without a shift of phase."""
    spectrum = torch.fft.rfft(wave)
    octave = (torch.arange(spectrum.shape[1], device=wave.device) * (RATE / wave.shape[1])).clamp_min(60).log2()
    place = (octave - octave[0]) / (octave[-1] - octave[0]) * (COLOURS - 1)
    low = place.floor().long().clamp(max=COLOURS - 2)
    gain_db = torch.lerp(colour_db[:, low], colour_db[:, low + 1], place - low)
    return torch.fft.irfft(spectrum * 10 ** (gain_db / 20), wave.shape[1])


__all__ = ["COLOURS", "FRAMES", "LEAST", "SAMPLES", "Store", "Stretches"]
