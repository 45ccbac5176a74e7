"""Evaluator `egocentric`: top-1 and top-5 of verb, noun and action on annotated videos, beside the most frequent."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mmvideo import weights as weight_files
from mmvideo.egocentric.annotations import VerbNounSegment, read_annotations
from mmvideo.egocentric.scores import NOUN, UNKNOWN, VERB, split_logits, verb_noun_metrics, verb_noun_split
from mmvideo.egocentric.training.clips import video_files
from mmvideo.encoders import zoo
from mmvideo.encoders.base import VideoEncoder
from mmvideo.encoders.preset import Input
from mmvideo.errors import RecipeError
from mmvideo.evaluation.evaluator import Evaluator
from mmvideo.media import open_source
from mmvideo.recipes import options_from
from mmvideo.sampling import uniform


@dataclass(frozen=True)
class EgocentricSettings:
    """The options of a config."""

    about: str = ""
    videos: str = ""
    """Folder of the files."""
    annotations: str = ""
    """List of EPIC-KITCHENS (.csv) or Ego4D (.json)."""
    weights: str = ""
    """Folder that the trainer `egocentric` wrote."""
    limit: int | None = None
    """Segments at most."""


def check_egocentric_settings(raw: dict[str, Any], where: str) -> EgocentricSettings:
    """Return the options of a config, checked; neither data nor weights are read.

    Raises:
        RecipeError: an unknown or missing key, or a value of another type.
    """
    found = options_from(EgocentricSettings, raw, where)
    for name in ("videos", "annotations", "weights"):
        if not getattr(found, name):
            raise RecipeError(f"{where}: missing {name}.")
    return found


def evaluate_egocentric(raw: dict[str, Any], *, out: Path, where: str) -> Iterator[dict[str, Any]]:
    """Measure a model of verbs and nouns as a config says; write egocentric.json into `out`.

    Segments with a verb or noun that the model does not know count as wrong for it and for the action.

    Yields:
        One report: segments, `verb_top1` to `action_top5`, and `most_frequent`, the top-1 of always saying the most
        frequent verb, noun and action of these very segments.

    Raises:
        RecipeError, MediaNotFound: as `check_egocentric_settings` and `read_annotations`.
        WeightsError: no model of verbs and nouns.
    """
    asked = check_egocentric_settings(raw, where)
    rows = read_annotations(asked.annotations)[:asked.limit]
    files = video_files(Path(asked.videos), {one.video for one in rows})
    network = zoo.load(weight_files.folder(asked.weights)).eval()
    assert isinstance(network, VideoEncoder)
    verbs, nouns = verb_noun_split(network.labels)
    names = {VERB: [network.labels[n] for n in verbs], NOUN: [network.labels[n] for n in nouns]}
    logits = torch.cat([_logits(network, one, files) for one in rows])
    parts = split_logits(logits, network.labels)
    truth = [torch.tensor([_number(names[kind], kind + getattr(one, field)) for one in rows])
             for kind, field in ((VERB, "verb"), (NOUN, "noun"))]
    report: dict[str, Any] = {"segments": len(rows), **verb_noun_metrics(*parts, *truth), "most_frequent": {
        "verb": _most([one.verb for one in rows]), "noun": _most([one.noun for one in rows]),
        "action": _most([(one.verb, one.noun) for one in rows])}}
    out.mkdir(parents=True, exist_ok=True)
    (out / "egocentric.json").write_text(json.dumps(report, indent=1) + "\n")
    yield report


def _logits(network: VideoEncoder, one: VerbNounSegment, files: dict[str, Path]) -> torch.Tensor:
    shape = network.input
    assert isinstance(shape, Input)
    with open_source(files[one.video]) as source, torch.inference_mode():
        clip = uniform(source, num_frames=shape.num_frames, size=(shape.height, shape.width),
                       start_seconds=one.start_seconds, end_seconds=one.end_seconds)
        return network.logits(clip.frames).float()


def _number(names: list[str], name: str) -> int:
    return names.index(name) if name in names else UNKNOWN


def _most(values: list[Any]) -> float:
    return Counter(values).most_common(1)[0][1] / len(values)


EVALUATOR = Evaluator(evaluate_egocentric, check_egocentric_settings)

__all__ = ["EVALUATOR", "EgocentricSettings", "check_egocentric_settings", "evaluate_egocentric"]
