"""How lips move: a lip-reading network of ShuffleNet v2 and a temporal convolutional network (Ma et al. 2021).

https://arxiv.org/abs/2007.06504. A 3D convolution sees five frames, ShuffleNet v2 each frame of what it gives, and four
residual levels of dilated convolutions the frames together. The features are what the classifier of words reads.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torchvision.models import ShuffleNetV2

from mmvideo.separation.crops import MouthInput


class LipMotion(nn.Module):
    """Mouth crops (B, T, H, W) -> features (B, D, T), 512 wide.

    Args:
        channels: of the 3D convolution, the three stages and the last layer of ShuffleNet v2.
        repeats: blocks in its stages.
        width: D.
        levels: residual levels of the temporal network; level k looks 2^k frames apart.
        dropout: in these levels.
        num_words: classes of the word classifier that such networks are pretrained with; `forward` does not use it.
    """

    def __init__(self, *, channels: Sequence[int] = (24, 116, 232, 464, 1024), repeats: Sequence[int] = (4, 8, 4),
                 width: int = 512, levels: int = 4, dropout: float = 0.2, num_words: int = 500):
        super().__init__()
        self.crop = MouthInput(88, mean=0.421, std=0.165)
        self.front = nn.Sequential(
            nn.Conv3d(1, channels[0], (5, 7, 7), (1, 2, 2), (2, 3, 3), bias=False), nn.BatchNorm3d(channels[0]),
            nn.PReLU(channels[0]), nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)))
        shuffle = ShuffleNetV2(list(repeats), list(channels))
        self.stages = nn.Sequential(shuffle.stage2, shuffle.stage3, shuffle.stage4, shuffle.conv5)
        self.levels = nn.Sequential(*(
            _Level(channels[-1] if k == 0 else width, width, 2**k, dropout) for k in range(levels)))
        self.words = nn.Linear(width, num_words)

    def forward(self, mouths: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return features of the motion, float (B, D, T).

        Args:
            mouths: (B, T, H, W), uint8 or float in [0, 1].
            valid: bool (B, T); crops that are not valid are seen as plain grey.
        """
        return self.features(self.crop(mouths, valid))

    def features(self, crops: Tensor) -> Tensor:
        """Do as `forward`, with normalised crops (B, T, 88, 88)."""
        b, t = crops.shape[:2]
        frames = self.front(crops.unsqueeze(1)).transpose(1, 2).flatten(0, 1)
        seen = self.stages(frames).mean((2, 3)).unflatten(0, (b, t))
        return self.levels(seen.transpose(1, 2))

    def logits(self, mouths: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return logits of the word that is said in each clip, (B, num_words): what lip-reading pretraining trains."""
        return self.words(self.forward(mouths, valid).mean(2))


class _Level(nn.Module):
    """Two dilated convolutions that look both ways, and a shortcut."""

    def __init__(self, inside: int, outside: int, dilation: int, dropout: float):
        super().__init__()
        self.path = nn.Sequential(*(layer for n in (inside, outside) for layer in (
            nn.Conv1d(n, outside, 3, padding=dilation, dilation=dilation), nn.BatchNorm1d(outside), nn.PReLU(outside),
            nn.Dropout(dropout))))
        self.shortcut = nn.Conv1d(inside, outside, 1) if inside != outside else nn.Identity()
        self.act = nn.PReLU(outside)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.path(x) + self.shortcut(x))


SHUFFLENET_BLOCKS = (4, 8, 4)
PLACES = {"0": 0, "1": 1, "3": 2, "5": 4, "6": 5, "8": 6}
"""Place of a layer in a release's list of a level, which also holds two that cut padding off -> ours in `path`."""


def shufflenet_names(match: object) -> str:
    """Return our name of a block that a release numbers through all three stages."""
    number = int(match[1])
    for stage, count in enumerate(SHUFFLENET_BLOCKS):
        if number < count:
            return f"stages.{stage}.{number}.branch"
        number -= count
    raise ValueError(match[0])


RELEASE_NAMES = (
    # The release keeps every layer of a level twice, by its own name and in a list; the list is taken.
    (r"^tcn\.tcn_trunk\.network\.\d+\.(conv|batchnorm|relu)[12]\.", None),
    (r"^tcn\.tcn_trunk\.network\.(\d+)\.net\.(\d)\.", lambda m: f"levels.{m[1]}.path.{PLACES[m[2]]}."),
    (r"^tcn\.tcn_trunk\.network\.(\d+)\.downsample\.", r"levels.\1.shortcut."),
    (r"^tcn\.tcn_trunk\.network\.(\d+)\.relu\.", r"levels.\1.act."),
    (r"^tcn\.tcn_output\.", "words."), (r"^frontend3D\.", "front."),
    (r"^trunk\.0\.(\d+)\.banch", shufflenet_names), (r"^trunk\.1\.", "stages.3."),
)
"""From the names of https://github.com/mpc001/Lipreading_using_Temporal_Convolutional_Networks, which VisualVoice's
release keeps, to ours."""

__all__ = ["RELEASE_NAMES", "LipMotion"]
