"""Lips as CTCNet and RTFS-Net see them: a 3D convolution and a ResNet-18 of each frame, from lip-reading on LRW.

Ma et al. 2020 (https://arxiv.org/abs/2001.08702) describe the lip-reading network; its temporal part is left out.
"""

from __future__ import annotations

from torch import Tensor, nn

from mmvideo.separation.crops import MouthInput


class LipResNet(nn.Module):
    """Mouth crops (B, T, H, W) -> features (B, 512, T)."""

    width = 512

    def __init__(self) -> None:
        super().__init__()
        self.crop = MouthInput(88, mean=0.421, std=0.165)
        self.front = nn.Sequential(
            nn.Conv3d(1, 64, (5, 7, 7), (1, 2, 2), (2, 3, 3), bias=False), nn.BatchNorm3d(64), nn.PReLU(64),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)))
        sizes = (64, 64, 128, 256, 512)
        self.stages = nn.Sequential(*(
            nn.Sequential(_Block(sizes[n], sizes[n + 1], 1 if n == 0 else 2), _Block(sizes[n + 1], sizes[n + 1], 1))
            for n in range(4)))

    def forward(self, mouths: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return float (B, 512, T) of crops (B, T, H, W); those that are not valid are seen as plain grey."""
        return self.features(self.crop(mouths, valid))

    def features(self, crops: Tensor) -> Tensor:
        """Do as `forward`, with normalised crops (B, T, 88, 88)."""
        b, t = crops.shape[:2]
        frames = self.front(crops.unsqueeze(1)).transpose(1, 2).flatten(0, 1)
        return self.stages(frames).mean((2, 3)).unflatten(0, (b, t)).transpose(1, 2)


class _Block(nn.Module):
    def __init__(self, inside: int, outside: int, stride: int):
        super().__init__()
        self.path = nn.Sequential(
            nn.Conv2d(inside, outside, 3, stride, 1, bias=False), nn.BatchNorm2d(outside), nn.PReLU(outside),
            nn.Conv2d(outside, outside, 3, 1, 1, bias=False), nn.BatchNorm2d(outside))
        self.shortcut = nn.Identity() if inside == outside else nn.Sequential(
            nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside))
        self.act = nn.PReLU(outside)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.path(x) + self.shortcut(x))


_PLACES = {"conv1": 0, "bn1": 1, "relu1": 2, "conv2": 3, "bn2": 4}
RELEASE_NAMES = (
    (r"^frontend3D\.", "front."),
    (r"^trunk\.layer(\d)\.(\d)\.(conv1|bn1|relu1|conv2|bn2)\.",
     lambda m: f"stages.{int(m[1]) - 1}.{m[2]}.path.{_PLACES[m[3]]}."),
    (r"^trunk\.layer(\d)\.(\d)\.downsample\.", lambda m: f"stages.{int(m[1]) - 1}.{m[2]}.shortcut."),
    (r"^trunk\.layer(\d)\.(\d)\.relu2\.", lambda m: f"stages.{int(m[1]) - 1}.{m[2]}.act."),
    (r"^tcn\.", None),
)
"""From the names of https://github.com/mpc001/Lipreading_using_Temporal_Convolutional_Networks, which CTCNet and
RTFS-Net keep, to ours; the temporal part is left out."""

__all__ = ["RELEASE_NAMES", "LipResNet"]
