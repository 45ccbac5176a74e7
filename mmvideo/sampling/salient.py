"""Sampler `salient`: the windows in which most happens, found from the compressed stream and small frames.

After SCSampler (Korbar et al. 2019, arXiv:1904.04289): a light scorer decides which windows a heavy network sees. Its
cues are the sizes of the packets (what the encoder could not predict), the motion vectors where the codec has them, and
differences of small frames. Without weights a rule adds what stands out; `SaliencyHead` learns it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import torch
from av.video.frame import PictureType
from torch import Tensor

from mmvideo.media.container import ERRORS, video_stream
from mmvideo.media.convert import Fit
from mmvideo.media.files import FileSource
from mmvideo.media.source import Source
from mmvideo.sampling.choose import candidates, highest, standing_out, take_chosen
from mmvideo.sampling.gather import SizeLike, TimeSpan, checked_count, span_of
from mmvideo.sampling.saliency_head import SaliencyHead
from mmvideo.types import Clips

CUES = ("bytes", "largest packet", "change", "largest change", "motion", "largest motion")
"""What is known of a window: bytes a second and of the largest packet (key frames left out), the mean and largest
difference of small frames, the mean and 95th percentile of motion vectors, pixels (0 without vectors)."""
PREVIEW_FPS, PREVIEW_SIZE = 4.0, (32, 32)


def salient(source: Source, *, num_clips: int = 8, num_frames: int = 8, clip_seconds: float = 2.0, crops: int = 1,
            size: SizeLike = None, fit: Fit = "crop", motion: bool = False, weights: str | None = None,
            sample_rate: int | None = None, start_seconds: float | None = None, end_seconds: float | None = None
            ) -> Clips:
    """Take the windows that a light scorer finds most happening in.

    Args:
        num_clips: windows that are taken, in the order of time; fewer where the span has fewer.
        num_frames: frames of each.
        clip_seconds: length of a window; the span is divided into such windows.
        crops: 1, or 3 along the longer side (needs `size`).
        size: pixels of the frames; None keeps the source's own.
        fit: ``crop``, ``pad`` or ``squash``.
        motion: also read motion vectors, which decodes every frame (H.264 and MPEG-4 have them).
        weights: file of a trained `SaliencyHead` (.safetensors); None adds what stands out in each cue.
        sample_rate: samples per second of the sound beside it; None leaves it out.
        start_seconds: first time of the half-open span on the source's clock.
        end_seconds: first time after the span.

    Returns:
        Clips (num_clips * crops, T, C, H, W).

    Raises:
        InvalidInput: an option out of range, or a span that holds nothing.
        WeightsError: the file of weights is missing or does not fit.
    """
    num_clips = checked_count("num_clips", num_clips)
    spans = candidates(span_of(source, start_seconds, end_seconds), clip_seconds)
    head = None if weights is None else SaliencyHead.from_file(Path(weights), len(CUES))
    if len(spans) <= num_clips:
        chosen, why = list(range(len(spans))), "all there are"
    else:
        cues = cues_of(source, spans, motion=motion)
        scores = rule_scores(cues) if head is None else head.scores(cues)
        chosen, why = highest(scores.tolist(), num_clips), "those in which most happens, " + (
            "by what stands out" if head is None else f"by {Path(str(weights)).name}")
    return take_chosen(source, spans, chosen, num_frames=num_frames, crops=crops, size=size, fit=fit,
                       sample_rate=sample_rate, why=why)


def rule_scores(cues: Tensor) -> Tensor:
    """Return the untrained score of each window, float64 (K,): how far its cues stand out, the largest ones twice."""
    columns = [standing_out(column) for column in cues.double().numpy().T]
    weight = dict(zip(CUES, (1.0, 1.0, 1.0, 2.0, 1.0, 2.0), strict=True))
    return torch.from_numpy(sum(weight[name] * np.clip(column, -5, 20)
                                for name, column in zip(CUES, columns, strict=True)))


def cues_of(source: Source, spans: Sequence[TimeSpan], *, motion: bool = False) -> Tensor:
    """Return what is known of each window without a network, float32 (K, len(CUES)); see `CUES`."""
    edges = np.array([spans[0].start_seconds, *(span.end_seconds for span in spans)])
    found = np.zeros((len(spans), len(CUES)), np.float32)
    _packets(source, edges, found)
    _changes(source, spans, edges, found)
    if motion:
        _vectors(source, edges, found)
    return torch.from_numpy(found)


class _Middle:
    """When that happened what a coded frame brings anew.

    A frame that is coded before those shown ahead of it (B-frames) is predicted from the last one of its own kind, and
    brings all that happened since: it counts for the middle of that time, often in the window before its own.
    """

    latest: float | None = None

    def of(self, shown: float) -> float:
        """Return the middle since the frame that was shown last so far; of a frame shown before that, its own time."""
        if self.latest is not None and shown <= self.latest:
            return shown
        before, self.latest = self.latest, shown
        return shown if before is None else (before + shown) / 2


def _packets(source: Source, edges: np.ndarray, found: np.ndarray) -> None:
    """Fill in the sizes of packets; sources without packets have none. They are counted where `_Middle` says."""
    if not isinstance(source, FileSource):
        return
    try:
        with source.opener() as container:
            stream = video_stream(container)
            middle = _Middle()
            for packet in container.demux(stream) if stream is not None else ():
                if packet.pts is None or packet.time_base is None:
                    continue
                at = middle.of(float(packet.pts * packet.time_base))
                if packet.is_keyframe:
                    continue
                window = int(np.searchsorted(edges, at, side="right")) - 1
                if 0 <= window < len(found):
                    found[window, 0] += packet.size / max(edges[window + 1] - edges[window], 1e-6)
                    found[window, 1] = max(found[window, 1], packet.size)
    except ERRORS:  # a damaged file: what was read counts
        return


def _changes(source: Source, spans: Sequence[TimeSpan], edges: np.ndarray, found: np.ndarray) -> None:
    """Fill in the differences of neighbouring small frames; one counts for the window that it begins in."""
    count = max(2, min(64, round(PREVIEW_FPS * spans[0].seconds) + 1))
    times = np.concatenate([np.linspace(a, b, count)[:-1] for a, b in pairwise(edges)])
    rows: list[Tensor] = []
    for part in np.array_split(times, max(1, len(times) // 512)):
        rows.append(source.frames_at(part.tolist(), size=PREVIEW_SIZE, fit="squash").frames.float().mean(1) / 255)
    small = torch.cat(rows)
    step = torch.zeros(len(small))
    largest = torch.zeros(len(small))
    difference = (small[1:] - small[:-1]).abs().flatten(1)
    step[:-1], largest[:-1] = difference.mean(1), difference.quantile(0.98, dim=1)
    found[:, 2] = step.view(len(spans), -1).mean(1).numpy()
    found[:, 3] = largest.view(len(spans), -1).amax(1).numpy()


def _vectors(source: Source, edges: np.ndarray, found: np.ndarray) -> None:
    """Fill in the lengths of motion vectors, where the decoder gives any."""
    if not isinstance(source, FileSource):
        return
    sums, counts = np.zeros(len(found)), np.zeros(len(found))
    try:
        with source.opener() as container:
            stream = video_stream(container)
            if stream is None:
                return
            stream.codec_context.options = {"flags2": "+export_mvs"}
            middle = _Middle()
            for frame in container.decode(stream):
                if frame.pts is None or frame.time_base is None:
                    continue
                at = float(frame.pts * frame.time_base)
                at = at if frame.pict_type == PictureType.B else middle.of(at)
                vectors = frame.side_data.get("MOTION_VECTORS")
                if vectors is None:
                    continue
                window = int(np.searchsorted(edges, at, side="right")) - 1
                if 0 <= window < len(found):
                    table = vectors.to_ndarray()
                    lengths = np.hypot(table["motion_x"], table["motion_y"]) / np.maximum(table["motion_scale"], 1)
                    sums[window] += lengths.mean()
                    counts[window] += 1
                    found[window, 5] = max(found[window, 5], np.percentile(lengths, 95))
    except (*ERRORS, av.error.FFmpegError):
        pass
    found[:, 4] = sums / np.maximum(counts, 1)


__all__ = ["CUES", "cues_of", "rule_scores", "salient"]
