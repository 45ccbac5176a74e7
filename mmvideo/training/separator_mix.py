"""Mixtures to learn separation from: every batch is a function of its number alone.

Each mixture has the voices of its faces, perhaps voices off the screen, perhaps noise. A face is real (GRID), or a
mouth drawn or composed from real pictures that moves as its voice would move it. Some faces are silent: their target is
silence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmvideo.talkers import Gestures, articulate, draw_mouths, random_looks
from mmvideo.training.separator_bank import FRAME, RATE, SIDE, Voice
from mmvideo.training.separator_faces import EigenMouths, spoil
from mmvideo.types import Cues

FRAMES = 64
SAMPLES = FRAMES * FRAME
_LEAST = 1e-3
"""RMS below which a stretch counts as a pause and another is drawn."""


@dataclass(frozen=True)
class Mixes:
    """One batch."""

    mixture: Tensor
    """float32 (B, S)."""
    targets: Tensor
    """float32 (B, P, S): the voice of each face as it is in the mixture; zero for a silent face."""
    cues: Cues
    same_voice: Tensor
    """bool (B,): whether two faces speak with one voice."""
    real: Tensor
    """bool (B, P): whether the face was filmed."""


@dataclass(frozen=True)
class MixRule:
    """What mixtures are like; shares are probabilities."""

    real_face: float = 0.35
    """Of a voice from the clips of real faces."""
    same_voice: float = 0.25
    silent_face: float = 0.12
    off_screen: float = 0.2
    """Of one more voice whose face is not seen."""
    noise: float = 0.4
    three_faces: float = 0.15
    """Of batches whose mixtures show three faces."""
    composed_face: float = 0.5
    """Of a voice without a film: a face composed from real pictures, else a drawn one."""
    jitter: int = 3
    """Frames by which a face may be early or late."""
    drop_out: float = 0.3
    blind_face: float = 0.05
    """Of a face that shows nothing of its voice: one picture repeated, a grey patch, or never seen. The target stays,
    so that such a face is given what nobody else says rather than silence."""
    gain_db: float = 5.0


class Mixer:
    """Makes batches from banks of voices.

    Args:
        voices: speech without faces.
        faces: speech with filmed mouths.
        rule: what mixtures are like.
        eigen: mouths composed from real pictures; fitted to `faces` if not given.
    """

    def __init__(self, voices: list[Voice], faces: list[Voice], rule: MixRule | None = None,
                 eigen: EigenMouths | None = None):
        self.voices, self.faces, self.rule = voices, faces, rule or MixRule()
        self.eigen = eigen or (EigenMouths.fit(faces) if faces else None)
        self._gestures: dict[int, Gestures] = {}

    def batch(self, number: int, size: int, *, seed: int = 0) -> Mixes:
        """Return batch `number` of `size` mixtures."""
        rng = np.random.default_rng([seed, number])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        people = 3 if rng.random() < self.rule.three_faces else 2
        size = max(1, size * 2 // people)
        drawn = [self._mixture(rng, people) for _ in range(size)]
        sound = torch.stack([torch.stack([p.sound for p in people]) for people, _, _ in drawn])
        mouths, real = self._mouths([p for people, _, _ in drawn for p in people], generator)
        seen = torch.from_numpy(np.stack([self._seen(rng) for _ in range(size * people)]))
        mouths, seen = mouths.view(size, people, *mouths.shape[1:]), seen.view(size, people, -1)
        rest = torch.stack([rest for _, rest, _ in drawn])
        mixture = sound.sum(1) + rest
        scale = 0.9 / mixture.abs().amax(-1, keepdim=True).clamp_min(0.9)
        level = scale * torch.from_numpy(10 ** (rng.uniform(-20, 0, (size, 1)) / 20)).float()
        same = torch.tensor([same for *_, same in drawn])
        self._blind(mouths, seen, rng)
        return Mixes(mixture * level, sound * level[:, None], Cues(mouths * seen[..., None, None].byte(), seen), same,
                     real.view(size, people))

    def _mixture(self, rng: np.random.Generator, people: int) -> tuple[list[_Person], Tensor, bool]:
        rule = self.rule
        persons = [self._person(rng) for _ in range(people)]
        same = bool(rng.random() < rule.same_voice)
        if same:
            persons[1] = self._person(rng, like=persons[0])
        if rng.random() < rule.silent_face * 2:
            persons[int(rng.integers(people))].silence()
        for person in persons[1:]:
            person.sound *= 10 ** (rng.uniform(-rule.gain_db, rule.gain_db) / 20)
        rest = torch.zeros(SAMPLES)
        if rng.random() < rule.off_screen:
            rest += self._person(rng).sound * 10 ** (rng.uniform(-10, 3) / 20)
        if rng.random() < rule.noise:
            rest += self._noise(rng)
        return persons, rest, same

    def _person(self, rng: np.random.Generator, like: _Person | None = None) -> _Person:
        """Draw a stretch of speech; or another one of the same voice."""
        if like is None:
            bank = self.faces if self.faces and (not self.voices or rng.random() < self.rule.real_face) else self.voices
        else:
            bank = self.faces if like.voice.mouths is not None else self.voices
        for _ in range(20):
            index = int(rng.integers(len(bank)))
            if like is not None and bank is self.voices:
                index = like.index
            voice = bank[index]
            frames = len(voice.sound) // FRAME
            if frames < FRAMES:
                continue
            at = int(rng.integers(frames - FRAMES + 1))
            if like is not None and index == like.index and (bank is self.faces or abs(at - like.at) < FRAMES) and (
                    bank is self.faces or frames >= 2.5 * FRAMES):
                continue
            sound = torch.from_numpy(voice.sound[at * FRAME:at * FRAME + SAMPLES].astype(np.float32) / 32768)
            power = float(sound.square().mean().sqrt())
            if power >= _LEAST:
                break
        else:
            return self._person(rng)
        return _Person(voice, index, at, sound * (0.1 / power), int(rng.integers(-self.rule.jitter,
                                                                                 self.rule.jitter + 1)))

    def _mouths(self, persons: list[_Person], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return uint8 (N, T, 48, 48), and which faces were filmed."""
        out = torch.zeros(len(persons), FRAMES, SIDE, SIDE)
        real = torch.tensor([p.voice.mouths is not None for p in persons])
        for i in real.nonzero().flatten().tolist():
            out[i] = persons[i].filmed()
        unreal = (~real).nonzero().flatten()
        composed = torch.rand(len(unreal), generator=generator) < self.rule.composed_face
        if self.eigen is None:
            composed[:] = False
        for i in unreal[composed].tolist():
            out[i] = self.eigen.compose(persons[i].heard(), generator, silent=persons[i].silent)
        drawn = unreal[~composed]
        if len(drawn):
            gestures = torch.stack([persons[i].moves(self._all_gestures(persons[i])) for i in drawn.tolist()])
            out[drawn] = draw_mouths(_varied(gestures, generator), random_looks(len(drawn), generator))
        return spoil(out, generator), real

    def _all_gestures(self, person: _Person) -> Gestures:
        key = id(person.voice)
        if key not in self._gestures:
            whole = torch.from_numpy(person.voice.sound.astype(np.float32) / 32768)
            self._gestures[key] = articulate(whole)
        return self._gestures[key]

    def _seen(self, rng: np.random.Generator) -> np.ndarray:
        seen = np.ones(FRAMES, bool)
        if rng.random() < self.rule.drop_out:
            length = int(rng.integers(4, 21))
            at = int(rng.integers(FRAMES - length + 1))
            seen[at:at + length] = False
        return seen

    def _blind(self, mouths: Tensor, seen: Tensor, rng: np.random.Generator) -> None:
        """Freeze, hide or drop some of the mouths (B, P, T, 48, 48) for the whole window."""
        for b, p in np.argwhere(rng.random(seen.shape[:2]) < self.rule.blind_face):
            kind = rng.integers(3)
            if kind == 0:
                mouths[b, p] = mouths[b, p, int(rng.integers(FRAMES))].clone()
            elif kind == 1:
                mouths[b, p] = int(rng.integers(256))
            else:
                seen[b, p], mouths[b, p] = False, 0

    def _noise(self, rng: np.random.Generator) -> Tensor:
        """Coloured noise, a hum, or a few people far away, 3 to 25 dB below one voice."""
        kind = rng.random()
        if kind < 0.6:
            spec = rng.standard_normal(SAMPLES // 2 + 1) + 1j * rng.standard_normal(SAMPLES // 2 + 1)
            hertz = np.maximum(30.0, np.arange(len(spec)) * RATE / SAMPLES)
            sound = np.fft.irfft(spec * hertz ** -rng.uniform(0, 1.1), SAMPLES)
            sound *= 1 + 0.5 * np.sin(np.arange(SAMPLES) / RATE * 2 * np.pi * rng.uniform(0.1, 3) + rng.uniform(0, 6))
        elif kind < 0.75:
            time = np.arange(SAMPLES) / RATE
            base = rng.uniform(45, 130)
            sound = sum(rng.uniform(0, 1) / k * np.sin(2 * np.pi * base * k * time + rng.uniform(0, 6))
                        for k in range(1, 12))
        else:
            sound = sum(self._person(rng).sound.numpy() for _ in range(5))
        wanted = 0.1 * 10 ** (-rng.uniform(3, 25) / 20)
        return torch.from_numpy(sound / (np.sqrt(np.mean(sound**2)) + 1e-9) * wanted).float()


class _Person:
    """One stretch of one voice, and its face."""

    def __init__(self, voice: Voice, index: int, at: int, sound: Tensor, shift: int):
        self.voice, self.index, self.at, self.sound, self.shift = voice, index, at, sound, shift
        self.silent = False

    def silence(self) -> None:
        self.silent = True
        self.sound = torch.zeros_like(self.sound)

    def filmed(self) -> Tensor:
        """Return the mouths of the stretch, float (T, 48, 48) in [0, 1]; of a pause, there and back, if silent."""
        mouths = self.voice.mouths
        rows = np.arange(FRAMES)
        if self.silent:
            rest = np.concatenate([np.arange(16), np.arange(15, -1, -1)])
            rows = rest[(rows + self.at) % len(rest)]
        else:
            rows = np.clip(rows + self.at + self.shift, 0, len(mouths) - 1)
        return torch.from_numpy(mouths[rows]).float() / 255

    def moves(self, gestures: Gestures) -> Gestures:
        """Return the gestures of the stretch, shifted; a closed mouth if silent."""
        rows = (torch.arange(FRAMES) + self.at + self.shift).clamp(0, len(gestures) - 1)
        return gestures[rows] * (0.0 if self.silent else 1.0)

    def heard(self) -> np.ndarray:
        """Return the sound that the face moves to, with 8 frames before and after, float32."""
        first = (self.at + self.shift - 8) * FRAME
        last = first + SAMPLES + 16 * FRAME
        whole = self.voice.sound
        part = whole[max(0, first):max(0, last)].astype(np.float32) / 32768
        return np.pad(part, (max(0, -first), max(0, last - max(first, 0) - len(part))))[:last - first]


def _varied(gestures: Gestures, generator: torch.Generator) -> Gestures:
    """Let people differ: how far they open, how they hold their lips, and what else a mouth does."""
    n, t = gestures.shape[:2]
    gain = torch.rand(n, 1, 4, generator=generator) * 0.7 + 0.6
    rest = torch.rand(n, 1, 4, generator=generator) * torch.tensor([0.05, 0.5, 0.3, 0.05])
    drift = torch.randn(n, 4, 6, generator=generator) * torch.tensor([0.03, 0.12, 0.08, 0.05])[:, None]
    drift = torch.nn.functional.interpolate(drift, t, mode="linear", align_corners=True).transpose(1, 2)
    noise = torch.randn(n, t, 4, generator=generator) * 0.03
    return (gestures * gain + rest + drift + noise).clamp(0, 1)


__all__ = ["FRAMES", "SAMPLES", "MixRule", "Mixer", "Mixes"]
