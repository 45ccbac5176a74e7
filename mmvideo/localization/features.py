"""Features of a video over sliding windows, by any encoder: a vector every so many seconds, kept by content.

Legend: T frames, W windows, K vectors of a window, D numbers of a vector.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmvideo import checks, weights
from mmvideo.deadline import check
from mmvideo.encoders import zoo
from mmvideo.errors import InvalidInput
from mmvideo.registry import find
from mmvideo.types import Features
from mmvideo.vlm.composed import is_composed, read_config

FORMAT = 1
"""Part of the name of a kept file; it grows when the same settings give other features."""
_ROWS = 8


@dataclass(frozen=True)
class FeatureSpec:
    """Which features: of what encoder, and how its windows lie."""

    encoder: str
    """An embedded model or a folder: a composed model, whose encoder is taken, or an encoder of the zoo."""
    fps: float = 8.0
    """Frames a second."""
    size: int = 64
    """Side of the square frames, in pixels; the picture is squashed to it."""
    window_frames: int = 16
    hop_frames: int = 8
    """From one window to the next."""
    dense: bool = True
    """Whether each step of the encoder's grid is a vector, with its places side by side; else its pooled output is."""
    sound: bool = True
    """Whether the encoder hears too."""

    def __post_init__(self) -> None:
        checks.number("fps", self.fps, above=0, high=240)
        checks.whole("size", self.size, low=8, high=1024)
        checks.whole("window_frames", self.window_frames, low=1, high=1024)
        checks.whole("hop_frames", self.hop_frames, low=1, high=self.window_frames)


@dataclass(frozen=True)
class FeatureSequence:
    """One vector every `step_seconds`; vector i stands for the time from start + i * step on."""

    values: Tensor
    """float32 (T, D), of float16's precision."""
    start_seconds: float
    step_seconds: float
    inside: float | None = None
    """Share of the windows that look like what the encoder was trained on; None where that is not judged."""

    @property
    def end_seconds(self) -> float:
        """End of the last vector's time."""
        return self.start_seconds + len(self.values) * self.step_seconds


class WindowEncoder:
    """An encoder over windows of frames that lie on a steady clock.

    Raises:
        UnknownName: no such model.
        WeightsError: it holds no video encoder, or its weights are damaged.
    """

    def __init__(self, spec: FeatureSpec, device: torch.device | str = "cpu"):
        self.spec = spec
        home = weights.folder(spec.encoder)
        self.domain: Any = None
        if is_composed(str(home)):
            config = read_config(home)
            if "domain" in config.parts:
                head = find("heads", config.parts["domain"]).from_pretrained(weights.part(home, "domain"))
                self.domain = head.to(device)
            encoder = find("encoders", config.parts["encoder"]).from_pretrained(
                weights.part(config.shared.get("encoder", home), "encoder"))
        else:
            encoder = zoo.load(home)
        self.network: Any = encoder.to(device).eval()
        self.device = torch.device(device)
        self.hears = spec.sound and hasattr(encoder, "sample_rate")

    @property
    def sample_rate(self) -> int | None:
        """Samples a second of the sound that it hears; None for one that does not."""
        return int(self.network.sample_rate) if self.hears else None

    @torch.inference_mode()
    def encode(self, frames: Tensor, sound: Tensor | None = None, *, start_seconds: float = 0.0) -> FeatureSequence:
        """Return the features of a film.

        Args:
            frames: uint8 (T, 3, size, size), one every 1 / fps seconds; a film shorter than a window is seen as one
                whose last frame stays.
            sound: float32 (S,) from the time of the first frame on; None where there is none.
            start_seconds: time of the first frame.

        Raises:
            InvalidInput: no frame.
        """
        if not len(frames):
            raise InvalidInput("features need one frame or more; there is none.")
        spec, count = self.spec, len(frames)
        starts = window_starts(count, spec.window_frames, spec.hop_frames)
        missing = starts[-1] + spec.window_frames - count
        if missing > 0:
            frames = torch.cat((frames, frames[-1:].expand(missing, -1, -1, -1)))
        parts: list[Tensor] = []
        judged: list[Tensor] = []
        for first in range(0, len(starts), _ROWS):
            check()
            some = starts[first:first + _ROWS]
            some = [*some, *[some[-1]] * (_ROWS - len(some))]  # passes have a fixed size: neighbours do not matter
            seen = self.network(torch.stack([frames[s:s + spec.window_frames] for s in some]).to(self.device),
                                **self._heard(sound, some))
            parts.append(self._vectors(seen).float().cpu())
            if self.domain is not None:
                judged.append(self.domain(seen)[1].float().cpu())
        windows = torch.cat(parts)[:len(starts)]  # (W, K, D)
        values, step = _joined(windows, starts, spec.window_frames)
        inside = float(torch.cat(judged)[:len(starts)].mean()) if judged else None
        return FeatureSequence(values[:max(1, round(count / step))].half().float(), start_seconds, step / spec.fps,
                               inside)

    def networks(self) -> dict[str, torch.nn.Module]:
        """Return the networks by name."""
        return {"encoder": self.network, **({"domain": self.domain} if self.domain is not None else {})}

    def _heard(self, sound: Tensor | None, starts: Sequence[int]) -> dict[str, Tensor]:
        if not self.hears or sound is None:
            return {}
        rate = self.network.sample_rate
        length = round(self.spec.window_frames / self.spec.fps * rate)
        rows = []
        for start in starts:
            row = sound[round(start / self.spec.fps * rate):][:length]
            rows.append(torch.nn.functional.pad(row, (0, length - len(row))))
        return {"audio": torch.stack(rows).to(self.device)}

    def _vectors(self, seen: Features) -> Tensor:
        """Return (B, K, D): each step of time with its places side by side, and what was heard in it behind them."""
        if not self.spec.dense:
            return seen.pooled[:, None]
        steps, height, width = seen.grid
        places = height * width
        seen_part = seen.tokens[:, :steps * places].reshape(len(seen.tokens), steps, -1)
        heard = seen.tokens[:, steps * places:]
        if not heard.shape[1]:
            return seen_part
        at = torch.arange(steps)[:, None] * heard.shape[1] / steps + torch.arange(heard_places(seen))
        rows = heard[:, at.floor().long().clamp(max=heard.shape[1] - 1).flatten()]
        return torch.cat((seen_part, rows.reshape(len(rows), steps, -1)), 2)


