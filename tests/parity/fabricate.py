"""Weights made from names and shapes, so that a golden tensor needs no checkpoint beside it.

A script `make_<family>.py` runs the reference implementation on fabricated weights and keeps the names and shapes of
its tensors (`<case>.json`) and what it gave for a fabricated clip (`<case>.safetensors`). The test fabricates the same
weights under the reference's names, loads them through the family's table of names, and compares.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

HERE = Path(__file__).parent


def tensor(name: str, shape: tuple[int, ...] | list[int]) -> Tensor:
    """Make the tensor of a name: the same on every machine (numpy's RandomState is frozen for good)."""
    rng = np.random.RandomState(zlib.crc32(name.encode()))
    if name.endswith("num_batches_tracked"):
        return torch.zeros((), dtype=torch.long)
    values = rng.standard_normal(tuple(shape)).astype(np.float32)
    if name.endswith("running_var"):
        values = 0.75 + 0.25 * np.tanh(values)
    elif len(shape) <= 1:
        is_scale = name.rsplit(".", 1)[-1] in {"weight", "gamma", "scale"}
        values = 1 + 0.1 * values if is_scale else 0.1 * values
    else:
        fan_in = int(np.prod(shape[1:]))
        values = values * (2.0 / fan_in) ** 0.5
    return torch.from_numpy(np.asarray(values, dtype=np.float32))


def weights(shapes: dict[str, list[int]]) -> dict[str, Tensor]:
    """Make every tensor of a table of shapes."""
    return {name: tensor(name, shape) for name, shape in shapes.items()}


def clip(*shape: int, name: str = "clip") -> Tensor:
    """Make a clip of uniform values in [0, 1]."""
    rng = np.random.RandomState(zlib.crc32(name.encode()))
    return torch.from_numpy(rng.random_sample(shape).astype(np.float32))


def fill(reference: nn.Module) -> dict[str, list[int]]:
    """Give a reference implementation fabricated weights; return the shapes of its state dict."""
    shapes = {name: list(t.shape) for name, t in reference.state_dict().items()}
    reference.load_state_dict(weights(shapes), strict=True)
    reference.eval()
    return shapes


def keep(case: str, *, reference: str, shapes: dict[str, list[int]], outputs: dict[str, Tensor]) -> None:
    """Write a golden case; large outputs should be cut to some hundreds of values by the caller.

    Args:
        case: its name.
        reference: repository and commit, or package and version, that gave the outputs.
        shapes: names and shapes of the reference's tensors.
        outputs: what it gave.
    """
    text = json.dumps({"reference": reference, "shapes": shapes}, separators=(",", ":"))
    (HERE / f"{case}.json").write_text(text + "\n")
    save_file({k: v.detach().float().contiguous().clone() for k, v in outputs.items()}, HERE / f"{case}.safetensors")


def golden(case: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the fabricated weights and the kept outputs of a case."""
    shapes = json.loads((HERE / f"{case}.json").read_text())["shapes"]
    return weights(shapes), load_file(HERE / f"{case}.safetensors")


def difference(ours: Tensor, theirs: Tensor) -> float:
    """Return the largest absolute difference as a share of the reference's largest absolute value."""
    assert ours.shape == theirs.shape, (tuple(ours.shape), tuple(theirs.shape))
    return float((ours.detach().float() - theirs.float()).abs().max() / theirs.float().abs().max().clamp_min(1e-12))


def digest(tensors: dict[str, Tensor]) -> str:
    """Return a checksum of names and shapes, for networks whose table of shapes would be too large to keep."""
    lines = sorted(f"{name} {tuple(t.shape)}" for name, t in tensors.items())
    return f"{len(lines)} tensors, {zlib.crc32(chr(10).join(lines).encode()):08x}"
