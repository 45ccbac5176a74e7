"""The plainest head: one linear layer over the pooled features."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from mmvideo import weights
from mmvideo.errors import InvalidInput, WeightsError, shown
from mmvideo.nn.load_part import load_part
from mmvideo.types import Features


class LinearHead(nn.Module):
    """Score labels from pooled features.

    Args:
        dim: width D of the pooled features.
        labels: names of the classes, in the order of the logits.

    Raises:
        InvalidInput: no labels, or one of them twice.
    """

    def __init__(self, dim: int, labels: Sequence[str]):
        super().__init__()
        if not isinstance(labels, list | tuple) or not all(isinstance(label, str) for label in labels) or (
                not labels or len(set(labels)) != len(labels)):
            raise InvalidInput(f"LinearHead needs one or more distinct labels, not {shown(labels)}.")
        if not isinstance(dim, int) or dim < 1:
            raise InvalidInput(f"LinearHead needs a width of 1 or more, not {shown(dim)}.")
        self.labels = tuple(labels)
        self.score = nn.Linear(dim, len(self.labels))

    def forward(self, features: Features) -> Tensor:
        """Return logits, float (B, num_labels)."""
        return self.score(features.pooled)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> LinearHead:
        """Load the head of a folder with `config.json` (`labels`) and `model.safetensors` (keys `head.*`), strictly.

        Raises:
            WeightsError: a file is missing or does not fit.
        """
        config = weights.config(Path(folder))
        if not config.get("labels") or "dim" not in config:
            raise WeightsError(f"{Path(folder).name}/config.json has no 'labels' and 'dim'; it holds no linear head.")
        return load_part(cls(config["dim"], config["labels"]), folder, "head.")
