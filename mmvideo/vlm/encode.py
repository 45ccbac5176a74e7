"""Run an encoder over the clips of one video, or over those of several in passes of a fixed number of rows."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn

from mmvideo.deadline import check
from mmvideo.errors import InvalidInput, RecipeError
from mmvideo.nn.token_reduction import evened, still
from mmvideo.types import Clips, Features

_SIZES = 8
"""To how many different numbers of tokens clips are brought where places are left out."""


def check_drop_below(network: nn.Module | type, name: str, drop_below: float | None) -> None:
    """Refuse a share of unchanged places that is out of range, or that an encoder cannot leave out.

    Raises:
        InvalidInput: it is so.
    """
    if drop_below is None:
        return
    if not 0 <= drop_below <= 1:
        raise InvalidInput(f"drop_below is a share of the range of a pixel, 0 to 1, not {drop_below}.")
    if "gone" not in inspect.signature(cast("Any", network).forward).parameters:
        raise InvalidInput(f"{name} looks at whole frames and takes no drop_below; toybox-av and videomae do.")


def check_sample_rate(network: nn.Module, name: str, clips: Clips) -> None:
    """Refuse sound at another rate than the encoder hears.

    Raises:
        RecipeError: it is so.
    """
    wanted = getattr(network, "sample_rate", None)
    if clips.audio is not None and wanted not in (None, clips.sample_rate):
        raise RecipeError(f"{name} hears at {wanted} Hz: set sample_rate: {wanted} in the sample stage, "
                          f"not {clips.sample_rate}.")


def encode(network: nn.Module, clips: Clips, device: torch.device, *, batch_size: int,
           drop_below: float | None = None) -> Features:
    """Return the features of every clip of a video.

    Args:
        batch_size: clips at a time; bounds the memory that a long video takes.
        drop_below: do not look again at places whose pixels changed by less than this share of their range.
    """
    parts = []
    for start in range(0, clips.frames.shape[0], batch_size):
        check()
        chosen = slice(start, start + batch_size)
        frames = clips.frames[chosen].to(device)
        sound = None if clips.audio is None else clips.audio[chosen].to(device)
        heard = torch.full((frames.shape[0],), clips.has_audio, device=device)
        parts.append(encode_rows(network, frames, sound, heard, drop_below))
    return joined(parts)


def encode_batched(network: nn.Module, videos: Sequence[Clips], device: torch.device, *, size: int,
                   drop_below: float | None = None) -> list[Features]:
    """Return the features of several videos' clips, computed in passes of exactly `size` rows."""
    kinds: dict[Any, list[int]] = {}
    for number, one in enumerate(videos):
        shape = None if one.audio is None else one.audio.shape[1:]
        kinds.setdefault((one.frames.shape[1:], shape, one.sample_rate), []).append(number)
    found: dict[int, Features] = {}
    for members in kinds.values():
        rows = [(number, row) for number in members for row in range(len(videos[number].frames))]
        parts = []
        for start in range(0, len(rows), size):
            check()
            chosen = rows[start:start + size]
            chosen += [chosen[0]] * (size - len(chosen))
            frames = torch.stack([videos[number].frames[row] for number, row in chosen]).to(device)
            sounds = [audio[row] for number, row in chosen if (audio := videos[number].audio) is not None]
            sound = torch.stack(sounds).to(device) if sounds else None
            heard = torch.tensor([videos[number].has_audio for number, _ in chosen], device=device)
            parts.append(encode_rows(network, frames, sound, heard, drop_below, alone=True))
        counts = [len(videos[number].frames) for number in members]
        found.update(zip(members, split_rows(joined(parts), counts), strict=True))
    return [found[number] for number in range(len(videos))]


def encode_rows(network: nn.Module, frames: Tensor, sound: Tensor | None, heard: Tensor, drop_below: float | None, *,
                 alone: bool = False) -> Features:
    """Run the network on clips; where places are left out, on those together that keep as many.

    Args:
        alone: run each clip by itself, so that its features do not depend on its neighbours.
    """
    hears = "audio" in inspect.signature(network.forward).parameters
    given = {"audio": sound, "has_audio": heard} if hears else {}
    if drop_below is None:
        return network(frames, **given)
    gone = torch.stack([still(clip, cast("Any", network).grid, drop_below) for clip in frames])
    gone = evened(gone, max(1, gone.shape[1] // _SIZES))
    kinds: dict[int, list[int]] = {}
    for row, count in enumerate(gone.sum(1).tolist()):
        kinds.setdefault(row if alone else count, []).append(row)
    parts, order = [], []
    for rows in kinds.values():
        check()
        mine = {name: None if x is None else x[rows] for name, x in given.items()}
        parts.append(network(frames[rows], gone=gone[rows], **mine))
        order += rows
    back = torch.tensor(order).argsort()
    whole = joined(parts)
    return Features(whole.tokens[back], whole.grid, whole.pooled[back], whole.num_extra)


def split_rows(features: Features, counts: Sequence[int]) -> list[Features]:
    """Cut features along B into pieces of the given lengths; what is left over is dropped."""
    borders = [0]
    for count in counts:
        borders.append(borders[-1] + count)
    return [Features(tokens=features.tokens[a:b], grid=features.grid, pooled=features.pooled[a:b],
                     num_extra=features.num_extra) for a, b in pairwise(borders)]


def call_batched(features: Sequence[Features], size: int, call: Callable[[Features], Sequence[Any]]) -> list[list[Any]]:
    """Call something on the rows of several videos in passes of exactly `size` rows.

    Args:
        call: takes Features of `size` rows, returns a list with one entry a row.

    Returns:
        For each video the list of its rows' entries.
    """
    found: list[list[Any]] = [[] for _ in features]
    kinds: dict[Any, list[int]] = {}
    for number, one in enumerate(features):
        kinds.setdefault((one.tokens.shape[1:], one.grid), []).append(number)
    for members in kinds.values():
        whole = joined([features[number] for number in members])
        owners = [number for number in members for _ in range(len(features[number].tokens))]
        for start in range(0, len(owners), size):
            check()
            chosen = list(range(start, min(start + size, len(owners))))
            filled = chosen + [start] * (size - len(chosen))
            rows = Features(whole.tokens[filled], whole.grid, whole.pooled[filled], whole.num_extra)
            for owner, entry in zip((owners[row] for row in chosen), call(rows), strict=False):
                found[owner].append(entry)
    return found


def joined(parts: Sequence[Features]) -> Features:
    """Concatenate features of one geometry along B."""
    if len(parts) == 1:
        return parts[0]
    return Features(tokens=torch.cat([p.tokens for p in parts]), grid=parts[0].grid,
                    pooled=torch.cat([p.pooled for p in parts]), num_extra=parts[0].num_extra)


__all__ = ["call_batched", "check_drop_below", "check_sample_rate", "encode", "encode_batched", "encode_rows",
           "joined", "split_rows"]
