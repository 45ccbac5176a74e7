"""Corruption checks: damage that FFmpeg's decoders of some codecs pass over silently.

VP8: a partition that ends too soon leaves rows of an older picture in place. A second decoder (libvpx, where this build
of FFmpeg has it) leaves other rows: the format is exact to the bit (RFC 6386), so two decoders differ only in damage.

Motion JPEG: a packet without a picture shows the one before; tables that it lacks are those of an earlier picture.
"""

from __future__ import annotations

import av
import numpy as np
from av.video.plane import VideoPlane

from mmvideo.errors import VideoDecodeError

_SOF = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xF7}
_DHT, _SOI, _SOS, _DQT = 0xC4, 0xD8, 0xDA, 0xDB


class CarefulDecoder:
    """The decoder of a stream that raises where the plain one would be silent.

    Args:
        stream: set up to be careful, see `set_up_decoder`.
    """

    def __init__(self, stream: av.VideoStream):
        self._stream = stream
        self._codec = stream.codec_context.name
        self._second: av.VideoCodecContext | None = None
        if self._codec == "vp8" and "libvpx" in av.codecs_available:
            self._second = av.CodecContext.create("libvpx", "r")
            self._second.thread_count = 1

    def decode(self, packet: av.Packet | None) -> list[av.VideoFrame]:
        """Decode a packet; None or an empty one gives out what is held.

        Raises:
            VideoDecodeError: the packet holds no whole picture, or two decoders do not agree about it.
        """
        if packet is not None and packet.size and self._codec == "mjpeg" and not jpeg_is_a_picture(bytes(packet)):
            raise VideoDecodeError("a packet of Motion JPEG holds no picture")
        frames = self._stream.decode(packet)
        if self._second is not None:
            others = self._second.decode(packet)
            if len(frames) != len(others) or not all(map(_alike, frames, others)):
                raise VideoDecodeError("two decoders do not agree about a picture")
        return frames

    def flush(self) -> None:
        """Forget what came before, as after a seek."""
        self._stream.codec_context.flush_buffers()
        if self._second is not None and self._second.is_open:
            self._second.flush_buffers()


def _alike(one: av.VideoFrame, other: av.VideoFrame) -> bool:
    if (one.width, one.height) != (other.width, other.height):
        return False
    return all(np.array_equal(_pixels(a), _pixels(b)) for a, b in zip(one.planes[:3], other.planes[:3], strict=True))


def _pixels(plane: VideoPlane) -> np.ndarray:
    return np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[:plane.height, :plane.width]


def _segments(data: bytes) -> list[tuple[int, bytes]]:
    """List the marker segments of a JPEG up to its scan (ITU-T T.81, B.1); fewer where they are broken."""
    found: list[tuple[int, bytes]] = []
    at = 2
    if data[:2] != bytes([0xFF, _SOI]):
        return found
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        end = at + 2 + int.from_bytes(data[at + 2:at + 4], "big")
        found.append((marker, data[at + 4:end]))
        if marker == _SOS:
            break
        at = end
    return found


def jpeg_is_a_picture(data: bytes) -> bool:
    """Whether a packet has a frame header and then a scan."""
    markers = [marker for marker, _ in _segments(data)]
    return bool(markers) and markers[-1] == _SOS and bool(_SOF & set(markers))


def jpeg_stands_alone(data: bytes) -> bool:
    """Whether a packet brings every table that its scan names, so that it does not matter what was decoded before."""
    if not jpeg_is_a_picture(data):
        return False
    quantisers, huffmans, needed = set(), set(), set()
    for marker, body in _segments(data):
        if marker == _DQT:
            at = 0
            while at < len(body):
                quantisers.add(body[at] & 15)
                at += 129 if body[at] >> 4 else 65
        elif marker == _DHT:
            at = 0
            while at + 17 <= len(body):
                huffmans.add(body[at])
                at += 17 + sum(body[at + 1:at + 17])
        elif marker in _SOF:
            needed |= {("q", number) for number in body[8::3]}
        elif marker == _SOS and body:
            for tables in body[2:1 + 2 * body[0]:2]:
                needed |= {("h", tables >> 4), ("h", 16 | tables & 15)}
    return needed <= {("q", number) for number in quantisers} | {("h", number) for number in huffmans}
