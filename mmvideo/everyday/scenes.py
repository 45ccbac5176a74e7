"""Where a picture was taken: indoors or outdoors, and in what kind of place, from Lite0's pooled features.

Linear classifiers, fitted with what people wrote about photographs (`mmvideo.everyday.training.scenes`): a place is
right where the captions of a photograph name it, so its probability is that of being named.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmvideo.nn.pretrained import Pretrained
from mmvideo.types import Label

PLACES: Mapping[str, str] = {
    "beach": r"beach|shore|shoreline|seashore|sand dunes?",
    "ocean": r"ocean|sea|waves?|surf|surfing|surfer|surfboard",
    "lake or river": r"lake|river|pond|creek|stream|kayaks?|canoe|rapids",
    "swimming pool": r"pool",
    "snow": r"snow|snowy|snowboard\w*|ski|skis|skier|skiers|skiing|sled|ice",
    "mountains or rocks": r"mountain|mountains|mountainside|cliff|rock face|climber|climbing|hiking|hikers?|boulders?",
    "forest": r"forest|woods|wooded|trail",
    "grass": r"grass|grassy|field|meadow|lawn|pasture|yard|backyard",
    "sand or dirt": r"dirt|sand|sandy|desert|mud|muddy",
    "street": r"street|road|sidewalk|crosswalk|city|traffic|intersection|alley|parking lot",
    "park or playground": r"park|playground|swing|swings|slide",
    "sports field": r"soccer|football|baseball|rugby|lacrosse|softball|stadium|racetrack",
    "court or gym": r"court|basketball|tennis|gym|volleyball",
    "race track": r"race|racing|racer|racers|motocross|dirt bike|dirt bikes",
    "skate park": r"skateboard\w*|skate|ramp|half-?pipe",
    "stage": r"stage|concert|microphone|guitar|band|perform\w*",
    "restaurant or shop": r"restaurant|cafe|bar|store|shop|market|counter",
    "room": r"room|couch|sofa|bed|kitchen|carpet|floor|office|desk|table|bathroom|bathtub|chair",
}
"""Name of a kind of place -> the words of captions that name it, as a regular expression."""
INDOORS = r"room|couch|sofa|bed|kitchen|carpet|office|desk|bathroom|bathtub|indoors?|inside|restaurant|bar|gym"
OUTDOORS = (r"beach|shore|ocean|sea|waves?|lake|river|pond|snow|snowy|mountains?|cliff|forest|woods|grass|grassy|field|"
            r"meadow|street|road|sidewalk|park|yard|backyard|sand|sandy|dirt|trees?|outdoors?|outside|sky|hill|trail|"
            r"motocross|surf\w*|ski\w*|snowboard\w*")
"""Words that say that a picture was taken indoors, or outdoors."""


class EverydayScenes(Pretrained):
    """Pooled features of Lite0 -> the probability of indoors, and that each kind of place is named.

    Args:
        dim: width of the pooled features.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, *, dim: int = 1280):
        super().__init__()
        self.config = {"dim": dim}
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("spread", torch.ones(dim))
        self.score = nn.Linear(dim, 1 + len(PLACES))

    def logits(self, pooled: Tensor) -> Tensor:
        """Return logits (M, 1 + len(PLACES)): indoors, then PLACES in order."""
        return self.score(((pooled.float().sqrt() - self.mean) / self.spread).clamp(-6, 6))

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Return the probability of indoors (M,) and those of PLACES (M, len(PLACES))."""
        found = self.logits(pooled).sigmoid()
        return found[:, 0], found[:, 1:]

    @torch.inference_mode()
    def describe(self, pooled: Tensor) -> tuple[Label, tuple[Label, ...]]:
        """Describe one shot by its pictures (M, dim): "indoors" or "outdoors", and PLACES, likeliest first."""
        indoors, places = (x.mean(0) for x in self(pooled))
        share = float(indoors)
        where = Label("indoors", share) if share >= 0.5 else Label("outdoors", 1 - share)
        ranked = sorted(zip(PLACES, places.tolist(), strict=True), key=lambda item: -item[1])
        return where, tuple(Label(name, confidence) for name, confidence in ranked)


__all__ = ["INDOORS", "OUTDOORS", "PLACES", "EverydayScenes"]
