"""Mixtures to learn separation from: every batch is a function of its number (and of the kind of device) alone.

Each mixture has the voices of its faces, perhaps voices off the screen, perhaps noise. A face is real (GRID), or a
mouth drawn or composed from real pictures that moves as its voice would move it. Some faces are silent: their target is
silence. What goes into a batch is drawn on the CPU; sounds and pictures are made on the device, all at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmvideo.checks import number
from mmvideo.errors import InvalidInput
from mmvideo.separation.talkers import Gestures, draw_mouths, random_looks
from mmvideo.separation.training.bank import SIDE, Utterance
from mmvideo.separation.training.faces import EigenMouths, spoil
from mmvideo.separation.training.noise import coloured_noise, hum
from mmvideo.separation.training.store import COLOURS, FRAMES, LEAST, SAMPLES, Store, Stretches
from mmvideo.types import Cues

_BABBLE = 5
"""People who talk at once far away."""
_SHARES = ("real_face", "same_voice", "silent_face", "off_screen", "noise", "three_faces", "one_face", "composed_face",
           "drop_out", "blind_face", "turned_head")


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
    one_face: float = 0.0
    """Of batches whose mixtures show one face, before noise that may be loud."""
    loudest_noise_db: float = 3.0
    """Most that the noise behind one face is above its voice."""
    composed_face: float = 0.5
    """Of a voice without a film: a face composed from real pictures, else a drawn one."""
    jitter: int = 3
    """Frames by which a face may be early or late."""
    drop_out: float = 0.3
    blind_face: float = 0.05
    """Of a face that shows nothing of its voice: one picture repeated, a grey patch, or never seen. The target stays,
    so that such a face is given what nobody else says rather than silence."""
    turned_head: float = 0.0
    gain_db: float = 5.0
    speed: float = 0.0
    """Most that the logarithm of a voice's speed differs from 0, for two voices in three."""
    colour_db: float = 0.0
    """Standard deviation by which parts of a voice's spectrum are raised or lowered."""

    def __post_init__(self) -> None:
        for name in _SHARES:
            number(f"mixes.{name}", getattr(self, name), low=0, high=1)
        for name, most in (("jitter", FRAMES - 1), ("gain_db", 60), ("speed", 1), ("colour_db", 60)):
            number(f"mixes.{name}", getattr(self, name), low=0, high=most)
        number("mixes.loudest_noise_db", self.loudest_noise_db, low=-60, high=60)
        if self.three_faces + self.one_face > 1:
            raise InvalidInput("mixes: three_faces and one_face are shares of the same batches; their sum is over 1.")


