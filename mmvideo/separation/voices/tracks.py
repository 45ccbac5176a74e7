"""Separated voices as data: sounds that wait on disk, who is heard in each, and what no face said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from mmvideo.faces.spool import Spool
from mmvideo.results import Result
from mmvideo.separation.voices.speakers import SpeakerTurn
from mmvideo.types import Audio
from mmvideo.wording import plural

RATE = 16000
BLOCK = 10 * RATE
"""Samples that are held at once when a voice is read from disk."""


@dataclass(frozen=True, repr=False)
class Sound:
    """A mono sound at 16 kHz that waits on disk; zero before and after what is kept."""

    spool: Spool
    first: int
    """Sample of the clip at which the spool begins."""
    num_samples: int
    """Of the whole clip."""
    start_seconds: float
    """Time of sample 0 of the clip."""

    def read(self, start: int, end: int) -> torch.Tensor:
        """Return samples start <= i < end of the clip, float32 (end - start,)."""
        out = torch.zeros(max(0, end - start))
        piece = self.spool.read(start - self.first, end - self.first)
        at = max(0, self.first - start)
        out[at:at + len(piece)] = torch.from_numpy(piece)
        return out

    def pieces(self) -> Iterator[Audio]:
        """Yield the whole clip's sound in blocks of 10 s."""
        for at in range(0, self.num_samples, BLOCK):
            samples = self.read(at, min(at + BLOCK, self.num_samples))
            yield Audio(samples[None], RATE, start_seconds=self.start_seconds + at / RATE)

    def whole(self) -> Audio:
        """Return the whole clip's sound at once."""
        return Audio(self.read(0, self.num_samples)[None], RATE, start_seconds=self.start_seconds)


@dataclass(frozen=True, repr=False)
class Mix:
    """Sounds of one clip, each made louder or softer, and added."""

    sounds: tuple[Sound, ...]
    gains: tuple[float, ...]

    def pieces(self) -> Iterator[Audio]:
        """Yield the mix in blocks of 10 s; where it would clip, the block is held at full scale."""
        for parts in zip(*(sound.pieces() for sound in self.sounds), strict=True):
            samples = sum(gain * part.samples for gain, part in zip(self.gains, parts, strict=True))
            yield Audio(samples.clamp(-1, 1), RATE, start_seconds=parts[0].start_seconds)

    def whole(self) -> Audio:
        """Return the whole mix at once."""
        parts = list(self.pieces())
        return Audio(torch.cat([part.samples for part in parts], 1), RATE, start_seconds=parts[0].start_seconds)


@dataclass(frozen=True, repr=False)
class Voice:
    """One person: the face, and what was heard of them."""

    number: int
    """From 1, in the order of appearance."""
    sound: Sound
    confidence: float
    """How well the loudness of the voice follows its own mouth: their correlation, at least 0; 0 where no face is."""
    spans: tuple[tuple[float, float], ...]
    """Seconds in which the face is seen; the whole clip where there is no face."""
    boxes: np.ndarray
    """float32 (N, 4): x0, y0, x1, y1 in pixels of the source, 25 a second from `first_box_seconds`; NaN if unseen."""
    first_box_seconds: float
    thumbnail: np.ndarray | None
    """uint8 (224, 224, 3) RGB; None where there is no face."""
    note: str = ""
    """What to know before relying on this voice; empty if nothing."""
    confidence_of_mixture: float = 0.0
    """The same for the sound as it was, before it was separated: what `confidence` is to be compared with."""
    activity: np.ndarray | None = None
    """float32 (T,) in [0, 1]: how likely this person speaks, 25 a second from the clip's beginning; None where there is
    no face."""

    @property
    def has_face(self) -> bool:
        return self.thumbnail is not None

    @property
    def lip_sync(self) -> str:
        """Both figures in words: how well the voice follows the mouth, and how well the untouched sound does."""
        return f"lip-sync {self.confidence:.0%} (the mixture {self.confidence_of_mixture:.0%})"

    @property
    def audio(self) -> Audio:
        """The voice over the whole clip, mono at 16 kHz."""
        return self.sound.whole()

    def box_at(self, seconds: float) -> tuple[float, float, float, float] | None:
        """Return the face box at a time, or None where the face is not seen."""
        row = int((seconds - self.first_box_seconds) * 25 + 1e-6)
        if seconds < self.first_box_seconds or row >= len(self.boxes) or np.isnan(self.boxes[row, 0]):
            return None
        x0, y0, x1, y1 = (float(v) for v in self.boxes[row])
        return x0, y0, x1, y1

    def __repr__(self) -> str:
        shown = ", ".join(f"{a:.1f}-{b:.1f} s" for a, b in self.spans[:4]) + (" ..." if len(self.spans) > 4 else "")
        return f"Voice({self.number}, {'face' if self.has_face else 'no face'} {shown}, {self.confidence:.0%})"


