"""Camera motion from learned matching: which way does the camera turn, zoom, roll, or does it shake.

Notable features:
- looks at luma only, 16 frames of 64x64, each normalised by its own mean and spread against brightness changes;
- a small network describes 8x8 places of a frame; each is compared with a 9x9 neighbourhood in a later frame at two
  resolutions (a cost volume, as in PWC-Net, https://arxiv.org/abs/1709.02371, and CorrNet,
  https://arxiv.org/abs/2303.03202), so what reaches the classifier is motion and not texture;
- frames are compared 1, 3, 7 and 15 apart: fast motion shows in the short steps, slow motion in the long ones;
- beside it the places that hold still near the border are counted, to a fraction of a pixel (`still_places`, `drift`):
  a person who moves before a still camera leaves some all around, a moving camera hardly any.

Names say what the camera does: see docs/camera-motion.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmvideo import weights
from mmvideo.camera_motion.drift import stillness
from mmvideo.camera_motion.still_places import NUM_FACTS, border_quarters, still_facts
from mmvideo.encoders.preset import Input, Preset
from mmvideo.errors import InvalidInput, UnknownName, WeightsError
from mmvideo.nn.load_part import load_part
from mmvideo.types import Features

LABELS = ("static", "pan left", "pan right", "tilt up", "tilt down", "zoom in", "zoom out", "roll left", "roll right",
          "shake")
"""The ten classes, in the order of the logits."""

SPAN_SECONDS = (1.0, 2.0)
"""The shortest and the longest span of time that the 16 frames may cover."""

RADIUS = 4
PLACES = 8
LUMA = (0.299, 0.587, 0.114)


def frame_pairs(num_frames: int) -> list[tuple[int, int]]:
    """List the pairs of frames that are compared: all neighbours, then steps of about 1/5, 1/2 and the whole clip."""
    last = num_frames - 1
    pairs = [(t, t + 1) for t in range(last)]
    fifth, half = max(2, last // 5), last // 2
    pairs += [(t, t + fifth) for t in range(0, last - fifth + 1, fifth)]
    return [*pairs, (0, half), (last - half, last), (0, last)]


def _norm_relu(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())


class CameraMotion(nn.Module):
    """Describe how the camera moved over a clip of 16 frames.

    Args:
        preset: a name in `PRESETS`.

    Raises:
        UnknownName: no such preset.
    """

    PRESETS: ClassVar = {
        "camera-motion": Preset(
            "which way the camera turns, zooms or rolls, over 1 to 2 seconds", Input(16, 64, 64),
            {"dim": 96, "width": 32, "hidden": 48, "decision": 64}, num_classes=len(LABELS),
            weights="embedded: camera-motion"),
    }

    quarters: Tensor
    fine_index: Tensor
    coarse_index: Tensor

    def __init__(self, preset: str = "camera-motion"):
        super().__init__()
        if preset not in self.PRESETS:
            raise UnknownName("camera-motion preset", preset, self.PRESETS)
        self.preset = preset
        given, options = self.PRESETS[preset].input, self.PRESETS[preset].options
        self.dim = options["dim"]
        self.dim_pooled = self.dim + options["decision"] + 1
        self.num_frames = given.num_frames
        self.input_size = (given.height, given.width)
        width, hidden = options["width"], options["hidden"]
        pairs = frame_pairs(self.num_frames)
        self.register_buffer("pairs", torch.tensor(pairs), persistent=False)
        self.fine = nn.Sequential(
            nn.Conv2d(1, width, 8, stride=4, padding=2, bias=False), _norm_relu(width),
            nn.Conv2d(width, width, 3, padding=1, bias=False), _norm_relu(width),
            nn.Conv2d(width, width, 1))
        self.coarse = nn.Sequential(
            nn.Conv2d(width, width, 3, stride=2, padding=1, bias=False), _norm_relu(width),
            nn.Conv2d(width, width, 3, padding=1))
        reach = (2 * RADIUS + 1) ** 2
        self.match = nn.Sequential(
            nn.Conv2d(2 * reach, hidden, 1, bias=False), _norm_relu(hidden),
            nn.Conv2d(hidden, hidden, 3, padding=1, bias=False), _norm_relu(hidden),
            nn.Conv2d(hidden, hidden, 3, stride=2, padding=1, bias=False), _norm_relu(hidden))
        self.pair_token = nn.Sequential(nn.Linear(hidden * 16, self.dim), nn.ReLU())
        self.clip = nn.Sequential(
            nn.Linear(len(pairs) * self.dim, 160), nn.ReLU(), nn.Dropout(0.1), nn.Linear(160, self.dim), nn.ReLU())
        self.still = nn.Sequential(
            nn.Linear(NUM_FACTS, 24), nn.ReLU(), nn.Dropout(0.1), nn.Linear(24, 24), nn.ReLU())
        self.decision = nn.Sequential(nn.Linear(self.dim + 24, options["decision"]), nn.ReLU())
        self.register_buffer("quarters", border_quarters(self.input_size[0]), persistent=False)
        for name, side in (("fine_index", self.input_size[0] // 4), ("coarse_index", self.input_size[0] // 8)):
            self.register_buffer(name, _window_index(side), persistent=False)

    @classmethod
    def create(cls, preset: str) -> CameraMotion:
        """Build a preset with random weights.

        Raises:
            UnknownName: no such preset.
        """
        return cls(preset)

    def num_tokens(self, num_frames: int, height: int, width: int) -> int:
        """Return N: one token per compared pair of frames, whatever the frame size.

        Raises:
            InvalidInput: not the number of frames that the preset takes.
        """
        if num_frames != self.num_frames:
            raise InvalidInput(f"camera-motion takes {self.num_frames} frames over 1 to 2 seconds, not {num_frames}; "
                               f"sample {self.num_frames} frames.")
        return len(frame_pairs(num_frames))

    def forward(self, frames: Tensor) -> Features:
        """Encode clips.

        Args:
            frames: (B, 16, C, H, W), C 1 or 3, uint8 in [0, 255] or float in [0, 1]; any H, W (resized to 64x64).

        Returns:
            Features with the 15 neighbouring pairs on the grid (15, 1, 1) and the 8 wider pairs as extra tokens. Of
            the `dim_pooled` pooled features the 64 before the last are computed from those before them and the places
            that hold still; the last is what `drift.stillness` says.

        Raises:
            InvalidInput: another shape or another number of frames.
        """
        tokens, moved, facts = self.look(frames)
        num_extra = tokens.shape[1] - (self.num_frames - 1)
        return Features(tokens=tokens, grid=(self.num_frames - 1, 1, 1), pooled=self.decide(moved, facts),
                        num_extra=num_extra)

    def look(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Match frames, and measure which places hold still.

        Args:
            frames: as of `forward`.

        Returns:
            Tokens (B, 23, 96), what they say together (B, 96), and the facts of `still_facts` with that of
            `drift.stillness` as the last, (B, NUM_FACTS + 1).

        Raises:
            InvalidInput: another shape or another number of frames.
        """
        if frames.ndim != 5 or frames.shape[2] not in (1, 3):
            raise InvalidInput(f"camera-motion takes (B, T, C, H, W) with C of 1 or 3, not {tuple(frames.shape)}.")
        self.num_tokens(*frames.shape[1:2], *frames.shape[3:])
        batch, num_frames = frames.shape[:2]
        luma = self._luma(frames)
        fine = self.fine(self._normalised(luma))
        coarse = F.normalize(self.coarse(F.relu(fine)), dim=1).unflatten(0, (batch, num_frames))
        fine = F.normalize(fine, dim=1).unflatten(0, (batch, num_frames))
        volume = torch.cat([self._compare(fine, self.fine_index, 2), self._compare(coarse, self.coarse_index, 1)], 1)
        seen = self.match(volume).flatten(1)
        tokens = self.pair_token(seen).unflatten(0, (batch, -1))
        clips = luma.unflatten(0, (batch, num_frames)).squeeze(2)
        facts = [find(clips, self.quarters) for find in (still_facts, stillness)]
        return tokens, self.clip(tokens.flatten(1)), torch.cat(facts, 1)

    def decide(self, moved: Tensor, facts: Tensor) -> Tensor:
        """Join what the matching and the still places say to the pooled features, (B, dim_pooled)."""
        facts = facts.to(moved.dtype)
        held = self.still(facts[:, :-1] * 4 - 1)
        return torch.cat([moved, self.decision(torch.cat([moved, held], 1)), facts[:, -1:]], 1)

    def _luma(self, frames: Tensor) -> Tensor:
        """Turn frames into luma in [0, 1], float (B * T, 1, 64, 64)."""
        scale = 1 / 255 if frames.dtype == torch.uint8 else 1.0
        flat = frames.flatten(0, 1).to(self.fine[0].weight.dtype)
        if flat.shape[1] == 3:
            flat = (flat * flat.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
        if flat.shape[-2:] != self.input_size:
            flat = F.interpolate(flat, size=self.input_size, mode="bilinear", antialias=True, align_corners=False)
        return flat * scale

    def _normalised(self, luma: Tensor) -> Tensor:
        """Give each frame mean 0 and a spread of about 1."""
        centred = luma - luma.mean((2, 3), keepdim=True)
        return centred / (centred.square().mean((2, 3), keepdim=True).sqrt() + 0.02)

    def _compare(self, maps: Tensor, index: Tensor, step: int) -> Tensor:
        """Correlate 8x8 places of a frame with the 9x9 neighbourhood of each in the paired frame.

        Args:
            maps: unit-length descriptors (B, T, D, S, S).

        Returns:
            Correlations (B * pairs, 81, 8, 8).
        """
        first, second = self.pairs.unbind(1)
        places = maps[..., step // 2::step, step // 2::step].flatten(3)[:, first].flatten(0, 1).transpose(1, 2)
        targets = F.pad(maps.flatten(3), (0, 1))[:, second].flatten(0, 1)  # one zero place for "outside the frame"
        scores = torch.bmm(places, targets).gather(2, index.expand(places.shape[0], -1, -1))
        return scores.transpose(1, 2).unflatten(2, (PLACES, PLACES))

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> CameraMotion:
        """Load the encoder of a folder with `config.json` and `model.safetensors` (keys `encoder.*`), strictly.

        Raises:
            WeightsError: a file is missing or does not fit.
        """
        config = weights.config(Path(folder))
        if not isinstance(config.get("preset"), str):
            raise WeightsError(f"{Path(folder).name}/config.json has no 'preset'; this is not a camera-motion model.")
        return load_part(cls(config["preset"]), folder, "encoder.")


def _window_index(side: int) -> Tensor:
    """Index, for each of 8x8 places on a side x side map, its 9x9 neighbourhood; `side * side` means outside.

    Returns:
        int64 (1, 64, 81).
    """
    step = side // PLACES
    at = torch.arange(PLACES) * step + step // 2
    offset = torch.arange(-RADIUS, RADIUS + 1)
    rows = at[:, None] + offset
    inside = (rows >= 0) & (rows < side)
    index = rows[:, None, :, None] * side + rows[None, :, None, :]
    both = inside[:, None, :, None] & inside[None, :, None, :]
    return torch.where(both, index, side * side).reshape(1, PLACES * PLACES, -1)
