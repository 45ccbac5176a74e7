"""The training loop that every recipe shares: Accelerate for devices and precision, exact resume, one line of log."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from mmvideo.errors import WeightsError
from mmvideo.training.toybox_data import ahead

_IN_A_LAYER = re.compile(r"\b(layers?|blocks)\.\d+\.")
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
    """auto: bfloat16 where the hardware multiplies it natively (CUDA, AMX), else float32; or bf16, or no."""

    def factor(self, step: int) -> float:
        """Return the learning rate's multiple at a step."""
        decaying = (self.steps - step) / max(1.0, self.decay * self.steps)
        return max(0.02, min(1.0, (step + 1) / self.warmup, decaying))


def native_bfloat16() -> bool:
    """Whether bfloat16 matrix products are done in hardware here (CUDA, or a CPU with AMX)."""
    return torch.cuda.is_available() or torch.cpu._is_amx_tile_supported()


@dataclass
class Run:
    """One training run in one folder; `train` continues it where it stopped."""

    folder: Path
    modules: nn.ModuleDict
    schedule: Schedule
    slow: dict[str, float] = field(default_factory=dict)
    """Multiples of the learning rate for some of the modules, by name."""

    def __post_init__(self) -> None:
        s = self.schedule
        precision = ("bf16" if native_bfloat16() else "no") if s.precision == "auto" else s.precision
        self.accelerator = Accelerator(mixed_precision=precision, cpu=not torch.cuda.is_available())
        hidden: list[dict] = []
        others: list[dict] = []
        for name, module in self.modules.items():
            rate = {"rate": s.learning_rate * self.slow.get(name, 1.0)}
            trained = [(n, p) for n, p in module.named_parameters() if p.requires_grad]
            inner = [p for n, p in trained if p.ndim == 2 and _IN_A_LAYER.search(n)]
            kept = {id(p) for p in inner}
            hidden.append({"params": inner, **rate})
            others.append({"params": [p for _, p in trained if p.ndim > 1 and id(p) not in kept], **rate})
            others.append({"params": [p for _, p in trained if p.ndim <= 1], "weight_decay": 0.0, **rate})
        self.optimizers = [self.accelerator.prepare(optimizer(groups, weight_decay=s.weight_decay, **options))
                           for groups, optimizer, options in _optimizers(hidden, others)]
        self.modules = self.accelerator.prepare(self.modules)

    @property
    def parts(self) -> nn.ModuleDict:
        """The modules without Accelerate's wrapping."""
        return self.accelerator.unwrap_model(self.modules)

    def train(self, make: Callable[[int], Any], loss: Callable[[Any], tuple[Tensor, dict[str, float]]], *,
              evaluate: Callable[[], dict[str, float]] | None = None, evaluate_every: int = 1000) -> None:
        """Run the schedule to its end.

        Args:
            make: step -> batch; must depend on nothing but the step.
            loss: batch -> scalar loss and figures for the log.
            evaluate: figures on held-out data, logged every `evaluate_every` steps and at the end.
            evaluate_every: in steps.
        """
        first, s = self._resume(), self.schedule
        self.modules.train()
        began, seen, sums = time.monotonic(), 0, {}
        for step, batch in ahead(make, first, s.steps):
            torch.manual_seed(s.seed * 1_000_003 + step)
            with self.accelerator.autocast():
                value, figures = loss(batch)
            self.accelerator.backward(value)
            self.accelerator.clip_grad_norm_(self.modules.parameters(), s.clip)
            for optimizer in self.optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = group["rate"] * s.factor(step)
                optimizer.step()
                optimizer.zero_grad()
            seen += s.batch_size
            for name, figure in {"loss": value.detach(), **figures}.items():
                sums[name] = sums.get(name, 0.0) + float(figure)
            done = step + 1
            if done % s.log_every == 0:
                rate = seen / (time.monotonic() - began)
                self._log({"step": done, **{k: x / s.log_every for k, x in sums.items()}, "per_second": rate})
                began, seen, sums = time.monotonic(), 0, {}
            if done % s.save_every == 0 or done == s.steps:
                self._save(done)
            if evaluate and (done % evaluate_every == 0 or done == s.steps):
                self.modules.eval()
                with torch.no_grad():
                    self._log({"step": done, "evaluation": evaluate()})
                self.modules.train()
        self.modules.eval()

    def _log(self, line: dict) -> None:
        rounded = json.dumps(_rounded(line))
        log.info(rounded)
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(rounded + "\n")

    def _save(self, step: int) -> None:
        """Write the checkpoint beside the old one, then swap, so that a kill leaves one of them whole."""
        self.folder.mkdir(parents=True, exist_ok=True)
        state = {"step": step, "modules": self.parts.state_dict(),
                 "optimizers": [optimizer.state_dict() for optimizer in self.optimizers]}
        torch.save(state, self.folder / "checkpoint.new")
        (self.folder / "checkpoint.new").replace(self.folder / "checkpoint.pt")

    def _resume(self) -> int:
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return 0
        state = torch.load(path, map_location=self.accelerator.device, weights_only=True)
        try:
            self.parts.load_state_dict(state["modules"], strict=True)
        except RuntimeError as error:
            raise WeightsError(f"{path} is of another model; name another folder with --out. {error}") from error
        for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
            rates = [group["rate"] for group in optimizer.param_groups]
            optimizer.load_state_dict(kept)
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["rate"] = rate  # the recipe's, which may have been changed since
        log.info("resuming %s at step %d", self.folder, state["step"])
        return state["step"]


def _optimizers(hidden: list[dict], others: list[dict]):
    """Muon (Jordan et al. 2024) for matrices inside layers, AdamW for the rest, at learning rates of one scale."""
    some = [g for g in hidden if g["params"]]
    if some:
        yield some, torch.optim.Muon, {"adjust_lr_fn": "match_rms_adamw"}
    yield [g for g in others if g["params"]], torch.optim.AdamW, {"betas": (0.9, 0.98), "fused": True}


def _rounded(x: Any) -> Any:
    if isinstance(x, dict):
        return {k: _rounded(y) for k, y in x.items()}
    return round(x, 4) if isinstance(x, float) else x


def freeze(modules: Iterable[nn.Module]) -> None:
    """Take modules out of training."""
    for module in modules:
        module.requires_grad_(False)
