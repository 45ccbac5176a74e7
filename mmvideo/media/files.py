"""Sources that are files: video, animation or sound, by path or as bytes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np
import torch

from mmvideo.errors import NoVideoTrack, VideoDecodeError
from mmvideo.media.audio import AudioReader
from mmvideo.media.container import ERRORS, Opener
from mmvideo.media.decoder import VideoDecoder
from mmvideo.media.metadata import STANDING_CLOCK, look
from mmvideo.media.seeking import CannotSeek, SparseReader, pts_of
from mmvideo.media.source import Frames, Source, Take
from mmvideo.media.subtitle_tracks import SubtitleTrack, subtitle_track, subtitles_beside
from mmvideo.media.warn import WarningLog
from mmvideo.types import Audio
from mmvideo.wording import plural

_FRAME_BYTES = 1000
"""Of a file with fewer bytes for each of a number of frames it is worth to read when its frames are shown."""

_SECOND_BYTES, _STILL_SECONDS = 16, 600.0
"""No second of picture or sound takes up less than the first, except in pauses; the second is how long all of these may
last together."""


class FileSource(Source):
    """A media file. Several threads may read one source: they take turns to seek, and stream beside each other.

    Args:
        opener: opens the file.
        audio_stream: which sound track, from 0; None takes the container's default, else the first.
        video_stream: which video track, from 0; None takes the best.
        hdr: ``tonemap`` maps HDR to SDR, ``keep`` does not.
        strict: raise `VideoDecodeError` at damage instead of warning.
        threads: decoder threads; None lets FFmpeg choose.
        on_close: called once when the source is closed (removes a temporary file).
    """

    def __init__(self, opener: Opener, *, audio_stream: int | None = None, video_stream: int | None = None,
                 strict: bool = False, threads: int | None = None, deinterlace: bool = False, hdr: str = "tonemap",
                 on_close: Callable[[], None] | None = None):
        self._on_close = on_close
        info, step = look(opener, video_stream=video_stream, hdr=hdr)
        super().__init__(info, strict=strict, deinterlace=deinterlace, hdr=hdr)
        cut = [warning for warning in self.info.warnings if "is cut" in warning]
        if strict and cut:
            raise VideoDecodeError(f"{opener.name}: {cut[0]}. Read it with strict=False to get what is there.")
        self._decoder = VideoDecoder(opener, log=self._log, strict=strict, threads=threads, step_seconds=step,
                                     track=video_stream)
        if strict and step is not None:
            raise VideoDecodeError(f"{opener.name}: {STANDING_CLOCK}. Read it with strict=False to accept that.")
        self._audio_log = WarningLog()
        self._audio = AudioReader(opener, log=self._audio_log, track=audio_stream, strict=strict)
        self._sparse: SparseReader | None = None
        self._times: np.ndarray | None = None
        self._seeks = True
        self._lock = threading.RLock()
        """Held while the container of `_sparse` is used: FFmpeg crashes where two threads seek or decode in one."""

    @property
    def opener(self) -> Opener:
        """What opens the file again, as for its packets."""
        return self._decoder.opener

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was found missing or doubtful so far, in picture and sound."""
        return self._log.tuple() + self._audio_log.tuple()

    def subtitles(self, language: str | None = None) -> SubtitleTrack | None:
        """Return the subtitles of the file, else those of a file beside it; None without any."""
        opener = self._audio.opener
        found = subtitle_track(opener, language)
        return found if found is not None or not opener.path else subtitles_beside(opener.path, language)

    def close(self) -> None:
        """Close the file, and remove it if it is a temporary copy."""
        with self._lock:
            if self._sparse is not None:
                self._sparse.close()
                self._sparse = None
            if self._on_close is not None:
                self._on_close()
                self._on_close = None

    def _reader(self) -> SparseReader:
        if self._sparse is None:
            self._sparse = SparseReader(self._decoder)
        return self._sparse

    def _pick(self, times_seconds: list[float], take: Take) -> None:
        with self._lock:
            if self._seeks:
                try:
                    self._reader().read(times_seconds, take)
                    return
                except CannotSeek:
                    self._seeks = False
        super()._pick(times_seconds, take)

    def _frames(self, start_seconds: float | None = None) -> Frames:
        key, aim = self._keyframe_before(start_seconds)
        if key is not None:
            later = (item for item in self._decoder.frames(seek_ticks=aim) if item[1] >= key)
            first = next(later, None)
            if first is not None and first[1] == key:
                yield first
                yield from later
                return
        count, last = 0, self.start_seconds
        for frame, seconds in self._decoder.frames():
            count += 1
            yield frame, seconds
            last = seconds
        self._compare(count, last)

    def _keyframe_before(self, seconds: float | None) -> tuple[float | None, int]:
        """Return the time of a keyframe to begin with and where to seek for it; None for the start of the file."""
        if seconds is None or seconds <= self.start_seconds + 1.0 or not self._seeks:
            return None, 0
        with self._lock:
            try:
                reader = self._reader()
                key = next(reader.from_keyframe_before(reader.ticks(seconds)))
            except (CannotSeek, *ERRORS):
                self._seeks = False
                return None, 0
            return reader.seconds(pts_of(key)), reader.aim

    def _compare(self, count: int, last_seconds: float) -> None:
        """Compare what was decoded with what the header promised."""
        main = self.info.main_video
        if main is None:
            raise NoVideoTrack(f"{self.info.source} holds no moving picture.")
        doubts = []
        if main.declared_frames and count != main.declared_frames:
            doubts.append(f"{plural(main.declared_frames, 'frame')} declared, {count} decoded")
        usual = 1 / main.average_fps if main.average_fps else 0.04
        missing = self.end_seconds - last_seconds
        if missing > max(0.5, 5 * usual) and not main.variable_frame_rate:
            doubts.append(f"no frames in the last {missing:.3f} s of the declared duration")
        for doubt in doubts:
            if self.strict:
                raise VideoDecodeError(f"{self.info.source}: {doubt}. Read it with strict=False to get what is there.")
            self._log.add(doubt)

    def audio(self, *, sample_rate: int | None = None, mono: bool = False, start_seconds: float | None = None,
              end_seconds: float | None = None) -> Audio:
        """Return the sound of a span; see `Source.audio`."""
        return self._audio.read(sample_rate=sample_rate, mono=mono, start_seconds=start_seconds,
                                end_seconds=end_seconds)

    def holds_fewer_frames(self, count: int) -> bool:
        """Compare with what the header declares, and with the length of the file; see `Source.holds_fewer_frames`."""
        main, num_bytes = self.info.main_video, self._decoder.opener.num_bytes
        declared = main.declared_frames if main is not None else None
        return (declared is not None and declared < count) or (num_bytes or 0) < count * _FRAME_BYTES

    def can_last(self, seconds: float) -> bool:
        """Compare with the length of the file; see `Source.can_last`."""
        return seconds <= _STILL_SECONDS or (self._decoder.opener.num_bytes or 0) >= seconds * _SECOND_BYTES

    def frame_times(self) -> np.ndarray:
        """Return the times of all packets of the moving picture; see `Source.frame_times`."""
        if self._times is None:
            self._times = self._decoder.packet_times()
        return self._times

    def sound_pieces(self, *, sample_rate: int | None = None, mono: bool = False, start_seconds: float | None = None,
                     end_seconds: float | None = None) -> Iterator[Audio]:
        """Yield the sound of a span without its pauses; see `Source.sound_pieces`."""
        for samples, at_seconds, rate in self._audio.chunks(
                sample_rate=sample_rate, mono=mono, start_seconds=start_seconds, end_seconds=end_seconds, fill=False):
            yield Audio(torch.from_numpy(np.ascontiguousarray(samples)), rate, start_seconds=at_seconds,
                        source=self.info.source)

    def _audio_chunks(self, *, sample_rate: int | None, mono: bool, start_seconds: float | None,
                      end_seconds: float | None) -> Iterator[tuple[np.ndarray, float, int]]:
        return self._audio.chunks(sample_rate=sample_rate, mono=mono, start_seconds=start_seconds,
                                  end_seconds=end_seconds)
