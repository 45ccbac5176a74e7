"""Sparse reading: decode only what the asked frames depend on, and get the frames that a full decode would give.

Packets are read before they are decoded, so the timestamps of a group of pictures are known beforehand: which frame is
shown at a time is settled without decoding, pictures that nothing depends on are skipped, and decoding stops at the
last frame that was asked for. A keyframe is trusted only for frames shown at or after it (open groups of
pictures begin with frames that need the group before).

    packets   K . . . . . . K . . . . . . K        K keyframe
    asked               ^               ^
    read      |<------->|   |<--------->|
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field

import av

from mmvideo.deadline import check
from mmvideo.errors import VideoDecodeError
from mmvideo.media.container import ERRORS
from mmvideo.media.corruption import CarefulDecoder, jpeg_stands_alone
from mmvideo.media.decoder import EPSILON_SECONDS, VideoDecoder, ticks_of

SEEKABLE = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")
"""Containers whose timestamps do not depend on where reading starts; others are decoded from their start."""

_SKIPPABLE = {"h264", "mpeg1video", "mpeg2video"}
"""Codecs whose frames marked as unreferenced are needed by no other frame (not so in HEVC's temporal layers)."""

_MAX_GROUP_BYTES = 512 * 1024**2
_WORTH_A_SEEK_SECONDS = 1.0
_LONG_AGO = -(2**62)


class CannotSeek(Exception):
    """The file does not keep the promises that sparse reading needs; never shown: it is then decoded from its start."""


@dataclass
class _Group:
    """Packets from a keyframe on, and which of their timestamps were asked for."""

    key: int
    packets: list[av.Packet] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)

    def answers(self) -> dict[int, int]:
        """Map each target to the timestamp of the frame shown then."""
        stamps = (pts_of(packet) for packet in self.packets if not packet.is_discard)
        shown = sorted(pts for pts in stamps if pts >= self.key)
        found: dict[int, int] = {}
        at = 0
        for target in self.targets:
            while at + 1 < len(shown) and shown[at + 1] <= target:
                at += 1
            if not shown or shown[at] > target:
                raise CannotSeek("no frame at or before the target")
            found[target] = shown[at]
        return found


