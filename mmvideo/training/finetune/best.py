"""The best weights of a run so far, and when to stop for want of better ones; both survive a kill."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save
from torch import nn

from mmvideo.nn.checkpoints import load_strictly

WEIGHTS, RECORD = "best.safetensors", "best.json"


class Best:
    """Keeps the weights with the best validation in a run's folder.

    A run that is resumed before the step of its best weights meets the same figures again and keeps them.

    Args:
        folder: of the run.
        figure: name of the figure that decides; ties go to the smaller loss.
        less: whether less of it is better.
        patience: steps without a better one after which to stop.
    """

    def __init__(self, folder: Path, figure: str, *, less: bool, patience: int):
        self.folder, self.figure, self.less, self.patience = folder, figure, less, patience
        self.found: dict[str, Any] = {}
        path = folder / RECORD
        if path.is_file() and (folder / WEIGHTS).is_file() and (folder / "checkpoint.pt").is_file():
            self.found = json.loads(path.read_text(encoding="utf-8"))

    def judge(self, figures: dict[str, float], network: nn.Module, step: int) -> None:
        """Keep the weights if their figures are the best so far."""
        if self.found and self._key(figures) <= self._key(self.found["figures"]):
            return
        self.found = {"step": step, "figures": figures}
        self.folder.mkdir(parents=True, exist_ok=True)
        state = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in network.state_dict().items()}
        (self.folder / f"{WEIGHTS}.new").write_bytes(save(state))  # whose errors of the disk are OSErrors
        (self.folder / f"{WEIGHTS}.new").replace(self.folder / WEIGHTS)
        (self.folder / f"{RECORD}.new").write_text(json.dumps(self.found) + "\n", encoding="utf-8")
        (self.folder / f"{RECORD}.new").replace(self.folder / RECORD)

    def _key(self, figures: dict[str, float]) -> tuple[float, float]:
        value = figures[self.figure]
        return (-value if self.less else value), -figures.get("loss", 0.0)

    def exhausted(self, step: int) -> bool:
        """Say whether so many steps brought nothing better that the run may stop."""
        return bool(self.found) and step - self.found["step"] >= self.patience

    def in_words(self) -> str:
        """Say what the best is."""
        if not self.found:
            return "no best yet"
        value = self.found["figures"][self.figure]
        return f"best {self.figure.replace('_', ' ')} {value:.3f} at step {self.found['step']}"

    def restore(self, network: nn.Module) -> None:
        """Fill a network with the best weights, if any were kept."""
        if self.found:
            load_strictly(network, load_file(self.folder / WEIGHTS), where=str(self.folder / WEIGHTS))


__all__ = ["Best"]
