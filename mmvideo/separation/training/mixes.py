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
from mmvideo.separation.training.alike import nearest
from mmvideo.separation.training.bank import FRAME, SIDE, Utterance
from mmvideo.separation.training.faces import EigenMouths, spoil
from mmvideo.separation.training.noise import coloured_noise, hum
from mmvideo.separation.training.store import COLOURS, FRAMES, LEAST, SAMPLES, Store, Stretches
from mmvideo.types import Cues

_BABBLE = 5
"""People who talk at once far away."""
_ALIKE = 8
"""Speakers that count as alike to one."""
_SHOT = (24, 31)
_SHARES = ("real_face", "same_voice", "silent_face", "off_screen", "noise", "three_faces", "one_face", "composed_face",
           "drop_out", "blind_face", "turned_head", "alike_voice", "shut", "shot")


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
    """Of two faces that speak with one voice: another stretch of a voice without a film, or another clip (GRID)."""
    alike_voice: float = 0.0
    """Of a second voice drawn among those that are most like the first in pitch and spectrum."""
    silent_face: float = 0.12
    shut: float = 0.0
    """Of mixtures of two voices off the screen, before which every mouth that is seen is shut."""
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
    shot: float = 0.0
    """Of batches of twice as many mixtures that last 24 to 30 frames and begin where clips of joined films do."""
    jitter: int = 3
    """Frames by which a face may be early or late."""
    lag: int = 0
    """Frames by which a face may be late beyond `jitter`."""
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
        for name, most in (("jitter", FRAMES - 1), ("lag", FRAMES - 1), ("gain_db", 60), ("speed", 1),
                           ("colour_db", 60)):
            number(f"mixes.{name}", getattr(self, name), low=0, high=most)
        number("mixes.loudest_noise_db", self.loudest_noise_db, low=-60, high=60)
        if self.three_faces + self.one_face > 1:
            raise InvalidInput("mixes: three_faces and one_face are shares of the same batches; their sum is over 1.")


