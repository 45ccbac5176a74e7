"""A trained localiser: which features it takes, its labels, its network, and the rule from points to spans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from mmvideo import checks
from mmvideo.deadline import check
from mmvideo.errors import InvalidInput, WeightsError
from mmvideo.localization.actionformer import ActionFormer
from mmvideo.localization.features import FeatureSequence, FeatureSpec
from mmvideo.localization.spans import LocatedSpan, soft_nms
from mmvideo.nn.pretrained import Pretrained

KIND = "localizer"
"""What config.json says of such a folder."""
LONGEST_STEPS = 4096
"""Vectors in one pass; longer films are seen in passes that overlap by half."""


class Localizer(Pretrained):
    """ActionFormer with its labels and the features that it was trained on.

    Args:
        labels: one name or more, in the order of the network's classes.
        features: fields of `FeatureSpec`.
        network: arguments of `ActionFormer`, without num_classes.
        about: what it was trained on, in words; for results' domain.
        sigma: of Soft-NMS; less lowers the scores of spans that overlap a better one more.
        kind: always "localizer".

    Raises:
        InvalidInput: no label, or one that occurs twice, or a sigma that is not above 0.
    """

    def __init__(self, *, labels: Sequence[str], features: dict[str, Any], network: dict[str, Any], about: str = "",
                 sigma: float = 0.5, kind: str = KIND):
        super().__init__()
        if not labels or len(set(labels)) != len(labels):
            raise InvalidInput(f"A localiser needs one label or more, all different, not {list(labels)}.")
        if kind != KIND:
            raise WeightsError(f"The folder holds a {kind!r}, not a {KIND!r}.")
        self.sigma = checks.number("sigma", sigma, above=0, high=1e6)
        self.labels, self.features, self.about = tuple(labels), FeatureSpec(**features), about
        self.network = ActionFormer(num_classes=len(labels), **network)
        self.config = {"kind": KIND, "labels": list(labels), "features": asdict(self.features),
                       "network": {k: v for k, v in self.network.config.items() if k != "num_classes"}, "about": about,
                       "sigma": self.sigma}

    @torch.inference_mode()
    def locate(self, features: FeatureSequence, *, least: float = 0.05, most: int = 200) -> list[LocatedSpan]:
        """Return spans, the surest first, after Soft-NMS.

        Args:
            features: as `features` of this model says.
            least: lowest score.
            most: spans at most.
        """
        values, step = features.values, features.step_seconds / self.network.finer
        found: list[LocatedSpan] = []
        for first in range(0, max(1, len(values) - LONGEST_STEPS // 2), LONGEST_STEPS // 2):
            check()
            found += self._spans(values[first:first + LONGEST_STEPS], step,
                                 features.start_seconds + first * features.step_seconds, features)
        return soft_nms(found, sigma=self.sigma, least=least, most=most)

    def _spans(self, values: Tensor, step: float, start: float, whole: FeatureSequence) -> list[LocatedSpan]:
        scored = self.network(values[None].to(next(self.parameters()).device))
        segments, scores, labels = self.network.decoded(scored, least=0.01)[0]
        times = (segments.double().cpu() * step + start).clamp(whole.start_seconds, whole.end_seconds)
        return [LocatedSpan(begin, end, self.labels[label], score, "action")
                for (begin, end), score, label in zip(times.tolist(), scores.tolist(), labels.tolist(), strict=True)
                if end > begin]


__all__ = ["KIND", "LONGEST_STEPS", "Localizer"]
