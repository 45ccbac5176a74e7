"""VideoMAE pretraining: an encoder learns from clips without labels, by telling the pixels that it does not see."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Generator, Tensor, nn

from mmvideo.encoders.masked_autoencoder import MaskedAutoencoder
from mmvideo.errors import InvalidInput
from mmvideo.nn.masks import running_cell_mask, tube_mask
from mmvideo.toybox.training.batches import draw_batch
from mmvideo.toybox.training.checks import check_levels, check_scenes
from mmvideo.training import checks
from mmvideo.training.loop import Schedule, TrainingRun
from mmvideo.training.trainer import Trainer

EVALUATED, CHUNK = 128, 32
"""Validation scenes, and how many of them at a time."""


def pretrain_videomae(out: Path, *, schedule: Schedule, levels: dict[str, float], encoder: str = "videomae-tiny",
                      mask_ratio: float = 0.9, decoder_mask_ratio: float = 0.0, depth_decoder: int = 4, init: str = "",
                      first_scene: int = 0) -> None:
    """Pretrain an encoder on toybox clips; save it under `out`/encoder, and with its decoder under `out`/autoencoder.

    Args:
        levels: share of each level of the toybox.
        encoder: a preset of the `videomae` family that takes clips of the toybox (16 frames of 64x64).
        mask_ratio: share of the places that tube masks hide.
        decoder_mask_ratio: share that running cells hide from the decoder (VideoMAE V2: 0.5); 0 for none.
        depth_decoder: layers of the decoder.
        init: an `autoencoder` folder to go on from; a new network by default.
        first_scene: where the training scenes begin: past those that `init` has seen.

    Raises:
        UnknownName: no such preset.
        InvalidInput: the preset takes other clips than the toybox gives, or a ratio that masks cannot have.
    """
    options = checks.begin(check_videomae, locals())
    torch.manual_seed(schedule.seed)
    network = MaskedAutoencoder.from_pretrained(init) if init else MaskedAutoencoder(
        encoder, depth_decoder=depth_decoder)
    network.encoder.check(16, 64, 64)
    run = TrainingRun(out, nn.ModuleDict({"autoencoder": network}), schedule,
                      kept={"trainer": "videomae-pretrain", "options": options})

    def masks(batch: int, generator: Generator | None = None) -> tuple[Tensor, Tensor | None]:
        tubes = tube_mask(network.grid, mask_ratio, batch=batch, generator=generator)
        if not decoder_mask_ratio:
            return tubes, None
        return tubes, running_cell_mask(network.grid, decoder_mask_ratio, batch=batch, generator=generator)

    def make(step: int):
        first = first_scene + step * schedule.batch_size
        return draw_batch(range(first, first + schedule.batch_size), split="train", levels=levels).frames

    def loss(frames: Tensor) -> tuple[Tensor, dict[str, float]]:
        # The loop seeds torch by the step: masks are the same after a restart.
        return network.loss(frames.to(network.mask_token.device), *masks(len(frames))), {}

    def evaluate() -> dict[str, float]:
        generator, told = Generator().manual_seed(0), []
        for i in range(0, EVALUATED, CHUNK):
            frames = draw_batch(range(i, i + CHUNK), split="validation", levels=levels).frames
            told.append(network.loss(frames.to(network.mask_token.device), *masks(CHUNK, generator)))
        return {"loss": float(torch.stack(told).mean())}

    run.train(make, loss, evaluate=evaluate, evaluate_every=500)
    network.encoder.save_pretrained(out / "encoder")
    network.save_pretrained(out / "autoencoder")


def check_videomae(levels: dict[str, float], encoder: str, mask_ratio: float, decoder_mask_ratio: float,
                   depth_decoder: int, first_scene: int) -> None:
    """Raise on options that cannot be, before anything is drawn; they are those of `pretrain_videomae`."""
    check_levels(levels)
    check_scenes(first_scene=first_scene)
    checks.at_least(0, depth_decoder=depth_decoder)
    checks.shares(mask_ratio=mask_ratio, decoder_mask_ratio=decoder_mask_ratio)
    if not mask_ratio > 0:
        raise InvalidInput(f"mask_ratio must be over 0, not {mask_ratio}: what is not hidden teaches nothing.")
    with checks.trial(f"encoder {encoder}"):
        network = MaskedAutoencoder(encoder, depth_decoder=depth_decoder)
    network.encoder.check(16, 64, 64)
    tube_mask(network.grid, mask_ratio)
    if decoder_mask_ratio:
        running_cell_mask(network.grid, decoder_mask_ratio)


TRAINER = Trainer(pretrain_videomae, check_videomae, begin_with=("init", "autoencoder"))

__all__ = ["TRAINER", "check_videomae", "pretrain_videomae"]
