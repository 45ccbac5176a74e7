"""Training recipes: a YAML file names a trainer and its options."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from pathlib import Path

import yaml

from mmvideo.errors import RecipeError, UnknownName
from mmvideo.training.loop import Schedule

TRAINERS = {
    "toybox-language": "mmvideo.training.toybox_language",
    "toybox-perception": "mmvideo.training.toybox_perception",
    "toybox-joint": "mmvideo.training.toybox_joint",
    "classifier": "mmvideo.training.classifier",
    "probe": "mmvideo.training.probe",
    "separator": "mmvideo.training.separator",
    "composed": "mmvideo.training.composed",
    "videomae-pretrain": "mmvideo.training.videomae",
}


def run(config: Path, *, out: Path | None = None, steps: int | None = None) -> Path:
    """Run a training recipe in a folder, from the start or from where it stopped.

    Returns:
        The folder.

    Raises:
        RecipeError: the file is not a training recipe; unknown keys are named.
    """
    raw = yaml.safe_load(Path(config).read_text())
    if not isinstance(raw, dict) or "trainer" not in raw:
        raise RecipeError(f"{config}: a training recipe is a mapping with the key 'trainer'.")
    trainer = raw.pop("trainer")
    if trainer not in TRAINERS:
        raise UnknownName("trainer", trainer, TRAINERS)
    raw.pop("about", None)
    schedule = raw.pop("schedule", {})
    allowed = {f.name for f in dataclasses.fields(Schedule)}
    for key in schedule:
        if key not in allowed:
            raise UnknownName(f"key under schedule in {config}", key, allowed)
    if steps:
        schedule["steps"] = steps
    train = importlib.import_module(TRAINERS[trainer]).train
    options = set(inspect.signature(train).parameters) - {"out", "schedule"}
    for key in raw:
        if key not in options:
            raise UnknownName(f"key in {config}", key, options)
    folder = out or Path("runs") / Path(config).stem
    train(folder, schedule=Schedule(**schedule), **raw)
    return folder
