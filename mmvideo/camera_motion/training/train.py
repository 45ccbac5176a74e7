"""Train the camera-motion classifier; an interrupted run continues where it stopped.

    mmvideo train train/camera-motion

Every batch is a function of (seed, step) alone, so a resumed run equals an uninterrupted one. Clips are made in
rounds; each clip is used several times, mirrored, turned and played backwards at random, which changes its label in a
known way. Beside the class, each pair of frames learns the true shift, growth and roll between them (a training aid
whose layer is not kept in the shipped weights).
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mmvideo import weights
from mmvideo.camera_motion.encoder import LABELS, SPAN_SECONDS, CameraMotion
from mmvideo.camera_motion.training.data import CameraClips, make_clips
from mmvideo.errors import InvalidInput, RunChanged, WeightsError, shown
from mmvideo.heads.linear import LinearHead
from mmvideo.nn.load_part import load_part
from mmvideo.recipes import options_from, read_yaml
from mmvideo.training import checks, resume

CHECKPOINT = "checkpoint.safetensors"
CALIBRATION_SEED = 2_000_000
"""Neither in the training nor in the test range."""
log = logging.getLogger("mmvideo.training")


@dataclass(frozen=True)
class CameraTraining:
    """Options of `configs/train/camera-motion.yaml`."""

    preset: str = "camera-motion"
    seed: int = 0
    steps: int = 1100
    batch: int = 32
    round_clips: int = 2048
    """Clips made at once."""
    uses: int = 6
    """How often each clip is used, augmented differently each time."""
    learning_rate: float = 0.002
    weight_decay: float = 0.02
    warmup: int = 60
    hold: float = 0.46
    """Share of the steps before the learning rate begins to fall."""
    pair_weight: float = 0.5
    """Weight of the loss on the motion between two frames."""
    single_frame: bool = False
    """Replace each clip by copies of its middle frame: the baseline that sees no motion."""
    autocast: bool = True
    """Compute in bfloat16 where it is safe; the weights stay float32."""
    log_every: int = 25
    save_every: int = 125
    init: str = ""
    """A folder of trained weights to go on from, such as mmvideo/embedded/camera-motion."""
    folder: str | None = None
    """Images and videos to use as further textures; none is needed."""

    def __post_init__(self) -> None:
        checks.check_names("preset of camera-motion", [self.preset], CameraMotion.PRESETS)
        checks.at_least(1, steps=self.steps, batch=self.batch, uses=self.uses, warmup=self.warmup,
                        log_every=self.log_every, save_every=self.save_every)
        checks.at_least(self.batch, round_clips=self.round_clips)
        checks.at_least(0, weight_decay=self.weight_decay, pair_weight=self.pair_weight)
        checks.over_zero(learning_rate=self.learning_rate)
        if not 0 <= self.hold < 1 or not 0 <= self.seed < 2**31:
            raise InvalidInput(f"hold must be in [0, 1) and seed in [0, 2^31), not {shown(self.hold)} and "
                               f"{shown(self.seed)}.")

    def record(self) -> dict[str, Any]:
        """Return what `run.json` keeps, see `mmvideo.training.resume`."""
        options = asdict(self)
        schedule = {name: options.pop(name) for name in ("steps", "learning_rate", "weight_decay", "warmup", "seed",
                                                         "log_every", "save_every")}
        kept = {"trainer": "camera-motion", "options": options, "data": {"labels": LABELS}}
        return resume.record({**schedule, "batch_size": options.pop("batch")}, kept)


OPTIONS = CameraTraining
"""What a recipe of the trainer `camera-motion` may hold."""


class CameraLearner(nn.Module):
    """The encoder, its head, and the training aid that reads the motion of each pair of frames."""

    def __init__(self, preset: str):
        super().__init__()
        self.encoder = CameraMotion(preset)
        self.head = LinearHead(self.encoder.dim_pooled, LABELS)
        self.pair_motion = nn.Linear(self.encoder.dim, 4)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, 10) and pair motions (B, N, 4)."""
        features = self.encoder(frames)
        return self.head(features), self.pair_motion(features.tokens)


