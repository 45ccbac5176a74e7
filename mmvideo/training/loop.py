"""The training loop that every recipe shares: Accelerate for devices and precision, exact resume, one line of log."""

from __future__ import annotations

import json
import logging
import math
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from mmvideo.checks import number
from mmvideo.errors import (
    InvalidInput,
    MissingExtra,
    RecipeError,
    RunChanged,
    TrainingInterrupted,
    UnknownName,
    WeightsError,
    shown,
)
from mmvideo.nn.bfloat16 import RightConv3d
from mmvideo.nn.precision import bfloat16_is_faster
from mmvideo.training import interrupts, resume, sharding
from mmvideo.training.choices import OPTIMIZERS, PRECISIONS
from mmvideo.training.prefetch import ahead

_IN_A_LAYER = re.compile(r"\b(?:layers?|blocks)\.(\d+)\.")
_BEFORE_LAYERS = re.compile(r"embed|patch|position|pos_|cls_token")
_RANGES = {"steps": (1, 10**9), "batch_size": (1, 10**6), "learning_rate": (0, 1e6), "warmup": (1, 10**9),
           "decay": (0, 1), "weight_decay": (0, 1e6), "clip": (0, 1e9), "seed": (0, 2**32 - 1), "log_every": (1, 10**9),
           "save_every": (1, 10**9), "accumulate": (1, 10**6), "ema": (0, 1), "layer_decay": (0, 1)}
log = logging.getLogger("mmvideo.training")


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to learn: linear warm-up, constant, linear decay over the last share of the steps."""

    steps: int
    batch_size: int
    learning_rate: float
    warmup: int = 200
    decay: float = 0.4
    """Share of the steps over which the rate falls to 2 % of itself."""
    weight_decay: float = 0.05
    clip: float = 1.0
    seed: int = 0
    log_every: int = 50
    save_every: int = 250
    precision: str = "auto"
    """auto: bfloat16 where it is the faster (`native_bfloat16`), else float32; or bf16, or no."""
    optimizer: str = "muon"
    """muon: Muon for matrices inside layers and AdamW for the rest; adamw; sgd (Nesterov, momentum 0.9)."""
    accumulate: int = 1
    """Batches whose gradients are averaged before a step."""
    ema: float = 0.0
    """Decay of a running average of the weights, which is then what is evaluated and saved; 0 for none."""
    layer_decay: float = 1.0
    """The learning rate of layer i of L is multiplied by this to the power L - i (BEiT, Bao et al. 2022)."""
    shard: bool = False
    """Split the weights of layers that learn, and what the optimizer keeps of them, among the processes (FSDP)."""
    tensorboard: bool = False
    """Also write the log for TensorBoard, into `tensorboard` in the run's folder."""
    report_to: str = ""
    """Trackers of Accelerate that the log goes to, with commas between, such as wandb,mlflow."""

    def __post_init__(self) -> None:
        for name, value, allowed in (("optimizer", self.optimizer, OPTIMIZERS),
                                     ("precision", self.precision, PRECISIONS)):
            if value not in allowed:
                raise InvalidInput(f"{name} must be one of {', '.join(allowed)}, not {shown(value)}.")
        for name, (least, most) in _RANGES.items():
            number(name, getattr(self, name), low=least, high=most)
        if min(self.learning_rate, self.clip, self.layer_decay) <= 0 or self.ema >= 1:
            raise InvalidInput("A schedule needs learning_rate, clip and layer_decay over 0 and ema under 1, not "
                               f"{self.learning_rate}, {self.clip}, {self.layer_decay} and {self.ema}.")

    def factor(self, step: int) -> float:
        """Return the learning rate's multiple at a step."""
        decaying = (self.steps - step) / max(1.0, self.decay * self.steps)
        return max(0.02, min(1.0, (step + 1) / self.warmup, decaying))


def native_bfloat16() -> bool:
    """Whether bfloat16 is the faster precision here: on CUDA, or on a CPU for which that was measured."""
    return torch.cuda.is_available() or bfloat16_is_faster()


