"""What finds spans of time in a video: the everyday model's facts, a trained localiser, a hub model with phrases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.localization.everyday_spans import KINDS, everyday_spans
from mmvideo.localization.result import Localization, as_segments
from mmvideo.localization.spans import LocatedSpan, in_order
from mmvideo.registry import find
from mmvideo.stages.base import looked_at
from mmvideo.stages.readers import ObservedReader, ViewOptions
from mmvideo.types import Clips, Domain, Expected
from mmvideo.vlm.composed import Composed, read_config


class Locator:
    """Base of what the stage `locate` runs.

    Args:
        options: the stage.
        device: where networks go; None for one that only takes what it will look at.
    """

    takes: frozenset[str]
    """Options of the stage that have an effect."""
    kind: str
    """For messages, as "a trained localiser"."""
    alone: bool = False
    """Whether what is looked at is too large to be sent to another process before the network sees it."""

    def __init__(self, options: Any, device: torch.device | None):
        self.options = options

    def modules(self) -> dict[str, nn.Module]:
        """Return the networks."""
        raise NotImplementedError

    def take(self, media: Any) -> tuple[Clips, Any]:
        """Take what is looked at; needs no network.

        Returns:
            The frames that the result remembers, and what else `locate` needs.
        """
        raise NotImplementedError

    def locate(self, items: Sequence[tuple[Clips, Any]], size: int) -> list[Localization]:
        """Find spans in several videos; networks see `size` rows in every pass."""
        raise NotImplementedError

    def result(self, spans: Sequence[LocatedSpan], clips: Clips, domain: Domain, warnings: Sequence[str] = ()
               ) -> Localization:
        """Return what the pipeline gives: spans sure enough, in order."""
        kept = tuple(in_order(one for one in spans if one.score >= self.options.min_score))
        confidence = sum(one.score for one in kept) / len(kept) if kept else 0.0
        return Localization(located=kept, segments=as_segments(kept), confidence=confidence,
                            seconds_looked_at=looked_at(clips), in_domain=domain, model=str(self.options.weights),
                            rule=clips.rule, warnings=(*warnings, *clips.notes))


class EverydayLocator(Locator):
    """Spans from the facts of the everyday model, or another that answers from facts.

    Raises:
        InvalidInput: a kind or label that cannot be.
        UnknownName: no such kind.
        WeightsError: weights are missing or damaged.
    """

    takes = frozenset(("kinds", "labels", "start_seconds", "end_seconds", "min_score"))
    kind = "a model that answers from facts"

    def __init__(self, options: Any, device: torch.device | None):
        super().__init__(options, device)
        for kind in options.kinds or ():
            if kind not in KINDS:
                raise UnknownName("kind of segment", kind, KINDS)
        home, model = options.home(), None
        view = ViewOptions(start_seconds=options.start_seconds, end_seconds=options.end_seconds)
        if device is None:
            observer = find("observers", read_config(home).parts["observer"])
        else:
            model = Composed.from_pretrained(home, device=device, only_ask=True)
            encoder: Any = model.parts["encoder"]
            model.parts["encoder"] = encoder.fold() if hasattr(encoder, "fold") else encoder
            observer = model.parts["observer"]
        self.reader = ObservedReader(model, observer, view)
        self.reader.modules()  # loads what has weights of its own

    def modules(self) -> dict[str, nn.Module]:
        """Return the encoder and the networks that find facts; the language model is not asked."""
        return {name: part for name, part in self.reader.modules().items() if name not in ("language", "projector")}

    def take(self, media: Any) -> tuple[Clips, Any]:
        """Keep frames and sound of the whole span."""
        taken = self.reader.take(media, Expected())
        return taken.clips, taken.prepared

    def locate(self, items: Sequence[tuple[Clips, Any]], size: int) -> list[Localization]:
        """Find the facts that have times."""
        model = self.reader.model
        assert model is not None, "it was loaded before it was divided"
        seen = self.reader.observer.observe(model.parts["encoder"], [looked for _, looked in items])
        spans = [everyday_spans(one.facts, one.looked.cuts) for one in seen]
        return [self.result([one for one in some if self._wanted(one)], clips, observation.domain)
                for some, (clips, _), observation in zip(spans, items, seen, strict=True)]

    def _wanted(self, one: LocatedSpan) -> bool:
        """Whether a span is of a kind and label that were asked for; a label may be a part of the words, as "moves"."""
        kinds, labels = self.options.kinds, self.options.labels
        words = f" {one.label.lower().replace(':', '').replace(',', '')} "
        return (kinds is None or one.kind in kinds) and (
            labels is None or any(f" {label.lower().strip()} " in words for label in labels))


def check_labels(name: str, labels: Sequence[str] | None) -> None:
    """Refuse a list that is empty or holds an empty text.

    Raises:
        InvalidInput: it is so.
    """
    if labels is not None and (not labels or not all(isinstance(one, str) and one.strip() for one in labels)):
        raise InvalidInput(f"{name} must be one or more texts, not {list(labels)}; leave it out to be given all.")


__all__ = ["EverydayLocator", "Locator", "check_labels"]
