"""The picture of separated voices: a row a person, with face, time on screen, and waveform."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmvideo.plots import INK, PAPER, QUIET, WAVE
from mmvideo.separation.voices.tracks import RATE, Sound, VoiceTracks
from mmvideo.wording import printable

COLOURS = ("#2563eb", "#16a34a", "#d97706", "#db2777", "#7c3aed", "#0891b2", "#65a30d", "#b91c1c")
_COLUMNS = 1500


def plot_voices(result: VoiceTracks, path: str | Path | None = None) -> Any:
    """Draw; returns the path if one is given, else the figure."""
    rows: list[tuple[str, Sound, str, Any]] = [("all", result.mixture, INK, None)]
    rows += [(f"{'person' if v.has_face else 'voice'} {v.number}", v.sound, COLOURS[(v.number - 1) % len(COLOURS)], v)
             for v in result.tracks]
    rows.append(("off screen" if result.by == "faces" else "rest", result.off_screen, QUIET, None))
    figure = Figure(figsize=(13, 1.1 + 1.15 * len(rows)), facecolor=PAPER, layout="constrained")
    grid = figure.add_gridspec(len(rows), 2, width_ratios=[1, 9])
    peak = max(1e-4, float(np.abs(np.stack(_outline(result.mixture))).max()))
    for index, (name, sound, colour, voice) in enumerate(rows):
        face = figure.add_subplot(grid[index, 0])
        face.axis("off")
        if voice is not None and voice.thumbnail is not None:
            face.imshow(voice.thumbnail)
            face.set_title(name, fontsize=9, color=colour)
        else:
            face.text(0.5, 0.5, name, ha="center", va="center", color=colour, fontsize=10)
        axes = figure.add_subplot(grid[index, 1])
        _wave(axes, sound, colour, voice, peak, last=index == len(rows) - 1)
        number = voice.number if voice is not None else None
        for turn in result.turns if index else ():
            if turn.number == number:  # a bar under the waveform where this person speaks
                axes.axvspan(turn.start_seconds, turn.end_seconds, ymax=0.07, color=colour, lw=0)
    lines = filter(None, (result.caveat, f"{Path(result.source).name}: {result.text}",
                          result.sync.text if result.sync is not None and result.sync.late else ""))
    figure.suptitle(printable("\n".join(lines)), color=INK, fontsize=12).set_parse_math(False)
    if path is None:
        return figure
    figure.savefig(path, dpi=110)
    return Path(path)


def _wave(axes: Axes, sound: Sound, colour: str, voice: Any, peak: float, *, last: bool) -> None:
    lows, highs = _outline(sound)
    begin, length = sound.start_seconds, sound.num_samples / RATE
    times = begin + (np.arange(len(lows)) + 0.5) / len(lows) * length
    for start, end in voice.spans if voice is not None and voice.has_face else ():
        axes.axvspan(start, end, color=colour, alpha=0.08, lw=0)
    axes.fill_between(times, lows, highs, color=colour if colour != INK else WAVE, lw=0.4)
    if voice is not None and voice.has_face:
        axes.set_title(voice.lip_sync, loc="left", fontsize=8, color=colour)
    axes.set(xlim=(begin, begin + max(length, 1e-3)), ylim=(-peak, peak), yticks=[])
    axes.tick_params(labelbottom=last, colors=QUIET, labelsize=8)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    if last:
        axes.set_xlabel("seconds", color=QUIET, fontsize=8)


def _outline(sound: Sound) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and greatest sample of each column of the picture."""
    columns = max(1, min(_COLUMNS, sound.num_samples))
    edges = np.linspace(0, sound.num_samples, columns + 1).astype(int)
    lows, highs = np.zeros(columns), np.zeros(columns)
    at = 0
    while at < columns:  # a few columns at a time, so that memory does not grow with the length
        upto = min(columns, at + max(1, columns * 600_000 // max(1, sound.num_samples)))
        samples = sound.read(int(edges[at]), int(edges[upto])).numpy()
        for column in range(at, upto):
            part = samples[edges[column] - edges[at]:edges[column + 1] - edges[at]]
            if len(part):
                lows[column], highs[column] = part.min(), part.max()
        at = upto
    return lows, highs


__all__ = ["COLOURS", "plot_voices"]