class SparseReader:
    """Finds single frames of one file; keeps it open between calls.

    Args:
        decoder: opens the file and knows its limits.
    """

    def __init__(self, decoder: VideoDecoder):
        self.container, self.stream = decoder.open(careful=True)
        if self.container.format.name not in SEEKABLE or decoder.step_seconds is not None:
            self.close()
            raise CannotSeek(f"{decoder.opener.name} is not in a container with exact seeks")
        self._base = ticks_of(self.stream)
        self._decoder = CarefulDecoder(self.stream)
        self._skips = self.stream.codec_context.name in _SKIPPABLE
        self._group_bytes = 0
        self.aim = 0
        """Timestamp that the last successful seek asked for."""

    def close(self) -> None:
        """Close the file."""
        self.container.close()

    def ticks(self, seconds: float) -> int:
        """Return the last timestamp that counts as at or before a time."""
        return int((seconds + EPSILON_SECONDS) // self._base)

    def seconds(self, ticks: int) -> float:
        """Return a timestamp in seconds."""
        return float(ticks * self._base)

    def read(self, times_seconds: list[float], take: Callable[[av.VideoFrame, float], None]) -> None:
        """Call `take` with each frame shown at the (sorted) times, once each, in order.

        Raises:
            CannotSeek: a time before the first frame, damage, or timestamps that are not whole. Begin anew then.
        """
        first = self.stream.start_time or 0
        targets = sorted({max(first, self.ticks(seconds)) for seconds in times_seconds})
        taken: int | None = None
        try:
            for group in self._groups(targets):
                answers = group.answers()
                wanted = {pts for pts in answers.values() if taken is None or pts > taken}
                if wanted:
                    self._decode(group, wanted, take)
                    taken = max(wanted)
        except (VideoDecodeError, *ERRORS) as error:
            raise CannotSeek(str(error)) from error

    def _groups(self, targets: list[int]) -> Iterator[_Group]:
        """Yield, per target or several, the packets from a keyframe until past the last target."""
        waiting = list(targets)
        while waiting:
            packets = self.from_keyframe_before(waiting[0])
            first = next(packets)
            group = _Group(pts_of(first), [first], [waiting.pop(0)])
            self._group_bytes = first.size
            group = yield from self._fill(group, packets, waiting)
            yield group

    def _fill(self, group: _Group, packets: Iterator[av.Packet], waiting: list[int]
              ) -> Generator[_Group, None, _Group]:
        """Read on until every target of the group is settled and the next one is better sought for."""
        last = group.packets[0]
        for packet in packets:
            if _dts(packet) > group.targets[-1]:
                # Later packets are shown later still (pts >= dts), so what was read settles these targets.
                while waiting and waiting[0] < _dts(packet):
                    group.targets.append(waiting.pop(0))
                if not waiting or self._better_to_seek(last, waiting[0]):
                    return group
                if packet.is_keyframe and pts_of(packet) <= waiting[0]:
                    yield group
                    group = self._new_group(packet, waiting.pop(0))
            elif packet.is_keyframe and pts_of(packet) <= group.targets[0]:
                group = self._new_group(packet, group.targets[0])
            group.packets.append(packet)
            last = packet
            self._group_bytes += packet.size
            if self._group_bytes > _MAX_GROUP_BYTES:
                raise CannotSeek("a group of pictures is too long to hold")
        group.targets += waiting
        waiting.clear()
        return group

    def _new_group(self, key: av.Packet, target: int) -> _Group:
        self._group_bytes = 0
        return _Group(pts_of(key), [], [target])

    def _better_to_seek(self, last: av.Packet, target: int) -> bool:
        """Whether a keyframe lies between here and the target, far enough to skip reading."""
        if float((target - _dts(last)) * self._base) < _WORTH_A_SEEK_SECONDS:
            return False
        entries = self.stream.index_entries
        at = entries.search_timestamp(target, backward=True) if len(entries) else -1
        return at >= 0 and float((entries[at].timestamp - _dts(last)) * self._base) > _WORTH_A_SEEK_SECONDS

    def from_keyframe_before(self, target: int) -> Iterator[av.Packet]:
        """Seek, and yield packets from a keyframe that is shown at or before the target."""
        aim, step = target, max(1, int(1 / self._base))
        for _ in range(12):
            self.container.seek(aim, stream=self.stream, backward=True)
            packets = self._whole(self.container.demux(self.stream))
            first = next((packet for packet in packets if packet.is_keyframe), None)
            if first is not None and pts_of(first) <= target:
                self.aim = aim
                yield first
                yield from packets
                return
            found = aim if first is None or first.dts is None else min(aim, first.dts)
            aim, step = found - step, step * 4
            if aim < (self.stream.start_time or 0) - step:
                break
        raise CannotSeek("no keyframe at or before the target")

    def _whole(self, packets: Iterator[av.Packet]) -> Iterator[av.Packet]:
        for packet in packets:
            check()
            if not packet.size:
                continue
            if packet.pts is None or packet.pts < _dts(packet) or packet.is_corrupt:
                raise CannotSeek("packets without whole timestamps")
            yield packet

    def _decode(self, group: _Group, wanted: set[int], take: Callable[[av.VideoFrame, float], None]) -> None:
        """Decode the group up to the last wanted frame."""
        context = self.stream.codec_context
        self._decoder.flush()
        last = max(number for number, packet in enumerate(group.packets) if packet.pts in wanted)
        left = set(wanted)
        # Leading pictures (shown before the keyframe, decoded after it) need the group before; no other needs them.
        needed = [packet for packet in group.packets[:last + 1] if pts_of(packet) >= group.key]
        if context.name == "mjpeg" and not all(jpeg_stands_alone(bytes(packet)) for packet in needed):
            raise CannotSeek("a picture needs tables of an earlier one")
        for packet in [*needed, None]:
            check()
            if self._skips and packet is not None:
                context.skip_frame = "DEFAULT" if packet.pts in wanted else "NONREF"
            for frame in self._decoder.decode(packet):
                if frame.pts in left and not frame.is_corrupt:
                    left.discard(frame.pts)
                    take(frame, self.seconds(frame.pts))
        self._decoder.flush()
        if left:
            raise CannotSeek("a frame that the index names does not come out of the decoder")


def pts_of(packet: av.Packet) -> int:
    """Return the time of a packet that `_whole` has let pass."""
    assert packet.pts is not None
    return packet.pts


def _dts(packet: av.Packet) -> int:
    """Return the decode time; a packet without one (the first of a Matroska file) comes before all others."""
    return _LONG_AGO if packet.dts is None else packet.dts


__all__ = ["SEEKABLE", "CannotSeek", "SparseReader", "pts_of"]
