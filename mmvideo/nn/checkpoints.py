"""Reading checkpoints in their original formats: never unpickled, renamed by a written table, loaded strictly."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import ClassVar, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from mmvideo.errors import UnknownName, WeightsError

WRAPPERS = ("state_dict", "model_state", "model_state_dict", "model", "module")
"""Keys under which training scripts nest the tensors."""


@dataclass(frozen=True)
class Format:
    """How one release names the tensors of an architecture."""

    about: str
    """Whose files these are, with the address of the repository."""
    rename: tuple[tuple[str, str | Callable[[re.Match], str] | None], ...] = ()
    """(pattern, replacement) pairs for `re.sub`, applied to every name in order; None drops the names that match."""
    convert: Callable[[dict[str, Tensor]], dict[str, Tensor]] | None = None
    """What renaming cannot do (splitting, transposing), applied after it."""


def read_checkpoint(path: str | Path) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file or of a torch file (tensors only, nothing is executed).

    Raises:
        WeightsError: no such file, a damaged one, one that holds code, or one without tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"{path} is not a file; give the checkpoint's .safetensors, .pth, .pt or .pyth file.")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, RuntimeError, EOFError, UnpicklingError, ValueError, KeyError) as error:
        raise WeightsError(f"{path} cannot be read as tensors only: {error}") from error
    while isinstance(loaded, dict) and (inside := [k for k in WRAPPERS if isinstance(loaded.get(k), dict)]):
        loaded = loaded[inside[0]]
    tensors = {k: v for k, v in loaded.items() if isinstance(v, Tensor)} if isinstance(loaded, dict) else {}
    if not tensors:
        raise WeightsError(f"{path} holds no tensors by name.")
    if all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    return tensors


def renamed_tensors(tensors: dict[str, Tensor], form: Format) -> dict[str, Tensor]:
    """Return the tensors under our names."""
    result = {}
    for name, tensor in tensors.items():
        new: str | None = name
        for pattern, replacement in form.rename:
            if replacement is None:
                new = None if re.search(pattern, new) else new
            else:
                new = re.sub(pattern, replacement, new)
            if new is None:
                break
        if new is not None:
            result[new] = tensor
    return form.convert(result) if form.convert else result


def load_strictly(module: nn.Module, tensors: dict[str, Tensor], *, where: str) -> None:
    """Load tensors that must fit one for one.

    Raises:
        WeightsError: names or shapes differ; the first few of each kind are listed.
    """
    own = module.state_dict()
    tensors = {name: t for name, t in tensors.items() if name in own or not name.endswith("num_batches_tracked")}
    tensors |= {name: t for name, t in own.items() if name.endswith("num_batches_tracked") and name not in tensors}
    wrong = [
        ("missing", sorted(own.keys() - tensors.keys())), ("unknown", sorted(tensors.keys() - own.keys())),
        ("of another shape", [f"{n} {tuple(tensors[n].shape)} for {tuple(own[n].shape)}" for n in sorted(own)
                              if n in tensors and tensors[n].shape != own[n].shape]),
    ]
    told = [f"{len(names)} {kind} ({', '.join(names[:3])}{' ...' if len(names) > 3 else ''})"
            for kind, names in wrong if names]
    if told:
        raise WeightsError(f"{where} does not fit {type(module).__name__}: {'; '.join(told)}.")
    module.load_state_dict(tensors, strict=True)


class Loadable(nn.Module):
    """A network that can be filled from the files of public releases."""

    CHECKPOINTS: ClassVar[dict[str, Format]] = {}
    """Releases whose files `load_checkpoint` reads, by name."""

    def load_checkpoint(self, path: str | Path, form: str | None = None) -> Self:
        """Fill the network with the weights of a public checkpoint, strictly.

        Args:
            path: a file as its authors released it (.safetensors, .pth, .pt, .pyth).
            form: a name in `CHECKPOINTS`; may be left out where the family has one.

        Raises:
            UnknownName: no such format.
            WeightsError: the file is damaged, or is of another architecture.
        """
        return self.load_tensors(read_checkpoint(path), form, where=str(path))

    def load_tensors(self, tensors: dict[str, Tensor], form: str | None = None, *, where: str = "checkpoint") -> Self:
        """Do as `load_checkpoint`, with tensors under the release's names."""
        if form is None and len(self.CHECKPOINTS) == 1:
            form = next(iter(self.CHECKPOINTS))
        if form not in self.CHECKPOINTS:
            raise UnknownName(f"checkpoint format of {type(self).__name__}", str(form), self.CHECKPOINTS)
        found = renamed_tensors(tensors, self.CHECKPOINTS[form])
        if isinstance(getattr(self, "head", None), nn.Linear):  # built without the dropout of the release
            found = {re.sub(r"^head\.1\.", "head.", name): tensor for name, tensor in found.items()}
        load_strictly(self, found, where=where)
        return self.eval()