class Bank:
    """The voices of a store that have films, or those that have none, and how they are drawn.

    Filmed speakers are drawn in proportion to the square root of how much there is of them, so that many people of whom
    a minute is known are not outweighed by one of whom there is an hour.
    """

    def __init__(self, store: Store, *, filmed: bool):
        self.voices = np.flatnonzero(store.filmed == filmed)
        speaker, frames = store.speaker[self.voices], store.frames[self.voices].astype(float)
        speakers = len(store.sounds_like)
        self.num_of = np.bincount(speaker, minlength=speakers)
        """Voices of each speaker."""
        total = np.bincount(speaker, frames, speakers)
        weight = frames / np.sqrt(total[speaker]) if filmed else np.ones(len(frames))
        self._until = np.cumsum(weight) / max(1e-9, weight.sum())
        order = np.argsort(speaker, kind="stable")
        self._by_speaker = self.voices[order]
        self._first = np.concatenate([[0], np.cumsum(self.num_of)[:-1]])
        among = np.flatnonzero(self.num_of)
        self._near = nearest(store.sounds_like, among, _ALIKE) if len(among) > 1 else None

    def __len__(self) -> int:
        return len(self.voices)

    def pick(self, rng: np.random.Generator, num: int, near: np.ndarray | None = None) -> np.ndarray:
        """Draw voices, int (num,), zeros if there are none; with `near`, speakers (num,), of others that are alike."""
        if not len(self):
            return np.zeros(num, np.int64)
        if near is not None and self._near is not None:
            return self.pick_of(rng, self._near[near, rng.integers(self._near.shape[1], size=num)])
        return self.voices[np.searchsorted(self._until, rng.random(num)).clip(max=len(self) - 1)]

    def pick_of(self, rng: np.random.Generator, speaker: np.ndarray) -> np.ndarray:
        """Draw a voice of each of the speakers, int (num,); any for one who has none."""
        if not len(self):
            return np.zeros(len(speaker), np.int64)
        which = self._first[speaker] + np.floor(rng.random(len(speaker)) * self.num_of[speaker]).astype(np.int64)
        return self._by_speaker[which.clip(max=len(self) - 1)]


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
        self._banks = [Bank(self.store, filmed=filmed) for filmed in (False, True)]

    def batch(self, number: int, size: int, *, seed: int = 0) -> Mixes:
        """Return batch `number` of `size` mixtures; fewer if they show more than two faces."""
        rng, rule, store = np.random.default_rng([seed, number]), self.rule, self.store
        generator = torch.Generator(store.device).manual_seed(int(rng.integers(2**62)))
        many = rng.random()
        people = 3 if many < rule.three_faces else 1 if many < rule.three_faces + rule.one_face else 2
        shot = bool(rule.shot) and rng.random() < rule.shot
        size = max(1, min(size, size * 2 // people)) * (2 if shot else 1)
        persons, same = self._persons(rng, size, people)
        if shot:
            persons.at = store.begins(persons)
        shut = rng.random(size) < rule.shut if rule.shut else np.zeros(size, bool)
        persons.silent |= shut.repeat(people)
        gains = rng.uniform(-rule.gain_db, rule.gain_db, (size, people))
        gains[:, 0] = 0
        sound = store.sound(persons).view(size, people, -1) * self._factor(gains)
        rest = self._off_screen(rng, size) + self._speaking(rng, shut)
        rest += self._noise(rng, generator, size, before_one=people == 1)
        mixture = sound.sum(1) + rest
        level = self._factor(rng.uniform(-20, 0, size)) * 0.9 / mixture.abs().amax(-1, keepdim=True).clamp_min(0.9)
        mouths = self._mouths(rng, persons, generator).view(size, people, FRAMES, SIDE, SIDE)
        seen = self._seen(rng, size * people).reshape(size, people, FRAMES)
        self._blind(mouths, seen, rng)
        seen = torch.from_numpy(seen).to(store.device)
        real = torch.from_numpy(store.filmed[persons.voice]).view(size, people)
        last = int(rng.integers(*_SHOT)) if shot else FRAMES
        cues = Cues((mouths * seen[..., None, None].byte())[:, :, :last], seen[:, :, :last])
        return Mixes((mixture * level)[:, :last * FRAME], (sound * level[:, None])[..., :last * FRAME], cues,
                     torch.from_numpy(same).to(store.device), real.to(store.device))

    def _persons(self, rng: np.random.Generator, size: int, people: int) -> tuple[Stretches, np.ndarray]:
        """Draw the people of `size` mixtures, (size * people), and in which mixtures two have one voice."""
        rule = self.rule
        persons = self._draw(rng, size * people)
        same = np.zeros(size, bool)
        for other in range(1, people):
            first, rows = np.arange(size) * people, np.arange(size) * people + other
            alike = rng.random(size) < rule.alike_voice
            persons.put(rows[alike], self._draw(rng, int(alike.sum()), unlike=persons[first[alike]], alike=True))
            if other == 1:
                same = (rng.random(size) < rule.same_voice) & ~self.store.joined[persons.voice[first]]
                persons.put(rows[same], self._draw(rng, int(same.sum()), like=persons[first[same]]))
            for _ in range(20):  # not the same speaker by accident, whose clips may be of one moment
                speaker = self.store.speaker[persons.voice].reshape(size, people)
                again = (speaker[:, :other] == speaker[:, other:other + 1]).any(1)
                again &= ~same if other == 1 else True
                if not again.any():
                    break
                persons.put(rows[again], self._draw(rng, int(again.sum()), unlike=persons[first[again]]))
        silent = np.flatnonzero(rng.random(size) < rule.silent_face * min(2, people))
        persons.silent[silent * people + rng.integers(people, size=len(silent))] = True
        return persons, same

    def _draw(self, rng: np.random.Generator, num: int, like: Stretches | None = None,
              unlike: Stretches | None = None, *, alike: bool = False) -> Stretches:
        """Draw stretches of speech that are no pauses; or others of the same voices, or of other speakers."""
        found = self._any(rng, num, like, unlike, alike)
        for _ in range(20):
            poor = self.store.loudness(found) < LEAST
            if like is not None:
                poor |= (found.voice == like.voice) & (np.abs(found.at - like.at) < FRAMES * like.speed) & (
                    self.store.frames[like.voice] >= 2.5 * FRAMES * like.speed)
            if unlike is not None:
                poor |= self.store.speaker[found.voice] == self.store.speaker[unlike.voice]
            poor = np.flatnonzero(poor)
            if not len(poor):
                break
            found.put(poor, self._any(rng, len(poor), like and like[poor], unlike and unlike[poor], alike))
        return found

    def _any(self, rng: np.random.Generator, num: int, like: Stretches | None, unlike: Stretches | None,
             alike: bool) -> Stretches:
        rule, (unseen, filmed) = self.rule, self._banks
        if like is None:
            near = self.store.speaker[unlike.voice] if unlike is not None and alike else None
            from_films = (rng.random(num) < (rule.real_face if len(unseen) else 1.0)) & (len(filmed) > 0)
            voice = np.where(from_films, filmed.pick(rng, num, near), unseen.pick(rng, num, near))
            changed = rng.random(num) < 2 / 3
            speed = np.exp(rng.uniform(-rule.speed, rule.speed, num) * changed)
            colour_db = rng.normal(0, 1, (num, COLOURS)) * rule.colour_db * (rng.random((num, 1)) < 2 / 3)
        else:  # another clip of the person if it was filmed
            again = filmed.pick_of(rng, self.store.speaker[like.voice])
            voice = np.where(self.store.filmed[like.voice], again, like.voice)
            speed, colour_db = like.speed, like.colour_db
        frames = self.store.frames[voice]
        speed = np.minimum(speed, frames / FRAMES)
        at = np.floor(rng.random(num) * (np.floor(frames - FRAMES * speed) + 1)).clip(0)
        shift = rng.integers(-rule.jitter - rule.lag, rule.jitter + 1, num)
        return Stretches(voice, at.astype(np.int64), speed, colour_db, shift, np.zeros(num, bool))

    def _factor(self, decibels: np.ndarray) -> Tensor:
        return torch.from_numpy(10 ** (decibels / 20)).float().to(self.store.device)[..., None]

    def drawn(self, gestures: Gestures, generator: torch.Generator) -> Tensor:
        """Return mouths (N, T, 48, 48) in [0, 1] of N drawn people."""
        return _drawn(gestures, generator)

    def faces(self, number: int, size: int, *, seed: int = 0) -> tuple[Stretches, Tensor]:
        """Return batch `number` of single faces that speak: what they say and their mouths, uint8 (N, 64, 48, 48)."""
        rng = np.random.default_rng([seed, number])
        generator = torch.Generator(self.store.device).manual_seed(int(rng.integers(2**62)))
        some = self._draw(rng, size)
        return some, self._mouths(rng, some, generator)

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

    def _speaking(self, rng: np.random.Generator, shut: np.ndarray) -> Tensor:
        """Return two voices of different people where all mouths are shut, (B, S)."""
        out = torch.zeros(len(shut), SAMPLES, device=self.store.device)
        rows = np.flatnonzero(shut)
        if len(rows):
            first = self._draw(rng, len(rows))
            other = self._draw(rng, len(rows), unlike=first)
            gains = self._factor(rng.uniform(-self.rule.gain_db, self.rule.gain_db, len(rows)))
            out[torch.from_numpy(rows).to(out.device)] = self.store.sound(first) + self.store.sound(other) * gains
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
