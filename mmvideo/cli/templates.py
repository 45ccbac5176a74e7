"""Text of the files that `mmvideo new` writes."""

from __future__ import annotations

ENCODER = '''"""@NAME@: say in one line what it is, with the paper and its address."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from mmvideo.encoders.base import VideoEncoder, features_of_map, linear_head
from mmvideo.encoders.preset import Input, Preset
from mmvideo.types import Features


class @CLASS@(VideoEncoder):
    """Say what it does with a clip.

    Args:
        width: channels of the first layer; the last has four times as many.
    """

    any_length: ClassVar[bool] = True
    any_size: ClassVar[bool] = True
    min_frames: ClassVar[int] = 4
    PRESETS: ClassVar = {
        # every name begins with the name of the family; add Published(...) where a paper states figures
        "@NAME@-tiny": Preset("small enough to train in minutes", Input(16, 64, 64), {"width": 16}, num_classes=10,
                              views=(1, 1)),
    }

    def __init__(self, *, input: Input, num_classes: int = 0, width: int = 16):
        super().__init__(input=input, num_classes=num_classes)
        self.dim = 4 * width
        self.net = nn.Sequential(
            nn.Conv3d(len(input.mean), width, 3, stride=(1, 2, 2), padding=1), nn.GELU(),
            nn.Conv3d(width, 2 * width, 3, stride=2, padding=1), nn.GELU(),
            nn.Conv3d(2 * width, self.dim, 3, stride=2, padding=1))
        self.head = linear_head(self.dim, num_classes)

    def num_tokens(self, num_frames: int, height: int, width: int) -> int:
        """Return N: a token for every 4 frames and 8x8 pixels."""
        self.check(num_frames, height, width)
        return -(-num_frames // 4) * -(-height // 8) * -(-width // 8)

    def encode(self, frames: Tensor) -> Features:
        return features_of_map(self.net(frames.transpose(1, 2)))  # (B, T, C, H, W) -> (B, C, T, H, W)
'''

ENCODER_TEST = '''"""@NAME@: shapes, and a round trip through a folder."""

from __future__ import annotations

from pathlib import Path

import torch
from @MODULE@ import @CLASS@

NAME = "@NAME@-tiny"


def test_features_have_the_shape_that_was_promised() -> None:
    encoder = @CLASS@.create(NAME).eval()
    i = encoder.input
    clip = torch.randint(0, 256, (2, i.num_frames, 3, i.height, i.width), dtype=torch.uint8)
    features = encoder(clip)
    assert features.tokens.shape == (2, encoder.num_tokens(i.num_frames, i.height, i.width), encoder.dim)
    assert features.pooled.shape == (2, encoder.dim_pooled)
    assert encoder.logits(clip).shape == (2, encoder.num_classes)


def test_a_folder_gives_the_same_encoder(tmp_path: Path) -> None:
    encoder = @CLASS@.create(NAME, labels=("left", "right")).eval()
    encoder.save_pretrained(tmp_path)
    again = @CLASS@.from_pretrained(tmp_path).eval()
    clip = torch.rand(1, encoder.input.num_frames, 3, encoder.input.height, encoder.input.width)
    assert again.labels == ("left", "right")
    assert torch.equal(again.logits(clip), encoder.logits(clip))


def test_gradients_reach_every_weight() -> None:
    encoder = @CLASS@.create(NAME)
    i = encoder.input
    encoder.logits(torch.rand(1, i.num_frames, 3, i.height, i.width)).sum().backward()
    assert all(weight.grad is not None for weight in encoder.parameters())
'''

PLUGIN_PROJECT = '''[build-system]
requires = ["hatchling>=1.24"]
build-backend = "hatchling.build"

[project]
name = "mmvideo-@NAME@"
version = "0.1.0"
description = "The video encoder @NAME@ for mmvideo."
requires-python = ">=3.11"
dependencies = ["mmvideo"]

[project.entry-points."mmvideo.encoders"]
@NAME@ = "@MODULE@:@CLASS@"

[tool.hatch.build.targets.wheel]
packages = ["@MODULE@"]
'''

PLUGIN_README = '''# mmvideo-@NAME@

@DOCS@

    pip install -e .
    mmvideo show @NAME@
    mmvideo train DATA --encoder @NAME@-tiny
'''

RECIPE_TEST = '''"""The recipe @NAME@ fits together."""

from __future__ import annotations

from pathlib import Path

from mmvideo.recipes import load_recipe
from mmvideo.stages.build import build

RECIPE = @WHERE@


def test_the_stages_fit_together() -> None:
    recipe = load_recipe(RECIPE)
    assert recipe.name == "@NAME@"
    assert len(build(recipe)) == len(recipe.stages)
'''

CONFIG_TEST = '''"""The config @NAME@ can be run: keys, names and ranges, without data or weights."""

from __future__ import annotations

from pathlib import Path

from mmvideo.@CHECKER@

CONFIG = @WHERE@


def test_the_config_can_be_run(tmp_path: Path) -> None:
    plan = @CHECK@(CONFIG, out=tmp_path / "run")
    assert plan.@KIND@ == "@PART@"
'''


def filled(template: str, **values: str) -> str:
    """Return a template with its @NAMES@ filled in."""
    for name, value in values.items():
        template = template.replace(f"@{name.upper()}@", value)
    return template


__all__ = ["CONFIG_TEST", "ENCODER", "ENCODER_TEST", "PLUGIN_PROJECT", "PLUGIN_README", "RECIPE_TEST", "filled"]
