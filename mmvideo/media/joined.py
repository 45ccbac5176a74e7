"""Several sources one after the other, as one source on one clock."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

import av
import numpy as np

from mmvideo.errors import InvalidInput, NoAudioTrack
from mmvideo.media.convert import Converter
from mmvideo.media.decoder import EPSILON_SECONDS
from mmvideo.media.info import AudioStreamInfo, MediaInfo, VideoStreamInfo
from mmvideo.media.source import Frames, Source, Take
from mmvideo.types import Audio, Segment

SHORTEST_SECONDS = 1.0
"""How long a part is shown that has no length of its own, as a single picture."""


class JoinedSource(Source):
    """Sources one after the other; pictures are padded to the size of the first, what is silent stays silent.

    Args:
        parts: opened sources with a moving picture each, closed with this; one name for each.
        names: what the parts are called in `segments`.

    Raises:
        InvalidInput: no part, or one without a moving picture.
    """

    def __init__(self, parts: Sequence[Source], names: Sequence[str]):
        self.parts = tuple(parts)
        if not parts or (blind := next((n for n, one in zip(names, parts, strict=True) if one.info.main_video is None),
                                       None)) is not None:
            raise InvalidInput(f"{blind if parts else 'Nothing'} has no moving picture; only videos and pictures can "
                               "be shown one after the other.")
        lengths = [one.end_seconds - one.start_seconds for one in parts]
        lengths = [one if one > EPSILON_SECONDS else SHORTEST_SECONDS for one in lengths]
        ends = np.cumsum(lengths).tolist()
        self._begins = [0.0, *ends[:-1]]
        self.segments = tuple(Segment(begin, end, name) for begin, end, name in zip(
            self._begins, ends, names, strict=True))
        first: Any = parts[0].info.main_video
        height, width = first.upright
        heard = [one.info.audio[0] for one in parts if one.has_audio]
        self._rate = heard[0].sample_rate if heard else 0
        self._channels = max((min(2, one.channels) for one in heard), default=0)
        sound = (AudioStreamInfo(0, "raw", self._rate, self._channels, f"{self._channels} channels", None, 0.0,
                                 ends[-1]),) if heard else ()
        picture = VideoStreamInfo(0, "raw", None, "rgb24", 8, width, height, 0, False, first.average_fps, None, None,
                                  0.0, ends[-1], False, False, True)
        warnings = tuple(f"{name}: {one}" for name, part in zip(names, parts, strict=True)
                         for one in part.info.warnings)
        super().__init__(MediaInfo(", ".join(names), "joined", 0.0, ends[-1], (picture,), sound, warnings))
        self._fitted = [Converter(size=(height, width), fit="pad", deinterlace=one.deinterlace, hdr=one.hdr)
                        for one in parts]

    def close(self) -> None:
        """Close all parts."""
        for part in self.parts:
            part.close()

    def frame_times(self) -> np.ndarray:
        """Return the times of all frames; see `Source.frame_times`."""
        return np.concatenate([part.frame_times() - part.start_seconds + begin
                               for part, begin in zip(self.parts, self._begins, strict=True)])

    def _shown(self, number: int, frame: av.VideoFrame) -> av.VideoFrame:
        return av.VideoFrame.from_ndarray(np.ascontiguousarray(self._fitted[number].array(frame)), format="rgb24")

    def _frames(self, start_seconds: float | None = None) -> Frames:
        for number, (part, segment) in enumerate(zip(self.parts, self.segments, strict=True)):
            if start_seconds is not None and segment.end_seconds <= start_seconds:
                continue
            shift = segment.start_seconds - part.start_seconds
            inner = None if start_seconds is None or start_seconds <= segment.start_seconds else start_seconds - shift
            for frame, seconds in part._frames(inner):
                if seconds + shift >= segment.end_seconds - EPSILON_SECONDS:
                    break
                yield self._shown(number, frame), max(segment.start_seconds, seconds + shift)

    def _pick(self, times_seconds: list[float], take: Take) -> None:
        wanted: dict[int, list[float]] = {}
        for seconds in times_seconds:
            number = max(0, bisect_right(self._begins, seconds + EPSILON_SECONDS) - 1)
            wanted.setdefault(number, []).append(seconds)
        for number, times in wanted.items():
            shift = self._begins[number] - self.parts[number].start_seconds
            held: list[tuple[av.VideoFrame, float]] = []

            def hold(frame: av.VideoFrame, seconds: float, held: list = held) -> None:
                if held and seconds <= held[-1][1]:  # reading began anew
                    held.clear()
                held.append((frame, seconds))

            self.parts[number]._pick([seconds - shift for seconds in times], hold)
            for frame, seconds in held:
                take(self._shown(number, frame), max(self._begins[number], seconds + shift))

    def audio(self, **options: Any) -> Audio:
        """Return the sound of a span; see `Source.audio`."""
        import torch

        chunks = list(self._audio_chunks(**{"sample_rate": None, "mono": False, "start_seconds": None,
                                            "end_seconds": None, **options}))
        samples = np.concatenate([samples for samples, _, _ in chunks], axis=1) if chunks else np.zeros((1, 0), "f4")
        at, rate = (chunks[0][1], chunks[0][2]) if chunks else (0.0, self._rate)
        return Audio(torch.from_numpy(samples), rate, start_seconds=at, source=self.info.source)

    def _audio_chunks(self, *, sample_rate: int | None, mono: bool, start_seconds: float | None,
                      end_seconds: float | None) -> Iterator[tuple[np.ndarray, float, int]]:
        if not self.has_audio:
            raise NoAudioTrack(f"{self.info.source} has no sound.")
        rate, channels = sample_rate or self._rate, 1 if mono else self._channels
        start = 0.0 if start_seconds is None else max(0.0, start_seconds)
        end = self.segments[-1].end_seconds if end_seconds is None else min(end_seconds, self.segments[-1].end_seconds)
        at = round(start * rate)

        def silence(until: int) -> Iterator[tuple[np.ndarray, float, int]]:
            nonlocal at
            while at < until:  # a second at a time
                count = min(rate, until - at)
                yield np.zeros((channels, count), np.float32), at / rate, rate
                at += count

        for part, segment in zip(self.parts, self.segments, strict=True):
            first, last = max(start, segment.start_seconds), min(end, segment.end_seconds)
            if last <= first:
                continue
            if part.has_audio:
                shift = segment.start_seconds - part.start_seconds
                for samples, seconds, _ in part._audio_chunks(sample_rate=rate, mono=mono, start_seconds=first - shift,
                                                              end_seconds=last - shift):
                    begin = round((seconds + shift) * rate)
                    yield from silence(min(begin, round(last * rate)))
                    kept = samples[:, max(0, at - begin):max(0, round(last * rate) - begin)]
                    if kept.shape[1]:
                        yield np.broadcast_to(kept, (channels, kept.shape[1])).copy(), at / rate, rate
                        at += kept.shape[1]
            yield from silence(round(last * rate))


__all__ = ["SHORTEST_SECONDS", "JoinedSource"]
