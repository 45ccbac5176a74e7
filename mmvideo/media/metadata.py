"""Read what a file holds: tracks, clock, rotation; count what is really there."""

from __future__ import annotations

import itertools
from fractions import Fraction

import av
import numpy as np
from av.container import InputContainer

from mmvideo.media.container import ERRORS, Opener, is_cover_art, set_up_decoder
from mmvideo.media.container import video_stream as moving_picture
from mmvideo.media.convert import Turn, turn_of
from mmvideo.media.decoder import ticks_of
from mmvideo.media.hdr import Colour, is_unsupported
from mmvideo.media.info import AudioStreamInfo, MediaInfo, VideoStreamInfo
from mmvideo.media.warn import WarningLog
from mmvideo.wording import plural

_RATES_AGREE = 1.02
STANDING_CLOCK = "all timestamps are the same; frame times were rebuilt from the declared length of a frame"


def look(opener: Opener, *, count_frames: bool = False, video_stream: int | None = None,
         hdr: str = "tonemap") -> tuple[MediaInfo, Fraction | None]:
    """Describe a file, and tell how long its frames last if its timestamps stand still; see `mmvideo.media.probe`."""
    log = WarningLog()
    with opener() as container:
        main = moving_picture(container, video_stream)
        unknown = container.duration is None or container.duration <= 0
        scan = _Scan(opener) if (count_frames or unknown) and list(container.streams) else None
        origin, length = _clock(container, scan, log)
        for message in _cut_off(container, opener):
            log.add(message)
        rates = {stream.index: _variable(stream) for stream in container.streams.video if not is_cover_art(stream)}
        frame, step = None, None
        if main is not None and main.codec_context:
            frame, step = _beginning(container, main, opener.max_pixels)
        if step is not None:
            log.add(STANDING_CLOCK)
        if frame is not None:
            _note_colour(frame, hdr, log)
        video = []
        for number, stream in enumerate(container.streams.video):
            taken = main is not None and stream.index == main.index
            video.append(_video_info(number, stream, scan, frame if taken else None, origin, length, log,
                                     step if taken else None, rates.get(stream.index, False), taken))
        audio = tuple(_audio_info(number, stream, scan, origin, length)
                      for number, stream in enumerate(container.streams.audio))
        return MediaInfo(opener.name, container.format.name, origin, length, tuple(video), audio, log.tuple()), step


def _note_colour(frame: av.VideoFrame, hdr: str, log: WarningLog) -> None:
    """Say what is done with HDR and wide colour."""
    colour = Colour.of(frame)
    if colour is None:
        return
    what = f"HDR picture ({colour.name})" if colour.name != "BT.2020" else "wide colour (BT.2020, not HDR)"
    log.add(f"{what}: mapped to BT.709 SDR; hdr='keep' switches that off" if hdr == "tonemap" else
            f"{what}: taken as it is stored, which looks grey; hdr='tonemap' maps it to BT.709 SDR")
    if is_unsupported(frame):
        log.add("the colours of this HDR picture are ICtCp (Dolby Vision), which is not supported: they are wrong")


def _clock(container: InputContainer, scan: _Scan | None, log: WarningLog) -> tuple[float, float]:
    """Return the first time and the true length, in seconds."""
    origin = 0.0 if container.start_time is None else container.start_time / av.time_base
    if container.duration is None or container.duration <= 0:
        log.add("no duration in the header; it was found by reading every packet")
        if scan is None or not scan.spans:
            return origin, 0.0
        origin, end = min(start for start, _ in scan.spans.values()), max(end for _, end in scan.spans.values())
        return origin, end - origin
    length = container.duration / av.time_base
    if "matroska" in container.format.name and origin > 0:  # there the header's duration counts from zero
        length = max(length - origin, 0.0)
    return origin, length if scan is None or not scan.spans else _agreed(scan, origin, length, log)


def _agreed(scan: _Scan, origin: float, length: float, log: WarningLog) -> float:
    """Return the true length: the header's unless the packets clearly disagree."""
    found = max(end for _, end in scan.spans.values()) - origin
    if abs(found - length) <= max(0.5, 0.02 * length):
        return length
    log.add(f"the header promises {length:.3f} s but the packets span {found:.3f} s")
    return found


class _Scan:
    """Spans and counts of every track, by reading packets without decoding them."""

    def __init__(self, opener: Opener):
        self.spans: dict[int, tuple[float, float]] = {}
        self.counts: dict[int, int] = {}
        self.last: dict[int, float] = {}
        with opener() as container:
            packets = container.demux()
            while True:
                try:
                    packet = next(packets)
                except StopIteration:
                    break
                except ERRORS:
                    break
                if packet.size and not packet.is_discard:
                    self._add(packet)

    def _add(self, packet: av.Packet) -> None:
        index = packet.stream.index
        self.counts[index] = self.counts.get(index, 0) + 1
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is None or packet.time_base is None or packet.stream.type not in ("video", "audio"):
            return
        start, end = float(stamp * packet.time_base), float((stamp + (packet.duration or 0)) * packet.time_base)
        self.last[index] = max(self.last.get(index, start), start)
        known = self.spans.get(index, (start, end))
        self.spans[index] = (min(known[0], start), max(known[1], end))


