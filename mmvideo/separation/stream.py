"""Voices while they are still being spoken: a separator that looks back only, fed piece by piece in constant memory."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from mmvideo.errors import InvalidInput
from mmvideo.separation.clock import FRAME_SAMPLES, FRAMES_PER_SECOND, SAMPLE_RATE
from mmvideo.separation.streaming_state import Past
from mmvideo.types import Cues

MAX_WAIT_SECONDS = 10
"""How far sound may run ahead of the mouth pictures that belong to it, or they of the sound."""


class CausalNetwork(Protocol):
    """What a stream needs of a network that looks back only; `MouthMask` says what each part gives."""

    training: bool
    sees: bool
    num_outputs: int | None

    @property
    def window(self) -> Tensor: ...

    def look(self, cues: Cues, past: Past) -> Tensor: ...

    def level_so_far(self, hops: Tensor, ends: Tensor, samples: int, past: Past) -> Tensor: ...

    def masked(self, spec: Tensor, level: Tensor, seen: Tensor | None, past: Past) -> Tensor: ...


class SeparatorStream:
    """One recording that goes on: push sound and mouth pictures as they come, take the voices as they are ready.

    What comes out, put together, is what the network gives of the whole recording at once, whatever the pieces were;
    memory does not depend on how long it lasts. A step of 20 ms is separated as soon as its window of 40 ms was heard
    and the picture shown at its middle was pushed.

        stream = separator.stream(num_faces=2)
        for sound, mouths in recording:      # (S,) at 16 kHz, and (2, T, 96, 96) at 25 a second
            play(stream.push(sound, mouths))
        play(stream.finish())

    All that is remembered is here: `Past` (the last steps of every convolution, sums for means), half a window of
    sound, half a window of every voice, and what waits for its other half.

    Args:
        network: a `MouthMask` with `causal`, in evaluation mode.
        num_faces: P, the same from beginning to end; a face that is not there yet is not valid. 0 without eyes.

    Raises:
        InvalidInput: in training mode, or a number of faces that does not fit.
    """

    latency_seconds: float
    """What is pushed comes out this much later: the window of the spectrum. The length of a piece comes on top."""

    def __init__(self, network: CausalNetwork, num_faces: int = 0):
        name = type(network).__name__
        if network.training:
            raise InvalidInput(f"{name} is in training mode, in which pieces would change each other: call .eval().")
        if network.sees and num_faces < 1:
            raise InvalidInput(f"{name} needs to know how many faces there will be: stream(num_faces=2); not "
                               f"{num_faces}.")
        if not network.sees and num_faces:
            raise InvalidInput(f"This {name} has no eyes and gives {network.num_outputs} voices; leave num_faces out.")
        self.network, self.num_faces = network, num_faces
        self.num_voices = num_faces or network.num_outputs or 0
        window = network.window
        self._hop = len(window) // 2
        self.latency_seconds = len(window) / SAMPLE_RATE
        self.num_samples = 0
        """Samples pushed so far."""
        self.num_frames = 0
        """Mouth pictures of each face pushed so far."""
        self.finished = False
        self._past = Past()
        self._step = 0
        self._sound = window.new_zeros(self._hop)
        """From the beginning of the next step's window on; silence before the first sample."""
        self._seen = window.new_zeros(1, num_faces, 0, 0)
        """What was made of the mouths, from the last step's picture on."""
        self._tail = window.new_zeros(self.num_voices, self._hop)
        """The second half of the last step, which the next one is added to."""

    @torch.no_grad()
    def push(self, sound: Tensor | np.ndarray, mouths: Tensor | np.ndarray | None = None,
             valid: Tensor | np.ndarray | None = None) -> Tensor:
        """Take what was recorded since the last call, and give what is ready.

        Sound and pictures may come in pieces of any length, and either without the other: picture k belongs to samples
        640 k to 640 (k + 1), and whichever is early waits.

        Args:
            sound: float (S,) at 16 kHz, mono, in [-1, 1]; S may be 0.
            mouths: (P, T, H, W) grey, uint8 or float in [0, 1], 25 a second; None for no new ones.
            valid: bool (P, T), False where a mouth was not seen; all seen by default.

        Returns:
            float32 (P, N), the next N samples of every voice; N may be 0.

        Raises:
            InvalidInput: the stream is finished; wrong shapes, types or values that are not finite; sound and pictures
                more than 10 s apart. Nothing was taken then.
        """
        if self.finished:
            raise InvalidInput("This stream is finished; begin another one with separator.stream().")
        sound = _checked_sound(sound)
        cues = self._checked_cues(mouths, valid)
        frames = cues.num_frames if cues is not None else 0
        self._check_together(self.num_samples + sound.shape[0], self.num_frames + frames)
        self._sound = torch.cat([self._sound, sound.to(self._sound)])
        self.num_samples += sound.shape[0]
        if frames:
            self._look(cues)
        ready = self.num_samples // self._hop
        if self.network.sees:
            ready = min(ready, self.num_frames * FRAME_SAMPLES // self._hop)
        return self._advance(ready - self._step)

    @torch.no_grad()
    def finish(self) -> Tensor:
        """End the recording and give what is left, so that the voices are as long as the sound.

        Pictures that are missing count as not seen.

        Returns:
            float32 (P, N).

        Raises:
            InvalidInput: it was finished before.
        """
        if self.finished:
            raise InvalidInput("This stream is finished already; begin another one with separator.stream().")
        total, hop = self.num_samples, self._hop
        if not total:
            self.finished = True
            return torch.zeros(self.num_voices, 0)
        frames = -(-total // FRAME_SAMPLES)
        if self.network.sees and self.num_frames < frames:
            nothing = torch.zeros(self.num_faces, frames - self.num_frames, 1, 1)
            self._look(Cues(nothing[None], nothing[None, ..., 0, 0].bool()))
        self._seen = self._seen[:, :, :self._seen.shape[2] - (self.num_frames - frames)]
        left = total // hop + 1 - self._step
        self._sound = pad(self._sound, (0, (left + 1) * hop - self._sound.shape[0]))
        voices = self._advance(left)
        self.finished = True
        # After the last whole hop there is no later step to add, as where the transform of a whole recording ends.
        rest = self._tail[:, :total % hop] / self.network.window[hop:hop + total % hop].square()
        return torch.cat([voices, rest.cpu()], 1)

    def _look(self, cues: Cues) -> None:
        seen = self.network.look(cues, self._past)
        self._seen = torch.cat([self._seen, seen], 2) if self._seen.shape[2] else seen
        self.num_frames += cues.num_frames

    def _advance(self, count: int) -> Tensor:
        """Separate the next `count` steps; give what no later step is added to."""
        if count <= 0:
            return torch.zeros(self.num_voices, 0)
        net, hop, first = self.network, self._hop, self._step
        pieces = self._sound.unfold(0, 2 * hop, hop)[:count]
        spec = torch.fft.rfft(pieces * net.window).t()[None]
        ends = torch.arange(first + 1, first + count + 1, device=pieces.device) * hop
        level = net.level_so_far(pieces[None, :, hop:], ends, self.num_samples, self._past)
        seen = None
        if net.sees:
            each = FRAME_SAMPLES // hop
            kept, last = max(0, first - 1) // each, (first + count - 1) // each
            moment = torch.arange(first, first + count, device=pieces.device) // each - kept
            seen = self._seen[:, :, moment.clamp(max=self._seen.shape[2] - 1)]
            self._seen = self._seen[:, :, last - kept:].clone()
        made = torch.fft.irfft(net.masked(spec, level, seen, self._past)[0].transpose(1, 2)) * net.window  # (P, T, 640)
        early = torch.cat([self._tail[:, None], made[:, :-1, hop:]], 1)
        out = (made[..., :hop] + early).flatten(1)
        self._tail = made[:, -1, hop:].clone()
        self._sound = self._sound[count * hop:].clone()
        self._step += count
        return (out[:, hop:] if first == 0 else out).cpu()  # the first step begins half a window before the sound

    def _checked_cues(self, mouths: Tensor | np.ndarray | None, valid: Tensor | np.ndarray | None) -> Cues | None:
        if mouths is None:
            if valid is not None:
                raise InvalidInput("valid comes with the mouths that it speaks of; give mouths (P, T, H, W) too.")
            return None
        mouths = torch.as_tensor(mouths)
        if not self.network.sees:
            raise InvalidInput("This stream has no eyes; leave mouths out.")
        if mouths.ndim != 4 or mouths.shape[0] != self.num_faces or 0 in mouths.shape[2:]:
            raise InvalidInput(f"mouths must be ({self.num_faces}, T, H, W), one row a face of this stream, not "
                               f"{tuple(mouths.shape)}.")
        if mouths.dtype != torch.uint8 and not mouths.is_floating_point():
            raise InvalidInput(f"mouths must be uint8, or float in [0, 1], not {mouths.dtype}.")
        if mouths.is_floating_point() and not mouths.isfinite().all():
            raise InvalidInput("mouths hold values that are not finite; where nothing is seen give zeros and valid "
                               "False.")
        valid = torch.ones(mouths.shape[:2], dtype=torch.bool) if valid is None else torch.as_tensor(valid)
        return Cues(mouths[None], valid[None].to(mouths.device))

    def _check_together(self, samples: int, frames: int) -> None:
        if not self.network.sees:
            return
        ahead = samples / SAMPLE_RATE - frames / FRAMES_PER_SECOND
        if ahead > MAX_WAIT_SECONDS:
            raise InvalidInput(f"The sound is {ahead:.1f} s ahead of the mouths; at most {MAX_WAIT_SECONDS} s wait. "
                               "Push mouths too, with valid False where none is seen.")
        if -ahead > MAX_WAIT_SECONDS:
            raise InvalidInput(f"The mouths are {-ahead:.1f} s ahead of the sound; at most {MAX_WAIT_SECONDS} s wait. "
                               "Push sound too, zeros where there is none.")


def _checked_sound(sound: Tensor | np.ndarray) -> Tensor:
    sound = torch.as_tensor(sound)
    if sound.ndim != 1 or not sound.is_floating_point():
        raise InvalidInput(f"sound must be float (S,), mono at {SAMPLE_RATE} Hz in [-1, 1], not {sound.dtype} "
                           f"{tuple(sound.shape)}.")
    if not sound.isfinite().all():
        raise InvalidInput("sound holds values that are not finite; they would spoil all that follows.")
    return sound


__all__ = ["MAX_WAIT_SECONDS", "CausalNetwork", "SeparatorStream"]