def read_training(path: str | Path, **overrides: object) -> CameraTraining:
    """Read the options of a training run from YAML.

    Raises:
        RecipeError: an unknown key, or a value of another type.
        InvalidInput: an unknown preset, or a number out of range.
    """
    raw, where = read_yaml("configs", path)
    raw = {key: value for key, value in raw.items() if key not in ("name", "about", "trainer")}
    with checks.locating(where):
        return options_from(CameraTraining, {**raw, **overrides}, where)


HFLIP = torch.tensor([0, 2, 1, 3, 4, 5, 6, 8, 7, 9])
VFLIP = torch.tensor([0, 1, 2, 4, 3, 5, 6, 8, 7, 9])
TURN = torch.tensor([0, 3, 4, 1, 2, 5, 6, 8, 7, 9])
REVERSE = torch.tensor([0, 2, 1, 4, 3, 6, 5, 8, 7, 9])
"""What mirroring, swapping rows and columns, and playing backwards make of each class."""


def augment(clips: CameraClips, generator: torch.Generator) -> CameraClips:
    """Mirror, transpose and reverse clips at random, with their labels and camera paths."""
    frames, labels, path, squeeze = clips.frames, clips.labels, clips.path, clips.squeeze
    h, v, t, r = (torch.rand(4, len(labels), generator=generator) < 0.5).unbind()

    def choose(mask: Tensor, yes: Tensor, no: Tensor) -> Tensor:
        return torch.where(mask.view(-1, *[1] * (no.ndim - 1)), yes, no)

    frames, labels = choose(h, frames.flip(4), frames), choose(h, HFLIP[labels], labels)
    path = choose(h, path * path.new_tensor([-1, 1, 1, -1]), path)
    frames, labels = choose(v, frames.flip(3), frames), choose(v, VFLIP[labels], labels)
    path = choose(v, path * path.new_tensor([1, -1, 1, -1]), path)
    frames, labels = choose(t, frames.transpose(3, 4), frames), choose(t, TURN[labels], labels)
    path = choose(t, path[..., [1, 0, 2, 3]] * path.new_tensor([1, 1, 1, -1]), path)
    squeeze = choose(t, 1 / squeeze, squeeze)
    frames, labels, path = choose(r, frames.flip(1), frames), choose(r, REVERSE[labels], labels), choose(
        r, path.flip(1), path)
    return CameraClips(frames, labels, path, squeeze)


def pair_targets(path: Tensor, squeeze: Tensor, pairs: Tensor) -> Tensor:
    """Say how the camera moved between the frames of each pair.

    Args:
        path: (B, T, 4) as in `camera_paths`.
        squeeze: (B,).
        pairs: int64 (N, 2).

    Returns:
        (B, N, 4): shift in half widths and half heights, log growth and roll, each compressed by asinh(x / 0.03).
    """
    shape = torch.stack([squeeze, 1 / squeeze], -1)[:, None]
    first, second = path[:, pairs[:, 0]], path[:, pairs[:, 1]]
    moved = (second[..., :2] - first[..., :2]) * shape
    cos, sin = second[..., 3].cos(), second[..., 3].sin()
    turned = torch.stack([cos * moved[..., 0] - sin * moved[..., 1], sin * moved[..., 0] + cos * moved[..., 1]], -1)
    shift = (turned * second[..., 2:3].exp() / shape).clamp(-1.5, 1.5)
    return torch.asinh(torch.cat([shift, (second - first)[..., 2:]], -1) / 0.03)


class _Batches:
    """Batches as a function of the step: clips of a round, each used several times."""

    def __init__(self, options: CameraTraining):
        self.options, self.round, self.clips = options, -1, None

    def at(self, step: int) -> CameraClips:
        o = self.options
        per_use = o.round_clips // o.batch
        number, inside = divmod(step, per_use * o.uses)
        if number != self.round:
            self.round = number
            self.clips = make_clips(o.seed * 10_000 + number, o.round_clips, folder=o.folder)
        use, position = divmod(inside, per_use)
        order = torch.randperm(o.round_clips, generator=torch.Generator().manual_seed(number * 1000 + use))
        index = order[position * o.batch:(position + 1) * o.batch]
        c = self.clips
        picked = CameraClips(c.frames[index], c.labels[index], c.path[index], c.squeeze[index])
        return augment(picked, torch.Generator().manual_seed(o.seed * 10_000_000 + step))


