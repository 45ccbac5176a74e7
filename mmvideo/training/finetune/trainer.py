"""Trainer `finetune`: a preset of the zoo learns the labels of your own clips, from pretrained weights where it can."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmvideo.encoders.base import VideoEncoder
from mmvideo.errors import InvalidInput, UnreadableClips
from mmvideo.labelled import splits
from mmvideo.labelled.augment import Augmentation, says_sides
from mmvideo.labelled.clip_cache import GB, ClipCache, FrameSpec
from mmvideo.labelled.measures import MAIN, measure_predictions
from mmvideo.labelled.read import fingerprinted, read_labelled
from mmvideo.labelled.rows import SPLITS, LabelledTable
from mmvideo.training.clip_data import LabelledClips
from mmvideo.training.finetune import pretrained
from mmvideo.training.finetune.best import Best
from mmvideo.training.finetune.kept_features import KeptFeatures, splits_into_frames
from mmvideo.training.finetune.low_rank import add_low_rank, merge_low_rank
from mmvideo.training.finetune.model_folder import fold_scale, package_versions, save_model
from mmvideo.training.finetune.options import SCHEDULE, FinetuneOptions
from mmvideo.training.finetune.progress import TrainingProgress, write_curves
from mmvideo.training.finetune.table_clips import TableClips
from mmvideo.training.finetune.targets import Targets, freeze_named, frozen_norms
from mmvideo.training.loop import Schedule, TrainingRun
from mmvideo.training.trainer import Trainer
from mmvideo.wording import plural

log = logging.getLogger("mmvideo.training")
CHUNK = 32
"""Held-out clips at a time."""
UNREADABLE = "unreadable.tsv"
_SIDE = 8 / 7
"""Kept frames are so much larger than those that are seen, so that crops have room."""


def train_finetune(options: FinetuneOptions, out: Path) -> None:
    """Train as the options say; a run that was stopped goes on where it was.

    The folder then holds `model`, `splits.tsv`, `run.json`, `curves.csv`, `curves.png`, `figures.json` and, where
    clips were skipped, `unreadable.tsv`.

    Raises:
        MediaNotFound: no data.
        InvalidInput: data that cannot be read or divided, options that do not fit.
        UnreadableClips: clips that are missing or damaged, without `skip_unreadable`.
        RunChanged: the folder holds a run of other data or options.
        WeightsError: pretrained weights that do not fit.
    """
    began = time.monotonic()
    torch.manual_seed(options.seed)
    seen = pretrained.training_input(options.encoder, frames=options.frames, size=options.size, fps=options.fps,
                                     focus=options.focus, channels=options.channels)
    cache = ClipCache(Path(options.cache).expanduser() if options.cache else out.parent / ".clips",
                      FrameSpec(seen.num_frames, round(min(seen.height, seen.width) * _SIDE), seen.fps, seen.focus),
                      max_bytes=int(options.cache_gb * GB), workers=options.workers)
    table = prepare_table(options, cache, out)
    data = TableClips(table, cache, size=(seen.height, seen.width), augmentation=_augmentation(options, table),
                      repeats=options.repeats, workers=options.workers, seed=options.seed)
    some = torch.stack([data.view(place, 0) for place in range(min(16, len(data.rows["train"])))])
    encoder, filled, source = pretrained.build_pretrained(options.encoder, table.names, seen, form=options.form,
                                                          pretrained=options.pretrained, clips=some)
    encoder.outputs = table.task
    if table.task != "classes":
        encoder.config["outputs"] = table.task
    log.info("%s begins with %s", options.encoder, source)
    held = freeze_named(encoder, options.freeze, filled)
    if options.lora:
        layers = add_low_rank(encoder, options.lora, filled, some[:1])
        source = f"{source}, LoRA of rank {options.lora} in {plural(len(layers), 'layer')}"
        log.info("low-rank changes of rank %d in %s; other pretrained weights stay", options.lora,
                 plural(len(layers), "layer"))
    norms = frozen_norms(encoder, options.norm, bool(filled))
    finetuning = Finetuning(options, out, table, data, encoder, filled, norms, held)
    finetuning.train()
    minutes = (time.monotonic() - began) / 60
    took = f"{options.epochs} epochs at most, {minutes:.1f} minutes on {finetuning.run.accelerator.device.type}"
    if finetuning.run.accelerator.is_main_process:
        finetuning.finish(source, took)


def prepare_table(options: FinetuneOptions, cache: ClipCache, out: Path) -> LabelledTable:
    """Read the data, decode them, divide them, and write down how.

    Raises:
        UnreadableClips: some cannot be used, and are not to be skipped.
    """
    table = fingerprinted(read_labelled(options.data, options, extract_to=cache.root / "extracted"))
    for note in table.notes:
        log.info("%s: %s", table.name, note)
    bad = cache.prepare(table.rows, progress=True)
    if bad:
        lines = ["clip\twhere\treason", *(f"{one.row.clip}\t{one.row.where}\t{one.reason}" for one in bad)]
        out.mkdir(parents=True, exist_ok=True)
        (out / UNREADABLE).write_text("\n".join(lines) + "\n", encoding="utf-8")
        if not options.skip_unreadable:
            told = "\n".join(f"  {one.row.where}: {one.reason}" for one in bad[:10])
            more = f"\n  and {len(bad) - 10} more" if len(bad) > 10 else ""
            raise UnreadableClips(f"{plural(len(bad), 'clip')} of {len(table.rows)} cannot be used:\n{told}{more}\n"
                                  f"All are listed in {out / UNREADABLE}. Mend them, or leave them out with "
                                  "--skip-unreadable.", len(bad))
        log.warning("%s of %d left out (%s)", plural(len(bad), "clip"), len(table.rows), out / UNREADABLE)
        lost = {id(one.row) for one in bad}
        table = replace(table, rows=tuple(row for row in table.rows if id(row) not in lost))
        gone = set(table.names) - {label for row in table.rows for label in row.labels}
        if table.task != "numbers" and gone:
            raise InvalidInput(f"No clip that can be read is left of {', '.join(sorted(gone))}; mend the clips, or "
                               "leave the label out with --exclude.")
    known = len(table.notes)
    table = splits.split(table, options)
    for note in table.notes[known:]:
        log.info("%s: splits %s", table.name, note)
    counts = Counter(row.split for row in table.rows)
    log.info("%s: %s, %s (%s)", table.name, ", ".join(f"{counts[name]} {name}" for name in SPLITS if counts[name]),
             plural(len(table.names), "label" if table.task != "numbers" else "number"), table.task)
    splits.write_splits(table, out)
    if not counts["train"]:
        raise InvalidInput(f"{table.name} has no clip to learn from.")
    return table


def _augmentation(options: FinetuneOptions, table: LabelledTable) -> Augmentation:
    sided = says_sides(table.names)
    flip = options.flip == "yes" or (options.flip == "auto" and not sided)
    if options.flip == "auto" and sided and options.augment != "none":
        log.info("a label says left or right, so clips are not mirrored (--flip yes to do so)")
    return Augmentation(options.augment, flip=flip, magnitude=options.randaugment)


class Finetuning:
    """One run.

    Args:
        filled: names of the parameters that pretrained weights filled.
        norms: batch normalisations whose statistics stay.
        frozen: whether something does not learn.
    """

    def __init__(self, options: FinetuneOptions, out: Path, table: LabelledTable, data: TableClips,
                 encoder: VideoEncoder, filled: set[str], norms: list[nn.Module], frozen: bool):
        self.options, self.out, self.table, self.data, self.encoder = options, out, table, data, encoder
        self.norms = norms
        num = len(data.rows["train"]) * options.repeats
        self.steps_per_epoch = max(1, -(-num // options.batch))
        schedule = self._schedule(bool(filled))
        self.targets = Targets(table.task, data.targets["train"], smoothing=options.label_smoothing,
                               balanced=options.class_weights == "balanced", mixup=options.mixup, cutmix=options.cutmix,
                               stills=options.stills)
        rates = (lambda name: 1.0 if name in filled else options.head_rate) if filled else None
        kept = {"trainer": "finetune", "options": options.kept(), "data": data.identity(),
                "versions": package_versions()}
        self.run = TrainingRun(out, nn.ModuleDict({"encoder": encoder}), schedule, kept=kept, rates=rates)
        self.best = Best(out, MAIN[table.task], less=table.task == "numbers",
                         patience=options.patience * self.steps_per_epoch)
        self.run.told = TrainingProgress(schedule, self.steps_per_epoch, self.best.in_words)
        self.features: KeptFeatures | None = None
        if frozen and splits_into_frames(encoder, norms):
            self.features = KeptFeatures(encoder, data, options.views, out)

    def _schedule(self, filled: bool) -> Schedule:
        o, per = self.options, self.steps_per_epoch
        steps = max(1, o.epochs * per)
        rate = o.learning_rate or (3e-4 if filled else 1e-3)
        return Schedule(steps=steps, batch_size=o.batch_size, learning_rate=rate,
                        warmup=max(1, min(2 * per, steps // 10)), decay=0.9, log_every=max(1, min(per // 4, 50)),
                        save_every=per, report_to=o.report_to,
                        **{name: getattr(o, name) for name in SCHEDULE
                           if name not in ("epochs", "batch_size", "learning_rate", "max_grad_norm")},
                        clip=o.max_grad_norm)

    def train(self) -> None:
        """Take the steps, measure after each epoch, keep the best weights."""
        batch, data = self.options.batch_size, self.data
        held_out = (data.size("validation") or 0) > 0
        if self.features is not None:
            self.features.compute(self.run.accelerator.device)

        def make(number: int) -> LabelledClips:
            indices = range(number * batch, (number + 1) * batch)
            return data.draw(indices, "train") if self.features is None else self.features.draw(indices)

        def loss(clips: LabelledClips) -> tuple[Tensor, dict[str, float]]:
            for part in self.norms:
                part.eval()
            frames, target, partner, share = self.targets.mixed(clips)
            return self.targets.loss(self.logits(frames), target, partner, share)

        def evaluate() -> dict[str, float]:
            figures = self.measured("validation")
            self.best.judge(figures, self.run.parts["encoder"], self.run.done)
            return figures

        self.run.train(make, loss, evaluate=evaluate if held_out else None, evaluate_every=self.steps_per_epoch,
                       stop=self.best.exhausted if held_out and self.options.patience else None)

    def logits(self, clips: Tensor) -> Tensor:
        """Return logits of clips, or of the vectors of their frames where these are kept."""
        clips = clips.to(self.run.accelerator.device)
        encoder: Any = self.encoder
        if self.features is not None:
            return encoder.classify(encoder.over_time(clips))
        return encoder.logits(clips)

    @torch.no_grad()
    def scores(self, split: str) -> np.ndarray:
        """Return probabilities, or numbers in their own units, of the clips of a split, (N, C)."""
        num, found = self.data.size(split) or 0, []
        for first in range(0, num, CHUNK):
            places = range(first, min(first + CHUNK, num))
            clips = (self.data.draw(places, split).frames if self.features is None
                     else self.features.held_out(places, split))
            found.append(self.targets.scores(self.logits(clips).float().cpu()))
        return torch.cat(found).numpy() if found else np.zeros((0, len(self.table.names)))

    def measured(self, split: str) -> dict[str, float]:
        """Return the figures that are logged after each epoch."""
        scores, truth = self.scores(split), self.data.targets[split].numpy()
        return self.targets.quick(scores, truth)

    def finish(self, source: str, took: str) -> None:
        """Write the model with the best weights, the curves and the figures."""
        network: Any = self.run.parts["encoder"]
        self.best.restore(network)
        network.eval()
        if self.options.lora:
            merge_low_rank(network)
        figures: dict[str, Any] = {}
        split = next((name for name in ("test", "validation") if self.data.size(name)), "")
        if split:
            rows = self.data.rows[split]
            figures = {"split": split, **measure_predictions(
                self.data.targets[split].numpy(), self.scores(split), self.table.names, self.table.task,
                [row.group for row in rows])}
            name = MAIN[self.table.task]
            low, high = figures["intervals"][name]
            log.info("%s of %s: %s %.3f (95 %% interval %.3f to %.3f)", split, plural(len(rows), "clip"),
                     name.replace("_", " "), figures[name], low, high)
        if self.table.task == "numbers":
            fold_scale(network, self.targets.mean, self.targets.deviation)
        save_model(network, self.out / "model", options=self.options, table=self.table, source=source, figures=figures,
                   took=took)
        (self.out / "figures.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
        write_curves(self.out, self.run.schedule)


TRAINER = Trainer(train_finetune, options=FinetuneOptions, begin_with=("pretrained", "model"))

__all__ = ["TRAINER", "UNREADABLE", "Finetuning", "prepare_table", "train_finetune"]
