"""What every audio encoder shares: checked waveforms, a log-mel front end of one length, a classifier."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from mmvideo.encoders.base import Encoder
from mmvideo.encoders.preset import AudioInput
from mmvideo.errors import InvalidInput
from mmvideo.nn.fbank import FRAMES_PER_SECOND, Fbank
from mmvideo.types import Features

SLACK_SECONDS = 0.1
"""How much longer than its input an encoder takes sound: containers seldom cut it to the sample."""


class AudioEncoder(Encoder):
    """Waveforms (B, S), mono, float32 in [-1, 1] -> Features on a grid (t, 1, f): t steps of time, f bands of pitch.

    A family is one subclass in one file, registered under "audio-encoders": it sets `PRESETS`, builds its network from
    keyword options, and implements `encode`; its classifier is a module named `head` over the pooled features.

    Args:
        input: the sound that the network is made for.
        num_classes: width of the classifier; 0 for none.
        num_mels: bands of the spectrogram.
    """

    INPUT: ClassVar = AudioInput

    def __init__(self, *, input: AudioInput, num_classes: int = 0, num_mels: int = 128):
        super().__init__(input=input, num_classes=num_classes)
        self.fbank = Fbank(num_mels, input.sample_rate)
        self.num_frames = round(input.seconds * FRAMES_PER_SECOND)

    @property
    def sample_rate(self) -> int:
        """Samples per second."""
        return self.input.sample_rate

    @property
    def num_tokens(self) -> int:
        """N, the same for every sound, since all are brought to one length."""
        raise NotImplementedError

    def forward(self, audio: Tensor, sample_rate: int | None = None) -> Features:
        """Encode sound.

        Args:
            audio: float (B, S) in [-1, 1], mono. Its spectrogram is padded with zeros to the input's length.
            sample_rate: the sound's, if it is to be checked.

        Raises:
            InvalidInput: sound that does not fit; says what does.
        """
        return self.encode(self.spectrogram(self.prepare(audio, sample_rate)))

    def encode(self, spectrogram: Tensor) -> Features:
        """Encode normalised log-mel spectrograms, float (B, num_frames, num_mels)."""
        raise NotImplementedError

    def logits(self, audio: Tensor, sample_rate: int | None = None) -> Tensor:
        """Return logits, float (B, num_classes).

        Raises:
            InvalidInput: as `forward`, or the encoder was built without a classifier.
        """
        if not self.num_classes:
            raise InvalidInput(f"{self.preset or type(self).__name__} was built without a classifier; "
                               "build it with num_classes or labels.")
        return self.classify(self(audio, sample_rate))

    def prepare(self, audio: Tensor, sample_rate: int | None = None) -> Tensor:
        """Check waveforms.

        Returns:
            float32 (B, S) with S of one window or more; sound of up to 0.1 s too much is cut.

        Raises:
            InvalidInput: wrong rank, dtype, sample rate or length.
        """
        name, rate, seconds = self.preset or type(self).__name__, self.input.sample_rate, self.input.seconds
        if audio.ndim != 2 or audio.shape[1] == 0:
            raise InvalidInput(f"{name} takes mono sound (B, S), not {tuple(audio.shape)}; "
                               "take the mean of the channels.")
        if not audio.is_floating_point():
            raise InvalidInput(f"{name} takes float sound in [-1, 1], not {audio.dtype}.")
        if sample_rate not in (None, rate):
            raise InvalidInput(f"{name} hears at {rate} Hz, not {sample_rate}; resample with "
                               f"torchaudio.functional.resample(audio, {sample_rate}, {rate}).")
        if audio.shape[1] > round((seconds + SLACK_SECONDS) * rate):
            raise InvalidInput(f"{name} hears {seconds:g} s at a time, {round(seconds * rate)} samples at {rate} Hz, "
                               f"not {audio.shape[1]}; cut the sound into windows.")
        if (missing := self.fbank.window - audio.shape[1]) > 0:
            audio = F.pad(audio, (0, missing))
        return audio.float()

    def spectrogram(self, audio: Tensor) -> Tensor:
        """Return normalised log-mel energies (B, num_frames, num_mels) of waveforms (B, S).

        What is missing at the end is zero before normalisation, as the authors of AST do it.
        """
        energies = self.fbank(audio)[:, : self.num_frames]
        energies = F.pad(energies, (0, 0, 0, self.num_frames - energies.shape[1]))
        return (energies - self.input.mean) / (2 * self.input.std)


def features_of_spectrum(maps: Tensor, *, pooled: Tensor | None = None, extra: Tensor | None = None) -> Features:
    """Lay maps (B, D, f, t) out as tokens on a grid (t, 1, f), time first; pooled is their mean unless given."""
    f, t = maps.shape[2:]
    tokens = maps.permute(0, 3, 2, 1).flatten(1, 2)
    pooled = tokens.mean(1) if pooled is None else pooled
    both = tokens if extra is None else torch.cat((tokens, extra), 1)
    return Features(tokens=both, grid=(t, 1, f), pooled=pooled, num_extra=both.shape[1] - t * f)
