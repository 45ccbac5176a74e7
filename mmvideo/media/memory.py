"""Sources that are already in memory: arrays of frames with a clock, image files, our own Video and Audio."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from mmvideo import checks
from mmvideo.errors import (
    BudgetExceeded,
    InvalidInput,
    MediaNotFound,
    NoAudioTrack,
    NoVideoTrack,
    VideoDecodeError,
)
from mmvideo.media.decoder import EPSILON_SECONDS
from mmvideo.media.formats import IMAGES, too_large
from mmvideo.media.info import AudioStreamInfo, MediaInfo, VideoStreamInfo
from mmvideo.media.samples import NOT_FINITE, bounded, mixed_down
from mmvideo.media.source import Frames, Source, Take
from mmvideo.types import Audio, Video

_FRAMES = "uint8 with values 0-255, (T, H, W, 3) or (T, 3, H, W)"
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}


class ListSource(Source):
    """Frames that can be had one by one, by number.

    Args:
        pts_seconds: increasing times (T,).
        frame: gives frame number i as uint8 (H, W, C).
        duration_seconds: from the first frame to the end of the last.
    """

    def __init__(self, name: str, container: str, pts_seconds: Sequence[float],
                 frame: Callable[[int], np.ndarray] | None, *, duration_seconds: float, fps: float | None,
                 audio: Audio | None = None, strict: bool = False, warnings: Sequence[str] = ()):
        audio = None if audio is None else bounded(audio)
        if strict and audio is not None and any(NOT_FINITE in warning for warning in audio.warnings):
            raise InvalidInput(f"{name}: {audio.warnings[-1]}; strict=True does not accept that.")
        self._pts, self._frame, self._sound = [float(t) for t in pts_seconds], frame, audio
        video: tuple[VideoStreamInfo, ...] = ()
        if frame is not None and self._pts:
            height, width = frame(0).shape[:2]
            steps = np.diff(self._pts)
            fps = float(1 / steps.mean()) if fps is None and len(steps) else fps
            varies = len(steps) > 1 and bool(np.ptp(steps) > 0.1 * np.median(steps))
            video = (VideoStreamInfo(0, "raw", None, "rgb24", 8, width, height, 0, False, fps, len(self._pts),
                                     len(self._pts), self._pts[0], duration_seconds, False, False, varies),)
        sounds = () if audio is None else (AudioStreamInfo(
            0, "raw", audio.sample_rate, audio.samples.shape[0], f"{audio.samples.shape[0]} channels", None,
            audio.start_seconds, audio.duration_seconds),)
        spans = [(s.start_seconds, s.start_seconds + (s.duration_seconds or 0.0)) for s in (*video, *sounds)]
        start, end = min(a for a, _ in spans), max(b for _, b in spans)
        notes = (*warnings, *(() if audio is None else audio.warnings))
        super().__init__(MediaInfo(name, container, start, end - start, video, sounds, notes), strict=strict)

    def _frames(self, start_seconds: float | None = None) -> Frames:
        self._need_frames()
        for number, seconds in enumerate(self._pts):
            if start_seconds is None or seconds >= start_seconds - EPSILON_SECONDS:
                yield self._as_frame(number), seconds

    def _pick(self, times_seconds: list[float], take: Take) -> None:
        self._need_frames()
        rows = np.searchsorted(self._pts, np.asarray(times_seconds) + EPSILON_SECONDS, side="right") - 1
        for row in sorted({max(0, int(row)) for row in rows}):
            take(self._as_frame(row), self._pts[row])

    def holds_fewer_frames(self, count: int) -> bool:
        """Compare with the number of frames; see `Source.holds_fewer_frames`."""
        return len(self._pts) < count

    def frame_times(self) -> np.ndarray:
        """Return the times of all frames; see `Source.frame_times`."""
        return np.asarray(self._pts)

    def _need_frames(self) -> Callable[[int], np.ndarray]:
        if self._frame is None or not self._pts:
            raise NoVideoTrack(f"{self.info.source} is sound only; it has no frames.")
        return self._frame

    def _as_frame(self, number: int) -> av.VideoFrame:
        return av.VideoFrame.from_ndarray(np.ascontiguousarray(self._need_frames()(number)), format="rgb24")

    def audio(self, *, sample_rate: int | None = None, mono: bool = False, start_seconds: float | None = None,
              end_seconds: float | None = None) -> Audio:
        """Return the sound of a span; see `Source.audio`."""
        if self._sound is None:
            raise NoAudioTrack(f"{self.info.source} has no sound; give it with audio=.")
        return convert_audio(self._sound, sample_rate=sample_rate, mono=mono, start_seconds=start_seconds,
                             end_seconds=end_seconds)


def convert_audio(audio: Audio, *, sample_rate: int | None = None, mono: bool = False,
                  start_seconds: float | None = None, end_seconds: float | None = None) -> Audio:
    """Cut, mix down and resample sound that is in memory; see `Source.audio` for the rules."""
    start_seconds, end_seconds = checks.span(start_seconds, end_seconds)
    sample_rate, mono = None if sample_rate is None else checks.sample_rate(sample_rate), checks.flag("mono", mono)
    rate, samples = audio.sample_rate, audio.samples
    first = 0 if start_seconds is None else max(0, round((start_seconds - audio.start_seconds) * rate))
    last = samples.shape[1] if end_seconds is None else max(0, round((end_seconds - audio.start_seconds) * rate))
    samples, begins = samples[:, first:last], audio.start_seconds + first / rate
    layout = "mono" if mono or samples.shape[0] == 1 else "stereo"
    if samples.shape[1] and (sample_rate not in (None, rate) or samples.shape[0] != (1 if layout == "mono" else 2)):
        samples = torch.from_numpy(mixed_down(samples.numpy(), rate, layout=layout, to_rate=sample_rate or rate))
    return Audio(samples, sample_rate or rate, start_seconds=begins, source=audio.source, warnings=audio.warnings)


def frame_clock(count: int, fps: float | None, pts_seconds: Sequence[float] | None,
                what: str) -> tuple[list[float], float]:
    """Return the times of `count` frames and the total duration, from fps or explicit times.

    Raises:
        InvalidInput: neither or both given, not positive, not increasing, or of another length.
    """
    if (fps is None) == (pts_seconds is None):
        raise InvalidInput(f"{what} have no clock of their own: give exactly one of fps= or pts_seconds=.")
    if count == 0:
        raise InvalidInput(f"{what}: there is not one frame.")
    if fps is not None:
        fps = checks.number("fps", fps, low=1 / checks.LONGEST_SECONDS, high=1e6)
        return [number / fps for number in range(count)], count / fps
    times = checks.numbers("pts_seconds", pts_seconds)
    if len(times) != count or (np.diff(times) <= 0).any() or np.abs(times).max() > checks.LONGEST_SECONDS:
        raise InvalidInput(f"pts_seconds must be {count} increasing numbers of seconds, one per frame; {len(times)} "
                           f"given, from {min(times, default=0):g} to {max(times, default=0):g}.")
    step = float(np.median(np.diff(times))) if count > 1 else 0.0
    return times, times[-1] - times[0] + step


def array_source(frames: np.ndarray | torch.Tensor, *, fps: float | None, pts_seconds: Sequence[float] | None,
                 audio: Audio | None, strict: bool) -> ListSource:
    """Open uint8 frames (T, H, W, 3) or (T, 3, H, W), numpy or torch; grey (1 channel) is repeated."""
    array = pixels(frames)
    times, duration = frame_clock(len(array), fps, pts_seconds, "Frames")
    return ListSource("<frames>", "array", times, array.__getitem__, duration_seconds=duration, fps=fps, audio=audio,
                      strict=strict)


def pixels(frames: Any) -> np.ndarray:
    """Return frames as uint8 (T, H, W, 3), without copying them."""
    if isinstance(frames, torch.Tensor):
        if frames.is_meta or frames.layout != torch.strided or frames.dtype != torch.uint8:
            raise InvalidInput(f"frames must be {_FRAMES}, not {checks.described(frames)}.")
        frames = frames.detach().cpu().numpy()
    array = np.asarray(frames)
    if array.ndim != 4 or array.dtype != np.uint8:
        raise InvalidInput(f"frames must be {_FRAMES}, not {array.dtype} {array.shape}.")
    if array.shape[-1] not in (1, 3):
        if array.shape[1] not in (1, 3):
            raise InvalidInput(f"frames need 1 or 3 colour channels first or last, not the shape {array.shape}.")
        array = array.transpose(0, 2, 3, 1)
    if 0 in array.shape[1:3]:
        raise InvalidInput(f"frames must have at least one pixel, not {array.shape[1]} x {array.shape[2]}.")
    return np.broadcast_to(array, (*array.shape[:3], 3))


def video_source(video: Video, *, audio: Audio | None, strict: bool) -> ListSource:
    """Open one of our own videos; its frames keep their times."""
    if not video.frames.numel():
        raise InvalidInput(f"The Video holds no frame with pixels: {tuple(video.frames.shape)} (T, C, H, W).")
    if video.frames.shape[1] != 3:
        raise InvalidInput(f"The Video must have 3 colour channels (RGB), not {tuple(video.frames.shape)}.")
    frames, times = video.frames.permute(0, 2, 3, 1).numpy(), video.pts_seconds.tolist()
    if any(b <= a for a, b in pairwise(times)):
        raise InvalidInput("The Video's pts_seconds must increase to be read as a source.")
    end = max(video.start_seconds + video.duration_seconds, times[-1])
    return ListSource(video.source, "video", times, frames.__getitem__, duration_seconds=end - times[0], fps=video.fps,
                      audio=audio, strict=strict, warnings=video.warnings)


def audio_source(audio: Audio, *, strict: bool) -> ListSource:
    """Open sound without frames."""
    return ListSource(audio.source, "audio", [], None, duration_seconds=0.0, fps=None, audio=audio, strict=strict)


def image_files(folder: Path) -> list[Path]:
    """List the image files of a folder in the order a person expects (img2 before img10)."""
    return sorted((path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES), key=_natural)


def _natural(path: Path) -> list[tuple[int, int | str]]:
    parts: list[tuple[int, int | str]] = []
    digits = ""
    for sign in path.name + "\0":
        if sign.isascii() and sign.isdigit():
            digits += sign
            continue
        if digits:
            parts.append((0, int(digits)))
            digits = ""
        parts.append((1, sign))
    return parts


def image_source(paths: Sequence[Path], *, name: str, fps: float | None, pts_seconds: Sequence[float] | None,
                 audio: Audio | None, strict: bool, max_pixels: int) -> ListSource:
    """Open image files as frames; each is read when it is needed, upright by its EXIF orientation."""
    paths = [Path(path) for path in paths]
    times, duration = frame_clock(len(paths), fps, pts_seconds, "Image files")
    missing = next((path for path in paths if not path.is_file()), None)
    if missing is not None:
        raise MediaNotFound(f"{missing}: no such image file.")
    return ListSource(name, "images", times, lambda number: read_image(paths[number], max_pixels),
                      duration_seconds=duration, fps=fps, audio=audio, strict=strict)


def read_image(path: Path, max_pixels: int) -> np.ndarray:
    """Read an image file as uint8 (H, W, 3), upright by its EXIF orientation.

    Raises:
        VideoDecodeError: it cannot be read as one of `IMAGES`.
        BudgetExceeded: it declares more than `max_pixels`.
    """
    try:
        with Image.open(path, formats=IMAGES) as image:
            if image.width * image.height > max_pixels:
                raise too_large(str(path), f"{image.width} x {image.height} pixels", max_pixels)
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except BudgetExceeded:
        raise
    except Image.DecompressionBombError as error:
        raise too_large(str(path), "far too many pixels", max_pixels) from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise VideoDecodeError(f"{path} is not a readable image: {error}.") from error
