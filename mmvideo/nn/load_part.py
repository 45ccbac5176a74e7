"""Load one part of a model whose encoder and head share a `model.safetensors` (keys `encoder.*`, `head.*`)."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from mmvideo.errors import WeightsError

Part = TypeVar("Part", bound=nn.Module)


def load_part(module: Part, folder: str | Path, prefix: str) -> Part:
    """Fill a module with the tensors whose names start with a prefix, every one and no other, in float32.

    Returns:
        The module, in evaluation mode.

    Raises:
        WeightsError: the file is missing or damaged, or the names or shapes do not fit.
    """
    path = Path(folder) / "model.safetensors"
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} cannot be read: {error}; a model folder holds config.json beside it.") from error
    state = {name.removeprefix(prefix): tensor.float() if tensor.is_floating_point() else tensor
             for name, tensor in tensors.items() if name.startswith(prefix)}
    try:
        module.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise WeightsError(f"{path} does not fit {type(module).__name__}: {error}") from error
    return module.eval()
