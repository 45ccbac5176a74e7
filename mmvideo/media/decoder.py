"""Frames of one video stream in the order in which they are shown, with damage noticed.

The decoder first runs with ``err_detect=explode``: on a sound file that changes nothing and costs nothing. At the first
complaint the rest is decoded again the usual, forgiving way, so that the frames are those of a plain FFmpeg decode, but
the damage is known: a warning, or with ``strict=True`` an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
from av.container import InputContainer

from mmvideo.deadline import check
from mmvideo.errors import NoVideoTrack, VideoDecodeError
from mmvideo.media.container import ERRORS, Opener, decoding_error, set_up_decoder, video_stream
from mmvideo.media.corruption import CarefulDecoder
from mmvideo.media.warn import WarningLog
from mmvideo.wording import plural

EPSILON_SECONDS = 1e-6
"""Slack when a time is compared with a timestamp: less than any frame lasts, more than float rounding."""

_ONE_PACKET_ONE_FRAME = {"h264", "hevc", "mpeg4", "mpeg1video", "mpeg2video", "mjpeg", "vp8"}
"""Codecs whose decoders may drop a damaged frame without raising; a missing frame is then looked into."""

_STUB_BYTES = 16
"""MPEG-4 packets up to this size may say "as before" and give no frame (packed B-frames)."""


def ticks_of(stream: av.VideoStream | av.AudioStream) -> Fraction:
    """Return the seconds that one tick of a stream's timestamps lasts; every stream of a file has it."""
    assert stream.time_base is not None
    return stream.time_base


class VideoDecoder:
    """Decodes one file's moving picture from its start, any number of times.

    Args:
        opener: opens the file.
        log: collects what is missing or doubtful.
        strict: raise at the first damage instead of warning.
        threads: decoder threads; None lets FFmpeg choose.
        step_seconds: how long each frame lasts where the file's timestamps stand still; None where they can be used.
        track: which video track, from 0; None takes the best.
    """

    def __init__(self, opener: Opener, *, log: WarningLog, strict: bool = False, threads: int | None = None,
                 step_seconds: Fraction | None = None, track: int | None = None):
        self.opener, self.log, self.strict, self.threads = opener, log, strict, threads
        self.step_seconds, self.track = step_seconds, track

    def open(self, *, careful: bool) -> tuple[InputContainer, av.VideoStream]:
        """Open the file and set up its decoder.

        Raises:
            NoVideoTrack: the file holds no moving picture.
            VideoDecodeError: no decoder for its codec.
        """
        container = self.opener()
        stream = video_stream(container, self.track)
        if stream is None:
            container.close()
            what = "only cover art and sound" if container.streams.video else "no video track"
            raise NoVideoTrack(f"{self.opener.name} holds {what}; read its sound with read_audio.")
        if stream.codec_context is None:
            container.close()
            raise VideoDecodeError(f"{self.opener.name}: this build of FFmpeg has no decoder for its video codec; "
                                   "convert the file to H.264.")
        set_up_decoder(stream, careful=careful, threads=self.threads, max_pixels=self.opener.max_pixels)
        return container, stream

    def frames(self, *, seek_ticks: int | None = None) -> Iterator[tuple[av.VideoFrame, float]]:
        """Yield every frame with its time, strictly increasing, as a full decode gives them.

        Args:
            seek_ticks: begin where a seek to this timestamp leads (as found by `SparseReader`); None begins with the
                file.

        Raises:
            VideoDecodeError: nothing can be decoded, or damage with ``strict=True``.
        """
        previous = None
        found = 0
        for frame, seconds in self._mended(seek_ticks):
            found += 1
            if previous is not None and seconds <= previous:
                self._doubt(f"a frame at {seconds:.3f} s comes after one at {previous:.3f} s and was left out")
                continue
            previous = seconds
            yield frame, seconds
        if not found:
            raise VideoDecodeError(f"{self.opener.name}: not one frame can be decoded"
                                   f"{': ' + self.log.items[-1] if self.log.items else ''}.")

    def packet_times(self) -> np.ndarray:
        """Return the times of all packets in seconds, increasing, without decoding them; those of damaged files may
        lack some."""
        stamps: list[float] = []
        container, stream = self.open(careful=False)
        with container:
            packets = container.demux(stream)
            while True:
                check()
                try:
                    packet = next(packets)
                except (StopIteration, *ERRORS):
                    break
                if packet.size and (packet.pts is not None or packet.dts is not None):
                    stamps.append(_seconds(packet))
        if self.step_seconds is not None:
            return np.arange(len(stamps)) * float(self.step_seconds)
        return np.unique(stamps)

    def _doubt(self, text: str) -> None:
        if self.strict:
            raise VideoDecodeError(f"{self.opener.name}: {text}. Read it with strict=False to get what is there.")
        self.log.add(text)

    def _mended(self, seek_ticks: int | None) -> Iterator[tuple[av.VideoFrame, float]]:
        yielded = 0
        run = _Run(self, careful=True, seek_ticks=seek_ticks)
        for item in run:
            yielded += 1
            yield item
        if run.sound:
            return
        if self.strict and run.complaint is not None:
            raise decoding_error(self.opener.name, run.complaint, run.last_seconds) from run.complaint
        if run.complaint is not None:
            self.log.add(f"the decoder reports damage after {run.last_seconds or 0.0:.3f} s; "
                         "pictures from there on may be partly wrong or missing")
        again = _Run(self, careful=False, seek_ticks=seek_ticks)
        for number, item in enumerate(again):
            if number >= yielded:
                yield item
        if again.errors:
            self._doubt(f"{plural(again.errors, 'packet')} could not be decoded at all")
        elif again.dropped > 0:
            self._doubt(f"{plural(again.dropped, 'packet')} gave no picture")


