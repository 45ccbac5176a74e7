"""Fewer visual tokens for chat models of the hub: those of places that did not change, or that are alike, are left out.

The model embeds text and video as always. Where its language model begins, tokens are taken out of the row, and those
that stay keep the positions that they had; a question after them goes on where it would have. What a place shows is
compared in pixels (`nn.token_reduction.still`, as EVS and VideoLLaMA 3 do), so that nothing has to be computed first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import isqrt
from typing import Any

import torch
from torch import Tensor, nn

from mmvideo.errors import InvalidInput, UnsupportedModel
from mmvideo.nn.token_reduction import merged_with_places, still


@dataclass(frozen=True)
class Pruning:
    """Which of the tokens of a prompt the language model reads."""

    visual: Tensor
    """int64 (N,): places in the prompt of the tokens that stand for frames."""
    gone: Tensor
    """bool (N,): those that are left out."""
    merge_to: float = 1.0
    """Share of the others that is left once those most alike are merged."""


def check_pruning(drop_below: float | None, merge_to: float) -> bool:
    """Say whether anything is to be left out.

    Raises:
        InvalidInput: a share out of range.
    """
    if drop_below is not None and not 0 <= drop_below <= 1:
        raise InvalidInput(f"drop_below is a share of the range of a pixel, 0 to 1, not {drop_below}.")
    if not 0 < merge_to <= 1:
        raise InvalidInput(f"merge_to is the share of tokens that is left, above 0 and up to 1, not {merge_to}.")
    return drop_below is not None or merge_to < 1


def plan_pruning(ids: Tensor, visual_ids: set[int], frames: Tensor, tensors: Mapping[str, Any], merge_size: int,
                 drop_below: float | None, merge_to: float, name: str) -> Pruning:
    """Find the tokens to leave out.

    Args:
        ids: token IDs (1, L) of a prompt.
        visual_ids: IDs that stand for frames.
        frames: uint8 (T, C, H, W), those that the prompt shows.
        tensors: what the processor made; of `video_grid_thw` the grid is taken.
        merge_size: patches of that grid along each side of a token.
        name: of the model, for messages.

    Raises:
        UnsupportedModel: where its tokens lie is not known.
    """
    visual = torch.isin(ids[0], torch.tensor(sorted(visual_ids))).nonzero()[:, 0]
    t, h, w = grid_of(len(visual), len(frames), tensors.get("video_grid_thw"), merge_size, name)
    gone = torch.zeros(len(visual), dtype=torch.bool) if drop_below is None else still(frames, (t, h, w), drop_below)
    return Pruning(visual, gone, merge_to)


def grid_of(count: int, num_frames: int, grid_thw: Any, merge_size: int, name: str) -> tuple[int, int, int]:
    """Return the grid (t, h, w) of the visual tokens of one video.

    Raises:
        UnsupportedModel: there is none: sound among them, frames of parts, or rows that end in a token of their own.
    """
    if isinstance(grid_thw, Tensor) and len(grid_thw) == 1:
        t, h, w = (int(side) for side in grid_thw[0].tolist())
        found = (t, h // merge_size, w // merge_size)
    else:
        side = isqrt(count // num_frames)
        found = (num_frames, side, side)
    if found[0] * found[1] * found[2] != count:
        raise UnsupportedModel(f"Which token of {name} shows which place is not known ({count} tokens for {num_frames} "
                               "frames), so drop_below and merge_to have no use there; they may with sound=False, if "
                               "frames are not cut into parts.")
    return found


@contextmanager
def pruning(model: Any, plan: Pruning, length: int) -> Iterator[list[int]]:
    """Let a model of transformers read a prompt of `length` tokens without those that are left out.

    Gives a list that holds, once it has been read, how many tokens were.

    Raises:
        UnsupportedModel: its language model takes what cannot be cut, as masks of its own.
    """
    read: list[int] = []
    decoder: nn.Module = model.get_decoder()

    def cut(_: nn.Module, positional: tuple[Any, ...], given: dict[str, Any]) -> Any:
        embeddings = given.get("inputs_embeds")
        if positional or not isinstance(embeddings, Tensor) or embeddings.shape[:2] != (1, length):
            return None
        fewer = _cut(given, embeddings, plan, type(model).__name__)
        read.append(fewer["inputs_embeds"].shape[1])
        return positional, fewer

    handle = decoder.register_forward_pre_hook(cut, with_kwargs=True)
    try:
        yield read
    finally:
        handle.remove()
    if not read:
        raise UnsupportedModel(f"{type(model).__name__} hands its language model no embeddings, so drop_below and "
                               "merge_to cannot take any out.")


def _cut(given: dict[str, Any], embeddings: Tensor, plan: Pruning, name: str) -> dict[str, Any]:
    device, length = embeddings.device, embeddings.shape[1]
    visual, gone = plan.visual.to(device), plan.gone.to(device)
    keep = torch.ones(length, dtype=torch.bool, device=device)
    keep[visual[gone]] = False
    if plan.merge_to < 1:
        stay = visual[~gone]
        fewer, places = merged_with_places(embeddings[:, stay], plan.merge_to)
        embeddings = embeddings.clone()
        keep[stay] = False
        at = stay[places[0].long()]
        keep[at] = True
        embeddings[:, at] = fewer.to(embeddings.dtype)
    kept = keep.nonzero()[:, 0]
    found = {**given, "inputs_embeds": embeddings[:, kept]}
    positions = given.get("position_ids")
    if positions is None:
        positions = torch.arange(length, device=device)[None]
    found["position_ids"] = positions[..., kept]
    mask = given.get("attention_mask")
    if mask is not None and not (isinstance(mask, Tensor) and mask.ndim == 2):
        raise UnsupportedModel(f"{name} makes attention masks of its own, so that no token can be left out.")
    found["attention_mask"] = torch.ones_like(kept)[None] if mask is None else mask[:, kept]
    if isinstance(given.get("cache_position"), Tensor):
        found["cache_position"] = torch.arange(len(kept), device=device)
    if given.get("deepstack_visual_embeds") is not None:
        if plan.merge_to < 1:
            raise UnsupportedModel(f"{name} adds features to its visual tokens in several layers, so that they cannot "
                                   "be merged; drop_below works.")
        found["visual_pos_masks"] = given["visual_pos_masks"][:, kept]
        found["deepstack_visual_embeds"] = [one[~gone] for one in given["deepstack_visual_embeds"]]
    return found


__all__ = ["Pruning", "check_pruning", "grid_of", "plan_pruning", "pruning"]
