"""Language models in a GGUF file (llama.cpp): read by transformers as plain floats, and saved as such."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmvideo import weights
from mmvideo.errors import MissingExtra

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_METHOD = "gguf"


def gguf_file(name: str | Path) -> Path | None:
    """Return the path of a GGUF file; None where the name is none.

    Raises:
        MissingExtra: the package gguf, which reads it, is absent.
    """
    path = weights.local_path(name)
    if path.suffix.lower() != ".gguf" or not path.is_file():
        return None
    if find_spec("gguf") is None:
        raise MissingExtra("gguf", "hub", path.name)
    return path


def arguments(path: Path) -> dict[str, Any]:
    """Return what `from_pretrained` of transformers takes to read the weights of a file as plain floats."""
    import transformers

    config = getattr(transformers, "GgufConfig", None)  # older versions always read plain floats
    return {"gguf_file": path.name, **({} if config is None else {"quantization_config": config(dequantize=True)})}


def declared(config: Any) -> bool:
    """Say whether a configuration of transformers names GGUF as the way its weights are quantised."""
    given = getattr(config, "quantization_config", None)
    method = given.get("quant_method") if isinstance(given, dict) else getattr(given, "quant_method", None)
    return getattr(method, "value", method) == _METHOD


def forget(model: PreTrainedModel) -> PreTrainedModel:
    """Take out what says that a model of plain floats is quantised, which keeps transformers from saving it."""
    if declared(model.config):
        del model.config.quantization_config
        model.hf_quantizer = None
    return model


__all__ = ["arguments", "declared", "forget", "gguf_file"]