def _beginning(container: InputContainer, stream: av.VideoStream, max_pixels: int
               ) -> tuple[av.VideoFrame | None, Fraction | None]:
    """Read on until the first frame: rotation, interlacing and colour are told only by frames.

    Returns:
        The frame, None if none comes; and the declared length of a frame in seconds if the first packets all carry the
        same time (a badly muxed file), else None.
    """
    set_up_decoder(stream, careful=False, threads=1, max_pixels=max_pixels)
    packets, first = [], None
    try:
        for packet in itertools.islice(container.demux(stream), 64):
            if packet.size:
                packets.append(packet)
            try:
                frames = packet.decode() if first is None else []
            except ERRORS:
                continue
            first = first or (frames[0] if frames else None)
            if first is not None and len(packets) >= 8:
                break
    except ERRORS:
        pass
    packets = packets[:8]
    if len(packets) < 3 or packets[0].pts is None or len({packet.pts for packet in packets}) > 1:
        return first, None
    if packets[0].duration:
        return first, packets[0].duration * ticks_of(stream)
    return first, Fraction(1) / stream.average_rate if stream.average_rate else None


def _cut_off(container: InputContainer, opener: Opener) -> list[str]:
    """Compare the last place that the index names with the length of the file."""
    found = []
    size = opener.num_bytes
    for stream in container.streams.video:
        entries = stream.index_entries
        if not size or not len(entries) or "mov" not in container.format.name:
            continue
        last = entries[len(entries) - 1]
        if last.pos + last.size > size:
            missing = sum(1 for entry in entries if entry.pos + entry.size > size)
            found.append(f"the file is cut: {missing} of {len(entries)} declared frames lie beyond its end")
    return found


def _video_info(number: int, stream: av.VideoStream, scan: _Scan | None, frame: av.VideoFrame | None, origin: float,
                length: float, log: WarningLog, step: Fraction | None, varies: bool, taken: bool) -> VideoStreamInfo:
    context, base = stream.codec_context, ticks_of(stream)
    cover = is_cover_art(stream)
    start = origin if stream.start_time is None else float(stream.start_time * base)
    duration = float(stream.duration * base) if stream.duration else max(0.0, origin + length - start)
    found = None
    if scan is not None and not cover:
        found = scan.counts.get(stream.index, 0)
        if stream.index in scan.spans:
            first, end = scan.spans[stream.index]
            if step is not None:
                duration = found * float(step)
            elif not stream.duration or scan.last[stream.index] >= start + duration or \
                    abs(end - first - duration) > max(0.5, 0.02 * duration):
                start, duration = first, end - first
        if stream.frames and stream.frames != found:
            log.add(f"the header declares {plural(stream.frames, 'frame')}, and {plural(found, 'packet')} can be read")
    turn = turn_of(frame) if frame is not None else Turn()
    colour = None if frame is None else Colour.of(frame)
    interlaced = bool(frame is not None and frame.interlaced_frame)
    if interlaced:
        log.add("interlaced: each frame weaves two instants; deinterlace=True keeps one")
    aspect = stream.sample_aspect_ratio
    pixel = context.format if context is not None else None
    rate = stream.average_rate or stream.guessed_rate
    return VideoStreamInfo(
        index=number, codec=context.name if context else "unknown",
        profile=context.profile if context else None, pixel_format=pixel.name if pixel else None,
        bit_depth=max((component.bits for component in pixel.components), default=8) if pixel else None,
        width=context.width if context else 0, height=context.height if context else 0,
        rotation=turn.quarters * 90, mirrored=turn.mirrored, average_fps=float(rate) if rate else None,
        declared_frames=stream.frames or None, found_frames=found, start_seconds=start, duration_seconds=duration,
        interlaced=interlaced, is_cover_art=cover, variable_frame_rate=varies,
        pixel_aspect_ratio=float(aspect) if aspect else 1.0, hdr=None if colour is None else colour.name,
        is_taken=taken)


def _variable(stream: av.VideoStream) -> bool:
    """Tell from the index (decode times) or from the rates whether frames last unequally."""
    entries = stream.index_entries
    if len(entries) >= 8 and stream.frames == len(entries):
        steps = np.diff([entry.timestamp for entry in entries[:2000]])
        return bool(np.median(steps) > 0 and (np.abs(steps - np.median(steps)) > 0.1 * np.median(steps) + 1).any())
    average, base = stream.average_rate, stream.base_rate
    if not average or not base:
        return False
    return not 1 / _RATES_AGREE < float(average) / float(base) < _RATES_AGREE


def _audio_info(number: int, stream: av.AudioStream, scan: _Scan | None, origin: float, length: float | None
                ) -> AudioStreamInfo:
    context, base = stream.codec_context, ticks_of(stream)
    start = origin if stream.start_time is None else float(stream.start_time * base)
    duration = float(stream.duration * base) if stream.duration else None
    if duration is None and scan is not None and stream.index in scan.spans:
        start, end = scan.spans[stream.index]
        duration = end - start
    elif duration is None and length is not None:
        duration = max(0.0, origin + length - start)
    return AudioStreamInfo(number, context.name if context else "unknown", context.sample_rate if context else 0,
                           context.channels if context else 0, context.layout.name if context else "unknown",
                           stream.language, start, duration)
