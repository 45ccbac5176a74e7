"""Fit the last layers of camera-motion: what to say of matches and of places that hold still.

    python -m mmvideo.camera_motion.training.decision --init mmvideo/embedded/camera-motion --out runs/camera-decision

The matching network stays as it is in `--init`. A third of the clips have balanced classes, the others show people
who move, static in every second clip; what the network says of each clip is kept in the run's folder, so that an
interrupted run goes on. The fit itself takes seconds. Last, what the drift of places says
(`mmvideo.camera_motion.drift`) is added to the logit of "static" as it is; with `--only-drift` nothing else is done.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mmvideo.camera_motion.encoder import LABELS
from mmvideo.camera_motion.training.data import make_clips
from mmvideo.camera_motion.training.train import CameraLearner, begin_with, export
from mmvideo.errors import WeightsError, shown
from mmvideo.training import checks

FIRST_SEED = 500_000
"""Far from the seeds of `camera_motion`, and in the training range."""
STATIC, SHAKE = LABELS.index("static"), LABELS.index("shake")
log = logging.getLogger("mmvideo.training")


@dataclass(frozen=True)
class DecisionTraining:
    """Options of the fit."""

    seed: int = 1
    parts: int = 5
    """Parts of balanced classes."""
    people_parts: int = 10
    """Parts of people who move; static in every second clip."""
    part_clips: int = 1500
    passes: int = 10
    batch: int = 128
    learning_rate: float = 0.003
    weight_decay: float = 0.01
    shake_weight: float = 2.0
    """Weight of the loss on shakes, the class most easily taken for people who move."""
    static_weight: float = 0.7
    """Weight of the loss on still cameras, of which half of the clips of people are; chosen on windows of the training
    parts of real clips: at most 2.5 % of the still ones are taken for motion."""

    def __post_init__(self) -> None:
        checks.at_least(1, parts=self.parts, people_parts=self.people_parts, part_clips=self.part_clips,
                        passes=self.passes, batch=self.batch)
        checks.over_zero(learning_rate=self.learning_rate, shake_weight=self.shake_weight,
                         static_weight=self.static_weight)


def measured(learner: CameraLearner, options: DecisionTraining, out: Path) -> dict[str, Tensor]:
    """Make the clips, and return what the frozen network says of them; parts that are in the folder are read.

    Returns:
        `moved` (N, dim), `facts` (N, NUM_FACTS + 1) and `labels` (N,).

    Raises:
        WeightsError: a part in the folder is damaged.
    """
    found = []
    wanted = [(n, people) for people in (0, 1) for n in range(options.people_parts if people else options.parts)]
    for number, people in wanted:
        path = out / f"part-{number}{people}.safetensors"
        if not path.is_file():
            clips = make_clips(FIRST_SEED + 10 * number + people, options.part_clips, people=float(people))
            save_file(_look(learner, clips.frames) | {"labels": clips.labels}, path)
            log.info("%d clips %s, part %d", len(clips), "of people" if people else "of balanced classes", number + 1)
        try:
            found.append(load_file(path))
        except (SafetensorError, OSError) as error:
            raise WeightsError(f"{path} is damaged ({shown(str(error))}); delete it to make it anew.") from error
    return {name: torch.cat([part[name] for part in found]) for name in found[0]}


@torch.inference_mode()
def _look(learner: CameraLearner, frames: Tensor) -> dict[str, Tensor]:
    learner.eval()
    seen = [learner.encoder.look(some)[1:] for some in frames.split(64)]
    moved, facts = (torch.cat(column) for column in zip(*seen, strict=True))
    return {"moved": moved, "facts": facts}


def fit(learner: CameraLearner, data: dict[str, Tensor], options: DecisionTraining) -> float:
    """Train `still` and `decision` of the encoder anew, and what the head makes of the latter.

    Returns:
        The share of the clips that are named rightly afterwards.
    """
    torch.manual_seed(options.seed)
    encoder, score, dim = learner.encoder, learner.head.score, learner.encoder.dim
    moved, facts, labels = data["moved"], data["facts"], data["labels"]
    base = F.linear(moved, score.weight[:, :dim], score.bias).detach()
    added = nn.Linear(encoder.dim_pooled - dim - 1, len(LABELS), bias=False)
    nn.init.zeros_(added.weight)
    learned = [*encoder.still.parameters(), *encoder.decision.parameters(), *added.parameters()]
    optimizer = torch.optim.AdamW(learned, lr=options.learning_rate, weight_decay=options.weight_decay)
    steps = max(1, options.passes * len(labels) // options.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, options.learning_rate, total_steps=steps + 1)
    weight = torch.ones(len(LABELS))
    weight[STATIC], weight[SHAKE] = options.static_weight, options.shake_weight
    weight = weight[labels]
    for layer in (*encoder.still, *encoder.decision):
        if isinstance(layer, nn.Linear):
            layer.reset_parameters()
    encoder.still.train()
    for _ in range(steps):
        some = torch.randint(len(labels), (options.batch,))
        logits = base[some] + added(encoder.decide(moved[some], facts[some])[:, dim:-1])
        loss = (F.cross_entropy(logits, labels[some], reduction="none") * weight[some]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    encoder.still.eval()
    with torch.no_grad():
        score.weight[:, dim:-1] = added.weight
        add_drift(learner)
        logits = F.linear(encoder.decide(moved, facts), score.weight, score.bias)
    return float((logits.argmax(1) == labels).float().mean())


def add_drift(learner: CameraLearner) -> None:
    """Let the head add what the drift of places says to the logit of "static"."""
    with torch.no_grad():
        learner.head.score.weight[:, -1] = 0.0
        learner.head.score.weight[STATIC, -1] = 1.0


def fit_decision(options: DecisionTraining | None, init: str | Path, out: Path) -> None:
    """Fit, and write `model.safetensors` and `config.json` with its calibration; without options, add the drift alone.

    Raises:
        WeightsError: `init` does not fit.
    """
    torch.manual_seed(options.seed if options is not None else 0)
    learner = CameraLearner("camera-motion")
    begin_with(learner, init)
    out.mkdir(parents=True, exist_ok=True)
    if options is None:
        add_drift(learner)
    else:
        log.info("%.4f of the training clips are named rightly", fit(learner, measured(learner, options, out), options))
    export(learner, out)


def _main() -> None:
    """Read the command line, and fit."""
    parser = argparse.ArgumentParser(description="Fit the last layers of camera-motion.")
    parser.add_argument("--init", default="mmvideo/embedded/camera-motion", type=Path)
    parser.add_argument("--out", default="runs/camera-decision", type=Path)
    parser.add_argument("--seed", default=DecisionTraining.seed, type=int)
    parser.add_argument("--only-drift", action="store_true", help="fit nothing; add what the drift of places says")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options = None if arguments.only_drift else DecisionTraining(seed=arguments.seed)
    fit_decision(options, arguments.init, arguments.out)


if __name__ == "__main__":
    _main()


__all__ = ["DecisionTraining", "add_drift", "fit", "fit_decision", "measured"]