@dataclass
class TrainingRun:
    """One training run in one folder; `train` continues it where it stopped.

    With several processes (`accelerate launch`) each draws batches of its own; gradients are averaged over all, so that
    P processes with batches of B learn as one does with batches of P * B. The first process logs, evaluates and saves.
    """

    folder: Path
    modules: nn.ModuleDict
    schedule: Schedule
    slow: dict[str, float] = field(default_factory=dict)
    """Multiples of the learning rate for some of the modules, by name."""
    kept: dict[str, Any] = field(default_factory=dict)
    """What else the weights depend on, for `run.json`: `trainer`, `options`, `data` (mmvideo.training.resume)."""
    rates: Callable[[str], float] | None = None
    """Multiple of the learning rate for a parameter, by its name within its module."""
    told: Callable[[dict[str, Any]], str] = json.dumps
    """How a line of the log is put on the screen."""

    def __post_init__(self) -> None:
        """Set up devices and optimizers.

        Raises:
            RunChanged: the folder holds a run of other settings.
        """
        s = self.schedule
        precision = ("bf16" if native_bfloat16() else "no") if s.precision == "auto" else s.precision
        AcceleratorState._reset_state()  # an earlier run of this process may have had another precision
        with sharding.fsdp_requested() as asked:
            self.accelerator = Accelerator(mixed_precision=precision, cpu=not torch.cuda.is_available(),
                                           **_trackers(s.report_to, self.folder))
        self.record = resume.record(asdict(s), self.kept, processes=self.accelerator.num_processes)
        resume.compare_run(self.folder, self.record)
        self.sharded = (s.shard or asked) and self.accelerator.num_processes > 1
        if self.sharded:
            sharding.shard(self.modules, self.accelerator)
        hidden: list[dict] = []
        others: list[dict] = []
        for name, module in self.modules.items():
            for scale, trained in _by_rate(_by_layer(module, s.layer_decay), self.rates):
                rate = {"rate": s.learning_rate * self.slow.get(name, 1.0) * scale}
                inner = [p for n, p in trained
                         if s.optimizer == "muon" and p.ndim == 2 and _IN_A_LAYER.search(n)]
                kept = {id(p) for p in inner}
                hidden.append({"params": inner, **rate})
                others.append({"params": [p for _, p in trained if p.ndim > 1 and id(p) not in kept], **rate})
                others.append({"params": [p for _, p in trained if p.ndim <= 1], "weight_decay": 0.0, **rate})
        self.optimizers = [self.accelerator.prepare(optimizer(groups, weight_decay=s.weight_decay, **options))
                           for groups, optimizer, options in _optimizers(
                               hidden, others, sgd=s.optimizer == "sgd", mixed=self.sharded)]
        # Not wrapped: losses call the parts themselves, and gradients are averaged by `_average`.
        self.modules = self.accelerator.prepare_model(self.modules, evaluation_mode=True)
        self.average = ({k: x.detach().clone() for k, x in self.parts.state_dict().items()} if s.ema else None)
        self._board: Any = None
        self.done = 0
        """Steps that were taken."""

    @property
    def parts(self) -> nn.ModuleDict:
        """The modules without Accelerate's wrapping."""
        return self.accelerator.unwrap_model(self.modules)

    def train(self, make: Callable[[int], Any], loss: Callable[[Any], tuple[Tensor, dict[str, Any]]], *,
              evaluate: Callable[[], dict[str, float]] | None = None, evaluate_every: int = 1000,
              stop: Callable[[int], bool] | None = None) -> None:
        """Run the schedule to its end, or until it is told to stop.

        Args:
            make: number -> batch; must depend on nothing but the number, which is the step with one process and
                `accumulate` 1; else every number is drawn once, by one process.
            loss: batch -> scalar loss and figures for the log.
            evaluate: figures on held-out data, logged every `evaluate_every` steps and at the end.
            evaluate_every: in steps.
            stop: number of steps done -> whether to stop; asked after each evaluation and where a run is resumed.

        Raises:
            TrainingInterrupted: Ctrl-C or SIGTERM (mmvideo.training.interrupts); the step's checkpoint was saved.
        """
        first, s = self._resume(), self.schedule
        if self.accelerator.is_main_process:
            resume.write_record(self.folder, self.record)
            log.info("%s: %d of %d steps to go, %d examples each, on %s, %s", self.folder, s.steps - first, s.steps,
                     s.batch_size * s.accumulate * self.accelerator.num_processes, self.accelerator.device,
                     "bfloat16" if self.accelerator.mixed_precision == "bf16" else "float32")
            if s.report_to:
                self.accelerator.init_trackers("mmvideo", config=_flat(self.record))
        if not (stop is not None and first and self._in_any(stop(first))):
            with interrupts.listening(self.accelerator.num_processes == 1):
                self._steps(first, make, loss, evaluate, evaluate_every, stop)
        self._swap()
        if self.sharded:
            sharding.gather_weights(self.parts)
        self.modules.eval()
        if self._board is not None:
            self._board.close()
        if s.report_to:
            self.accelerator.end_training()

    def _steps(self, first: int, make: Callable[[int], Any], loss: Callable[[Any], tuple[Tensor, dict[str, float]]],
               evaluate: Callable[[], dict[str, float]] | None, evaluate_every: int,
               stop: Callable[[int], bool] | None) -> None:
        """Take the steps from `first` on; see `train`."""
        s = self.schedule
        self.modules.train()
        began, seen, since, sums = time.monotonic(), 0, first, dict[str, Any]()
        processes, rank = self.accelerator.num_processes, self.accelerator.process_index
        batches = ahead(lambda i: make(i * processes + rank), first * s.accumulate, s.steps * s.accumulate)
        for step in range(first, s.steps):
            for _ in range(s.accumulate):
                number, batch = next(batches)
                torch.manual_seed(s.seed * 1_000_003 + number * processes + rank)
                with self.accelerator.autocast(), RightConv3d():
                    value, figures = loss(batch)
                self.accelerator.backward(value / s.accumulate)
                for name, figure in {"loss": value.detach(), **figures}.items():
                    sums[name] = sums.get(name, 0.0) + figure / s.accumulate  # a number is waited for when it is logged
            if self.sharded:
                sharding.release(self.modules)
            self._average()
            self._clip()
            for optimizer in self.optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = group["rate"] * s.factor(step)
                optimizer.step()
                optimizer.zero_grad()
            self._follow(step)
            seen += s.batch_size * s.accumulate * processes
            self.done = done = step + 1
            if done % s.log_every == 0:
                sums = {name: float(figure) for name, figure in sums.items()}
                if not math.isfinite(sums["loss"]):
                    raise RecipeError(f"The loss is no number any more before step {done}; lower "
                                      "schedule.learning_rate, or set schedule.precision to 'no'. The last "
                                      "checkpoint is kept: add --accept-changes to go on from it.")
                rate = seen / (time.monotonic() - began)
                self._log({"step": done, **{k: x / (done - since) for k, x in sums.items()}, "per_second": rate})
                began, seen, since, sums = time.monotonic(), 0, done, {}
            if done % s.save_every == 0 or done == s.steps:
                self._save(done)
            if evaluate and (done % evaluate_every == 0 or done == s.steps):
                self._evaluate(evaluate, done)
                if stop is not None and self._in_any(stop(done)):
                    self._save(done)
                    return
            if interrupts.asked():
                self._save(done)
                raise TrainingInterrupted(f"Training was stopped after step {done}; {resume.again(self.folder)}.")

    def _in_any(self, here: bool) -> bool:
        """Say whether something holds in any of the processes; only the first one evaluates."""
        if self.accelerator.num_processes == 1:
            return here
        flag = torch.tensor(float(here), device=self.accelerator.device)
        return bool(self.accelerator.reduce(flag, reduction="sum") > 0)

    def _average(self) -> None:
        """Average the gradients over processes, in one message."""
        if self.accelerator.num_processes == 1:
            return
        trained = [p for p in self.modules.parameters() if p.requires_grad and not isinstance(p, DTensor)]
        flat = torch.cat([torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten() for p in trained])
        flat = self.accelerator.reduce(flat, reduction="mean")
        for p, part in zip(trained, flat.split([p.numel() for p in trained]), strict=True):
            p.grad = part.view_as(p).clone()

    def _clip(self) -> None:
        if self.sharded:
            sharding.clip(self.modules.parameters(), self.schedule.clip, self.accelerator)
        else:
            self.accelerator.clip_grad_norm_(self.modules.parameters(), self.schedule.clip)

    @torch.no_grad()
    def _follow(self, step: int) -> None:
        """Move the averaged weights towards those of now; early on the average is short."""
        if self.average is None:
            return
        decay = min(self.schedule.ema, (1 + step) / (10 + step))
        for name, now in self.parts.state_dict().items():
            if now.is_floating_point():
                self.average[name].lerp_(now, 1 - decay)
            else:
                self.average[name].copy_(now)

    @torch.no_grad()
    def _swap(self) -> None:
        """Exchange the weights and their average, where there is one."""
        done: dict[tuple, str] = {}
        for name, now in self.parts.state_dict().items() if self.average is not None else ():
            place = (sharding.local_part(now).data_ptr(), now.shape)
            if now.numel() and place in done:  # tied to one that has been swapped: twice would be not at all
                self.average[name].copy_(self.average[done[place]])
                continue
            done[place] = name
            kept = now.clone()
            now.copy_(self.average[name])
            self.average[name].copy_(kept)

    def _evaluate(self, evaluate: Callable[[], dict[str, float]], done: int) -> None:
        if self.accelerator.is_main_process or self.sharded:  # a split layer runs in all processes or in none
            self._swap()
            self.modules.eval()
            with torch.no_grad():
                self._log({"step": done, "evaluation": evaluate()})
            if self.sharded:
                sharding.release(self.modules)
            self.modules.train()
            self._swap()
        self.accelerator.wait_for_everyone()

    def _log(self, line: dict) -> None:
        if not self.accelerator.is_main_process:
            return
        rounded = json.dumps(_rounded(line))
        log.info(rounded if self.told is json.dumps else self.told(line))
        if self.schedule.report_to:
            self.accelerator.log(_flat({k: v for k, v in line.items() if k != "step"}), step=line["step"])
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(rounded + "\n")
        if self.schedule.tensorboard:
            self._board = self._board or _board(self.folder / "tensorboard")
            for name, figure in {**line, **line.get("evaluation", {})}.items():
                if isinstance(figure, int | float) and name != "step":
                    self._board.add_scalar(f"evaluation/{name}" if "evaluation" in line else name, figure, line["step"])

    def _save(self, step: int) -> None:
        """Write the checkpoint beside the old one, then swap, so that a kill leaves one of them whole."""
        self.accelerator.wait_for_everyone()
        if not self.accelerator.is_main_process and not self.sharded:
            return
        state = {"step": step, "modules": self.parts.state_dict(),
                 "optimizers": [optimizer.state_dict() for optimizer in self.optimizers]}
        if self.average is not None:
            state["average"] = self.average
        if self.sharded:
            state = sharding.gather_tree(state)
        if not self.accelerator.is_main_process:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "checkpoint.new").open("wb") as file:  # torch's own errors do not say that a disk is full
            torch.save(state, file)
        (self.folder / "checkpoint.new").replace(self.folder / "checkpoint.pt")

    def _split(self, state: dict[str, Any]) -> None:
        """Split what a checkpoint holds whole as the weights are split."""
        now = self.parts.state_dict()
        for name in ("modules", "average"):  # no set: splitting sends messages, so all processes need one order
            if name in state:
                state[name] = {k: sharding.split_as(x, now[k]) if k in now else x for k, x in state[name].items()}
        state["optimizers"] = [sharding.split_state(kept, optimizer)
                               for kept, optimizer in zip(state["optimizers"], self.optimizers, strict=False)]

    def _resume(self) -> int:
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return 0
        device = self.accelerator.device  # "cpu:0" among several processes, which torch.load does not know
        state = _loaded(path, "cpu" if device.type == "cpu" else device)
        if state["step"] > self.schedule.steps:
            raise RunChanged(f"{self.folder} has already been trained for {state['step']} steps, more than the "
                             f"{self.schedule.steps} that are asked for; name another folder with --out.",
                             {"schedule.steps": (state["step"], self.schedule.steps)})
        if self.sharded:
            self._split(state)
        try:
            self.parts.load_state_dict(state["modules"], strict=True)
        except RuntimeError as error:
            raise WeightsError(f"{path} is of another model; name another folder with --out. {error}") from error
        if self.average is not None and "average" not in state:
            raise WeightsError(f"{path} was trained without an average of its weights (schedule.ema); name another "
                               "folder with --out.")
        if self.average is not None:
            self.average = state["average"]
        self._resume_optimizers(state["optimizers"], path)
        log.info("resuming %s at step %d", self.folder, state["step"])
        return state["step"]

    def _resume_optimizers(self, states: list[dict[str, Any]], path: Path) -> None:
        """Fill the optimizers with what they kept; rates and other settings are those of now."""
        if [_shape(state["param_groups"]) for state in states] != [_shape(o.param_groups) for o in self.optimizers]:
            raise WeightsError(f"{path} was trained with another optimizer; put schedule.optimizer and "
                               "schedule.layer_decay back, or name another folder with --out.")
        for optimizer, kept in zip(self.optimizers, states, strict=True):
            settings = [{k: x for k, x in group.items() if k != "params"} for group in optimizer.param_groups]
            optimizer.load_state_dict(kept)
            for group, now in zip(optimizer.param_groups, settings, strict=True):
                group.update(now)


