"""The temporal shift and its insertion into any residual 2D CNN (Lin et al. 2019, https://arxiv.org/abs/1811.08383)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmvideo.errors import InvalidInput

OFF_BRANCH = ("downsample", "shortcut")
"""What residual blocks of timm name the path beside their branch."""


@dataclass
class Clock:
    """What all shifts of one network know: how the frames of a batch follow each other."""

    num_frames: int = 1
    """T of the clips that run; maps come as (B T, C, H, W)."""
    memory: dict[int, Tensor] | None = None
    """While a stream runs: what each shift keeps of the frame before, (B, C / fold, H, W), by the shift's number."""


def shifted(maps: Tensor, num_frames: int, fold: int, *, online: bool = False, before: Tensor | None = None) -> Tensor:
    """Move channels along time; zeros come in at the ends (figure 1 of the paper).

    Args:
        maps: (B T, C, H, W).
        num_frames: T.
        fold: how many channels move each way. Bidirectional: the first `fold` come from the next frame, the second
            `fold` from the one before. Online: the first `fold` from the one before, none from the next.
        online: never look ahead.
        before: with `online`, the first `fold` channels of the frame before the first, (B, fold, H, W), for the zeros.

    Returns:
        As `maps`; gradients flow.
    """
    v = maps.unflatten(0, (-1, num_frames))
    if online:
        first = torch.zeros_like(v[:, 0, :fold]) if before is None else before
        return torch.cat((torch.cat((first[:, None], v[:, :-1, :fold]), 1), v[:, :, fold:]), 2).flatten(0, 1)
    later = F.pad(v[:, 1:, :fold], (0, 0, 0, 0, 0, 0, 0, 1))
    earlier = F.pad(v[:, :-1, fold:2 * fold], (0, 0, 0, 0, 0, 0, 1, 0))
    return torch.cat((later, earlier, v[:, :, 2 * fold:]), 2).flatten(0, 1)


class Shifted(nn.Module):
    """A convolution that reads shifted maps.

    Without gradients the moving channels alone are saved, shifted where they lie, and put back after the convolution:
    a copy of all maps costs several times as much. The shortcut of the block reads the same maps, as they were.

    Args:
        net: the convolution.
        clock: shared by the network.
        number: of this shift within the network.
        fraction: one part in so many of the channels moves each way.
        online: never look ahead.
    """

    def __init__(self, net: nn.Module, clock: Clock, *, number: int, fraction: int = 8, online: bool = False):
        super().__init__()
        self.net, self.clock, self.number, self.fraction, self.online = net, clock, number, fraction, online

    def forward(self, maps: Tensor) -> Tensor:
        fold, t, memory = maps.shape[1] // self.fraction, self.clock.num_frames, self.clock.memory
        before = None if memory is None else memory.get(self.number)
        if memory is not None:
            memory[self.number] = maps.unflatten(0, (-1, t))[:, -1, :fold].clone()
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            return self.net(shifted(maps, t, fold, online=self.online, before=before))
        v = maps.unflatten(0, (-1, t))
        moving = v[:, :, :fold if self.online else 2 * fold]
        saved = moving.clone()
        try:
            _shift_in_place(moving, saved, fold, self.online, before)
            return self.net(maps)
        finally:
            moving.copy_(saved)


def _shift_in_place(moving: Tensor, saved: Tensor, fold: int, online: bool, before: Tensor | None) -> None:
    """Do as `shifted` on the moving channels (B, T, fold or 2 fold, H, W) themselves."""
    back = slice(0, fold) if online else slice(fold, 2 * fold)
    moving[:, 1:, back] = saved[:, :-1, back]
    moving[:, 0, back] = 0 if before is None else before
    if not online:
        moving[:, :-1, :fold] = saved[:, 1:, :fold]
        moving[:, -1, :fold] = 0


@dataclass(frozen=True)
class Insertion:
    """What `insert_shifts` did."""

    clock: Clock = field(default_factory=Clock)
    names: tuple[str, ...] = ()
    """Of the convolutions that read shifted maps now."""


def insert_shifts(network: nn.Module, *, fraction: int = 8, every: int = 1, online: bool = False) -> Insertion:
    """Put a shift in front of the first convolution of each residual branch (figure 3b), in place.

    A residual block is what timm gives a `drop_path`, except where a block says that it has no shortcut.

    Args:
        network: a CNN of timm.
        fraction: one part in so many of the channels moves each way; the paper's best is 8.
        every: 2 leaves out every second block of a stage, as the authors do in ResNet-101.
        online: never look ahead.

    Raises:
        InvalidInput: the network has no residual block with a convolution.
    """
    clock, names = Clock(), []
    for block_name, block in list(network.named_modules()):
        place = block_name.rpartition(".")[2]
        is_block = hasattr(block, "drop_path") and getattr(block, "has_skip", True)
        if not is_block or (place.isdigit() and int(place) % every):
            continue
        for name, conv in block.named_modules():
            if isinstance(conv, nn.Conv2d) and name.partition(".")[0] not in OFF_BRANCH:
                parent, _, last = name.rpartition(".")
                setattr(block.get_submodule(parent), last,
                        Shifted(conv, clock, number=len(names), fraction=fraction, online=online))
                names.append(f"{block_name}.{name}")
                break
    if not names:
        raise InvalidInput(f"{type(network).__name__} has no residual blocks with convolutions to shift in front of; "
                           "take a ResNet, RegNet, MobileNet, EfficientNet or ConvNeXt of timm.")
    return Insertion(clock, tuple(names))
