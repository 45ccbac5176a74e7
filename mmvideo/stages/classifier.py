"""What the kinds of classifier behind the stage `classify` have in common, and how scores become a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.results import Classification
from mmvideo.sampling.gather import TimeSpan
from mmvideo.stages.base import looked_at
from mmvideo.types import NOT_JUDGED, Clips, Label

AVERAGES = ("logits", "probabilities")


class Classifier:
    """Base of classifiers."""

    takes: frozenset[str]
    """Options of the stage that have an effect."""
    kind: str
    """For messages."""
    alone: bool = False
    """Whether clips are too large to be sent to another process before the network sees them."""

    def __init__(self, options: Any, device: torch.device | None):
        raise NotImplementedError

    def modules(self) -> dict[str, nn.Module]:
        """Return the networks."""
        raise NotImplementedError

    def take(self, media: Any) -> tuple[Clips, tuple[TimeSpan, ...]]:
        """Return the clips that the network is shown, and the span of each where it gets a label of its own.

        Raises:
            InvalidInput: a number of clips that cannot be taken, or a span that holds nothing.
        """
        raise NotImplementedError

    def classify(self, clips: Clips, spans: Sequence[TimeSpan], source: str) -> Classification:
        """Return the labels of one video.

        Args:
            source: named by errors.
        """
        raise NotImplementedError

    def live(self) -> Any:
        """Return a `CausalLabels` that judges a video as it comes; None for networks that look ahead."""
        return None

    def classify_batch(self, items: Sequence[Mapping[str, Any]], size: int) -> list[Classification]:
        """Return the labels of several videos (fields `clips`, `spans`), independent of the others."""
        return [self.classify(fields["clips"], fields["spans"], "<memory>") for fields in items]


def check_average(average: str | None, top: int | None, batch_size: int | None) -> None:
    """Refuse options that no classifier takes.

    Raises:
        UnknownName: `average` is none of `AVERAGES`.
        InvalidInput: a number below 1.
    """
    if average not in (None, *AVERAGES):
        raise UnknownName("average", str(average), AVERAGES)
    for name, value in (("batch_size", batch_size), ("top", top)):
        if value is not None and value < 1:
            raise InvalidInput(f"classify: {name} must be 1 or more, not {value}.")


def averaged(logits: Tensor, labels: Sequence[str], clips: Clips, *, average: str, top: int | None, rule: str,
             model: str = "", outputs: str = "classes") -> Classification:
    """Return the labels of a video from the logits of its clips.

    Args:
        logits: float (B, number of labels).
        average: "logits" or "probabilities".
        top: how many labels are named; None for all.
        rule: how the clips were averaged, in words.
        outputs: "classes" (probabilities that add up to 1), "tags" (each label by itself), or "numbers", which stand
            in place of confidences, under their names, in the order in which they were learnt.
    """
    if outputs == "numbers":
        return _numbers(logits.mean(0).tolist(), labels, clips, rule=rule, model=model)
    if outputs == "tags":
        shares = logits.mean(0).sigmoid() if average == "logits" else logits.sigmoid().mean(0)
    else:
        shares = logits.mean(0).softmax(-1) if average == "logits" else logits.softmax(-1).mean(0)
    ranked = shares.topk(min(top or len(shares), len(shares)))
    found = tuple(Label(labels[i], p) for i, p in zip(ranked.indices.tolist(), ranked.values.tolist(), strict=True))
    return Classification(label=found[0].name, labels=found, confidence=found[0].confidence,
                          seconds_looked_at=looked_at(clips), in_domain=NOT_JUDGED, model=model,
                          rule=f"{clips.rule}; {rule}")


def _numbers(values: Sequence[float], names: Sequence[str], clips: Clips, *, rule: str, model: str) -> Classification:
    """Return predicted numbers; there is no confidence in them, so it is 0."""
    text = ", ".join(f"{name} {value:.4g}" for name, value in zip(names, values, strict=True))
    return Classification(label=text, labels=tuple(map(Label, names, values)), confidence=0.0,
                          seconds_looked_at=looked_at(clips), in_domain=NOT_JUDGED, model=model,
                          rule=f"{clips.rule}; {rule}")


def scored_in_parts(clips: Clips, batch_size: int, logits: Any) -> Tensor:
    """Return the logits of all clips, float32 (B, number of labels), some at a time."""
    return torch.cat([logits(part) for part in clips.frames.split(batch_size)])


__all__ = ["AVERAGES", "Classifier", "averaged", "check_average", "scored_in_parts"]