def _loaded(path: Path, device: Any) -> dict[str, Any]:
    """Read a checkpoint.

    Raises:
        WeightsError: it is damaged.
    """
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        if {"step", "modules", "optimizers"} <= state.keys():
            return state
        reason = "it lacks the step, the weights or the optimizers' state"
    except (RuntimeError, ValueError, LookupError, AttributeError, EOFError, OSError, UnpicklingError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
    raise WeightsError(f"{path} is damaged ({reason}). Delete it to begin anew, or name another folder with --out.")


def _shape(groups: list[dict[str, Any]]) -> list[tuple[int, set[str]]]:
    """Return how many parameters each group has, and which of the settings that tell optimizers apart."""
    return [(len(group["params"]), {"betas", "ns_coefficients", "dampening"} & set(group)) for group in groups]


def _by_layer(module: nn.Module, decay: float) -> dict[float, list[tuple[str, nn.Parameter]]]:
    """Group the trained parameters by the multiple of the learning rate that their layer has."""
    trained = [(n, p) for n, p in module.named_parameters() if p.requires_grad]
    if decay == 1:
        return {1.0: trained}
    found = {n: _IN_A_LAYER.search(n) for n, _ in trained}
    depth = 1 + max((int(m[1]) for m in found.values() if m), default=-1)
    groups: dict[float, list[tuple[str, nn.Parameter]]] = {}
    for name, p in trained:
        first = 0 if _BEFORE_LAYERS.search(name) else depth + 1
        place = int(found[name][1]) + 1 if found[name] else first
        groups.setdefault(decay ** (depth + 1 - place), []).append((name, p))
    return groups


def _by_rate(layers: dict[float, list[tuple[str, nn.Parameter]]], rates: Callable[[str], float] | None
             ) -> list[tuple[float, list[tuple[str, nn.Parameter]]]]:
    """Divide groups of parameters further by the multiple that each one's name has."""
    if rates is None:
        return list(layers.items())
    found: dict[float, list[tuple[str, nn.Parameter]]] = {}
    for scale, trained in layers.items():
        for name, parameter in trained:
            found.setdefault(scale * rates(name), []).append((name, parameter))
    return list(found.items())


def _trackers(report_to: str, folder: Path) -> dict[str, Any]:
    """Return what Accelerate is told about trackers.

    Raises:
        UnknownName: it has no such tracker.
        MissingExtra: the package of a tracker is not installed.
    """
    names = [name.strip() for name in report_to.split(",") if name.strip()]
    if not names:
        return {}
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

    here = {str(getattr(name, "value", name)) for name in get_available_trackers()}
    for name in names:
        if name not in LOGGER_TYPE_TO_CLASS:
            raise UnknownName("tracker (report_to)", name, LOGGER_TYPE_TO_CLASS)
        if name not in here:
            raise MissingExtra(name, "train", f"report_to={name}")
    return {"log_with": names, "project_dir": str(folder)}


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested values under joined names, as trackers take them."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{name}/")
        else:
            found[prefix + name] = value if isinstance(value, int | float | bool) else str(value)[:500]
    return found


def _optimizers(hidden: list[dict], others: list[dict], *, sgd: bool, mixed: bool):
    """Muon (Jordan et al. 2024) for matrices inside layers, AdamW for the rest, at learning rates of one scale."""
    some = [g for g in hidden if g["params"]]
    if some:
        yield some, torch.optim.Muon, {"adjust_lr_fn": "match_rms_adamw"}
    rest = [g for g in others if g["params"]]
    if sgd:
        yield rest, torch.optim.SGD, {"lr": 1e-3, "momentum": 0.9, "nesterov": True, "foreach": not mixed}
    else:
        yield rest, torch.optim.AdamW, {"betas": (0.9, 0.98), **({"foreach": False} if mixed else {"fused": True})}


def _board(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingExtra("tensorboard", "train", "schedule.tensorboard") from error
    return SummaryWriter(str(folder))


def _rounded(x: Any) -> Any:
    if isinstance(x, dict):
        return {k: _rounded(y) for k, y in x.items()}
    return round(x, 4) if isinstance(x, float) else x


def freeze(modules: Iterable[nn.Module]) -> None:
    """Take modules out of training."""
    for module in modules:
        module.requires_grad_(False)
