"""Last step: what was trained is put together into one model folder, in float16."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmvideo import recipes, weights
from mmvideo.errors import MediaNotFound
from mmvideo.everyday.training.language import DIM_SEEN
from mmvideo.registry import find
from mmvideo.training import resume
from mmvideo.training.trainer import Trainer
from mmvideo.vlm.composed import JOINED, RECIPE, ClipSpec, write_config
from mmvideo.vlm.language_model import LanguageModel
from mmvideo.vlm.prompt import WORDS

LOOK = ClipSpec(num_frames=4, height=224, width=224, window_seconds=12.0)
LONGEST = 32
"""Tokens of a reply."""


@dataclass(frozen=True)
class ModelOptions:
    """Options of `configs/train/everyday-model.yaml`."""

    language: str
    """A finished run of everyday-language or everyday-reward."""
    words: str
    """A finished run of everyday-words."""
    seed: int = 0
    steps: int = 1
    batch: int = 1

    def record(self) -> dict[str, Any]:
        """Return what `run.json` keeps, see `mmvideo.training.resume`."""
        options = asdict(self)
        schedule = {"steps": options.pop("steps"), "seed": options.pop("seed"), "batch_size": options.pop("batch")}
        return resume.record(schedule, {"trainer": "everyday-model", "options": options, "data": {}})


def write_model(options: ModelOptions, out: Path) -> None:
    """Write `out`/model.

    Raises:
        MediaNotFound: a run is absent.
    """
    language, words, home = Path(options.language), Path(options.words), out / "model"
    for needed in (language / "language", language / "projector", words / "words"):
        if not needed.is_dir():
            raise MediaNotFound(f"{needed} is absent; run the training steps before (docs/everyday.md).")
    home.mkdir(parents=True, exist_ok=True)
    shutil.copytree(language / "projector", home / "projector", dirs_exist_ok=True)
    told = LanguageModel.from_pretrained(language / "language")
    told.model.half()
    told.save_pretrained(home / "language")
    head = find("heads", "words").from_pretrained(words / "words")
    observer = find("observers", "everyday")(dim=DIM_SEEN, words=list(head.words))
    observer.words.load_state_dict(head.state_dict())
    observer.save_pretrained(home / "observer", half=True)
    write_config(home, {"encoder": "lite0", "projector": "mlp2x", "observer": "everyday"}, LOOK, WORDS, JOINED, LONGEST,
                 {"encoder": "lite0"})
    recipes.load_recipe("video-qa").save(home / RECIPE)
    weights.seal(home)


TRAINER = Trainer(write_model, options=ModelOptions)

__all__ = ["TRAINER", "ModelOptions", "write_model"]
