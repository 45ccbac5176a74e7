"""Whether someone speaks, and when: the network of silero-vad 6 (https://github.com/snakers4/silero-vad, MIT).

Weights are read from the installed package silero-vad without importing it, as that would set the number of threads of
the whole process. Sound of 32 ms at a time goes through four convolutions over its spectrum and an LSTM; it goes in
blocks of one size, so that memory stays flat and a result does not depend on how the sound came in pieces.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from mmvideo.deadline import check
from mmvideo.errors import WeightsError
from mmvideo.sounds.waveform import RATE, mono
from mmvideo.types import Audio, Segment

FRAME = 512
"""Samples that one probability is about: 32 ms."""
_CONTEXT, _AHEAD = 64, 64
"""Samples before a frame that are seen again, and mirrored after it."""
_FFT, _HOP, _BINS = 256, 128, 129
_WIDTH = 128
_BLOCK = 64
"""Frames at a time."""
State = tuple[Tensor, Tensor]
BEGINS, ENDS = 0.5, 0.35
"""Probabilities above which speech begins, and below which it ends."""
SHORTEST_SECONDS = 0.25
PAUSE_SECONDS = 0.3
"""A shorter pause does not end a span."""


class SpeechNetwork(nn.Module):
    """Frames of sound -> the probability that someone speaks in each; one layer a name of the released weights."""

    def __init__(self) -> None:
        super().__init__()
        self.stft_conv = nn.Conv1d(1, 2 * _BINS, _FFT, _HOP, bias=False)
        self.conv1 = nn.Conv1d(_BINS, 128, 3, padding=1)
        self.conv2 = nn.Conv1d(128, 64, 3, 2, padding=1)
        self.conv3 = nn.Conv1d(64, 64, 3, 2, padding=1)
        self.conv4 = nn.Conv1d(64, _WIDTH, 3, padding=1)
        self.lstm = nn.LSTM(_WIDTH, _WIDTH, batch_first=True)
        self.final_conv = nn.Conv1d(_WIDTH, 1, 1)

    def forward(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """Return probabilities (N,) of frames in a row (N, 576), the last 64 samples of the one before first.

        Args:
            state: of the LSTM, (1, 1, 128) each.
        """
        spectrum = self.stft_conv(F.pad(frames[:, None], (0, _AHEAD), "reflect"))
        x = torch.hypot(spectrum[:, :_BINS], spectrum[:, _BINS:])
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
            x = F.relu(layer(x))
        x, state = self.lstm(x[None, :, :, 0], state)
        return self.final_conv(F.relu(x).transpose(1, 2)).sigmoid().flatten(), state


@cache
def speech_network() -> SpeechNetwork:
    """Return the network with the weights of the installed package, on the CPU.

    Raises:
        WeightsError: silero-vad is not installed, or its weights are missing, damaged, or of another network.
    """
    found = find_spec("silero_vad")
    if found is None or found.origin is None:
        raise WeightsError("Telling when someone speaks needs the package silero-vad: pip install 'silero-vad~=6.2.3'.")
    path = Path(found.origin).parent / "data" / "silero_vad_16k.safetensors"
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} cannot be read: {error}; pip install --force-reinstall silero-vad.") from error
    state = {name.replace("lstm_cell.", "lstm.") + ("_l0" if name.startswith("lstm_cell.") else ""): tensor
             for name, tensor in tensors.items()}
    network = SpeechNetwork()
    try:
        network.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise WeightsError(f"{path} holds another network than silero-vad 6.2; pip install 'silero-vad~=6.2.3'. "
                           f"{error}") from error
    return network.eval().requires_grad_(False)


class SpeechFinder:
    """Finds spans of speech in sound that comes in pieces, one after the other, at 16 kHz.

    Args:
        start_seconds: time of the first sample.

    Raises:
        WeightsError: as `speech_network`.
    """

    def __init__(self, start_seconds: float = 0.0):
        self.network, self.start_seconds = speech_network(), start_seconds
        self._state: State = (torch.zeros(1, 1, _WIDTH), torch.zeros(1, 1, _WIDTH))
        self._before = torch.zeros(_CONTEXT)
        self._rest = torch.zeros(0)
        self._spans = _Spans()
        self._samples = 0

    @torch.inference_mode()
    def hear(self, samples: Tensor) -> None:
        """Take the next samples (S,), float32 in [-1, 1]."""
        self._samples += len(samples)
        self._rest = torch.cat((self._rest, samples))
        size = _BLOCK * FRAME
        while len(self._rest) >= size:
            self._block(self._rest[:size], _BLOCK)
            self._rest = self._rest[size:]

    @torch.inference_mode()
    def finish(self) -> tuple[Segment, ...]:
        """Return the spans in which someone speaks; their text is "speech"."""
        if len(self._rest):
            count = -(-len(self._rest) // FRAME)
            self._block(F.pad(self._rest, (0, _BLOCK * FRAME - len(self._rest))), count)
            self._rest = self._rest[:0]
        end = self._samples / RATE
        step = FRAME / RATE
        return tuple(Segment(self.start_seconds + first * step, self.start_seconds + min(last * step, end), "speech",
                             confidence) for first, last, confidence in self._spans.finish()
                     if min(last * step, end) - first * step >= SHORTEST_SECONDS)

    def _block(self, samples: Tensor, count: int) -> None:
        check()
        whole = torch.cat((self._before, samples))
        self._before = whole[-_CONTEXT:]
        shares, self._state = self.network(whole.unfold(0, _CONTEXT + FRAME, FRAME), self._state)
        self._spans.add(shares[:count].tolist())


class _Spans:
    """Spans of frames from their probabilities: begun above one, ended after a pause below another."""

    def __init__(self) -> None:
        self._found: list[tuple[int, int, float]] = []
        self._at = 0
        self._begun: int | None = None
        self._last = 0
        self._sum = 0.0
        self._pending = 0.0
        self._pause = round(PAUSE_SECONDS * RATE / FRAME)

    def add(self, shares: Iterable[float]) -> None:
        """Take the probabilities of the next frames."""
        for share in shares:
            if self._begun is None and share >= BEGINS:
                self._begun, self._sum, self._pending = self._at, 0.0, 0.0
            if self._begun is not None:
                self._pending += share
                if share >= ENDS:
                    self._last, self._sum, self._pending = self._at + 1, self._sum + self._pending, 0.0
                elif self._at + 1 - self._last >= self._pause:
                    self._close()
            self._at += 1

    def finish(self) -> list[tuple[int, int, float]]:
        """Return first frame, frame after the last, and mean probability of each span."""
        self._close()
        return self._found

    def _close(self) -> None:
        if self._begun is not None:
            self._found.append((self._begun, self._last, self._sum / (self._last - self._begun)))
        self._begun = None


def speech_spans(sound: Audio) -> tuple[Segment, ...]:
    """Return when someone speaks in a sound of any rate and number of channels, on the clock of its source.

    Returns:
        Half-open spans of 0.25 s or more, in order; their text is "speech", their confidence the mean probability of
        their frames.

    Raises:
        WeightsError: as `speech_network`.
    """
    finder = SpeechFinder(sound.start_seconds)
    finder.hear(mono(sound))
    return finder.finish()


def speech_spans_of(sounds: Sequence[Audio]) -> list[tuple[Segment, ...]]:
    """Return the spans of speech of each of several sounds, the same as of each alone.

    Raises:
        WeightsError: as `speech_network`.
    """
    return [speech_spans(sound) for sound in sounds]


__all__ = ["SpeechFinder", "SpeechNetwork", "speech_network", "speech_spans", "speech_spans_of"]
