"""Voices of a clip that is still being recorded: short windows that look back, each giving the next piece of 0.64 s.

The network of `source-separation` looks ahead within its window of 2.56 s. Here it sees the last 2.56 s again for every
piece, and gives what lies 0.32 s before their end. So a sample comes out 0.96 s after it was heard, and the time of the
computation on top. Weights that look back only (preset mouth-mask-deep-causal) are given 0.08 s after the piece, over
which it fades into the next: 0.72 s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from mmvideo import weights as weight_files
from mmvideo.errors import InvalidInput
from mmvideo.faces.live import LiveFaces
from mmvideo.registry import find
from mmvideo.separation.base import FRAME_SAMPLES, SAMPLE_RATE, Separator
from mmvideo.stages.separate_sync import clip_samples
from mmvideo.types import Cues

PIECE_ROWS, AHEAD_ROWS, CAUSAL_AHEAD_ROWS = 16, 8, 2
"""Rows of 40 ms of a piece, and those after it that the network has heard; the last where it looks back only."""
_FADE = 1280
"""Samples over which a piece fades into the next: 80 ms."""


@dataclass(frozen=True)
class LivePiece:
    """The voices heard in one stretch of sound."""

    start_seconds: float
    """Since the beginning of the recording."""
    mixture: np.ndarray
    """float32 (S,) at 16 kHz: what was heard."""
    voices: dict[int, np.ndarray] = field(default_factory=dict)
    """Number of a face, from 1 in the order of appearance -> its voice, float32 (S,)."""

    @property
    def off_screen(self) -> np.ndarray:
        """What no voice took, float32 (S,)."""
        return np.asarray(self.mixture - sum(self.voices.values(), np.zeros_like(self.mixture)))


class LiveSeparator:
    """Takes frames and sound as they come, and gives pieces of voices.

    Args:
        separator: a family of separators.
        weights: a model with the part "faces".
        device: to compute on.
        faces: who finds the faces; `LiveFaces` by default.

    Raises:
        WeightsError: the weights are missing or damaged.
    """

    def __init__(self, separator: str = "mouth-mask", weights: str = "separator", *, device: str = "cpu",
                 faces: LiveFaces | None = None):
        home = weight_files.folder(weights)
        part = weight_files.part(weights, "faces") if (home / "faces").is_dir() else home
        self.network: Separator = find("separators", separator).from_pretrained(part, device=device)
        self.device = torch.device(device)
        self.looks_ahead = not self.network.config.get("causal", False)
        self.rows = round(self.network.window_seconds * SAMPLE_RATE / FRAME_SAMPLES)
        self.ahead = AHEAD_ROWS if self.looks_ahead else CAUSAL_AHEAD_ROWS
        self.latency_seconds = (PIECE_ROWS + self.ahead) * FRAME_SAMPLES / SAMPLE_RATE
        """A sample comes out at most this much later, and the time of the computation on top."""
        self.faces = faces or LiveFaces(self.rows)
        self._sound = np.zeros(self.rows * FRAME_SAMPLES, np.float32)
        self._row = 0
        self._tails: dict[int, np.ndarray] = {}
        self._given = 0

    @property
    def about(self) -> str:
        """Which weights look how far, in words."""
        kind = (f"the network looks {self.ahead * 0.04:.2f} s ahead" if self.looks_ahead
                else "the network looks back only")
        return (f"{kind}; pieces of {PIECE_ROWS * 0.04:.2f} s over the last {self.rows * 0.04:.2f} s: a latency of "
                f"{self.latency_seconds:.2f} s and the time of the computation")

    def push(self, picture: np.ndarray, samples: np.ndarray) -> Iterator[LivePiece]:
        """Take the next row: a frame and the 40 ms of sound that belong to it.

        Args:
            picture: uint8 (H, W, 3) RGB.
            samples: float32 (640,) mono at 16 kHz.

        Raises:
            InvalidInput: another number of samples.
        """
        if samples.shape != (FRAME_SAMPLES,):
            raise InvalidInput(f"A row is one frame and {FRAME_SAMPLES} samples, not {samples.shape}.")
        self.faces.push(self._row * FRAME_SAMPLES / SAMPLE_RATE, picture)
        self._hear(samples)
        if self._row >= PIECE_ROWS + self.ahead and (self._row - self.ahead) % PIECE_ROWS == 0:
            yield self._piece()

    def _hear(self, samples: np.ndarray) -> None:
        self._row += 1
        self._sound = np.concatenate([self._sound[FRAME_SAMPLES:], samples.astype(np.float32)])

    def finish(self) -> Iterator[LivePiece]:
        """End the recording: what is left, cut to its length."""
        total = self._row * FRAME_SAMPLES
        while self._given < total:
            for face in self.faces.faces:
                face.mouths.append(np.zeros_like(face.mouths[-1]))
                face.seen.append(False)
            self._hear(np.zeros(FRAME_SAMPLES, np.float32))
            if self._row >= PIECE_ROWS + self.ahead and (self._row - self.ahead) % PIECE_ROWS == 0:
                left = total - self._given
                piece = self._piece()
                yield LivePiece(piece.start_seconds, piece.mixture[:left],
                                {who: voice[:left] for who, voice in piece.voices.items()})

    def _piece(self) -> LivePiece:
        """Separate the window; give the piece before the look ahead, faded into the one before."""
        end = (self.rows - self.ahead) * FRAME_SAMPLES
        start, length = end - PIECE_ROWS * FRAME_SAMPLES, PIECE_ROWS * FRAME_SAMPLES
        heard, waves = self._sound[start:end], self._separated()
        voices, tails = {}, {}
        rise = np.linspace(0, 1, _FADE, dtype=np.float32)
        for who in {**waves, **self._tails}:
            wave = waves.get(who, np.zeros(len(self._sound), np.float32))
            voice = wave[start:end].copy()
            before = self._tails.get(who, np.zeros(_FADE, np.float32))
            voice[:_FADE] = rise * voice[:_FADE] + (1 - rise) * before
            voices[who] = voice
            if who in waves:
                tails[who] = wave[end:end + _FADE]
        self._tails = tails
        begin = self._given
        self._given += length
        return LivePiece(begin / SAMPLE_RATE, heard.copy(), voices)

    @torch.inference_mode()
    def _separated(self) -> dict[int, np.ndarray]:
        """Return the voice of each face that is seen in the window, float32 (rows * 640,)."""
        told = [face for face in self.faces.faces if any(face.seen)]
        if not told or float(np.abs(self._sound).max()) < 1e-5:
            return {}
        cues = Cues(torch.from_numpy(np.stack([np.stack(f.mouths) for f in told]))[None],
                    torch.tensor([list(f.seen) for f in told])[None])
        waves = self.network(torch.from_numpy(self._sound)[None].to(self.device), cues.to(self.device))[0].cpu().numpy()
        return {face.number: wave for face, wave in zip(told, waves, strict=True)}


def live_rows(media: Any) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the rows of an opened file: the frame shown at each moment of 40 ms, and its 640 samples.

    Nothing is read further ahead than a batch of frames and a second of sound.

    Args:
        media: an opened source with picture and sound.
    """
    start, end = media.start_seconds, media.end_seconds
    pieces = (piece.numpy() for piece in clip_samples(media, start))
    sound = np.zeros(0, np.float32)
    frames = ((float(t), p) for video in media.stream(batch=4) for t, p in zip(
        video.pts_seconds.tolist(), video.frames.permute(0, 2, 3, 1).contiguous().numpy(), strict=True))
    coming, shown = next(frames, None), None
    for row in range(int(np.ceil((end - start) * SAMPLE_RATE / FRAME_SAMPLES - 1e-6))):
        while coming is not None and (shown is None or coming[0] <= start + row * FRAME_SAMPLES / SAMPLE_RATE + 1e-6):
            shown, coming = coming[1], next(frames, None)
        while len(sound) < FRAME_SAMPLES and (piece := next(pieces, None)) is not None:
            sound = np.concatenate([sound, piece])
        heard, sound = sound[:FRAME_SAMPLES], sound[FRAME_SAMPLES:]
        if shown is None:
            return
        yield shown, np.pad(heard, (0, FRAME_SAMPLES - len(heard)))


__all__ = ["AHEAD_ROWS", "PIECE_ROWS", "LivePiece", "LiveSeparator", "live_rows"]
