"""Pictures of how architectures see a clip: what `mmvideo demo architectures` shows."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor, nn

from mmvideo.encoders import zoo
from mmvideo.encoders.base import VideoEncoder
from mmvideo.encoders.masked_autoencoder import MaskedAutoencoder
from mmvideo.encoders.preset import Input
from mmvideo.errors import UnsupportedModel
from mmvideo.explain.reach import LayerReach
from mmvideo.nn.masks import tube_mask
from mmvideo.nn.temporal_shift import shifted
from mmvideo.registry import find

FAST, SLOW = "#2563eb", "#d97706"
CELL = 20
"""Pixels on a side of a filter in `filters_clip`."""


def reach_figure(layers: Sequence[LayerReach], num_frames: int, side: int, *, title: str = "") -> Figure:
    """Draw how far each layer sees in time and space.

    Args:
        layers: of `layer_reaches`.
        num_frames: of the clip, drawn as a line; layers that see all of it reach it.
        side: width of the clip in pixels.
    """
    figure = Figure(figsize=(9, 0.26 * len(layers) + 1.4), layout="constrained")
    figure.suptitle(title, fontsize=10)
    names, places = [one.name for one in layers], np.arange(len(layers))
    axes = figure.subplots(1, 2, sharey=True)
    for ax, what, whole, values in ((axes[0], "frames", num_frames, [one.frames for one in layers]),
                                    (axes[1], "pixels", side, [one.pixels for one in layers])):
        shown = [whole if value is None else value for value in values]
        ax.barh(places, shown, color=[SLOW if value is None else FAST for value in values])
        ax.axvline(whole, color="#7a8694", linewidth=0.8, linestyle="--")
        for place, value, length in zip(places, values, shown, strict=True):
            ax.text(length, place, " all" if value is None else f" {value}", va="center", fontsize=7)
        ax.set_xlabel(f"{what} that the centre depends on (clip: {whole})", fontsize=8)
        ax.set_yticks(places, names, fontsize=7)
        ax.tick_params(axis="x", labelsize=7)
        ax.margins(x=0.15)
    axes[0].invert_yaxis()
    return figure


def filters_clip(encoder: nn.Module, path: Path, *, most: int = 32) -> tuple[Path, str]:
    """Write the filters of the first convolution as small moving pictures, side by side.

    Args:
        path: a .gif; each filter plays its extent in time.
        most: filters that are shown.

    Returns:
        The path, and in words what is shown.

    Raises:
        UnsupportedModel: the network has no convolution over pixels.
    """
    first = next((module for module in encoder.modules() if isinstance(module, nn.Conv2d | nn.Conv3d)
                  and module.weight.shape[1] in (1, 2, 3, 10, 20)), None)
    if first is None:
        raise UnsupportedModel("This network has no convolution that sees pixels.")
    weight = first.weight.detach().float().cpu()
    weight = weight if weight.ndim == 5 else weight[:, :, None]
    weight = weight[:most, :3] if weight.shape[1] >= 3 else weight[:most, :1].expand(-1, 3, -1, -1, -1)
    low, high = weight.amin((1, 2, 3, 4), keepdim=True), weight.amax((1, 2, 3, 4), keepdim=True)
    tiles = ((weight - low) / (high - low).clamp_min(1e-9) * 255).byte()  # (D, 3, t, h, w)
    count, _, t, h, w = tiles.shape
    scale, columns = max(1, CELL * 2 // max(h, w)), min(8, count)
    rows = -(-count // columns)
    pictures = []
    for step in range(t):
        sheet = np.full((rows * (h * scale + 4), columns * (w * scale + 4), 3), 255, np.uint8)
        for number in range(count):
            tile = tiles[number, :, step].permute(1, 2, 0).numpy().repeat(scale, 0).repeat(scale, 1)
            top, left = number // columns * (h * scale + 4), number % columns * (w * scale + 4)
            sheet[top:top + h * scale, left:left + w * scale] = tile
        pictures.append(Image.fromarray(sheet))
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=350, loop=0)
    kind = f"{t}x{h}x{w}" if t > 1 else f"{h}x{w}, no extent in time"
    return path, f"{count} of {first.weight.shape[0]} filters of the first convolution, {kind}"


def shift_figure(frames: Tensor, *, fraction: int = 8, online: bool = False) -> Figure:
    """Draw what moves in a temporal shift: for each frame and each part of the channels, whose features it holds.

    Args:
        frames: uint8 (T, C, H, W), drawn above.
        fraction: one part in so many of the channels moves each way.
    """
    t = min(8, len(frames))
    whose = torch.arange(1.0, t + 1).view(t, 1, 1, 1).expand(t, fraction, 1, 1).contiguous()
    after = shifted(whose, t, 1, online=online)[:, :, 0, 0].T.numpy()  # 0 where zeros come in
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=[1, 2.2])
    top, below = parts
    for number, ax in enumerate(top.subplots(1, t)):
        ax.imshow(frames[round(number * (len(frames) - 1) / max(t - 1, 1))].permute(1, 2, 0).numpy())
        ax.set_title(f"frame {number + 1}", fontsize=8)
        ax.axis("off")
    ax = below.subplots()
    colours = mpl.colormaps["viridis"].resampled(t + 1)
    ax.imshow(after, cmap=colours, vmin=0, vmax=t, aspect="auto")
    for row in range(fraction):
        for column in range(t):
            held = int(after[row, column])
            ax.text(column, row, f"of {held}" if held else "zeros", ha="center", va="center", fontsize=7,
                    color="white" if held < 0.7 * t else "#1d2733")
    ax.set_xticks(range(t), [f"frame {n + 1}" for n in range(t)], fontsize=7)
    ax.set_yticks(range(fraction), [f"channels {n + 1}/{fraction}" for n in range(fraction)], fontsize=7)
    ax.set_title("whose features a frame holds after the shift", fontsize=9)
    return figure


def rates_figure(frames: Tensor, alpha: int) -> Figure:
    """Draw which frames the slow and the fast pathway of SlowFast see.

    Args:
        frames: uint8 (T, C, H, W), all that the fast pathway sees.
        alpha: frames of the fast pathway for one of the slow.
    """
    t = len(frames)
    figure = Figure(figsize=(9, 2.6), layout="constrained")
    axes = figure.subplots(2, t, squeeze=False)
    for number in range(t):
        for row, seen in enumerate((number % alpha == 0, True)):
            ax = axes[row, number]
            ax.set_xticks([])
            ax.set_yticks([])
            if seen:
                ax.imshow(frames[number].permute(1, 2, 0).numpy())
            for spine in ax.spines.values():
                spine.set_visible(seen)
                spine.set_color((SLOW, FAST)[row])
    axes[0, 0].set_ylabel("slow", fontsize=9, color=SLOW)
    axes[1, 0].set_ylabel("fast", fontsize=9, color=FAST)
    figure.suptitle(f"slow pathway: every {alpha}th of {t} frames, many channels; fast pathway: all, few channels",
                    fontsize=9)
    return figure


def flow_figure(frames: Tensor, *, method: str = "dis", most: int = 6) -> Figure:
    """Draw what the temporal stream of a two-stream network sees: displacement as colour (direction) and strength.

    Args:
        frames: uint8 (T, C, H, W).
        method: a registered method of flow.
        most: pairs of frames that are drawn.
    """
    flow = find("flows", method)()(frames[None])[0]
    shown = torch.linspace(0, len(flow) - 1, min(most, len(flow))).round().long().tolist()
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots(2, len(shown), squeeze=False)
    strongest = float(flow.norm(dim=1).quantile(0.99).clamp_min(1e-3)) if flow.numel() < 1 << 22 else 5.0
    for column, number in enumerate(shown):
        dx, dy = flow[number].numpy()
        hue = (np.arctan2(dy, dx) / (2 * np.pi)) % 1
        strength = np.clip(np.hypot(dx, dy) / strongest, 0, 1)
        colour = mpl.colors.hsv_to_rgb(np.stack([hue, strength, np.ones_like(hue)], -1))
        axes[0, column].imshow(frames[number].permute(1, 2, 0).numpy())
        axes[1, column].imshow(colour)
        for ax in axes[:, column]:
            ax.axis("off")
    figure.suptitle(f"flow by {method}: colour is direction, white stands still, full colour {strongest:.1f} pixels a "
                    "frame", fontsize=9)
    return figure


def reconstruction_figure(clip: Tensor, *, steps: int = 60, share: float = 0.9, seed: int = 0) -> Figure:
    """Hide most tubelets of a clip and draw what a small masked autoencoder tells of them.

    The network begins with random weights and learns on this clip alone for so many steps, so the picture shows the
    task, not what VideoMAE learns from many videos.

    Args:
        clip: uint8 (T, C, H, W) as `videomae-tiny` takes it.
        steps: of learning; 0 shows a network that knows nothing.
        share: of the tubelets that are hidden.
    """
    with torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.enable_grad():
        torch.manual_seed(seed)
        network = MaskedAutoencoder("videomae-tiny", dim=96, depth=2, heads=4, depth_decoder=1)
        optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
        batch = clip[None]
        for _ in range(steps):
            loss = network.loss(batch, tube_mask(network.grid, share))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        mask = tube_mask(network.grid, share)
    with torch.no_grad():
        told = _filled_in(network.eval(), batch, mask)
    t = len(clip)
    shown = torch.linspace(0, t - 1, min(6, t)).round().long().tolist()
    figure = Figure(figsize=(9, 4.6), layout="constrained")
    axes = figure.subplots(3, len(shown), squeeze=False)
    hidden = _spread(mask[0], network.grid, clip.shape)
    for column, number in enumerate(shown):
        frame = clip[number].permute(1, 2, 0).numpy()
        seen = np.where(hidden[number][..., None], 160, frame).astype(np.uint8)
        for row, picture in enumerate((frame, seen, told[number])):
            axes[row, column].imshow(picture)
            axes[row, column].set_xticks([])
            axes[row, column].set_yticks([])
    for row, words in enumerate(("clip", f"{1 - share:.0%} is seen", "told")):
        axes[row, 0].set_ylabel(words, fontsize=9)
    figure.suptitle(f"masked reconstruction at {share:.0%}, after {steps} steps on this clip alone", fontsize=9)
    return figure


def _filled_in(network: MaskedAutoencoder, batch: Tensor, mask: Tensor) -> np.ndarray:
    """Return the clip with what the network tells in the hidden places, uint8 (T, H, W, 3).

    The network tells tubelets of zero mean and unit deviation; both are taken from the clip, as in the paper.
    """
    parts: Any = network
    patches = parts._patches(batch)
    mean, std = parts.encoder.mean.view(-1), parts.encoder.std.view(-1)
    pixels = (patches.unflatten(-1, (-1, len(mean))) * std + mean)[0]  # (N, pixels, C)
    told = network(batch, mask)[0].unflatten(-1, (-1, len(mean)))
    where = mask[0]
    centre, spread = pixels[where].mean(1, keepdim=True), pixels[where].var(1, keepdim=True).sqrt()
    pixels[where] = told * spread + centre
    t, h, w = network.grid
    step, side = network.encoder.tubelet, network.encoder.patch
    laid = pixels.view(t, h, w, step, side, side, len(mean)).permute(0, 3, 1, 4, 2, 5, 6)
    return (laid.reshape(t * step, h * side, w * side, -1).clamp(0, 1) * 255).byte().numpy()


def _spread(mask: Tensor, grid: tuple[int, int, int], shape: torch.Size) -> np.ndarray:
    """Return a mask over tubelets as one over pixels, bool (T, H, W)."""
    t, h, w = grid
    full = mask.view(t, h, w).numpy()
    return full.repeat(shape[0] // t, 0).repeat(shape[2] // h, 1).repeat(shape[3] // w, 2)


def latency_seconds(encoder: VideoEncoder, *, repeats: int = 3) -> float:
    """Return the median time of one clip, in seconds, on this machine."""
    shape = encoder.input
    assert isinstance(shape, Input)
    clip = torch.rand(1, shape.num_frames, len(shape.mean), shape.height, shape.width)
    times = []
    with torch.inference_mode():
        for _ in range(repeats + 1):
            began = time.perf_counter()
            encoder(clip)
            times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


def chart_figure(chosen: str = "", measured_seconds: float | None = None) -> Figure:
    """Draw published accuracy over published operations of every preset that states both, size as parameters.

    Args:
        chosen: the preset that stands out.
        measured_seconds: its time for a clip on this machine.
    """
    figure = Figure(figsize=(9, 5), layout="constrained")
    ax = figure.subplots()
    named: set[str] = set()
    for name, preset in zoo.presets().items():
        stated = preset.published
        if stated is None or stated.gflops is None or stated.top1 is None or "Kinetics-400" not in stated.top1_on:
            continue
        work = stated.gflops / (2 if stated.unit == "operations" else 1)
        is_chosen = name == chosen
        ax.scatter(work, stated.top1, s=4 * (stated.params_millions or 20), color=SLOW if is_chosen else FAST,
                   alpha=0.9 if is_chosen else 0.35, zorder=3 if is_chosen else 2)
        family = zoo.family_of(name)
        if not is_chosen and family in named:
            continue
        named.add(family)
        words = f"{name}\n{measured_seconds:.2f} s here" if is_chosen and measured_seconds is not None else name
        ax.annotate(words, (work, stated.top1), fontsize=8 if is_chosen else 5.5, xytext=(4, 2),
                    textcoords="offset points", color="#1d2733" if is_chosen else "#7a8694")
    ax.set_xscale("log")
    ax.set_xlabel("published multiply-adds of one view, 10^9", fontsize=9)
    ax.set_ylabel("published top-1 on Kinetics-400, %, with the paper's own views", fontsize=9)
    ax.set_title("area: parameters", fontsize=8, loc="right")
    return figure


__all__ = ["chart_figure", "filters_clip", "flow_figure", "latency_seconds", "rates_figure", "reach_figure",
           "reconstruction_figure", "shift_figure"]
