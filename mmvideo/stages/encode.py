"""Stages `encode`, `project` and `domain`: clips -> features -> embeddings, and whether a clip is in the domain."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mmvideo import weights as weight_files
from mmvideo.deadline import check
from mmvideo.errors import RecipeError
from mmvideo.nn.interruptible import interruptible
from mmvideo.nn.token_reduction import evened, merged, still
from mmvideo.registry import find
from mmvideo.stages.base import Stage, set_by_load
from mmvideo.stages.suggestion import suggestion
from mmvideo.types import Clips, Domain, Features

_SIZES = 8
"""To how many different numbers of tokens clips are brought where places are left out."""


@dataclass(kw_only=True)
class Encode(Stage):
    """Run a registered encoder over the clips."""

    needs: ClassVar = ("clips",)
    gives: ClassVar = ("features",)

    encoder: str
    weights: str
    batch_size: int = 16
    """Clips at a time; bounds the memory that a long video takes."""
    drop_below: float | None = None
    """Do not look again at places whose pixels changed by less than this share of their range since they were last
    looked at, as VideoLLaMA 3 (0.1 there); their tokens stay as they were. Null looks at all."""
    network: Any = set_by_load()
    device: torch.device = set_by_load()

    def load(self, device: torch.device) -> None:
        """Load the encoder's weights.

        Raises:
            RecipeError: `drop_below` is out of range, or the encoder cannot leave places out.
        """
        if self.drop_below is not None and not 0 <= self.drop_below <= 1:
            raise RecipeError(f"encode: drop_below is a share of the range of a pixel, 0 to 1, not {self.drop_below}.")
        kind = find("encoders", self.encoder)
        if self.drop_below is not None and "gone" not in inspect.signature(kind.forward).parameters:
            raise RecipeError(f"encode: {self.encoder} looks at whole frames and takes no drop_below; toybox-av and "
                              "videomae do.")
        folder = weight_files.part(self.weights, "encoder")
        self.network, self.device = interruptible(kind.from_pretrained(folder).to(device).eval()), device

    def modules(self) -> dict[str, nn.Module]:
        """Return the encoder."""
        return {"encoder": self.network} if self.network is not None else {}

    def __call__(self, *, clips: Clips) -> dict[str, Any]:
        """Return the features of every clip.

        Raises:
            RecipeError: the encoder hears at another sample rate than the clips have.
        """
        wanted = getattr(self.network, "sample_rate", None)
        if clips.audio is not None and wanted not in (None, clips.sample_rate):
            raise RecipeError(f"{self.encoder} hears at {wanted} Hz: set sample_rate: {wanted} in the sample stage, "
                              f"not {clips.sample_rate}.")
        parts = []
        for start in range(0, clips.frames.shape[0], self.batch_size):
            check()
            chosen = slice(start, start + self.batch_size)
            frames = clips.frames[chosen].to(self.device)
            sound = None if clips.audio is None else clips.audio[chosen].to(self.device)
            heard = torch.full((frames.shape[0],), clips.has_audio, device=self.device)
            parts.append(self._look(frames, sound, heard))
        return {"features": joined(parts)}

    def _look(self, frames: Tensor, sound: Tensor | None, heard: Tensor, *, alone: bool = False) -> Features:
        """Run the network on clips; where places are left out, on those together that keep as many.

        Args:
            alone: run each clip by itself, so that its features do not depend on its neighbours.
        """
        hears = "audio" in inspect.signature(self.network.forward).parameters
        given = {"audio": sound, "has_audio": heard} if hears else {}
        if self.drop_below is None:
            return self.network(frames, **given)
        grid = self.network.grid
        gone = torch.stack([still(clip, grid, self.drop_below) for clip in frames])
        gone = evened(gone, max(1, gone.shape[1] // _SIZES))
        kinds: dict[int, list[int]] = {}
        for row, count in enumerate(gone.sum(1).tolist()):
            kinds.setdefault(row if alone else count, []).append(row)
        parts, order = [], []
        for rows in kinds.values():
            check()
            mine = {name: None if x is None else x[rows] for name, x in given.items()}
            parts.append(self.network(frames[rows], gone=gone[rows], **mine))
            order += rows
        back = torch.tensor(order).argsort()
        whole = joined(parts)
        return Features(whole.tokens[back], whole.grid, whole.pooled[back], whole.num_extra)

    def batch(self, items: Sequence[Mapping[str, Any]], *, size: int) -> list[dict[str, Any]]:
        """Encode the clips of several videos in passes of exactly `size` rows."""
        clips = [fields["clips"] for fields in items]
        kinds: dict[Any, list[int]] = {}
        for number, one in enumerate(clips):
            shape = None if one.audio is None else one.audio.shape[1:]
            kinds.setdefault((one.frames.shape[1:], shape, one.sample_rate), []).append(number)
        found: list[dict[str, Any]] = [{} for _ in items]
        for members in kinds.values():
            rows = [(number, row) for number in members for row in range(len(clips[number].frames))]
            parts = []
            for start in range(0, len(rows), size):
                check()
                chosen = rows[start:start + size]
                parts.append(self._together(clips, chosen + [chosen[0]] * (size - len(chosen))))
            for number, features in zip(members, split(joined(parts), [len(clips[m].frames) for m in members]),
                                        strict=True):
                found[number] = {"features": features}
        return found

    def _together(self, clips: Sequence[Clips], rows: Sequence[tuple[int, int]]) -> Features:
        """Encode rows of several videos in one pass; whether there is sound is said of each row."""
        frames = torch.stack([clips[number].frames[row] for number, row in rows]).to(self.device)
        heard_rows = [audio[row] for number, row in rows if (audio := clips[number].audio) is not None]
        sound = torch.stack(heard_rows).to(self.device) if heard_rows else None
        heard = torch.tensor([clips[number].has_audio for number, _ in rows], device=self.device)
        return self._look(frames, sound, heard, alone=True)


def split(features: Features, counts: Sequence[int]) -> list[Features]:
    """Cut features along B into pieces of the given lengths; what is left over is dropped."""
    borders = [0]
    for count in counts:
        borders.append(borders[-1] + count)
    return [Features(tokens=features.tokens[a:b], grid=features.grid, pooled=features.pooled[a:b],
                     num_extra=features.num_extra) for a, b in pairwise(borders)]


def together(features: Sequence[Features], size: int, call: Callable[[Features], list[Any]]) -> list[list[Any]]:
    """Call something on the rows of several videos in passes of exactly `size` rows.

    Args:
        call: takes Features of `size` rows, returns a list with one entry a row.

    Returns:
        For each video the list of its rows' entries.
    """
    found: list[list[Any]] = [[] for _ in features]
    kinds: dict[Any, list[int]] = {}
    for number, one in enumerate(features):
        kinds.setdefault((one.tokens.shape[1:], one.grid), []).append(number)
    for members in kinds.values():
        whole = joined([features[number] for number in members])
        owners = [number for number in members for _ in range(len(features[number].tokens))]
        for start in range(0, len(owners), size):
            check()
            chosen = list(range(start, min(start + size, len(owners))))
            filled = chosen + [start] * (size - len(chosen))
            rows = Features(whole.tokens[filled], whole.grid, whole.pooled[filled], whole.num_extra)
            for owner, entry in zip((owners[row] for row in chosen), call(rows), strict=False):
                found[owner].append(entry)
    return found


def joined(parts: list[Features]) -> Features:
    """Concatenate features of one geometry along B."""
    if len(parts) == 1:
        return parts[0]
    return Features(tokens=torch.cat([p.tokens for p in parts]), grid=parts[0].grid,
                    pooled=torch.cat([p.pooled for p in parts]), num_extra=parts[0].num_extra)


@dataclass(kw_only=True)
class Project(Stage):
    """Bring features into the width of the language model."""

    needs: ClassVar = ("features",)
    gives: ClassVar = ("embeddings",)

    projector: str
    weights: str
    merge_to: float = 1.0
    """Share of the visual tokens that is left once those most alike are merged (ToMe); 1 merges none."""
    network: Any = set_by_load()

    def load(self, device: torch.device) -> None:
        """Load the projector's weights."""
        folder = weight_files.part(self.weights, "projector")
        self.network = find("projectors", self.projector).from_pretrained(folder).to(device).eval()

    def modules(self) -> dict[str, nn.Module]:
        """Return the projector."""
        return {"projector": self.network} if self.network is not None else {}

    def __call__(self, *, features: Features) -> dict[str, Tensor]:
        """Return embeddings, float (B, N, D of the language model)."""
        soft = self.network(features)
        return {"embeddings": soft if self.merge_to == 1 else merged(soft, self.merge_to)}

    def batch(self, items: Sequence[Mapping[str, Any]], *, size: int) -> list[dict[str, Any]]:
        """Project the features of several videos in passes of exactly `size` rows."""
        rows = together([fields["features"] for fields in items], size, lambda some: list(self.network(some)))
        return [{"embeddings": torch.stack(of_one)} for of_one in rows]


