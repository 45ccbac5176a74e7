"""Train the small separator, or its twin without eyes, on mixtures that are made on the way.

    mmvideo train train/separator --out runs/separator
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mmvideo.encoders import zoo
from mmvideo.errors import InvalidInput, RecipeError, UnknownName, WeightsError, shown
from mmvideo.recipes import options_from
from mmvideo.registry import find
from mmvideo.separation.base import Separator
from mmvideo.separation.losses import best_permutation, separation_loss, si_sdr, silent_target
from mmvideo.separation.mouth_mask import MouthMask
from mmvideo.separation.training.bank import Utterance, voice_files, voices_bank
from mmvideo.separation.training.mixes import Mixes, MixRule, SpeechMixer
from mmvideo.separation.training.net2net import grown_separator
from mmvideo.separation.training.people import FilmedSources
from mmvideo.training import checks
from mmvideo.training.loop import Schedule, TrainingRun
from mmvideo.training.resume import digest
from mmvideo.training.trainer import Trainer

_EVALUATION_SEED = 977
_FOR_EVALUATION = 12
"""One voice without a face in this many is kept for the curve."""


def train_separator(out: Path, *, schedule: Schedule, voices: str, faces: str = "", cache: str = "runs/separator-cache",
                    more_faces: list[str] | None = None, people: str = "", people_held_out: list[str] | None = None,
                    faces_every: int = 1, preset: str = "mouth-mask-s", mixes: dict[str, Any] | None = None,
                    init: str = "", evaluate_every: int = 250, evaluate_on: int = 6, first_batch: int = 0) -> None:
    """Train a separator; save it under `out`.

    Args:
        voices: folder of speech without faces (LibriSpeech's .flac).
        faces: folder of clips with one talking face each (GRID); empty to do without.
        cache: folder that the mouths cut out of films are kept in.
        more_faces: folders like `faces`, each of another talker.
        people: folder of clips of many people with their table, clips.tsv; its split "train" is used.
        people_held_out: groups of that split that are kept for the curve.
        faces_every: of the clips of `faces`, one in so many is used.
        preset: of a registered separator; with `init`, one whose weights have the same names and shapes, or one that
            is `init` made wider, deeper, or one whose faces hear of each other.
        mixes: changes of `MixRule`.
        init: a separator's folder to go on from (such as mmvideo/embedded/separator); random weights by default.
        evaluate_every: steps between points of the curve.
        evaluate_on: batches of 16 mixtures that a point is measured on.
        first_batch: number of the first batch: past those that `init` has seen.

    Raises:
        MediaNotFound: a folder without data.
        RecipeError: unknown keys of `mixes`.
        WeightsError: `init` does not fit the preset.
    """
    options = checks.begin(check_separator, locals())
    torch.manual_seed(schedule.seed)
    family = find("separators", _family(preset))
    model = family.create(preset)
    if init:
        _begin_with(model, family.from_pretrained(init), init, preset)
    model.requires_grad_(True)
    rule = options_from(MixRule, mixes or {}, "mixes")
    films = FilmedSources(faces, tuple(more_faces or ()), people, tuple(people_held_out or ()), faces_every, cache)
    known = {"voices": digest(p.name for p in voice_files(voices)), "faces": films.digests()}
    run = TrainingRun(out, nn.ModuleDict({"separator": model}), schedule,
                      kept={"trainer": "separator", "options": options, "data": known})
    learned, kept = _divided(voices_bank(voices))
    device = run.accelerator.device
    mixer = SpeechMixer(learned, films.bank(held_out=False), rule, device=device)
    held = SpeechMixer(kept, films.bank(held_out=True), rule, mixer.eigen, device)

    def make(number: int) -> Mixes:
        return mixer.batch(first_batch + number, schedule.batch_size, seed=schedule.seed)

    def loss(batch: Mixes) -> tuple[Tensor, dict[str, float]]:
        value = losses(model, batch)
        return value.mean(), {"db": -value.detach().median()}

    def evaluate() -> dict[str, float]:
        return separation_figures(model, [held.batch(i, 16, seed=_EVALUATION_SEED) for i in range(evaluate_on)])

    run.train(make, loss, evaluate=evaluate, evaluate_every=evaluate_every)
    model.save_pretrained(out / "separator", half=True)


def _family(preset: str) -> str:
    try:
        return zoo.family_of(preset, "separators")
    except UnknownName as error:
        raise RecipeError(f"preset {shown(preset)} belongs to no separator. {error}") from error


def check_separator(voices: str, preset: str, mixes: dict[str, Any] | None, evaluate_every: int, evaluate_on: int,
                    first_batch: int, faces_every: int) -> None:
    """Raise on options that cannot be, before any data is read; they are those of `train_separator`."""
    if not voices:
        raise InvalidInput("'voices' must name a folder of speech (.flac, .wav); see docs/voices.md.")
    checks.at_least(1, evaluate_every=evaluate_every, evaluate_on=evaluate_on, faces_every=faces_every)
    checks.at_least(0, first_batch=first_batch)
    options_from(MixRule, mixes or {}, "mixes")
    family = find("separators", _family(preset))
    with checks.trial(f"separator {preset}"):
        family.create(preset)


def _begin_with(model: Separator, other: Separator, init: str, preset: str) -> None:
    """Take the weights of another separator, which may be smaller, and differ in what has no weights, as `causal`."""
    smaller = sum(p.numel() for p in other.parameters()) < sum(p.numel() for p in model.parameters())
    try:
        if smaller and isinstance(other, MouthMask) and isinstance(model, MouthMask):
            grows = {key: model.config[key] for key in ("dim", "dilations", "exchange") if key in model.config}
            other = grown_separator(other, {**other.config, **grows})
        model.load_state_dict(other.state_dict(), strict=True)
    except (RuntimeError, WeightsError) as error:
        raise WeightsError(f"{init} does not fit the preset {preset!r}: {error}") from error


def _divided(voices: list[Utterance]) -> tuple[list[Utterance], list[Utterance]]:
    """Keep some speakers for the curve: every twelfth, in the order of their names."""
    speakers = sorted({v.speaker for v in voices})
    kept = set(speakers[::_FOR_EVALUATION])
    return [v for v in voices if v.speaker not in kept], [v for v in voices if v.speaker in kept]


def losses(model: Separator, batch: Mixes) -> Tensor:
    """Return -SNR of each voice, (B, P), in dB, soft-limited at -30; without eyes, of the best order, (B,)."""
    if model.sees:
        return separation_loss(model(batch.mixture, batch.cues), batch.targets, batch.mixture)
    estimate, targets = model(batch.mixture), batch.targets[:, :model.num_outputs]
    if targets.shape[1] < (model.num_outputs or 0):
        raise RecipeError(f"{model.num_outputs} outputs but {targets.shape[1]} voices.")
    return best_permutation(estimate, targets, lambda e, t: _paired(e, t, batch.mixture))[0]


def _paired(estimate: Tensor, target: Tensor, mixture: Tensor) -> Tensor:
    """Loss of every output against every target: (B, 1, O, S) and (B, P, 1, S) -> (B, P, O)."""
    estimate, target = torch.broadcast_tensors(estimate, target)
    b, p, o, s = estimate.shape
    flat = separation_loss(estimate.reshape(b, p * o, s), target.reshape(b, p * o, s), mixture)
    return flat.view(b, p, o)


@torch.no_grad()
def separation_figures(model: Separator, batches: list[Mixes]) -> dict[str, float]:
    """Measure: SI-SDR improvement, share of faces that get their own voice, and how quiet silent faces are.

    Without eyes the best order is taken, which flatters; `right` is then left out.
    """
    gains, right, silence, same, real = [], [], [], [], []
    for batch in batches:
        estimate = model(batch.mixture, batch.cues) if model.sees else model(batch.mixture)
        targets = batch.targets[:, :estimate.shape[1]]
        pairs = si_sdr(estimate.unsqueeze(1), targets.unsqueeze(2))  # (B, target, output)
        if not model.sees:
            order = best_permutation(estimate, targets)[1]
            pairs = pairs.gather(2, order[:, None].expand(-1, pairs.shape[1], -1))
        own = pairs.diagonal(dim1=1, dim2=2)
        speaks = targets.square().mean(-1) > 1e-7
        gain = own - si_sdr(batch.mixture[:, None].expand_as(targets), targets)
        gains.append(gain[speaks])
        both = speaks[:, :2].all(1) & (targets.shape[1] >= 2)
        # the voice of a face must be nearer to its own output than to the other face's
        wins = (own[:, :2] > pairs[:, :2, :2].flip(2).diagonal(dim1=1, dim2=2)).float()
        right.append(wins[both].flatten())
        same.append(gain[(batch.same_voice & both)][:, :2].flatten())
        real.append(gain[(batch.real[:, :gain.shape[1]] & speaks)])
        silence.append(silent_target(estimate, batch.mixture[:, None])[~speaks])
    found = {"si_sdri": torch.cat(gains).mean(), "si_sdri_same_voice": torch.cat(same).mean(),
             "si_sdri_filmed": torch.cat(real).mean(), "silent_db": torch.cat(silence).mean()}
    if model.sees:
        found["right"] = torch.cat(right).mean()
    return {name: float(value) for name, value in found.items()}


TRAINER = Trainer(train_separator, check_separator, begin_with=("init", "separator"))

__all__ = ["TRAINER", "losses", "separation_figures", "train_separator"]
