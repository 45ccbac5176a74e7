"""The picture of a result: the frames looked at, a timeline of what was said, and the waveform.

Drawn with matplotlib's own objects (no pyplot), so nothing global changes and no window opens.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import FancyBboxPatch, Rectangle

from mmvideo.errors import InvalidInput, MediaError
from mmvideo.media import open_source
from mmvideo.results import Answer, Caption, Evidence, Result
from mmvideo.types import SeenBox, Segment
from mmvideo.wording import plural, printable

INK, QUIET, PAPER, WAVE = "#1d2733", "#7a8694", "#ffffff", "#4a7fb5"
LANES = (("#dbeafe", "#1e3a8a"), ("#dcfce7", "#14532d"), ("#fef3c7", "#713f12"), ("#fce7f3", "#831843"))
"""Fill and text colour of the lanes of the timeline."""
OUTSIDE = ("#e5e7eb", "#4b5563")
BOXES = ("#e11d48", "#2563eb", "#059669", "#d97706", "#7c3aed", "#0891b2")
"""Colours of boxes, a label each."""
NEAR_SECONDS = 0.3
"""How far in time from a frame a box may have been seen to be drawn there."""
MAX_FRAMES = 16
COLUMNS = 8
WIDTH_INCHES = 13.0
WAVE_RATE, SPECTROGRAM_RATE = 8_000, 16_000
"""Samples per second that are read for the waveform, and for the spectrogram."""
_SLICES = 1200
"""Ranges of a waveform, or spectra of a spectrogram, over the whole width."""
_CHARACTERS_PER_INCH = 11.5
_LONGEST_WORD = 16
"""Letters of a word that is left out of a box too narrow for it, rather than broken."""


@dataclass(frozen=True)
class _Material:
    """What is drawn, read from the evidence."""

    frames: np.ndarray
    """uint8 (T, H, W, 3)."""
    seconds: list[float]
    """Time of each frame."""
    wave: np.ndarray | None
    """float32 (S,) mono."""
    wave_start: float
    wave_rate: int
    start: float
    end: float


def draw_spectrogram(results: Sequence[Result], path: str | Path | None = None) -> Figure | Path:
    """Draw what `contact_sheet` does, with a log-mel spectrogram of the sound instead of its waveform."""
    return contact_sheet(results, path, spectrogram=True)


def contact_sheet(results: Sequence[Result], path: str | Path | None = None, *, spectrogram: bool = False
                  ) -> Figure | Path:
    """Draw results of one video: frames looked at, one lane of the timeline a result, and the sound.

    Args:
        results: one or more, all about the same video.
        path: where to write (.png, .jpg, .pdf, .svg); None returns the figure.
        spectrogram: draw the sound as a log-mel spectrogram instead of its waveform.

    Raises:
        InvalidInput: no results, or nothing that could be drawn is left of the video.
    """
    if not results:
        raise InvalidInput("There is no result to draw.")
    material = _material(results, SPECTROGRAM_RATE if spectrogram else WAVE_RATE)
    columns = max(1, min(COLUMNS, len(material.seconds)))
    rows = -(-len(material.seconds) // columns)
    height, width = material.frames.shape[1:3]
    cell = (WIDTH_INCHES - 0.6) / columns
    lanes = [_lane_lines(result, material) for result in results]
    heights = [0.4 + 0.24 * (len(results) > 1), rows * (cell * height / width + 0.24),
               sum(_lane_height(lines) for lines in lanes) + 0.35,
               0.45 if material.wave is None else 1.6 if spectrogram else 1.0]
    figure = Figure(figsize=(WIDTH_INCHES, sum(heights) + 0.5), facecolor=PAPER,
                    layout=ConstrainedLayoutEngine(rect=(0.008, 0.01, 0.984, 0.98)))
    parts = [heights[0], *([heights[1]] if rows else []), sum(heights[2:])]
    top, *sheet, below = figure.subfigures(len(parts), 1, squeeze=False, height_ratios=parts)[:, 0]
    _title(top, results)
    if sheet:
        boxes = [box for one in results if one.evidence for box in one.evidence.boxes]
        _frames(sheet[0], material, rows, columns, boxes)
    timeline, sound = below.subplots(2, 1, height_ratios=heights[2:])
    _timeline(timeline, results, lanes, material)
    _sound(sound, material, spectrogram=spectrogram)
    if path is None:
        return figure
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        figure.savefig(path, dpi=110)
    return path


def _material(results: Sequence[Result], rate: int) -> _Material:
    """Read the frames to show, evenly chosen among those looked at, and the sound."""
    seen = sorted({seconds for result in results[-1:] for seconds in result.seconds_looked_at})
    if not seen:
        seen = sorted({seconds for result in results for seconds in result.seconds_looked_at})
    evidence = next((result.evidence for result in results if result.evidence is not None), None)
    spans = [segment for result in results for segment in result.segments]
    if evidence is None or not (seen or evidence.source is not None):
        raise InvalidInput("This result keeps no video to draw (it was made without a pipeline).")
    if not seen:
        return _from_sound(evidence, spans, rate)
    if len(seen) > MAX_FRAMES:
        proven = {at for result in results if result.evidence for at in result.evidence.frames}
        shown = [at for at in seen if at in proven][:MAX_FRAMES]
        others, left = [at for at in seen if at not in shown], MAX_FRAMES - len(shown)
        shown += [others[round(i * (len(others) - 1) / max(left - 1, 1))] for i in range(left)]
        seen = sorted(shown)
    start = min([seen[0], *(s.start_seconds for s in spans)])
    end = max([seen[-1] + 0.05, *(s.end_seconds for s in spans)])
    if evidence.source is None:
        return _from_clips(evidence, seen, start, end)
    return _from_source(evidence, seen, start, end, rate)


def _from_source(evidence: Evidence, seen: list[float], start: float, end: float, rate: int) -> _Material:
    with open_source(evidence.source, **evidence.options) as source:
        height, width = source.frames_at(seen[:1]).frames.shape[2:]
        scale = min(1.0, 320 / max(height, width))
        size = (max(2, round(height * scale)), max(2, round(width * scale)))
        frames = source.frames_at(seen, size=size).frames.permute(0, 2, 3, 1).numpy()
        wave, wave_start = None, start
        if source.has_audio:
            try:
                audio = source.audio(sample_rate=rate, mono=True)
                wave, wave_start = audio.samples[0].numpy(), audio.start_seconds
            except MediaError:  # the picture is still worth drawing
                wave = None
    return _Material(frames, seen, wave, wave_start, rate, start, end)


def _from_sound(evidence: Evidence, spans: Sequence[Segment], rate: int) -> _Material:
    """Draw a result that follows from the sound alone, which need not have a picture."""
    with open_source(evidence.source, **evidence.options) as source:
        audio = source.audio(sample_rate=rate, mono=True)
    wave, begin = audio.samples[0].numpy(), audio.start_seconds
    start = min([begin, *(one.start_seconds for one in spans)])
    end = max([begin + len(wave) / rate, *(one.end_seconds for one in spans)])
    return _Material(np.zeros((0, 1, 1, 3), np.uint8), [], wave, begin, rate, start, end)


def _from_clips(evidence: Evidence, seen: list[float], start: float, end: float) -> _Material:
    """Draw from the small frames that the model saw, where the source cannot be read again."""
    if evidence.clips is None:
        raise InvalidInput("The video of this result cannot be read again, so it cannot be drawn.")
    frames = evidence.clips.frames.flatten(0, 1).permute(0, 2, 3, 1).numpy()
    stamps = evidence.clips.pts_seconds.flatten().numpy()
    rows = [int(np.abs(stamps - seconds).argmin()) for seconds in seen]
    return _Material(frames[rows], seen, None, start, WAVE_RATE, start, end)


def _title(figure: Any, results: Sequence[Result]) -> None:
    """Write the caveat if there is one, else the one answer, else the clip's name; on the right what was looked at."""
    first = results[-1] if isinstance(results[-1], Answer) else results[0]
    name = Path(first.source).name if first.source != "<memory>" else "video"
    length = f"{first.duration_seconds:.1f} s" if first.duration_seconds is not None else ""
    caveat = next((result.caveat for result in results if result.caveat), "")
    if len(results) == 1:
        asked = f"{first.question}  " if isinstance(first, Answer) else ""
        left, right = caveat or asked + first.headline.partition("\n")[0], f"{name}  {length}"
    else:
        looked = f"{plural(len(material_times(results)), 'frame')} looked at"
        left, right = caveat or name, f"{f'{name}  ' if caveat else ''}{length}   {looked}"
    right = right.strip() if len(right.strip()) < 60 else f"… {right.strip()[-58:]}"
    left = textwrap.shorten(left, 125 - len(right), placeholder=" …")
    figure.text(0.012, 0.5, printable(left), size=15 if len(left) + len(right) < 90 else 11.5, weight="bold",
                color=INK, va="center", parse_math=False)
    figure.text(0.988, 0.5, printable(right), size=10, color=QUIET, va="center", ha="right", parse_math=False)


