"""Attention and saliency of a result, drawn over the frames of its clip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from mmvideo import weights as weight_files
from mmvideo.encoders import zoo
from mmvideo.encoders.base import VideoEncoder
from mmvideo.encoders.preset import Input
from mmvideo.errors import InvalidInput, UnsupportedModel
from mmvideo.explain.attention import attention_maps
from mmvideo.explain.saliency import grad_cam
from mmvideo.hub.resolve import is_hub_name
from mmvideo.media import open_source
from mmvideo.registry import find
from mmvideo.results import Result

COLUMNS = 8
MAX_FRAMES = 16


def draw_attention(results: Sequence[Result], path: str | Path | None = None) -> Figure | Path:
    """Draw where the encoder behind a result looks: frames under the rollout of its attention, and time by time.

    Raises:
        UnsupportedModel: the model is no encoder of the zoo, or has no attention over the frames.
        InvalidInput: the video cannot be read again.
    """
    encoder, clip, seconds = _again(results)
    maps = attention_maps(encoder, clip)
    return _written(overlay(clip[0], maps.space, seconds, title=f"{encoder.preset}: attention, rollout of "
                            f"{len(maps.layers)} layers", time=maps.time), path)


def draw_saliency(results: Sequence[Result], path: str | Path | None = None) -> Figure | Path:
    """Draw what speaks for the label of a result (Grad-CAM) over the frames of its clip.

    Raises:
        UnsupportedModel: the model is no classifier of the zoo, or has no layer with a map.
        InvalidInput: the video cannot be read again.
    """
    encoder, clip, seconds = _again(results)
    label = results[0].text
    index = encoder.labels.index(label) if label in encoder.labels else None
    found = grad_cam(encoder, clip, index)
    return _written(overlay(clip[0], found.map, seconds, title=f"{encoder.preset}: what speaks for "
                            f"{encoder.labels[found.class_index]!r} (Grad-CAM at {found.layer})"), path)


def _again(results: Sequence[Result]) -> tuple[VideoEncoder, Tensor, list[float]]:
    """Return the encoder of a result, one clip (1, T, C, H, W) over what it looked at, and the frames' times."""
    if not results:
        raise InvalidInput("There is no result to draw.")
    result, evidence = results[0], results[0].evidence
    if evidence is None or not result.seconds_looked_at:
        raise InvalidInput("This result keeps no video to draw (it was made without a pipeline).")
    home = None if not evidence.model or is_hub_name(evidence.model) else weight_files.folder(evidence.model)
    if home is None or not weight_files.is_encoder(home):
        raise UnsupportedModel(f"{result.model} is no encoder of the zoo; attention and saliency are drawn for "
                               "video-classification with model= a folder of `mmvideo train` or lite0.")
    encoder = zoo.load(home).eval()
    assert isinstance(encoder, VideoEncoder)
    shape = encoder.input
    assert isinstance(shape, Input)
    if evidence.source is None:
        if evidence.clips is None:
            raise InvalidInput("The video of this result cannot be read again, so it cannot be drawn.")
        frames, times = evidence.clips.frames[:1], evidence.clips.pts_seconds[0].tolist()
        return encoder, frames, times
    first, last = result.seconds_looked_at[0], result.seconds_looked_at[-1]
    with open_source(evidence.source, **evidence.options) as source:
        taken = find("samplers", "uniform")(source, num_frames=shape.num_frames, size=(shape.height, shape.width),
                                            start_seconds=first, end_seconds=max(last, first + 1e-3) + 1e-3)
    return encoder, taken.frames[:1], taken.pts_seconds[0].tolist()


def _written(figure: Figure, path: str | Path | None) -> Figure | Path:
    if path is None:
        return figure
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    return path


def overlay(frames: Tensor, heat: Tensor, seconds: Sequence[float] | None = None, *, title: str = "",
            time: Tensor | None = None, columns: int = COLUMNS) -> Figure:
    """Draw heat over frames.

    Args:
        frames: uint8 (T, C, H, W).
        heat: float (t, h, w), 0 or more; scaled so that its largest value is the brightest.
        seconds: time of each frame, written above it.
        title: of the figure.
        time: float (t, t), drawn beside the frames: rows look at columns.
        columns: frames a row at most.
    """
    t, _, h, w = frames.shape
    full = F.interpolate(heat[None, None].float(), (t, h, w), mode="trilinear", align_corners=False)[0, 0]
    full = full / full.max().clamp_min(1e-12)
    shown = torch.linspace(0, t - 1, min(t, MAX_FRAMES)).round().long().tolist()
    columns = min(columns, len(shown))
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(1.5 * columns + (3 if time is not None else 0), 1.5 * rows * h / w + 0.9),
                    layout="constrained")
    figure.suptitle(title, fontsize=10)
    parts: Any = figure.subfigures(1, 2, width_ratios=[1.5 * columns, 3]) if time is not None else [figure]
    axes = np.atleast_1d(parts[0].subplots(rows, columns, squeeze=False)).ravel()
    for ax in axes:
        ax.axis("off")
    for ax, number in zip(axes, shown, strict=False):
        ax.imshow(blended(frames[number], full[number]))
        if seconds is not None:
            ax.set_title(f"{seconds[number]:.2f} s", fontsize=7)
    if time is not None:
        ax = parts[1].subplots()
        ax.imshow(time.numpy(), cmap="magma", vmin=0)
        ax.set_xlabel("looked at (step)", fontsize=8)
        ax.set_ylabel("looking (step)", fontsize=8)
        ax.tick_params(labelsize=7)
    return figure


def blended(frame: Tensor, heat: Tensor) -> np.ndarray:
    """Return a frame, dark where nothing is looked at and coloured where much is.

    Args:
        frame: uint8 (C, H, W).
        heat: float (H, W) in [0, 1].
    """
    grey = frame.float().mean(0).numpy()[..., None] / 255
    colour = mpl.colormaps["inferno"](heat.numpy())[..., :3]
    share = 0.25 + 0.5 * heat.numpy()[..., None]
    return np.clip((1 - share) * grey.repeat(3, -1) + share * colour, 0, 1)


__all__ = ["blended", "draw_attention", "draw_saliency", "overlay"]
