"""Stage `name_actions`: verb and noun of every window of an egocentric video."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from mmvideo import weights as weight_files
from mmvideo.deadline import check
from mmvideo.egocentric.result import EgocentricActions
from mmvideo.egocentric.scores import NOUN, VERB, action_scores, split_logits, verb_noun_split
from mmvideo.encoders import zoo
from mmvideo.encoders.preset import Input
from mmvideo.errors import InvalidInput, UnsupportedModel
from mmvideo.nn.interruptible import interruptible
from mmvideo.sampling import windows
from mmvideo.sampling.windows import spans_of
from mmvideo.stages.base import Stage, looked_at, set_by_load
from mmvideo.types import NOT_JUDGED, Segment

_BATCH = 8


@dataclass(kw_only=True)
class NameActions(Stage):
    """Score windows with a classifier of verbs and nouns; neighbouring windows with one action become one segment."""

    needs: ClassVar[tuple[str, ...]] = ("media",)
    gives: ClassVar[tuple[str, ...]] = ("clips", "actions")

    weights: str | None = None
    window_seconds: float = 2.0
    min_confidence: float = 0.0
    """Windows whose action is less likely are left out."""
    network: Any = set_by_load()
    device: torch.device = set_by_load()

    def load(self, device: torch.device) -> None:
        """Load the classifier.

        Raises:
            InvalidInput: no model was named.
            UnsupportedModel: it is no encoder of the zoo.
            WeightsError: the folder is damaged, or its labels are no verbs and nouns.
        """
        if self.weights is None:
            raise InvalidInput("This recipe runs a model of yours: give model=FOLDER (--model), written by the trainer "
                               "egocentric.")
        home = weight_files.folder(self.weights)
        if not weight_files.is_encoder(home):
            raise UnsupportedModel(f"{self.weights} is no classifier of verbs and nouns; train one with the trainer "
                                   "egocentric.")
        self.network, self.device = interruptible(zoo.load(home).to(device).eval()), device
        verb_noun_split(self.network.labels)

    def modules(self) -> dict[str, nn.Module]:
        """Return the classifier."""
        return {"network": self.network} if self.network is not None else {}

    def __call__(self, *, media: Any) -> dict[str, Any]:
        """Return the windows that were looked at, and the actions."""
        shape = self.network.input
        assert isinstance(shape, Input)
        clips = windows(media, window_seconds=self.window_seconds, num_frames=shape.num_frames,
                        size=(shape.height, shape.width))
        spans = spans_of(clips, media.start_seconds, media.end_seconds)
        found: list[Segment] = []
        for part, frames in enumerate(clips.frames.split(_BATCH)):
            check()
            logits = self.network.logits(frames.to(self.device)).float().cpu()
            for row, (text, share) in enumerate(self._named(logits)):
                span = spans[part * _BATCH + row]
                if share < self.min_confidence:
                    continue
                if found and found[-1].text == text and found[-1].end_seconds >= span.start_seconds - 1e-3:
                    before = found.pop()
                    found.append(Segment(before.start_seconds, span.end_seconds, text,
                                         max(before.confidence or 0.0, share)))
                else:
                    found.append(Segment(span.start_seconds, span.end_seconds, text, share))
        sure = max((one.confidence or 0.0 for one in found), default=0.0)
        return {"clips": clips, "actions": EgocentricActions(
            confidence=sure, seconds_looked_at=looked_at(clips), in_domain=NOT_JUDGED, segments=tuple(found),
            model=str(self.weights), rule=f"{clips.rule}; the likeliest pair of verb and noun")}

    def _named(self, logits: torch.Tensor) -> list[tuple[str, float]]:
        """Return the likeliest action of each row, as "cut onion", and its probability."""
        labels = self.network.labels
        numbers = verb_noun_split(labels)
        verbs, nouns = (part.softmax(-1) for part in split_logits(logits, labels))
        best = action_scores(verbs, nouns).flatten(1).max(1)
        named = []
        for index, share in zip(best.indices.tolist(), best.values.tolist(), strict=True):
            verb, noun = divmod(index, nouns.shape[1])
            words = labels[numbers[0][verb]].removeprefix(VERB), labels[numbers[1][noun]].removeprefix(NOUN)
            named.append((" ".join(words), share))
        return named


__all__ = ["NameActions"]