class SpeechMixer:
    """Makes batches from banks of voices.

    Args:
        voices: speech without faces.
        faces: speech with filmed mouths.
        rule: what mixtures are like.
        eigen: mouths composed from real pictures; fitted to `faces` if not given.
        device: where batches are made.
    """

    def __init__(self, voices: list[Utterance], faces: list[Utterance], rule: MixRule | None = None,
                 eigen: EigenMouths | None = None, device: torch.device | str = "cpu"):
        self.rule = rule or MixRule()
        self.eigen = eigen or (EigenMouths.fit(faces) if faces else None)
        self.store = Store([*voices, *faces], self.eigen, device)
        self._banks = [np.flatnonzero(self.store.filmed == filmed) for filmed in (False, True)]

    def batch(self, number: int, size: int, *, seed: int = 0) -> Mixes:
        """Return batch `number` of `size` mixtures; fewer if they show more than two faces."""
        rng, rule, store = np.random.default_rng([seed, number]), self.rule, self.store
        generator = torch.Generator(store.device).manual_seed(int(rng.integers(2**62)))
        many = rng.random()
        people = 3 if many < rule.three_faces else 1 if many < rule.three_faces + rule.one_face else 2
        size = max(1, min(size, size * 2 // people))
        persons, same = self._persons(rng, size, people)
        gains = rng.uniform(-rule.gain_db, rule.gain_db, (size, people))
        gains[:, 0] = 0
        sound = store.sound(persons).view(size, people, -1) * self._factor(gains)
        rest = self._off_screen(rng, size) + self._noise(rng, generator, size, before_one=people == 1)
        mixture = sound.sum(1) + rest
        level = self._factor(rng.uniform(-20, 0, size)) * 0.9 / mixture.abs().amax(-1, keepdim=True).clamp_min(0.9)
        mouths = self._mouths(rng, persons, generator).view(size, people, FRAMES, SIDE, SIDE)
        seen = self._seen(rng, size * people).reshape(size, people, FRAMES)
        self._blind(mouths, seen, rng)
        seen = torch.from_numpy(seen).to(store.device)
        real = torch.from_numpy(store.filmed[persons.voice]).view(size, people)
        return Mixes(mixture * level, sound * level[:, None], Cues(mouths * seen[..., None, None].byte(), seen),
                     torch.from_numpy(same).to(store.device), real.to(store.device))

    def _persons(self, rng: np.random.Generator, size: int, people: int) -> tuple[Stretches, np.ndarray]:
        """Draw the people of `size` mixtures, (size * people), and in which mixtures two have one voice."""
        rule = self.rule
        persons = self._draw(rng, size * people)
        same = (rng.random(size) < rule.same_voice) & (people > 1)
        if same.any():
            first = np.flatnonzero(same) * people
            persons.put(first + 1, self._draw(rng, len(first), like=persons[first]))
        silent = np.flatnonzero(rng.random(size) < rule.silent_face * min(2, people))
        persons.silent[silent * people + rng.integers(people, size=len(silent))] = True
        return persons, same

    def _draw(self, rng: np.random.Generator, num: int, like: Stretches | None = None) -> Stretches:
        """Draw stretches of speech that are no pauses; or others of the same voices."""
        found = self._any(rng, num, like)
        for _ in range(20):
            poor = self.store.loudness(found) < LEAST
            if like is not None:
                poor |= (found.voice == like.voice) & (np.abs(found.at - like.at) < FRAMES * like.speed) & (
                    self.store.frames[like.voice] >= 2.5 * FRAMES * like.speed)
            poor = np.flatnonzero(poor)
            if not len(poor):
                break
            found.put(poor, self._any(rng, len(poor), None if like is None else like[poor]))
        return found

    def _any(self, rng: np.random.Generator, num: int, like: Stretches | None) -> Stretches:
        rule, (unseen, filmed) = self.rule, self._banks
        if like is None:
            from_films = (rng.random(num) < (rule.real_face if len(unseen) else 1.0)) & (len(filmed) > 0)
            voice = np.where(from_films, _pick(rng, filmed, num), _pick(rng, unseen, num))
            changed = rng.random(num) < 2 / 3
            speed = np.exp(rng.uniform(-rule.speed, rule.speed, num) * changed)
            colour_db = rng.normal(0, 1, (num, COLOURS)) * rule.colour_db * (rng.random((num, 1)) < 2 / 3)
        else:  # films are all of one person, of whom another is taken
            voice = np.where(self.store.filmed[like.voice], _pick(rng, filmed, num), like.voice)
            speed, colour_db = like.speed, like.colour_db
        frames = self.store.frames[voice]
        speed = np.minimum(speed, frames / FRAMES)
        at = np.floor(rng.random(num) * (np.floor(frames - FRAMES * speed) + 1)).clip(0)
        shift = rng.integers(-rule.jitter, rule.jitter + 1, num)
        return Stretches(voice, at.astype(np.int64), speed, colour_db, shift, np.zeros(num, bool))

    def _factor(self, decibels: np.ndarray) -> Tensor:
        return torch.from_numpy(10 ** (decibels / 20)).float().to(self.store.device)[..., None]

    def _mouths(self, rng: np.random.Generator, persons: Stretches, generator: torch.Generator) -> Tensor:
        """Return uint8 (N, 64, 48, 48)."""
        store = self.store
        filmed = store.filmed[persons.voice]
        composed = ~filmed & (rng.random(len(persons)) < self.rule.composed_face) & (self.eigen is not None)
        drawn = ~filmed & ~composed
        out = torch.empty(len(persons), FRAMES, SIDE, SIDE, device=store.device)
        for which, make in ((filmed, store.films),
                            (composed, lambda some: store.eigen.compose(store.moved(some), generator)),
                            (drawn, lambda some: _drawn(store.gestures(some), generator))):
            if which.any():
                out[torch.from_numpy(which).to(store.device)] = make(persons[which])
        return spoil(out, generator, turned=self.rule.turned_head)

    def _seen(self, rng: np.random.Generator, num: int) -> np.ndarray:
        seen = np.ones((num, FRAMES), bool)
        for row in np.flatnonzero(rng.random(num) < self.rule.drop_out):
            length = int(rng.integers(4, 21))
            at = int(rng.integers(FRAMES - length + 1))
            seen[row, at:at + length] = False
        return seen

    def _blind(self, mouths: Tensor, seen: np.ndarray, rng: np.random.Generator) -> None:
        """Freeze, hide or drop some of the mouths (B, P, T, 48, 48) for the whole window."""
        for b, p in np.argwhere(rng.random(seen.shape[:2]) < self.rule.blind_face):
            kind = rng.integers(3)
            if kind == 0:
                mouths[b, p] = mouths[b, p, int(rng.integers(FRAMES))].clone()
            elif kind == 1:
                mouths[b, p] = int(rng.integers(256))
            else:
                seen[b, p] = False

    def _off_screen(self, rng: np.random.Generator, size: int) -> Tensor:
        """Return one more voice in some mixtures, (B, S)."""
        out = torch.zeros(size, SAMPLES, device=self.store.device)
        rows = np.flatnonzero(rng.random(size) < self.rule.off_screen)
        if len(rows):
            gains = self._factor(rng.uniform(-10, 3, len(rows)))
            out[torch.from_numpy(rows).to(out.device)] = self.store.sound(self._draw(rng, len(rows))) * gains
        return out

    def _noise(self, rng: np.random.Generator, generator: torch.Generator, size: int, *, before_one: bool) -> Tensor:
        """Return coloured noise, a hum, or a few people far away, in some mixtures, (B, S)."""
        out = torch.zeros(size, SAMPLES, device=self.store.device)
        rows = np.arange(size) if before_one else np.flatnonzero(rng.random(size) < self.rule.noise)
        if not len(rows):
            return out
        kinds = rng.random(len(rows))
        for which, make in ((kinds < 0.5, coloured_noise), ((kinds >= 0.5) & (kinds < 0.65), hum),
                            (kinds >= 0.65, self._babble)):
            if which.any():
                sound = make(int(which.sum()), rng, generator)
                loudest = self.rule.loudest_noise_db if before_one else -3.0
                level = self._factor(rng.uniform(-10 if before_one else -25, loudest, len(sound))) * 0.1
                power = sound.square().mean(-1, keepdim=True).sqrt().clamp_min(1e-9)
                out[torch.from_numpy(rows[which]).to(out.device)] = sound / power * level
        return out

    def _babble(self, num: int, rng: np.random.Generator, generator: torch.Generator) -> Tensor:
        return self.store.sound(self._draw(rng, num * _BABBLE)).view(num, _BABBLE, -1).sum(1)


def _pick(rng: np.random.Generator, bank: np.ndarray, num: int) -> np.ndarray:
    return bank[rng.integers(len(bank), size=num)] if len(bank) else np.zeros(num, np.int64)


def _drawn(gestures: Gestures, generator: torch.Generator) -> Tensor:
    return draw_mouths(_varied(gestures, generator), random_looks(len(gestures), generator))


def _varied(gestures: Gestures, generator: torch.Generator) -> Gestures:
    """Let people differ: how far they open, how they hold their lips, and what else a mouth does."""
    (n, t), device = gestures.shape[:2], gestures.device

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, device=device)

    gain = torch.rand(n, 1, 4, generator=generator, device=device) * 0.7 + 0.6
    most = torch.tensor([0.05, 0.5, 0.3, 0.05], device=device)
    rest = torch.rand(n, 1, 4, generator=generator, device=device) * most
    drift = normal(n, 4, 6) * torch.tensor([0.03, 0.12, 0.08, 0.05], device=device)[:, None]
    drift = torch.nn.functional.interpolate(drift, t, mode="linear", align_corners=True).transpose(1, 2)
    return (gestures * gain + rest + drift + normal(n, t, 4) * 0.03).clamp(0, 1)


__all__ = ["FRAMES", "SAMPLES", "MixRule", "Mixes", "SpeechMixer"]