def material_times(results: Sequence[Result]) -> list[float]:
    """Return every time that any of the results looked at, ascending."""
    return sorted({round(seconds, 4) for result in results for seconds in result.seconds_looked_at})


def _frames(figure: Any, material: _Material, rows: int, columns: int, boxes: Sequence[SeenBox]) -> None:
    """Draw the frames, and in each the boxes that an answer rests on, where they were seen at about its time."""
    grid = figure.subplots(rows, columns, squeeze=False)
    for index, axes in enumerate(grid.flat):
        axes.set_axis_off()
        if index < len(material.seconds):
            axes.imshow(material.frames[index], interpolation="nearest" if material.frames.shape[2] < 100 else None)
            axes.set_title(f"{material.seconds[index]:.2f} s", size=8.5, color=QUIET, pad=2.5)
            _boxes(axes, boxes, material.seconds[index], material.frames.shape[1:3])


def _boxes(axes: Axes, boxes: Sequence[SeenBox], seconds: float, size: tuple[int, ...]) -> None:
    """Draw boxes seen within `NEAR_SECONDS` of a frame, those of the nearest time alone."""
    near = min((abs(box.seconds - seconds) for box in boxes), default=NEAR_SECONDS + 1)
    if near > NEAR_SECONDS:
        return
    height, width = size
    colours: dict[str, str] = {}
    for box in boxes:
        if abs(abs(box.seconds - seconds) - near) > 1e-6:
            continue
        colour = colours.setdefault(box.label, BOXES[len(colours) % len(BOXES)])
        left, top, right, bottom = (side * size for side, size in zip(box.box, (width, height) * 2, strict=True))
        axes.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=colour, linewidth=1.2))
        above = top > height * 0.12  # else the name would lie outside the picture
        axes.text(left, top - 1 if above else max(top, 0) + 1, printable(box.label), size=6.5, color=PAPER,
                  va="bottom" if above else "top", parse_math=False, clip_on=True,
                  bbox={"facecolor": colour, "edgecolor": "none", "pad": 0.8})


