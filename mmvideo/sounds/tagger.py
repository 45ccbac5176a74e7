"""What is heard, and when: the audio tagger that ships, over sound of any length.

A window of 2.56 s begins every 0.64 s. What is said of a stretch of 0.64 s is the mean over the windows that hold it;
stretches in a row are one span where an event's probability passes its threshold somewhere and is never far below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from mmvideo import weights
from mmvideo.checks import number
from mmvideo.encoders.logmel_lite import SILENCE, SPECTRA_PER_SECOND, STRIDE, LogMelLite, halved
from mmvideo.errors import WeightsError, shown
from mmvideo.nn.fuse_batchnorm import fuse
from mmvideo.sounds.waveform import RATE, as_sounds, mono
from mmvideo.sounds.windows import HOP, HOP_SECONDS, ROWS, cut_windows, window_logits
from mmvideo.types import Audio, Segment

MODEL = "sounds"
GOES_ON = 0.65
"""Share of its threshold down to which an event goes on that was above it."""
_BLOCK = 512
"""Spectra of a block of sound, 50 a second."""
_HEARD = 1.0
"""How far over digital silence a spectrum must be to count as sound."""


@dataclass(frozen=True)
class HeardEvents:
    """What the tagger says of one sound."""

    shares: Tensor
    """float (N, number of events): the calibrated probability of each event in each stretch of 0.64 s."""
    start_seconds: float
    duration_seconds: float
    silent: bool
    """Whether there is nothing but digital silence."""

    def span(self, first: int, last: int) -> tuple[float, float]:
        """Return when stretches [first, last) begin and end."""
        end = self.duration_seconds if last == len(self.shares) else last * HOP_SECONDS
        return self.start_seconds + min(first * HOP_SECONDS, self.duration_seconds), self.start_seconds + end


class Tagger:
    """An audio tagger with its calibration.

    The folder's config.json holds ``labels``, the ``temperature`` that calibrates probabilities, and ``thresholds``, a
    probability for each label from which it is said.

    Args:
        model: an embedded model or a folder.
        device: where the network goes.

    Raises:
        UnknownName, ModelNotFound: no such model.
        WeightsError: the folder is damaged, or holds no audio tagger.
    """

    def __init__(self, model: str | Path = MODEL, device: torch.device | str = "cpu"):
        home = weights.folder(model)
        config = weights.config(home)
        if config.get("kind") != "sounds":
            raise WeightsError(f"{home.name}/config.json does not say kind: sounds; this is no audio tagger.")
        self.labels: tuple[str, ...] = tuple(config["labels"])
        thresholds = config.get("thresholds")
        if not isinstance(thresholds, dict) or set(thresholds) != set(self.labels):
            raise WeightsError(f"{home.name}/config.json: thresholds must name each of the {len(self.labels)} labels, "
                               f"not {shown(thresholds, 60)}.")
        self.thresholds = torch.tensor([number(f"thresholds.{name}", thresholds[name], low=0, high=1)
                                        for name in self.labels])
        self.temperature = number("temperature", config.get("temperature", 1.0), above=0)
        self.network = LogMelLite.from_pretrained(home / "encoder")
        if self.network.labels != self.labels:
            raise WeightsError(f"{home.name}: the network's labels are not those of config.json.")
        fuse(self.network, torch.zeros(1, RATE))
        self.network.to(device).requires_grad_(False)

    def hear(self, sounds: Sequence[Audio]) -> list[HeardEvents]:
        """Listen to several sounds; what is said of one does not depend on the others."""
        listeners = [Listener(self, sound.start_seconds) for sound in sounds]
        cut = [list(listener.cut(mono(sound), last=True)) for listener, sound in zip(listeners, sounds, strict=True)]
        whole = [one for parts in cut for one in parts]
        logits = window_logits(self.network, torch.cat(whole)).split([sum(map(len, parts)) for parts in cut])
        return [listener.heard(one) for listener, one in zip(listeners, logits, strict=True)]

    def segments(self, heard: HeardEvents) -> tuple[Segment, ...]:
        """Return the spans in which an event is heard, in order of their beginnings.

        The confidence is the probability at its highest within the span.
        """
        found = []
        above = heard.shares >= self.thresholds
        goes_on = heard.shares >= GOES_ON * self.thresholds
        for event in torch.nonzero(above.any(0)).flatten().tolist():
            first: int | None = None
            for at, yes in enumerate([*goes_on[:, event].tolist(), False]):
                if yes and first is None:
                    first = at
                elif not yes and first is not None:
                    start, end = heard.span(first, at)
                    if end > start and above[first:at, event].any():
                        found.append(Segment(start, end, self.labels[event],
                                             float(heard.shares[first:at, event].max())))
                    first = None
        return tuple(sorted(found, key=lambda s: (s.start_seconds, s.end_seconds, s.text)))


class Listener:
    """Hears sound that comes in pieces, one after the other, in memory that hardly grows with its length."""

    def __init__(self, tagger: Tagger, start_seconds: float = 0.0):
        self.tagger, self.start_seconds = tagger, start_seconds
        self._length = tagger.network.num_frames
        self._samples, self._silent = 0, True
        self._rest = torch.zeros(0)
        self._spectra: list[Tensor] = []
        self._past = torch.zeros(0, tagger.network.bands * STRIDE)
        self._begun = False
        self._waiting: list[Tensor] = []
        self._logits: list[Tensor] = []

    def hear(self, samples: Tensor) -> None:
        """Take the next samples (S,), float32 in [-1, 1] at 16 kHz."""
        self._waiting += self.cut(samples)
        self._run(last=False)

    def finish(self) -> HeardEvents:
        """Return what was heard."""
        self._waiting += self.cut(torch.zeros(0), last=True)
        self._run(last=True)
        return self.heard(torch.cat(self._logits))

    def cut(self, samples: Tensor, *, last: bool = False) -> list[Tensor]:
        """Return the windows (N, length, num_mels) that the next samples complete; with `last` also what is left."""
        fbank = self.tagger.network.fbank
        self._samples += len(samples)
        self._rest = torch.cat((self._rest, samples))
        hop, found = 2 * fbank.hop, []
        size = (_BLOCK * 2 - 1) * fbank.hop + fbank.window
        while len(self._rest) >= size:
            found += self._cut(halved(fbank(self._rest[None, :size]))[0])
            self._rest = self._rest[_BLOCK * hop:]
        if last:
            rest = self._rest
            count = max(0, -(-(len(rest) - fbank.window) // fbank.hop) + 1) if len(rest) else 0
            padded = torch.nn.functional.pad(rest, (0, max(0, size - len(rest))))
            spectra = halved(fbank(padded[None]))[0][:-(-count // 2)]
            found += self._cut(spectra, last=True)
        return found

    def _cut(self, spectra: Tensor, *, last: bool = False) -> list[Tensor]:
        self._silent = self._silent and not bool((spectra > SILENCE + _HEARD).any())
        kept = torch.cat((*self._spectra, spectra))
        ready = 0 if len(kept) < self._length else 1 + (len(kept) - self._length) // HOP
        found = [cut_windows(kept[:(ready - 1) * HOP + self._length], self._length)] if ready else []
        self._past = torch.cat((self._past, kept[:ready * HOP]))[-HOP:]
        self._begun = self._begun or ready > 0
        self._spectra = [kept[ready * HOP:]]
        left = len(self._spectra[0])
        if last and not self._begun:
            return [cut_windows(self._spectra[0] if left else spectra.new_full((1, spectra.shape[1]), SILENCE),
                                self._length)]
        if last and left > self._length - HOP:  # the last window ends with the sound
            found.append(torch.cat((self._past, self._spectra[0]))[None, -self._length:])
        return found

    def _run(self, *, last: bool) -> None:
        if not self._waiting:
            return
        waiting = torch.cat(self._waiting)
        count = len(waiting) if last else len(waiting) // ROWS * ROWS
        if count:
            self._logits.append(window_logits(self.tagger.network, waiting[:count]))
        self._waiting = [waiting[count:]] if count < len(waiting) else []

    def heard(self, logits: Tensor) -> HeardEvents:
        """Return what is said of each stretch, from the logits (N, number of events) of all windows."""
        duration = self._samples / RATE
        held, num = self._length // HOP, len(logits)
        count = min(max(1, -(-round(duration * SPECTRA_PER_SECOND) // HOP)), num + held - 1)
        first = [max(0, min(at - held + 1, num - 2)) for at in range(count)]
        last = [min(num, max(at + 1, 2)) for at in range(count)]  # at least two windows, where there are two
        mean = torch.stack([logits[begin:end].mean(0) for begin, end in zip(first, last, strict=True)])
        shares = (mean / self.tagger.temperature).sigmoid()
        return HeardEvents(shares * (not self._silent), self.start_seconds, duration, self._silent)


@lru_cache(maxsize=4)
def tagger(model: str = MODEL, device: str = "cpu") -> Tagger:
    """Return a tagger, read once.

    Raises:
        UnknownName, ModelNotFound, WeightsError: as `Tagger`.
    """
    return Tagger(model, device)


def events(samples: Tensor, sample_rate: int, start_seconds: float = 0.0, *, model: str = MODEL) -> tuple[Segment, ...]:
    """Return what is heard in a sound, and when: a span for each event, with a calibrated probability.

    Args:
        samples: float32 (S,), or (channels, S), in [-1, 1], of any length.
        sample_rate: samples per second.
        start_seconds: time of the first sample.
        model: an embedded tagger or a folder.

    Raises:
        InvalidInput: another type, shape or rate.
        UnknownName, ModelNotFound, WeightsError: as `Tagger`.
    """
    return events_of([samples], sample_rate, start_seconds, model=model)[0]


def events_of(samples: Sequence[Tensor], sample_rate: int, start_seconds: float | Sequence[float] = 0.0, *,
              model: str = MODEL) -> list[tuple[Segment, ...]]:
    """Return what `events` returns for each of several sounds, the same as for each alone.

    Raises:
        InvalidInput, UnknownName, ModelNotFound, WeightsError: as `events`.
    """
    sounds = as_sounds(samples, sample_rate, start_seconds)
    network = tagger(model)
    return [network.segments(one) for one in network.hear(sounds)] if sounds else []


__all__ = ["MODEL", "HeardEvents", "Listener", "Tagger", "events", "events_of", "tagger"]
