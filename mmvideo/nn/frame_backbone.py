"""A 2D network of timm, run on each frame: what every family that begins with one needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.nn.checkpoints import Format

TINY_RESNET = {"stem_type": "deep", "stem_width": 12, "channels": (24, 48, 96, 192), "zero_init_last": False}
"""Options that make timm's resnet18 a network of 24 million multiply-adds at 64x64, for small comparisons.

Residual branches that begin as nothing would hide the temporal shift for the first few hundred steps."""


LITE0 = "tf_efficientnet_lite0"
"""timm's name of EfficientNet-Lite0, whose ImageNet weights ship with mmvideo."""


def release_formats(attribute: str = "frames") -> dict[str, Format]:
    """Return the formats of timm and torchvision for a family that holds a `FrameBackbone` under `attribute`."""
    to_ours = ((r"^", f"{attribute}.net."),)
    return {
        "timm": Format("https://github.com/huggingface/pytorch-image-models: any model, under timm's names", to_ours),
        "torchvision": Format("https://github.com/pytorch/vision: ResNets, which timm names alike", to_ours),
    }


class FrameBackbone(nn.Module):
    """A timm model without and with its head, and its feature maps whatever their layout inside.

    Args:
        name: any architecture of `timm.list_models()`; a tag after a dot is allowed.
        height: of the frames, in pixels.
        width: of the frames, in pixels.
        channels: C of the frames.
        num_classes: width of timm's own classifier; 0 for none.
        options: further keyword arguments of the timm model.

    Raises:
        UnknownName: timm has no such architecture.
        InvalidInput: timm's model does not take such an option.
    """

    def __init__(self, name: str, *, height: int, width: int, channels: int = 3, num_classes: int = 0,
                 options: Mapping[str, Any] | None = None):
        super().__init__()
        import timm

        if not timm.is_model(name):
            raise UnknownName("timm backbone", name, timm.list_models())
        known = timm.get_pretrained_cfg(name)
        self.any_size = not (known and known.fixed_input_size)
        """Whether frames of another size are taken."""
        sized = {} if self.any_size else {"img_size": (height, width)}
        try:
            self.net = timm.create_model(name, pretrained=False, num_classes=num_classes, in_chans=channels,
                                         **sized, **(options or {}))
        except TypeError as error:
            raise InvalidInput(f"timm's {name} does not take backbone_options={dict(options or {})}: {error}; "
                               "give keyword arguments of that model.") from error
        self.channels = channels
        self.dim: int = self.net.num_features
        """D of the maps."""
        self.dim_pooled: int = self.net.head_hidden_size
        """Width of what timm's classifier reads."""
        self.num_prefix: int = getattr(self.net, "num_prefix_tokens", 0)
        """Tokens of a frame outside its grid: class tokens and registers of transformers."""
        self._last = getattr(self.net, "output_fmt", "NCHW") == "NHWC"
        self._grids: dict[tuple[int, int], tuple[int, int]] = {}

    def forward(self, frames: Tensor) -> Tensor:
        """Return the last feature maps (M, D, h, w) of frames, float (M, C, H, W)."""
        return self.split(self.raw(frames))[0]

    def raw(self, frames: Tensor) -> Tensor:
        """Return what timm's `forward_features` gives, in its own layout."""
        return self.net.forward_features(frames)

    def split(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Return maps (M, D, h, w) and tokens outside the grid (M, P, D)."""
        if raw.ndim == 4:
            return (raw.permute(0, 3, 1, 2) if self._last else raw), raw.new_zeros(raw.shape[0], 0, self.dim)
        h, w = self.net.patch_embed.grid_size
        maps = raw[:, self.num_prefix:].transpose(1, 2).unflatten(2, (h, w))
        return maps, raw[:, :self.num_prefix]

    def join(self, maps: Tensor, prefix: Tensor) -> Tensor:
        """Undo `split`."""
        if not self.num_prefix and not hasattr(self.net, "patch_embed"):
            return maps
        if self._last:
            return maps.permute(0, 2, 3, 1)
        return torch.cat((prefix, maps.flatten(2).transpose(1, 2)), 1)

    def pool(self, raw: Tensor) -> Tensor:
        """Return the vector of each frame that timm's classifier reads, (M, dim_pooled)."""
        return self.net.forward_head(raw, pre_logits=True)

    def head(self, raw: Tensor) -> Tensor:
        """Return timm's logits, (M, num_classes)."""
        return self.net.forward_head(raw)

    def levels(self, frames: Tensor, indices: Sequence[int]) -> tuple[Tensor, list[Tensor]]:
        """Return the raw features and the maps (M, D_i, h_i, w_i) at some of timm's stages.

        Raises:
            InvalidInput: the model has no maps at stages, or not so many.
        """
        if not hasattr(self.net, "forward_intermediates"):
            raise InvalidInput(f"timm's {type(self.net).__name__} gives no maps at several layers; "
                               "use a ResNet, VGG or another model with forward_intermediates.")
        try:
            return self.net.forward_intermediates(frames, indices=list(indices))
        except (AssertionError, IndexError) as error:
            raise InvalidInput(f"levels={tuple(indices)} are not stages of timm's {type(self.net).__name__}: "
                               f"{error}.") from error

    def level_dims(self, indices: Sequence[int], height: int, width: int) -> list[int]:
        """Return D_i of stages, found as `grid` is; raises as `levels`."""
        return [m.shape[1] for m in self._levels_on_shapes(indices, height, width)]

    def level_sizes(self, indices: Sequence[int], height: int, width: int) -> list[tuple[int, int]]:
        """Return (h_i, w_i) of stages, found as `grid` is; raises as `levels`."""
        return [tuple(m.shape[2:]) for m in self._levels_on_shapes(indices, height, width)]

    def _levels_on_shapes(self, indices: Sequence[int], height: int, width: int) -> list[Tensor]:
        def run(_: nn.Module, x: Tensor) -> list[Tensor]:
            return self.levels(x, indices)[1]

        return self._on_shapes(height, width, run)

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Return (h, w) of the maps of a frame; the network runs once on shapes alone.

        Raises:
            InvalidInput: the frame is too small for the network, or does not fit it.
        """
        if (height, width) not in self._grids:
            raw = self._on_shapes(height, width, lambda net, x: net.forward_features(x))
            self._grids[height, width] = tuple(self.split(raw)[0].shape[2:])
        return self._grids[height, width]

    def _on_shapes(self, height: int, width: int, run: Any) -> Any:
        class Call(nn.Module):
            def __init__(self, net: nn.Module):
                super().__init__()
                self.net = net

            def forward(self, x: Tensor) -> Any:
                return run(self.net, x)

        call, state = Call(self.net), {}
        for name, value in (*call.named_parameters(), *call.named_buffers()):
            state[name] = torch.empty_like(value, device="meta")
        # Two frames: a batch norm in training refuses a single value per channel.
        frames = torch.empty(2, self.channels, height, width, device="meta")
        with torch.no_grad():
            try:
                return torch.func.functional_call(call, state, (frames,))
            except (RuntimeError, AssertionError) as error:
                raise InvalidInput(f"timm's {type(self.net).__name__} does not take frames of {height}x{width} pixels: "
                                   f"{error}; take larger frames, or another backbone.") from error
