"""Sound of any length, separated in overlapping windows that fade into each other, in constant memory.

A window begins on a mouth crop and covers `window_seconds` of the separator. Two that follow each other overlap; in the
overlap the earlier one fades out as the later one fades in. The last window ends with the sound.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import pad

from mmvideo.deadline import check
from mmvideo.errors import InvalidInput
from mmvideo.separation.base import FRAME_SAMPLES, SAMPLE_RATE, Separator, num_frames
from mmvideo.types import Cues


class OverlapAdd:
    """Puts windows of estimates together: a weighted mean wherever they overlap.

    Args:
        window: length of every window in samples.
        overlap: samples over which a window fades in and out.
    """

    def __init__(self, window: int, overlap: int):
        ramp = torch.sin((torch.arange(overlap) + 0.5) / max(overlap, 1) * (torch.pi / 2)).square().clamp_min(1e-4)
        self.fade = torch.ones(window)
        self.fade[:overlap] *= ramp
        self.fade[window - overlap:] *= ramp.flip(0)
        self.done = 0
        """Samples given out so far."""
        self._sum: Tensor | None = None
        self._weight = torch.zeros(0)

    def add(self, estimate: Tensor, at: int) -> None:
        """Add a window (..., S) that begins at sample `at`; S may be shorter than the window, if the sound ends."""
        start, length = at - self.done, estimate.shape[-1]
        if start < 0:
            raise InvalidInput(f"This window begins at sample {at}, but all before {self.done} was given out already.")
        fade = self.fade[:length].to(estimate)
        if self._sum is None:
            self._sum, self._weight = estimate.new_zeros((*estimate.shape[:-1], 0)), estimate.new_zeros(0)
        grow = max(0, start + length - self._weight.shape[0])
        self._sum, self._weight = pad(self._sum, (0, grow)), pad(self._weight, (0, grow))
        self._sum[..., start:start + length] += estimate * fade
        self._weight[start:start + length] += fade

    def take(self, until: int | None = None) -> Tensor:
        """Give out all before sample `until` (all that there is if None), which no later window may touch."""
        if self._sum is None:
            return torch.zeros(0)
        count = self._weight.shape[0] if until is None else max(0, until - self.done)
        out = self._sum[..., :count] / self._weight[:count].clamp_min(1e-8)
        self._sum, self._weight = self._sum[..., count:].clone(), self._weight[count:].clone()
        self.done += out.shape[-1]
        return out


@torch.no_grad()
def separate(separator: Separator, mixture: Tensor, cues: Cues | None = None, *, overlap: float = 0.5) -> Tensor:
    """Separate a mixture of any length.

    Args:
        separator: in evaluation mode.
        mixture: float (S,) at 16 kHz.
        cues: of the whole mixture, B = 1; None only for a separator without eyes.
        overlap: share of a window that the next one covers again, 0 to 0.5.

    Returns:
        (P, S).

    Raises:
        InvalidInput: mixture and cues do not belong together.
    """
    if mixture.ndim != 1:
        raise InvalidInput(f"separate takes one mixture (S,), not {tuple(mixture.shape)}; mix down or loop over it.")
    pieces = list(separate_stream(separator, [(mixture, cues)], overlap=overlap))
    if not pieces:
        return mixture.new_zeros((cues.num_faces if cues is not None else separator.num_outputs or 0, 0))
    return torch.cat(pieces, -1)


@torch.no_grad()
def separate_stream(separator: Separator, blocks: Iterable[tuple[Tensor, Cues | None]], *,
                    overlap: float = 0.5) -> Iterator[Tensor]:
    """Separate sound that comes in blocks; memory depends on the window, not on the length.

    Args:
        separator: in evaluation mode.
        blocks: pairs of samples (S,) and their cues (B = 1), each as long as it likes; all but the last hold whole
            mouth crops (S a multiple of 640) and the same faces in the same order.
        overlap: share of a window that the next one covers again, 0 to 0.5.

    Yields:
        (P, S) pieces which follow each other without a gap and add up to the length of the sound.

    Raises:
        InvalidInput: blocks that do not follow these rules.
    """
    if not 0 <= overlap <= 0.5:
        raise InvalidInput(f"overlap={overlap}; a window overlaps the next by 0 to 0.5 of its length.")
    window = round(separator.window_seconds * SAMPLE_RATE)
    hop = max(1, int(window * (1 - overlap)) // FRAME_SAMPLES) * FRAME_SAMPLES
    added, buffer = OverlapAdd(window, max(0, window - hop)), _Buffer()
    begun = False
    for samples, cues in blocks:
        buffer.append(samples, cues)
        # A window is only run when it is known not to be the last, which is laid so that it ends with the sound.
        while buffer.end - buffer.start > window:
            added.add(_run(separator, buffer, window), buffer.start)
            yield added.take(buffer.start + hop)
            buffer.drop(hop)
            begun = True
    if buffer.end == buffer.start:
        return
    if begun:  # go back to fill the last window; what was given out already stays as it is
        buffer.back((window - (buffer.end - buffer.start)) // FRAME_SAMPLES * FRAME_SAMPLES)
    estimate = _run(separator, buffer, window)
    early = max(0, added.done - buffer.start)
    added.add(estimate[..., early:], buffer.start + early)
    yield added.take()


def _run(separator: Separator, buffer: _Buffer, window: int) -> Tensor:
    """Separate the window at the start of the buffer, padded with silence if the sound ends before it does."""
    check()
    samples, cues = buffer.first(window)
    device = next((p.device for p in separator.parameters()), samples.device)
    given = pad(samples, (0, window - samples.shape[0])).to(device)
    estimate = separator(given[None], cues.to(device) if cues is not None else None)[0]
    return estimate[..., :samples.shape[0]].cpu()


class _Buffer:
    """The stretch of sound and cues from the next window on, and one hop before it."""

    def __init__(self) -> None:
        self.start = self.end = 0
        self._origin = 0
        self._samples: Tensor | None = None
        self._cues: Cues | None = None

    def append(self, samples: Tensor, cues: Cues | None) -> None:
        if self.end % FRAME_SAMPLES:
            raise InvalidInput(f"A block ended within a mouth crop (sample {self.end}); only the last block may have a "
                               f"length that is not a multiple of {FRAME_SAMPLES} samples.")
        if cues is not None:
            cues = cues.between(0, num_frames(samples.shape[0]))
        if self._samples is None:
            self._samples, self._cues = samples, cues
        else:
            if (cues is None) != (self._cues is None):
                raise InvalidInput("Some blocks come with faces and some without; give all of them cues, or none.")
            self._samples = torch.cat((self._samples, samples))
            self._cues = None if cues is None or self._cues is None else self._cues.followed_by(cues)
        self.end += samples.shape[0]

    def first(self, window: int) -> tuple[Tensor, Cues | None]:
        at = self.start - self._origin
        cues = self._cues
        if cues is not None:
            cues = cues.between(at // FRAME_SAMPLES, at // FRAME_SAMPLES + num_frames(window))
        return self._samples[at:at + window], cues

    def drop(self, count: int) -> None:
        """Move on; what lies more than one hop behind is let go."""
        keep = self.start - self._origin
        self._samples = self._samples[keep:].clone()
        if self._cues is not None:
            self._cues = self._cues.between(keep // FRAME_SAMPLES, self._cues.num_frames)
        self._origin, self.start = self.start, self.start + count

    def back(self, count: int) -> None:
        self.start = max(self._origin, self.start - count)


__all__ = ["OverlapAdd", "separate", "separate_stream"]