def freeze_middle(frames: Tensor) -> Tensor:
    """Replace clips (B, T, C, H, W) by T copies of their middle frame."""
    return frames[:, frames.shape[1] // 2:][:, :1].expand_as(frames)


def train(options: CameraTraining, out: str | Path) -> Iterator[dict[str, float]]:
    """Train, yielding a progress report every `log_every` steps; resume from `out` if it holds a checkpoint.

    Args:
        out: folder for `checkpoint.safetensors` and, at the end, `model.safetensors`.

    Raises:
        RunChanged: the folder holds a run of other settings.
        WeightsError: the checkpoint is damaged, or `init` names other classes.
    """
    out, known = Path(out), options.record()
    resume.compare_run(out, known)
    torch.manual_seed(options.seed)
    learner = CameraLearner(options.preset)
    if options.init:
        begin_with(learner, options.init)
    optimizer = torch.optim.AdamW(learner.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay)
    step = load_checkpoint(out, learner, optimizer)
    if step > options.steps:
        raise RunChanged(f"{out} has already been trained for {step} steps, more than the {options.steps} that "
                                "are asked for; name another folder with --out.",
                                {"schedule.steps": (step, options.steps)})
    resume.write_record(out, known)
    batches, seen, correct, total_loss, since = _Batches(options), 0, 0, 0.0, time.monotonic()
    while step < options.steps:
        _set_rate(optimizer, options, step)
        loss, right = _one_step(learner, optimizer, batches.at(step), options, step)
        step += 1
        seen, correct, total_loss = seen + options.batch, correct + right, total_loss + loss * options.batch
        if step % options.save_every == 0 or step == options.steps:
            save_checkpoint(out, learner, optimizer, step)
        if step % options.log_every == 0 or step == options.steps:
            yield {"step": step, "loss": total_loss / seen, "accuracy": correct / seen,
                   "clips_per_second": seen / (time.monotonic() - since)}
            seen, correct, total_loss, since = 0, 0, 0.0, time.monotonic()
    export(learner, out)


def begin_with(learner: CameraLearner, folder: str | Path) -> None:
    """Fill a learner with trained weights. Those that count no still places (mmvideo 0.1) or no drift are widened.

    What they lack keeps its random start and the head gives it no weight, so that the logits stay the same.

    Raises:
        WeightsError: the weights are missing, do not fit, or name other classes.
    """
    config = weights.config(Path(folder))
    if list(config.get("labels") or ()) != list(LABELS):
        raise WeightsError(f"{folder} names other classes, {shown(config.get('labels'))}, than {shown(list(LABELS))}.")
    encoder = learner.encoder
    places = ("still", "decision") if config.get("dim") != encoder.dim else ()
    for name in ("fine", "coarse", "match", "pair_token", "clip", *places):
        load_part(getattr(encoder, name), folder, f"encoder.{name}.").train()
    head, narrow = learner.head.score, LinearHead.from_pretrained(folder).score
    with torch.no_grad():
        head.weight.zero_()
        head.weight[:, :narrow.in_features] = narrow.weight
        head.bias.copy_(narrow.bias)


def _set_rate(optimizer: torch.optim.Optimizer, options: CameraTraining, step: int) -> None:
    """Warm up, hold for a share of the steps, then fall in a straight line to zero."""
    rise = (step + 1) / options.warmup
    fall = max(0.0, 1 - step / options.steps) / (1 - options.hold)
    for group in optimizer.param_groups:
        group["lr"] = options.learning_rate * min(rise, fall, 1.0)


def _one_step(learner: CameraLearner, optimizer: torch.optim.Optimizer, clips: CameraClips, options: CameraTraining,
              step: int) -> tuple[float, int]:
    learner.train()
    torch.manual_seed(options.seed * 10_000_000 + step)  # dropout
    frames = freeze_middle(clips.frames) if options.single_frame else clips.frames
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.autocast):
        logits, motions = learner(frames)
    loss = F.cross_entropy(logits.float(), clips.labels, label_smoothing=0.02)
    wanted = pair_targets(clips.path, clips.squeeze, learner.encoder.pairs)
    loss = loss + options.pair_weight * F.smooth_l1_loss(motions.float(), wanted)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(learner.parameters(), 2.0)
    optimizer.step()
    return loss.item(), int((logits.argmax(1) == clips.labels).sum())