class _Run:
    """One pass over the packets; iterate it, then ask whether it was sound."""

    def __init__(self, owner: VideoDecoder, *, careful: bool, seek_ticks: int | None):
        self._owner, self._careful, self._seek_ticks = owner, careful, seek_ticks
        self.complaint: BaseException | None = None
        self.errors = 0
        self.last_seconds: float | None = None
        self._packets = self._frames = self._undated = 0
        self._codec = ""
        self._by_dts = False
        self._last_stamp: int | None = None
        self._ended = False

    @property
    def sound(self) -> bool:
        """Whether nothing was raised and, where it can be told, no frame was dropped in silence."""
        return self.complaint is None and self.dropped <= 0

    @property
    def dropped(self) -> int:
        """Packets that should have given a frame and did not, where that can be told."""
        return self._packets - self._frames if self._codec in _ONE_PACKET_ONE_FRAME else 0

    def __iter__(self) -> Iterator[tuple[av.VideoFrame, float]]:
        container, stream = self._owner.open(careful=self._careful)
        with container:
            self._codec = stream.codec_context.name
            self._by_dts = container.format.name == "avi" and stream.codec_context.has_b_frames
            decode = CarefulDecoder(stream).decode if self._careful else stream.decode
            if self._seek_ticks is not None:
                container.seek(self._seek_ticks, stream=stream, backward=True)
            for packet in self._demux(container, stream):
                check()
                self._packets += packet is not None and self._is_shown(packet)
                try:
                    frames = decode(packet)
                except (VideoDecodeError, *ERRORS) as error:
                    self.complaint = self.complaint or error
                    self.errors += 1
                    if self._careful:
                        return
                    continue
                for frame in frames:
                    yield from self._dated(frame, ticks_of(stream))
        if self._undated:
            self._owner._doubt(f"{plural(self._undated, 'frame')} without a timestamp, left out")

    def _is_shown(self, packet: av.Packet) -> bool:
        """Tell whether a packet holds a frame that is due to be shown."""
        if not packet.size or packet.is_discard:
            return False
        if self._codec == "vp8":  # RFC 6386, 9.1: the fifth bit says whether the frame is shown
            return bool(memoryview(packet)[0] & 16)
        return self._codec != "mpeg4" or packet.size > _STUB_BYTES

    def _demux(self, container: InputContainer, stream: av.VideoStream) -> Iterator[av.Packet | None]:
        """Yield packets; None at the end of a file that breaks off, so that the decoder gives out what it holds."""
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except ERRORS as error:
                self._owner._doubt(f"the file cannot be read past {self.last_seconds or 0.0:.3f} s ({error})")
                yield None
                return
            if packet.is_corrupt:
                self._owner._doubt(f"the container marks a packet as corrupt near {_seconds(packet):.3f} s")
            yield packet

    def _stamp(self, frame: av.VideoFrame, time_base: Fraction) -> int | None:
        """Return when a frame is shown, in ticks.

        An AVI holds no presentation times: FFmpeg makes them up and gets them wrong where frames are reordered, whereas
        the k-th frame to come out of the decoder is due at the k-th decode time.
        """
        if self._owner.step_seconds is not None:
            return round((self._frames - 1) * self._owner.step_seconds / (frame.time_base or time_base))
        if not self._by_dts:
            return frame.pts
        if frame.dts is not None:
            return frame.dts
        return frame.pts if self._last_stamp is None else self._last_stamp + max(1, frame.duration or 1)

    def _dated(self, frame: av.VideoFrame, time_base: Fraction) -> Iterator[tuple[av.VideoFrame, float]]:
        self._frames += 1
        stamp = self._stamp(frame, time_base)
        if stamp is None:
            self._undated += 1
            return
        self._last_stamp = stamp
        self.last_seconds = float(stamp * (frame.time_base or time_base))
        if frame.is_corrupt and not self._careful:
            self._owner._doubt(f"the frame at {self.last_seconds:.3f} s is corrupt")
        yield frame, self.last_seconds


def _seconds(packet: av.Packet) -> float:
    stamp = packet.pts if packet.pts is not None else packet.dts
    return float((stamp or 0) * (packet.time_base or 0))
