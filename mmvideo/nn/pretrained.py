"""One way to keep a part on disk: a folder with config.json and model.safetensors, loaded strictly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Self

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from mmvideo.errors import MmvideoError, WeightsError, contained, shown

_SCALE = ".int8_scale"
"""What follows the name of an int8 weight in the name of its scales."""
_LEAST_INT8 = 4096
"""Values from which a weight is stored as int8."""


class Pretrained(nn.Module):
    """A module that remembers the keyword arguments it was built from (`self.config`) and saves with them.

    Subclasses take only JSON values as keyword arguments and set `self.config` to a dict of them.
    """

    config: dict

    def save_pretrained(self, folder: str | Path, *, half: bool = False, int8: bool = False) -> None:
        """Write config.json and model.safetensors.

        Args:
            folder: made if it is not there.
            half: store float16, which halves the size.
            int8: store large matrices and kernels as 8-bit integers with a scale for each output, and the rest as
                float16: a quarter of the size. What is loaded is float32 again, rounded.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(self.config, indent=1) + "\n")
        state = {k: (x.half() if (half or int8) and x.is_floating_point() else x).contiguous()
                 for k, x in self.state_dict().items()}
        if int8:
            for name, x in self.state_dict().items():
                if x.is_floating_point() and x.ndim >= 2 and x.numel() >= _LEAST_INT8:
                    state[name], state[name + _SCALE] = _as_int8(x)
        save_file(state, folder / "model.safetensors")

    @classmethod
    def from_config(cls, config: dict) -> Self:
        """Build the part from what config.json holds, with random weights."""
        return cls(**config)

    @classmethod
    def from_pretrained(cls, folder: str | Path, *, device: str | torch.device = "cpu") -> Self:
        """Load a part in float32, in evaluation mode.

        Raises:
            WeightsError: a file is missing or damaged, or its names or shapes do not fit.
        """
        folder = Path(folder)
        def error_of(error: Exception) -> MmvideoError:
            if isinstance(error, FileNotFoundError):
                missing = Path(error.filename or "model.safetensors").name
                return WeightsError(f"{folder} lacks {missing}; a part is config.json beside model.safetensors.")
            return WeightsError(f"{folder} does not fit {cls.__name__}: {error or type(error).__name__}")

        with contained(error_of):  # the values of config.json decide what a constructor raises
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            if not isinstance(config, dict):
                raise WeightsError(f"{folder}/config.json holds {shown(config, 60)}, not an object.")
            state = load_file(folder / "model.safetensors", device=str(device))
            for name in [name for name in state if name.endswith(_SCALE)]:
                scale = state.pop(name)
                whole = state[name.removesuffix(_SCALE)].float()
                state[name.removesuffix(_SCALE)] = whole * scale.view(-1, *[1] * (whole.ndim - 1))
            part = cls.from_config(config)
            part.load_state_dict(state, strict=True)
        return part.to(device).float().eval()


def _as_int8(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return int8 of the same shape and float32 (outputs,): their product by output is the rounded weight."""
    rows = weight.detach().float().flatten(1)
    scale = rows.abs().amax(1).clamp_min(1e-12) / 127
    return (rows / scale[:, None]).round().to(torch.int8).view_as(weight).contiguous(), scale.contiguous()
