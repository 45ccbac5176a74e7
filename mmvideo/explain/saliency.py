"""Grad-CAM: which places and moments of a clip move a class's score (Selvaraju et al. 2017, arXiv:1610.02391)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mmvideo.encoders.base import VideoEncoder
from mmvideo.errors import InvalidInput, UnknownName, UnsupportedModel


@dataclass(frozen=True)
class Saliency:
    """How much each place and moment speaks for a class."""

    map: Tensor
    """float (t, h, w) in [0, 1], on the grid of the layer."""
    layer: str
    """The module whose output was looked at."""
    class_index: int

    def over(self, num_frames: int, height: int, width: int) -> Tensor:
        """Return the map on the pixels, float (T, H, W)."""
        return F.interpolate(self.map[None, None], (num_frames, height, width), mode="trilinear",
                             align_corners=False)[0, 0]


def grad_cam(encoder: VideoEncoder, frames: Tensor, class_index: int | None = None, *,
             layer: str | None = None) -> Saliency:
    """Return which parts of a clip speak for a class.

    Args:
        encoder: with a classifier, in evaluation mode.
        frames: (1, T, C, H, W), as the encoder takes them.
        class_index: None for the likeliest class.
        layer: name of a module whose output is a map (B, D, t, h, w), one map a frame (T, D, h, w), or tokens
            (B, N, D) of the encoder's grid; None for the last such module that is more than one place.

    Raises:
        InvalidInput: no classifier, more than one clip, or no such class.
        UnknownName: no such layer.
        UnsupportedModel: no layer has a map.
    """
    encoder.need_classifier()
    encoder.need_clips(frames)
    if len(frames) != 1:
        raise InvalidInput(f"Saliency is of one clip at a time, not of {len(frames)}.")
    modules = dict(encoder.named_modules())
    if layer is not None and layer not in modules:
        raise UnknownName("layer", layer, [name for name in modules if name])
    kept: list[tuple[str, Tensor]] = []
    handles = [module.register_forward_hook(lambda _m, _i, out, name=name: _keep(kept, name, out))
               for name, module in modules.items() if name and (layer is None or name == layer)]
    try:
        with torch.inference_mode(False), torch.enable_grad():
            given = frames.clone().float() / 255 if frames.dtype == torch.uint8 else frames.clone()
            given.requires_grad_()  # so that there is a graph where all weights are frozen
            features = encoder(given)
            logits = encoder.classify(features)[0]
            chosen = int(logits.argmax()) if class_index is None else class_index
            if not 0 <= chosen < len(logits):
                raise InvalidInput(f"class_index is 0 to {len(logits) - 1}, not {class_index}.")
            return _map(kept, features.grid, logits[chosen], encoder.preset or type(encoder).__name__, chosen)
    finally:
        for handle in handles:
            handle.remove()


def _keep(kept: list[tuple[str, Tensor]], name: str, out: object) -> None:
    if isinstance(out, tuple) and out:
        out = out[0]
    if isinstance(out, Tensor) and out.requires_grad and out.ndim in (3, 4, 5):
        kept.append((name, out))


def _map(kept: list[tuple[str, Tensor]], grid: tuple[int, int, int], score: Tensor, model: str, chosen: int
         ) -> Saliency:
    for name, out in reversed(kept):
        found = _as_map(out.detach(), grid)
        if found is None or found[0].numel() <= 1:
            continue
        gradient = torch.autograd.grad(score, out, retain_graph=True, allow_unused=True)[0]
        if gradient is None or not bool(gradient.any()):
            continue
        slope = _as_map(gradient, grid)
        assert slope is not None
        weights = slope.mean((1, 2, 3), keepdim=True)  # (D, 1, 1, 1)
        heat = (weights * found).sum(0).relu()
        return Saliency((heat / heat.max().clamp_min(1e-12)).float(), name, chosen)
    raise UnsupportedModel(f"{model} has no layer whose output is a map over the frames.")


def _as_map(out: Tensor, grid: tuple[int, int, int]) -> Tensor | None:
    """Return the output of a layer as (D, t, h, w); None where it is no map."""
    t, h, w = grid
    if out.ndim == 5:
        if out.shape[0] != 1 or out.shape[-1] < 2 or out.shape[-2] < 2:
            return None
        return out[0]
    if out.ndim == 4:
        return out.transpose(0, 1) if out.shape[-1] > 1 and out.shape[-2] > 1 and len(out) > 1 else None
    n = t * h * w
    if out.shape[0] == 1 and out.shape[1] in (n, n + 1):
        return out[0, out.shape[1] - n:].T.unflatten(1, grid)
    return None


__all__ = ["Saliency", "grad_cam"]