@dataclass(kw_only=True)
class KnownDomain(Stage):
    """Say of each clip whether it looks like what the model was trained on."""

    needs: ClassVar = ("features",)
    gives: ClassVar = ("domains",)

    weights: str
    head: str = "domain"
    task: str = "video-qa"
    """Which suggestion is offered outside the domain."""
    network: Any = set_by_load()

    def load(self, device: torch.device) -> None:
        """Load the calibrated head."""
        folder = weight_files.part(self.weights, "domain")
        self.network = find("heads", self.head).from_pretrained(folder).to(device).eval()

    def modules(self) -> dict[str, nn.Module]:
        """Return the head."""
        return {"domain": self.network} if self.network is not None else {}

    def __call__(self, *, features: Features) -> dict[str, tuple[Domain, ...]]:
        """Return one Domain a clip."""
        return {"domains": tuple(self._judge(features))}

    def _judge(self, features: Features) -> list[Domain]:
        scores, inside = self.network(features)
        return [
            Domain(True, score=score) if known else Domain(
                False, f"the picture does not look like what {self.weights} was trained on", suggestion(self.task),
                score)
            for score, known in zip(scores.tolist(), inside.tolist(), strict=True)
        ]

    def batch(self, items: Sequence[Mapping[str, Any]], *, size: int) -> list[dict[str, Any]]:
        """Judge the clips of several videos in passes of exactly `size` rows."""
        rows = together([fields["features"] for fields in items], size, self._judge)
        return [{"domains": tuple(of_one)} for of_one in rows]