def heard_places(seen: Features) -> int:
    """Return how many tokens of sound stand beside those of a step of time."""
    return max(1, seen.num_extra // seen.grid[0])


def window_starts(count: int, window: int, hop: int) -> list[int]:
    """Return the first frames of windows that lie over `count` frames; the last ends with them."""
    if count <= window:
        return [0]
    starts = list(range(0, count - window, hop))
    return [*starts, count - window]


def _joined(windows: Tensor, starts: Sequence[int], window: int) -> tuple[Tensor, float]:
    """Lay vectors of windows (W, K, D) on one clock; where windows overlap, the one with its middle nearest counts.

    Returns:
        Vectors (T, D), and the frames from one to the next.
    """
    per = windows.shape[1]
    step = window / per if per > 1 else float(starts[1] - starts[0]) if len(starts) > 1 else float(window)
    length = starts[-1] + window
    times = (np.arange(max(1, round(length / step))) + 0.5) * step
    middles = np.asarray(starts) + window / 2
    nearest = np.abs(times[:, None] - middles).argmin(1)
    inside = ((times - np.asarray(starts)[nearest]) / window * per).clip(0, per - 1).astype(int)
    return windows[torch.from_numpy(nearest), torch.from_numpy(inside)], step


def cache_folder() -> Path:
    """Return where features are kept: `$XDG_CACHE_HOME/mmvideo/features`, below `~/.cache` if unset."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mmvideo" / "features"


class FeatureCache:
    """Features of files, found again by the hash of their content, the settings and the encoder's weights.

    A folder that cannot be read or written keeps nothing; that is no error.

    Args:
        spec: which features.
        folder: where they are kept.
    """

    def __init__(self, spec: FeatureSpec, folder: Path | None = None):
        self.folder = folder or cache_folder()
        home = weights.folder(spec.encoder)
        sums = sorted((path.name, path.stat().st_size, weights.sha256(path)) for path in home.rglob("*.safetensors"))
        self._settings = json.dumps([FORMAT, {**asdict(spec), "encoder": sums}], sort_keys=True)

    def key(self, content: str, span: tuple[float | None, float | None] = (None, None)) -> str:
        """Return the name under which features of a file are kept.

        Args:
            content: SHA-256 of the file.
            span: the part of it that is looked at.
        """
        return hashlib.sha256(f"{content} {span} {self._settings}".encode()).hexdigest()

    def load(self, key: str) -> FeatureSequence | None:
        """Return what is kept, or None."""
        try:
            with np.load(self.folder / f"{key}.npz", allow_pickle=False) as found:
                values = torch.from_numpy(found["values"].astype(np.float32))
                start, step, inside = found["clock"].tolist()
        except (OSError, ValueError, KeyError, EOFError):
            return None
        known = None if math.isnan(inside) else inside
        return FeatureSequence(values, start, step, known) if values.ndim == 2 and step > 0 else None

    def store(self, key: str, features: FeatureSequence) -> None:
        """Keep features, whole or not at all."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".partial", delete=False) as file:
                np.savez(file, values=features.values.numpy().astype(np.float16),
                         clock=np.array([features.start_seconds, features.step_seconds,
                                         math.nan if features.inside is None else features.inside]))
            os.replace(file.name, self.folder / f"{key}.npz")
        except OSError:
            return


__all__ = ["FeatureCache", "FeatureSequence", "FeatureSpec", "WindowEncoder", "cache_folder", "heard_places",
           "window_starts"]