def save_checkpoint(out: Path, learner: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    """Write weights and optimizer state, each file replaced at once, the step last."""
    state = {f"model.{k}": v.detach().clone().contiguous() for k, v in learner.state_dict().items()}
    for index, values in optimizer.state_dict()["state"].items():
        state |= {f"optimizer.{index}.{k}": v.clone() for k, v in values.items()}
    state["step"] = torch.tensor(step)
    partial = out / "checkpoint.partial"
    save_file(state, partial)
    partial.replace(out / CHECKPOINT)


def load_checkpoint(out: Path, learner: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Fill the learner and optimizer from a checkpoint if there is one; return the step reached."""
    path = out / CHECKPOINT
    if not path.is_file():
        return 0
    try:
        state = load_file(path)
        learner.load_state_dict({k[6:]: v for k, v in state.items() if k.startswith("model.")}, strict=True)
        step = int(state["step"])
    except (SafetensorError, RuntimeError, LookupError, OSError) as error:
        raise WeightsError(f"{path} is damaged or of another model ({shown(str(error))}). Delete it to begin anew, or "
                           "name another folder with --out.") from error
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in state.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".")
            moments.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
    return step


def export(learner: CameraLearner, out: Path, *, num_calibration: int = 400) -> None:
    """Write what ships: `model.safetensors` (keys `encoder.*`, `head.*`) and `config.json` with its calibration.

    The temperature (Guo et al. 2017, https://arxiv.org/abs/1706.04599) and the threshold, below which an answer counts
    as doubtful, are fitted on fresh procedural clips: 5 % of them fall below the threshold.
    """
    state = {k: v.contiguous() for k, v in learner.state_dict().items() if not k.startswith("pair_motion.")}
    save_file(state, out / "model.safetensors")
    temperature, threshold = calibrate(learner, make_clips(CALIBRATION_SEED, num_calibration))
    encoder = learner.encoder
    config = {"preset": encoder.preset, "dim": encoder.dim_pooled, "labels": list(LABELS),
              "num_frames": encoder.num_frames,
              "input_size": list(encoder.input_size), "span_seconds": list(SPAN_SECONDS),
              "temperature": round(temperature, 3), "threshold": round(threshold, 3)}
    (out / "config.json").write_text(json.dumps(config, indent=1) + "\n")


@torch.inference_mode()
def calibrate(learner: CameraLearner, clips: CameraClips, *, share: float = 0.05) -> tuple[float, float]:
    """Fit the temperature that makes the probabilities honest, and the confidence below which `share` of clips fall."""
    learner.eval()
    logits = torch.cat([learner(part)[0] for part in clips.frames.split(50)])
    temperatures = torch.logspace(-0.7, 0.7, 57)
    losses = torch.stack([F.cross_entropy(logits / t, clips.labels) for t in temperatures])
    temperature = float(temperatures[losses.argmin()])
    best = (logits / temperature).softmax(1).amax(1)
    return temperature, float(best.quantile(share))


def run(options: CameraTraining, out: Path) -> None:
    """Train, and log a line of progress now and then."""
    for report in train(options, out):
        log.info("step {step:6.0f}  loss {loss:.4f}  accuracy {accuracy:.4f}  {clips_per_second:.1f} clips/s"
                 .format(**report))


def _main() -> None:
    """Read the command line, and train."""
    parser = argparse.ArgumentParser(description="Train the camera-motion classifier.")
    parser.add_argument("config", type=Path)
    parser.add_argument("--out", default="runs/camera-motion", type=Path)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--single-frame", action="store_true", help="train the baseline that sees one frame")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    overrides: dict[str, object] = {"steps": arguments.steps} if arguments.steps is not None else {}
    if arguments.single_frame:
        overrides["single_frame"] = True
    run(read_training(arguments.config, **overrides), arguments.out)


if __name__ == "__main__":
    _main()
