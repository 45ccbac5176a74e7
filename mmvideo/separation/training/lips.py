"""Teach a separator's lip network real mouths without its trunk, at a tenth of the cost of mixtures.

The trunk already understands what its lip network says of drawn mouths, and a drawn mouth can be moved by any voice.
So what the trained lip network says of mouths drawn to a real person's voice is what it should say of that person's
filmed mouth: it is taught by itself (distillation, Hinton et al. 2015, arXiv:1503.02531). Training on mixtures follows.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmvideo.errors import InvalidInput
from mmvideo.recipes import options_from
from mmvideo.separation.mouth_mask import LipNet, MouthMask
from mmvideo.separation.streaming_state import Past
from mmvideo.separation.training.bank import voice_files, voices_bank
from mmvideo.separation.training.mixes import MixRule, SpeechMixer
from mmvideo.separation.training.people import FilmedSources
from mmvideo.separation.training.store import FRAMES, Stretches
from mmvideo.training import checks
from mmvideo.training.loop import Schedule, TrainingRun
from mmvideo.training.resume import digest
from mmvideo.training.trainer import Trainer

_LOOKS = 3
"""Drawn faces whose cues are averaged into one target, so that it depends on the voice alone."""
_AT_ONCE = 32
_EVALUATION_SEED = 977


class LipTeacher:
    """What a trained lip network says of each voice of a store, by mouths drawn to it.

    Args:
        lips: the trained network; it is not changed.
        mixer: with the voices.
        seed: of the drawn faces.
    """

    def __init__(self, lips: LipNet, mixer: SpeechMixer, *, seed: int = 0):
        store, generator = mixer.store, torch.Generator().manual_seed(seed)
        lips = copy.deepcopy(lips).eval()
        tables = []
        for frames, gestures in zip(store.frames, store.each_gestures(), strict=True):
            windows = -(-int(frames) // FRAMES)
            padded = torch.cat([gestures, gestures[-1:].expand(windows * FRAMES - int(frames), -1)])
            said = torch.zeros(windows, FRAMES, lips.norm.normalized_shape[0])
            for _ in range(_LOOKS):
                for start in range(0, windows, _AT_ONCE):
                    some = padded.view(windows, FRAMES, -1)[start:start + _AT_ONCE]
                    with torch.no_grad():
                        mouths = mixer.drawn(some, generator)
                        said[start:start + _AT_ONCE] += lips(mouths, torch.ones(mouths.shape[:2], dtype=torch.bool),
                                                             Past()) / _LOOKS
            tables.append(said.flatten(0, 1)[:int(frames)].half())
        self._store, self._table = store, torch.cat(tables)
        rows = self._table.float()
        self.mean, self.spread = rows.mean(0), rows.std(0).clamp_min(0.05)

    def __call__(self, some: Stretches) -> Tensor:
        """Return the targets of stretches, standardised, float32 (N, 64, dim)."""
        said = self._store.between_frames(self._table, some)
        return self.scaled(said)

    def scaled(self, said: Tensor) -> Tensor:
        """Return what a lip network says, less the mean of the targets, in their standard deviations."""
        return (said - self.mean) / self.spread


def lip_loss(lips: LipNet, teacher: LipTeacher, mouths: Tensor, some: Stretches) -> Tensor:
    """Return the mean squared distance of what is said of mouths (N, 64, 48, 48), uint8, from what should be."""
    said = lips(mouths.float() / 255, torch.ones(mouths.shape[:2], dtype=torch.bool), Past())
    return (teacher.scaled(said.float()) - teacher(some)).square().mean()


@torch.no_grad()
def matched(lips: LipNet, teacher: LipTeacher, mouths: Tensor, some: Stretches, speaker: np.ndarray) -> float:
    """Return how often a mouth is nearer to its own voice than to that of another speaker, over all such pairs."""
    said = teacher.scaled(lips(mouths.float() / 255, torch.ones(mouths.shape[:2], dtype=torch.bool), Past()).float())
    meant = teacher(some)
    said, meant = (x - x.mean(1, keepdim=True) for x in (said, meant))
    alike = torch.einsum("itd,jtd->ij", said, meant) / meant.square().sum((1, 2)).sqrt()
    other = torch.from_numpy(speaker[:, None] != speaker[None])
    wins = (alike.diagonal()[:, None] > alike)[other]
    return float(wins.float().mean())


def check_lips(voices: str, init: str, evaluate_every: int, faces_every: int, mixes: dict[str, Any] | None) -> None:
    """Raise on options that cannot be, before any data is read; they are those of `train_lips`."""
    if not voices or not init:
        raise InvalidInput("'voices' must name a folder of speech and 'init' a trained separator's folder.")
    checks.at_least(1, evaluate_every=evaluate_every, faces_every=faces_every)
    options_from(MixRule, mixes or {}, "mixes")


def train_lips(out: Path, *, schedule: Schedule, voices: str, init: str, faces: str = "",
               more_faces: list[str] | None = None, people: str = "", people_held_out: list[str] | None = None,
               faces_every: int = 1, cache: str = "runs/separator-cache", mixes: dict[str, Any] | None = None,
               evaluate_every: int = 200) -> None:
    """Teach the lip network of a separator filmed mouths; save the separator under `out`.

    Args:
        voices: folder of speech without faces.
        init: folder of a trained `MouthMask`; its lip network also is the teacher.
        faces: as of the trainer `separator`, like the following.
        more_faces: the same.
        people: the same.
        people_held_out: groups for the curve.
        faces_every: of the clips of `faces`, one in so many is used.
        cache: folder that the mouths cut out of films are kept in.
        mixes: changes of `MixRule`; only what is said of single faces counts.
        evaluate_every: steps between points of the curve.

    Raises:
        MediaNotFound: a folder without data.
        WeightsError: `init` is no `MouthMask`.
    """
    options = checks.begin(check_lips, locals())
    torch.manual_seed(schedule.seed)
    model = MouthMask.from_pretrained(init)
    films = FilmedSources(faces, tuple(more_faces or ()), people, tuple(people_held_out or ()), faces_every, cache)
    known = {"voices": digest(p.name for p in voice_files(voices)), "faces": films.digests()}
    mixer = SpeechMixer(voices_bank(voices), films.bank(held_out=False), options_from(MixRule, mixes or {}, "mixes"))
    held = SpeechMixer([], films.bank(held_out=True), MixRule(real_face=1, jitter=0), mixer.eigen)
    teacher, judge = LipTeacher(model.lips, mixer), LipTeacher(model.lips, held)
    judge.mean, judge.spread = teacher.mean, teacher.spread
    lips = model.lips.requires_grad_(True)
    run = TrainingRun(out, nn.ModuleDict({"lips": lips}), schedule,
                      kept={"trainer": "separator-lips", "options": options, "data": known})

    def loss(batch: tuple[Stretches, Tensor]) -> tuple[Tensor, dict[str, float]]:
        return lip_loss(lips, teacher, batch[1], batch[0]), {}

    def evaluate() -> dict[str, float]:
        batches = [held.faces(number, 24, seed=_EVALUATION_SEED) for number in range(4)]
        return {"distance": float(np.mean([float(lip_loss(lips, judge, mouths, some)) for some, mouths in batches])),
                "matched": float(np.mean([matched(lips, judge, mouths, some, held.store.speaker[some.voice])
                                          for some, mouths in batches]))}

    run.train(lambda number: mixer.faces(number, schedule.batch_size, seed=schedule.seed), loss, evaluate=evaluate,
              evaluate_every=evaluate_every)
    model.eval().save_pretrained(out / "separator", half=True)


TRAINER = Trainer(train_lips, check_lips, begin_with=("init", "separator"))

__all__ = ["TRAINER", "LipTeacher", "check_lips", "lip_loss", "matched", "train_lips"]