def _lane_name(result: Result) -> str:
    """Name a lane of the timeline, after what there is to say about the model's domain."""
    name = result.question if isinstance(result, Answer) else "caption" if isinstance(result, Caption) else (
        result.model or "class")
    if result.in_domain.outside:
        return f"outside what {result.model or 'the model'} knows:   {name}"
    return name if result.in_domain.judged else f"{name}   (whether the model knows such clips is not judged)"


def _shown(result: Result, material: _Material) -> list[Segment]:
    """Return what the lane holds: the segments, and for an answer from one of several windows only its text."""
    if isinstance(result, Answer) and len({s.text for s in result.segments}) <= 1:
        return [Segment(material.start, material.end, result.text, result.confidence)]
    return list(result.segments) or [Segment(material.start, material.end, result.text, result.confidence)]


def _lane_lines(result: Result, material: _Material) -> list[list[str]]:
    """Wrap the text of each segment of a lane to the width that its span has."""
    inches = (WIDTH_INCHES - 2.2) / max(material.end - material.start, 1e-6)
    wrapped = []
    for segment in _shown(result, material):
        room = int((segment.end_seconds - segment.start_seconds) * inches * _CHARACTERS_PER_INCH) - 2
        sure = "" if segment.confidence is None or result.in_domain.outside else f"  {segment.confidence:.0%}"
        lines = textwrap.wrap(segment.text + sure, max(room, 6), max_lines=4, placeholder=" …")
        longest = max(map(len, (segment.text + sure).split()), default=0)
        broken = max(room, 6) < longest <= _LONGEST_WORD  # of scripts without spaces, lines are cut anywhere
        wrapped.append([""] if room < 4 or broken else lines)
    return wrapped


def _lane_height(lines: list[list[str]]) -> float:
    """Inches that a lane takes, with the line above it that names it."""
    return 0.34 + 0.17 * max(len(text) for text in lines) + 0.12


