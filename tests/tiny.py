"""A small model of the real classes with random weights, in the shape that ships: it speaks, but knows nothing."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from mmvideo import media, weights
from mmvideo.camera_motion.encoder import LABELS, CameraMotion
from mmvideo.heads.linear import LinearHead
from mmvideo.toybox.training import parts as toybox_parts
from mmvideo.types import Audio, Features


class AlwaysInside(nn.Module):
    """A domain head for tests: the score is the mean of the pooled features, everything is inside."""

    @classmethod
    def from_pretrained(cls, folder: Path) -> AlwaysInside:
        assert Path(folder).is_dir()
        return cls()

    def forward(self, features: Features) -> tuple[Tensor, Tensor]:
        score = features.pooled.mean(1)
        return score, torch.ones_like(score, dtype=torch.bool)


class AlwaysOutside(AlwaysInside):
    """A domain head for tests that knows nothing."""

    def forward(self, features: Features) -> tuple[Tensor, Tensor]:
        score, inside = super().forward(features)
        return score, ~inside


def make_qa(folder: Path) -> Path:
    """Write an encoder, a projector and a language model."""
    torch.manual_seed(0)
    sizes = toybox_parts.Sizes(dim=32, depth=1, dim_resampler=24, depth_resampler=1, dim_llm=24, depth_llm=1)
    toybox_parts.save_parts(folder, toybox_parts.new_encoder(sizes), toybox_parts.new_resampler(sizes),
                            toybox_parts.new_language(sizes))
    weights.seal(folder)
    return folder


def make_camera(folder: Path) -> Path:
    """Write a camera-motion encoder with its head and calibration."""
    torch.manual_seed(0)
    encoder = CameraMotion()
    head = LinearHead(encoder.dim_pooled, LABELS)
    parts = nn.ModuleDict({"encoder": encoder, "head": head})
    folder.mkdir(parents=True, exist_ok=True)
    save_file(parts.state_dict(), folder / "model.safetensors")
    config = {"preset": encoder.preset, "dim": encoder.dim_pooled, "labels": list(LABELS), "temperature": 1.5,
              "threshold": 0.05, "span_seconds": [1.0, 2.0]}
    (folder / "config.json").write_text(json.dumps(config))
    weights.seal(folder)
    return folder


def make_clip(path: Path, *, seconds: float = 2.0, fps: int = 10, sound: bool = True) -> Path:
    """Write a small moving pattern, with a tone, as mp4."""
    torch.manual_seed(1)
    num = round(seconds * fps)
    texture = torch.nn.functional.interpolate(torch.rand(1, 3, 12, 24), size=(72, 144), mode="bilinear")[0] * 255
    frames = torch.stack([texture[:, :, 2 * t % 40:2 * t % 40 + 96] for t in range(num)]).round().to(torch.uint8)
    times = torch.arange(round(seconds * 16_000)) / 16_000
    samples = (0.4 * torch.sin(2 * torch.pi * 440 * times))[None]
    media.write_video(path, frames, fps=fps, audio=Audio(samples, 16_000) if sound else None)
    return path
