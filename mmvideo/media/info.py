"""Information about a source: container, clock, tracks, and what is doubtful."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from mmvideo.redaction import one_line
from mmvideo.wording import plural


@dataclass(frozen=True)
class VideoStreamInfo:
    """One moving picture (or cover art) in a file."""

    index: int
    """Place among the file's video tracks (what ``video_stream=`` takes), from 0."""
    codec: str
    profile: str | None
    pixel_format: str | None
    """None where neither the header nor a frame tells it (a damaged or empty track)."""
    bit_depth: int | None
    width: int
    """Pixels as stored, before rotation."""
    height: int
    rotation: int
    """Degrees counter-clockwise by which stored frames are turned to stand upright: 0, 90, 180 or 270."""
    mirrored: bool
    """Whether the display matrix also flips the picture."""
    average_fps: float | None
    """Informative; never used to make up a timestamp."""
    declared_frames: int | None
    """Frames that the header promises; None if it does not say."""
    found_frames: int | None
    """Packets that are really there; None unless counted."""
    start_seconds: float
    duration_seconds: float
    interlaced: bool
    is_cover_art: bool
    variable_frame_rate: bool
    pixel_aspect_ratio: float = 1.0
    """Width of a stored pixel over its height."""
    hdr: str | None = None
    """"PQ" or "HLG"; "BT.2020" for SDR in wide colour; None for plain SDR."""
    is_taken: bool = True
    """Whether this is the track that is read: the best, or the one that ``video_stream=`` names."""

    @property
    def upright(self) -> tuple[int, int]:
        """Height and width of the frames as they are read, after rotation."""
        return (self.width, self.height) if self.rotation % 180 else (self.height, self.width)

    def __str__(self) -> str:
        if self.is_cover_art:
            return f"cover art: {self.codec} {self.width}x{self.height} (a still, not a video track)"
        parts = [f"{self.codec}" + (f" ({self.profile})" if self.profile else ""),
                 f"{self.width}x{self.height}" if self.width and self.height else "unknown size",
                 f"{self.pixel_format} {self.bit_depth} bit" if self.pixel_format else "unknown pixel format",
                 f"{self.average_fps:.6g} fps" if self.average_fps else "no frame rate"]
        if self.declared_frames is not None:
            parts.append(f"{plural(self.declared_frames, 'frame')} declared")
        if self.found_frames is not None:
            parts.append(f"{self.found_frames} found")
        parts.append(f"{self.start_seconds:.3f}-{self.start_seconds + self.duration_seconds:.3f} s")
        flags = {f"HDR {self.hdr}" if self.hdr in ("PQ", "HLG") else "BT.2020 colour": self.hdr,
                 f"rotated {self.rotation}": self.rotation, "mirrored": self.mirrored, "interlaced": self.interlaced,
                 "variable frame rate": self.variable_frame_rate,
                 f"pixel aspect {self.pixel_aspect_ratio:.3f}": abs(self.pixel_aspect_ratio - 1) > 1e-3}
        return ", ".join(parts + [name for name, on in flags.items() if on])


@dataclass(frozen=True)
class AudioStreamInfo:
    """One sound track of a file."""

    index: int
    """Place among the file's sound tracks (what ``audio_stream=`` takes), from 0."""
    codec: str
    sample_rate: int
    channels: int
    layout: str
    language: str | None
    start_seconds: float
    duration_seconds: float | None

    def __str__(self) -> str:
        span = "?" if self.duration_seconds is None else f"{self.start_seconds + self.duration_seconds:.3f}"
        language = f", {self.language}" if self.language else ""
        rate = f"{self.sample_rate} Hz, {self.layout}" if self.sample_rate else "unknown sample rate"
        return f"{self.codec}, {rate}{language}, {self.start_seconds:.3f}-{span} s"


@dataclass(frozen=True)
class MediaInfo:
    """What is in a source: container, clock, tracks, and what is doubtful about it."""

    source: str
    container: str
    start_seconds: float
    """Earliest timestamp of any track."""
    duration_seconds: float
    """True length from `start_seconds` to the end of the last track; found by reading packets if no header says."""
    video: tuple[VideoStreamInfo, ...] = ()
    audio: tuple[AudioStreamInfo, ...] = ()
    warnings: tuple[str, ...] = ()
    """What is damaged or doubtful: in the headers, and in what was decoded if `examined`."""
    examined: bool = False
    """Whether picture and sound were decoded in search of damage."""
    examined_until_seconds: float | None = None
    """Time after which nothing was decoded, since that would have taken too long; None if everything was."""

    @property
    def main_video(self) -> VideoStreamInfo | None:
        """The moving picture that is decoded; None if there is none (cover art does not count)."""
        return next((stream for stream in self.video if stream.is_taken and not stream.is_cover_art), None)

    def to_dict(self) -> dict:
        """Return plain numbers, strings and lists, ready for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"{one_line(self.source)}: {self.container}, {self.duration_seconds:.3f} s from "
                 f"{self.start_seconds:.3f} s"]
        several = sum(not stream.is_cover_art for stream in self.video) > 1
        for stream in self.video:
            choice = "" if not several or stream.is_cover_art else (
                ", taken" if stream.is_taken else f", not taken (video_stream={stream.index} takes it)")
            lines.append(f"  video {stream.index}: {stream}{choice}")
        lines += [f"  audio {stream.index}: {stream}" for stream in self.audio]
        if not self.audio:
            lines.append("  no sound track")
        lines += [f"  warning: {warning}" for warning in self.warnings]
        if self.examined_until_seconds is not None:
            lines.append(f"  looked for damage up to {self.examined_until_seconds:.3f} s, not further")
        return "\n".join(lines)