@dataclass(frozen=True)
class SoundSync:
    """How late the sound is against the mouths, and what was done about it."""

    offset_ms: float
    """Positive: the sound is late. Measured over the whole clip, up to a second either way."""
    confidence: float
    """Probability in [0, 1] that the offset is right."""
    corrected: bool
    """Whether the mouths were shifted by as much before the voices were separated."""
    in_step: float
    """Probability in [0, 1] that mouths and sound belong together, once corrected."""
    seconds: float
    """Seconds of mouths that were compared, all faces together."""

    @property
    def trust(self) -> float:
        """What the confidence of every voice is multiplied by; it falls to 0.2 where nothing is in step."""
        return 0.2 + 0.8 * self.in_step

    @property
    def late(self) -> bool:
        """Whether the sound is surely more than 80 ms early or late."""
        return self.confidence >= 0.5 and abs(self.offset_ms) > 80

    @property
    def text(self) -> str:
        """The offset and what was done, in words."""
        if not self.late:
            done = ", corrected" if self.corrected else ""
            return (f"the sound is in step with the mouths (offset {self.offset_ms:.0f} ms{done})"
                    if self.confidence >= 0.5 else "whether the sound is in step with the mouths cannot be told")
        when = "late" if self.offset_ms > 0 else "early"
        done = "corrected" if self.corrected else "left as it is"
        return (f"the sound is {abs(self.offset_ms):.0f} ms {when} against the mouths (confidence "
                f"{self.confidence:.0%}): {done}")


@dataclass(frozen=True, kw_only=True, repr=False)
class VoiceTracks(Result):
    """What `SeparatedVoices` holds: every voice of a clip. The voices and `off_screen` add up to `mixture`."""

    tracks: tuple[Voice, ...]
    off_screen: Sound
    """What no voice took: people who are not seen, music, noise."""
    mixture: Sound
    """What was heard, mixed to mono at 16 kHz."""
    by: str
    """"faces", "sound" (nobody was seen: voices in no order) or "nothing" (the mixture is left as it was)."""
    cuts: tuple[float, ...] = ()
    sync: SoundSync | None = None
    """How late the sound is; None where nobody is seen."""
    turns: tuple[SpeakerTurn, ...] = ()
    """Who speaks when, in order of time; somebody who is not seen has no number. Empty where nobody is seen."""

    @property
    def text(self) -> str:
        """How many people were heard."""
        return self.headline.partition("\n")[0]

    @property
    def headline(self) -> str:
        """How many people were heard, one line each."""
        if self.by == "nothing":
            return "no face found: the sound is left as it was"
        lines = [plural(len(self.tracks), "face") if self.by == "faces" else
                 f"{plural(len(self.tracks), 'voice')}, by sound alone"]
        for voice in self.tracks:
            when = ", ".join(f"{a:.2f}-{b:.2f}" for a, b in voice.spans[:6])
            spoken = sum(t.end_seconds - t.start_seconds for t in self.turns if t.number == voice.number)
            says = f"  speaks for {spoken:.1f} s" if voice.has_face else ""
            sync = f"  {voice.lip_sync}" if voice.has_face and not self.in_domain.outside else ""
            lines.append(f"  person {voice.number}: {when} s{says}{sync}{f'  ({voice.note})' if voice.note else ''}")
        unseen = [f"{t.start_seconds:.2f}-{t.end_seconds:.2f}" for t in self.turns if t.number is None]
        if unseen:
            lines.append(f"  somebody off screen speaks: {', '.join(unseen[:6])}{' ...' if unseen[6:] else ''} s")
        return "\n".join(lines)

    def _looked(self) -> str:
        return f"heard the whole clip, {self.mixture.num_samples / RATE:.2f} s"


__all__ = ["BLOCK", "RATE", "Mix", "Sound", "SoundSync", "Voice", "VoiceTracks"]
