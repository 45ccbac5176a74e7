"""The plainest full decode with PyAV that survives damage: what every clever path must agree with."""

from __future__ import annotations

import av
import numpy as np

FAILURES = (av.FFmpegError, ValueError, EOFError, OSError)


def full_decode(media, *, stream: int | None = None) -> tuple[list[np.ndarray], list[float]]:
    """Decode every frame of the main video in order: RGB (H, W, C) as stored, and times; broken packets are skipped."""
    frames, times = [], []
    with av.open(media, metadata_errors="replace") as container:
        videos = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
        if not videos:
            return [], []
        best = container.streams.best("video")
        track = (best if best in videos else videos[0]) if stream is None else container.streams[stream]
        # With slice threads, PyAV's default, H.264 conceals no damage; one thread is FFmpeg's plain behaviour.
        track.thread_type = "NONE"
        by_dts = container.format.name == "avi" and track.codec_context.has_b_frames
        packets = container.demux(track)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                break
            except FAILURES:
                packet = None
            try:
                decoded = track.decode(packet)
            except FAILURES:
                decoded = []
            for frame in decoded:
                stamp = frame.dts if by_dts and frame.dts is not None else frame.pts
                if stamp is not None:
                    frames.append(frame.to_rgb().to_ndarray())
                    times.append(float(stamp * frame.time_base))
            if packet is None:
                break
    return frames, times


def increasing(frames: list, times: list[float]) -> tuple[list, list[float]]:
    """Leave out frames whose time is not after the one before."""
    kept_frames, kept_times = [], []
    for frame, time in zip(frames, times, strict=True):
        if not kept_times or time > kept_times[-1]:
            kept_frames.append(frame)
            kept_times.append(time)
    return kept_frames, kept_times


def full_sound(media, track: int = 0) -> tuple[np.ndarray, int, float]:
    """Decode one sound track: float samples (channels, S), rate, and the time of the first."""
    pieces, begin = [], None
    with av.open(media, metadata_errors="replace") as container:
        stream = container.streams.audio[track]
        rate = stream.codec_context.sample_rate
        keep = av.AudioResampler(format="fltp", layout=stream.codec_context.layout.name, rate=rate)
        for packet in container.demux(stream):
            try:
                decoded = packet.decode()
            except FAILURES:
                continue
            for frame in decoded:
                begin = float(frame.pts * frame.time_base) if begin is None else begin
                frame.pts = None
                pieces += [out.to_ndarray() for out in keep.resample(frame)]
        pieces += [out.to_ndarray() for out in keep.resample(None)]
    return np.clip(np.concatenate(pieces, axis=1), -1, 1), rate, begin
