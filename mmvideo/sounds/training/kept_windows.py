"""Windows drawn once and kept as what frozen blocks make of them, for all runs that begin with these blocks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from mmvideo.encoders.logmel_lite import LogMelLite
from mmvideo.sounds.training.batches import SoundBatches

_AT_ONCE = 32


class KeptWindows:
    """A table of windows that batches are drawn from.

    Args:
        model: in evaluation mode; its first blocks are those that are frozen.
        blocks: how many of them.
        batches: where windows come from.
        count: how many.
        cache: folder that they are kept in.
    """

    def __init__(self, model: LogMelLite, blocks: int, batches: SoundBatches, count: int, cache: str | Path):
        frozen = [model.stem, *model.blocks[:blocks]]
        summed = [round(float(p.detach().double().sum()), 6) for part in frozen for p in part.state_dict().values()]
        named = [batches.seed, blocks, count, batches.names, summed]
        path = Path(cache).expanduser() / f"windows-{hashlib.sha256(json.dumps(named).encode()).hexdigest()[:12]}.npz"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            _draw(model, blocks, batches, count, path)
        with np.load(path, allow_pickle=False) as kept:
            self._maps, self._heard = torch.from_numpy(kept["maps"]), torch.from_numpy(kept["heard"])
            self._origins = [json.loads(text) for text in kept["origins"].tolist()]
        self._rows, self._seed = torch.arange(len(self._maps)), 0

    def without(self, origins: Collection[str], seed: int) -> Self:
        """Leave out every window in which one of these recordings is mixed, and shuffle the others by a seed."""
        rows = [row for row, mixed in enumerate(self._origins) if not set(mixed) & set(origins)]
        self._rows, self._seed = torch.tensor(rows), seed
        return self

    def batch(self, number: int, size: int) -> tuple[Tensor, Tensor]:
        """Return what the blocks make of some windows, float (size, C, f, t), and what is heard in them.

        Every window is taken once before any is taken again.
        """
        each = len(self._rows) // size
        order = np.random.default_rng((self._seed, number // each)).permutation(len(self._rows))
        rows = self._rows[order[(number % each) * size:(number % each + 1) * size]]
        return self._maps[rows].float(), self._heard[rows]


@torch.no_grad()
def _draw(model: LogMelLite, blocks: int, batches: SoundBatches, count: int, path: Path) -> None:
    maps, heard, origins = [], [], []
    for number in range(-(-count // _AT_ONCE)):
        energies, said, mixed = batches.drawn(number, _AT_ONCE)
        maps.append(model.early(model.normalised(energies), blocks).half().numpy())
        heard.append(said.numpy())
        origins += [json.dumps(one) for one in mixed]
    part = path.with_suffix(".part.npz")
    np.savez(part, maps=np.concatenate(maps), heard=np.concatenate(heard), origins=origins)
    part.replace(path)


__all__ = ["KeptWindows"]
