"""One separation of one clip, window by window, from disk to disk."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmvideo.deadline import check
from mmvideo.faces import Faces, FaceTrack
from mmvideo.faces.spool import Spool
from mmvideo.separation.base import FRAME_SAMPLES, SAMPLE_RATE, Separator
from mmvideo.separation.consistency import share_the_rest
from mmvideo.separation.overlap_add import Lanes
from mmvideo.separation.voices.lipsync import Follows, loudness, movement
from mmvideo.separation.voices.speakers import SpeakerTurn, speaker_turns, speaking_scores, within_spans
from mmvideo.separation.voices.tracks import Sound, SoundSync, Voice
from mmvideo.sounds.speech import SpeechFinder
from mmvideo.stages.separate_sync import clip_samples

_SILENT = 1e-5
"""Peak below which sound counts as silent (-100 dB of full scale)."""


class Run:
    """Reads the sound once, in order; keeps one window of it.

    Args:
        media: an opened source with sound.
        start_seconds: time of sample 0.
        num_rows: moments of 640 samples.
        faces: who is seen.
        network: sees faces if there are any; None leaves the sound as it is.
        sync: how late the sound is; mouths are shifted by as much if it is to be corrected.
    """

    def __init__(self, media: Any, start_seconds: float, num_rows: int, faces: Faces, network: Separator | None,
                 sync: SoundSync | None = None):
        self.media, self.start, self.num_rows, self.faces, self.network = media, start_seconds, num_rows, faces, network
        self.total = num_rows * FRAME_SAMPLES
        seconds = network.window_seconds if network is not None else 2.56
        self.window = round(seconds * SAMPLE_RATE / FRAME_SAMPLES / 2) * 2 * FRAME_SAMPLES
        self.offset = round((faces.start_seconds - start_seconds) * SAMPLE_RATE / FRAME_SAMPLES)
        """Row of the sound at which row 0 of the faces lies."""
        self.trust = 1.0 if sync is None else sync.trust
        if sync is not None and sync.corrected:
            self.offset += round(sync.offset_ms * SAMPLE_RATE / 1000 / FRAME_SAMPLES)
        self.silent = True
        self.mixture, self.rest = self._new(0), self._new(0)
        self._sounds: dict[int, Sound] = {}
        self._follows: dict[int, Follows] = {}
        self._unread: dict[int, int] = {}
        """Rows of each track in which its mouth cannot be read."""
        self._unread_now: set[int] = set()
        self._rest_levels = array("f")
        self._before: Tensor | None = None
        self._scored: np.ndarray | None = None

    def _new(self, first: int) -> Sound:
        return Sound(Spool((), np.float32), first, self.total, self.start)

    def go(self, on_progress: Callable[[float], None]) -> None:
        """Separate everything."""
        hop = self.window // 2
        lanes = Lanes(self.window, hop)
        blocks = _windows(clip_samples(self.media, self.start), self.window, hop, self.total)
        device = next((p.device for p in self.network.parameters()), torch.device("cpu")) if self.network else None
        for at, samples, last in blocks:
            check()
            self.silent &= bool(samples.abs().max() < _SILENT)
            voices = self._voices(at, samples.to(device) if device else samples)
            given = lanes.add(voices, last=last)
            count = min(self.window if last else hop, self.total - at)
            heard = samples[:count]
            rest = heard.clone()
            for who, wave in given.items():
                rest -= wave[:count]
                self._write(who, at, wave[:count], heard)
            self._rest_levels.extend(loudness(rest.numpy(), count // FRAME_SAMPLES).tolist())
            self.mixture.spool.append(heard.numpy())
            self.rest.spool.append(rest.numpy())
            on_progress(min(1.0, (at + count) / self.total))

    def _voices(self, at: int, samples: Tensor) -> dict[int, Tensor]:
        """Return who -> (window,): by their faces, or two voices by sound alone."""
        self._unread_now = set()
        if self.network is None:
            return {}
        if float(samples.abs().max()) < _SILENT:
            row = at // FRAME_SAMPLES - self.offset
            return {who: torch.zeros(self.window) for who in self._present(row, row + self.window // FRAME_SAMPLES)}
        if not self.network.sees:
            return dict(enumerate(self._in_order(self.network(samples[None])[0].cpu())))
        row = at // FRAME_SAMPLES - self.offset
        voices: dict[int, Tensor] = {}
        told: set[int] = set()
        for begin, end in self._shots(row, row + self.window // FRAME_SAMPLES):
            part = slice((begin - row) * FRAME_SAMPLES, (end - row) * FRAME_SAMPLES)
            for who, wave in self._in_shot(begin, end, samples[part], told).items():
                voices.setdefault(who, torch.zeros(self.window))[part] = wave
        self._unread_now = set(voices) - told
        return voices

    def _shots(self, row: int, end: int) -> Iterator[tuple[int, int]]:
        """Cut rows row <= k < end where a shot begins that shows other people.

        A mouth that is seen only before a cut tells nothing of the sound after it: pairs of newsreaders joined from two
        shots, given as four faces of which each is seen half the time, lost 1.8 dB.
        """
        rows = [int(np.ceil((cut - self.faces.start_seconds) * 25 - 1e-3)) for cut in self.faces.cuts]
        begins = row
        for cut, after in pairwise([*(c for c in rows if row < c < end), end]):
            if self._present(begins, cut) != self._present(cut, after):
                yield begins, cut
                begins = cut
        yield begins, end

    def _in_shot(self, row: int, end: int, samples: Tensor, told: set[int]) -> dict[int, Tensor]:
        """Return who -> what they say in rows row <= k < end, in which `samples` is heard.

        Those whose mouths tell something are added to `told`.
        """
        assert self.network is not None
        present = self._present(row, end)
        readable = [i for i in present if self.faces.tracks[i].readable(row, end)]
        voices, rest = {}, samples.cpu()
        if readable:
            cues = self.faces.cues(row, end, [self.faces.tracks[i] for i in readable])
            waves = self.network(samples[None], cues.to(samples.device))[0].cpu()
            if len(readable) == len(present):
                waves = share_the_rest(waves, rest)
            voices, rest = dict(zip(readable, waves, strict=True)), rest - waves.sum(0)
        told.update(readable)
        unread = set(present) - set(readable)
        # A mouth that stands still tells nothing of silence: whoever it is may have said all that nobody else did.
        return voices | {who: rest / len(unread) for who in unread}

    def _present(self, low: int, high: int) -> list[int]:
        """Return the tracks that are seen in rows low <= k < high."""
        return [i for i, t in enumerate(self.faces.tracks)
                if t.valid[max(0, low - t.first):max(0, high - t.first)].any()]

    def _in_order(self, waves: Tensor) -> Tensor:
        """Put voices without an order in that of the window before, by what both say where they overlap."""
        if self._before is not None:
            early = waves[:, :self.window // 2]
            kept, swapped = (early - self._before).square().sum(), (early.flip(0) - self._before).square().sum()
            if swapped < kept:
                waves = waves.flip(0)
        self._before = waves[:, self.window // 2:]
        return waves

    def _write(self, who: int, at: int, wave: Tensor, heard: Tensor) -> None:
        """Append what `who` says from sample `at` on, while `heard` is heard."""
        if who not in self._sounds:
            self._sounds[who], self._follows[who] = self._new(at), Follows()
        sound = self._sounds[who]
        missing = at - sound.first - len(sound.spool)
        sound.spool.append(np.zeros(missing, np.float32))
        sound.spool.append(wave.numpy())
        rows = len(wave) // FRAME_SAMPLES
        if not self.faces.tracks or not rows:
            return
        row, unread = at // FRAME_SAMPLES - self.offset, who in self._unread_now
        self._unread[who] = self._unread.get(who, 0) + rows * unread
        self._follows[who].skip(missing // FRAME_SAMPLES)
        moved = [float("nan")] * rows if unread else _moved(self.faces, self.faces.tracks[who], row, rows)
        self._follows[who].add(moved, *(loudness(x.numpy(), rows).tolist() for x in (wave, heard)))

    def voices(self) -> tuple[Voice, ...]:
        """Return everybody, in the order of appearance."""
        if not self.faces.tracks:
            spans = ((self.start, self.start + self.total / SAMPLE_RATE),)
            return tuple(Voice(who + 1, sound, 0.0, spans, np.zeros((0, 4), np.float32), self.start, None)
                         for who, sound in sorted(self._sounds.items()))
        out = []
        for who, track in enumerate(self.faces.tracks):
            sound = self._sounds.get(who) or self._new(0)
            boxes = np.where(track.valid[:, None], track.boxes, np.nan)
            start = self.faces.start_seconds
            follows = Follows() if self.silent else self._follows.get(who, Follows())
            out.append(Voice(track.number, sound, follows.voice * self.trust, track.spans(start), boxes,
                             start + track.first / 25, track.thumbnail, self._note(who),
                             follows.mixture * self.trust, activity=self._scores()[who]))
        return tuple(out)

    def turns(self) -> tuple[SpeakerTurn, ...]:
        """Return who speaks when, in order of time; of what no face said, only what is speech."""
        if not self.faces.tracks or self.silent:
            return ()
        found = [turn for track, score in zip(self.faces.tracks, self._scores(), strict=False)
                 for turn in speaker_turns(score, track.number, self.start)]
        if unseen := speaker_turns(self._scores()[-1], None, self.start):
            finder = SpeechFinder(self.start)
            for piece in self.rest.pieces():
                check()
                finder.hear(piece.samples[0])
            found += within_spans(unseen, finder.finish())
        return tuple(sorted(found, key=lambda t: (t.start_seconds, t.end_seconds)))

    def _scores(self) -> np.ndarray:
        """Return the score of each face in each row of the sound, and of the rest: float32 (P + 1, T)."""
        if self._scored is None:
            voices, moved = np.full((2, len(self.faces.tracks), self.num_rows), np.nan, np.float32)
            for who, follows in self._follows.items():
                first = self._sounds[who].first // FRAME_SAMPLES
                count = min(len(follows.loud), self.num_rows - first)
                voices[who, first:first + count] = follows.loud[:count]
                moved[who, first:first + count] = follows.moved[:count]
            rest = np.asarray(self._rest_levels)[:self.num_rows]
            rest = np.pad(rest, (0, self.num_rows - len(rest)), constant_values=-30)
            self._scored = speaking_scores(voices, rest, moved)
        return self._scored

    def _note(self, who: int) -> str:
        if not self._unread.get(who):
            return ""
        seconds = self._unread[who] * FRAME_SAMPLES / SAMPLE_RATE
        return (f"for {seconds:.1f} s the picture of this mouth stands still or is blank; there it was given what "
                "nobody else said, not separated")


def _moved(faces: Faces, track: FaceTrack, row: int, rows: int) -> list[float]:
    """Return how much the mouth moves in each row; NaN where it is not seen."""
    cues = faces.cues(row - 1, row + rows, [track])
    return movement(cues.mouths[0, 0].numpy(), cues.valid[0, 0].numpy())[1:].tolist()


def _windows(pieces: Iterator[Tensor], window: int, hop: int, total: int) -> Iterator[tuple[int, Tensor, bool]]:
    """Cut sound into windows (at, samples, whether it is the last); zeros after its end."""
    held, at, over = torch.zeros(0), 0, False
    while True:
        while len(held) < window and not over:
            piece = next(pieces, None)
            over = piece is None
            held = held if piece is None else torch.cat([held, piece])
        last = at + window >= total
        yield at, torch.nn.functional.pad(held[:window], (0, max(0, window - len(held)))), last
        if last:
            return
        held, at = held[hop:], at + hop


__all__ = ["Run"]