def _timeline(axes: Axes, results: Sequence[Result], lanes: list[list[list[str]]], material: _Material) -> None:
    """Draw a lane a result: its name, a box a segment, and a tick a frame looked at."""
    y = 0.0
    for index, (result, lines) in enumerate(zip(results, lanes, strict=True)):
        fill, ink = OUTSIDE if result.in_domain.outside else LANES[index % len(LANES)]
        full = _lane_height(lines)
        axes.text(material.start, -y - 0.10, printable(_lane_name(result)), size=9, color=QUIET, va="center",
                  parse_math=False)
        axes.plot(result.seconds_looked_at, np.full(len(result.seconds_looked_at), -y - 0.215), "|", color=ink, ms=4)
        for start, end in result.evidence.intervals if result.evidence else ():
            axes.plot([start, end], [-y - 0.215] * 2, "-", color=ink, lw=3, alpha=0.35, solid_capstyle="butt")
        for segment, text in zip(_shown(result, material), lines, strict=True):
            width = segment.end_seconds - segment.start_seconds
            gap = 0.003 * (material.end - material.start)
            axes.add_patch(FancyBboxPatch(
                (segment.start_seconds + gap / 2, -y - full + 0.10), max(width - gap, gap / 2), full - 0.37,
                boxstyle="round,pad=0,rounding_size=0.02", facecolor=fill, edgecolor=ink, linewidth=0.6))
            axes.text(segment.start_seconds + 2.5 * gap, -y - (0.27 + full - 0.10) / 2, printable("\n".join(text)),
                      size=9.5, color=ink, va="center", linespacing=1.15, clip_on=True, parse_math=False)
        y += full
    _time_axis(axes, material)
    axes.set_ylim(-y, 0)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)


def _sound(axes: Axes, material: _Material, *, spectrogram: bool) -> None:
    """Draw the sound over the axis of time, or say that there is none."""
    _time_axis(axes, material)
    axes.set_xlabel("seconds", size=9, color=QUIET)
    if material.wave is None or not material.wave.size:
        middle = (material.start + material.end) / 2
        axes.text(middle, 0.5, "no sound track", size=9, color=QUIET, ha="center", va="center")
        axes.set_ylim(0, 1)
    elif spectrogram:
        _spectrogram(axes, material.wave, material)
    else:
        _waveform(axes, material.wave, material)


def _waveform(axes: Axes, wave: np.ndarray, material: _Material) -> None:
    """Draw the range of the samples in each of some 1200 slices of time."""
    slices = np.array_split(wave, min(_SLICES, wave.size))
    seconds = material.wave_start + np.linspace(0, wave.size / material.wave_rate, len(slices))
    low, high = np.array([piece.min() for piece in slices]), np.array([piece.max() for piece in slices])
    axes.fill_between(seconds, low, high, color=WAVE, linewidth=0.4)
    loudest = max(float(np.abs(wave).max()), 0.05)
    axes.set_ylim(-1.1 * loudest, 1.1 * loudest)


def _spectrogram(axes: Axes, wave: np.ndarray, material: _Material) -> None:
    """Draw the energies of 64 mel bands in at most some 1200 spectra, evenly over time, over a range of 80 dB."""
    from librosa import power_to_db
    from librosa.display import specshow
    from librosa.feature import melspectrogram

    hop = max(256, wave.size // _SLICES)
    energies = melspectrogram(y=wave, sr=material.wave_rate, n_fft=1024, hop_length=hop, n_mels=64)
    seconds = material.wave_start + np.arange(energies.shape[1]) * hop / material.wave_rate
    specshow(power_to_db(energies, ref=np.max), x_coords=seconds, sr=material.wave_rate, x_axis="s", y_axis="mel",
             ax=axes, cmap="magma", rasterized=True)
    axes.set_xlim(material.start, material.end)
    axes.set_xlabel("seconds", size=9, color=QUIET)
    axes.set_ylabel("Hz", size=8.5, color=QUIET)
    axes.tick_params(axis="y", labelsize=7, colors=QUIET, length=2)


def _time_axis(axes: Axes, material: _Material) -> None:
    axes.set_xlim(material.start, material.end)
    axes.set_yticks([])
    axes.tick_params(axis="x", labelsize=8.5, colors=QUIET, length=2)
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#c9d1da")


__all__ = ["contact_sheet", "draw_spectrogram"]
