"""Load a model of the hub: precision, place, attention, quantisation and adapters, with defaults for each device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from mmvideo import weights
from mmvideo.errors import (
    InvalidInput,
    MissingExtra,
    OutOfMemory,
    UnknownName,
    UnsupportedModel,
    WeightsError,
    lacks_memory,
)
from mmvideo.hub.resolve import Found, reading
from mmvideo.nn.interruptible import interruptible
from mmvideo.nn.precision import bfloat16_is_faster

if TYPE_CHECKING:
    from transformers import PreTrainedModel

QUANTIZED = ("int8", "int4")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """How the weights are held; None takes what suits the device."""

    dtype: str | None = None
    """float32, bfloat16 or float16. By default the checkpoint's on a GPU; on a CPU the faster of float32 and
    bfloat16, which is measured once (`mmvideo.nn.precision`)."""
    device_map: str | None = None
    """"auto" spreads a model over all GPUs and the memory of the CPU."""
    attn_implementation: str | None = None
    """Such as sdpa, eager, flash_attention_2; by default what transformers picks for the model."""
    quantize: str | None = None
    """int8 or int4: weights of linear layers in fewer bits (torchao)."""
    adapter: str | None = None
    """Folder or hub name of a LoRA or another adapter of peft; it is merged into the weights."""
    revision: str | None = None
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        if self.dtype not in (None, *DTYPES):
            raise UnknownName("dtype", str(self.dtype), DTYPES)
        if self.quantize not in (None, *QUANTIZED):
            raise UnknownName("quantize", str(self.quantize), QUANTIZED)

    def torch_dtype(self, device: torch.device) -> torch.dtype | str:
        """Return the precision to load in."""
        if self.dtype is not None:
            return DTYPES[self.dtype]
        if device.type != "cpu":
            return "auto"
        return torch.bfloat16 if bfloat16_is_faster() else torch.float32


def load_model(auto: Any, found: Found, device: torch.device, options: LoadOptions, **more: Any) -> PreTrainedModel:
    """Load weights with one of transformers' Auto classes.

    Raises:
        ModelUnavailable: the weights cannot be fetched.
        WeightsError: they do not fit the architecture, or are not those of the folder's SHA256SUMS.
        OutOfMemory: they do not fit into memory.
    """
    name = local(found.name)
    weights.verified(Path(name))
    arguments: dict[str, Any] = {
        "dtype": options.torch_dtype(device), "trust_remote_code": options.trust_remote_code, **more,
        "revision": options.revision or "main",
        **_given(device_map=options.device_map, attn_implementation=options.attn_implementation,
                 quantization_config=_quantization(options, device)),
    }
    with memory_for(f"loading {found.name}"), reading(found.name, "weights (model.safetensors)"), quiet():
        try:
            model, info = auto.from_pretrained(name, output_loading_info=True, **arguments)
        except RuntimeError as error:
            if "mismatched" not in str(error):
                raise
            raise WeightsError(f"The weights of {found.name} do not fit its config.json; fetch it again.") from error
    check_fit(found.name, model, info)
    if options.adapter is not None:
        model = _adapted(model, options.adapter)
    if options.device_map is None:
        with memory_for(f"moving {found.name} to {device}"):
            model = model.to(device)
    return interruptible(model.eval())


def check_fit(name: str, model: nn.Module, info: Mapping[str, Any]) -> None:
    """Compare what `from_pretrained` says about the weights that it found.

    Raises:
        WeightsError: some are missing, which it would leave random, or of another shape.
    """
    missing = [key for key in info["missing_keys"] if not key.endswith("lm_head.weight")]
    if missing or info["mismatched_keys"]:
        raise WeightsError(f"The weights of {name} do not fit {type(model).__name__}: missing {sorted(missing)[:3]}, "
                           f"of another shape {[*info['mismatched_keys']][:3]}; fetch it again.")


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _quantization(options: LoadOptions, device: torch.device) -> Any:
    if options.quantize is None:
        return None
    if find_spec("torchao") is None:
        raise MissingExtra("torchao", "quantize", f"quantize={options.quantize!r}")
    from torchao.quantization import Int8WeightOnlyConfig, IntxWeightOnlyConfig
    from torchao.quantization.granularity import PerGroup
    from transformers import TorchAoConfig

    if options.quantize == "int8":
        return TorchAoConfig(Int8WeightOnlyConfig())
    if device.type == "cuda":
        from torchao.quantization import Int4WeightOnlyConfig

        return TorchAoConfig(Int4WeightOnlyConfig(group_size=32))
    return TorchAoConfig(IntxWeightOnlyConfig(
        weight_dtype=torch.int4,  # type: ignore[attr-defined]  # torch has it, its types do not
        granularity=PerGroup(16)))


def _adapted(model: PreTrainedModel, adapter: str) -> PreTrainedModel:
    if find_spec("peft") is None:
        raise MissingExtra("peft", "hub", f"adapter={adapter!r}")
    from peft import PeftModel

    with reading(adapter, "adapter_config.json"):
        try:
            adapted = PeftModel.from_pretrained(model, str(weights.verified(Path(local(adapter)))))
        except (RuntimeError, KeyError) as error:
            raise WeightsError(f"The adapter {adapter} was trained on another model: {error}") from error
    try:
        return adapted.merge_and_unload()
    except (NotImplementedError, AttributeError, ValueError):  # quantised layers that cannot take it up
        return adapted


def local(name: str) -> str:
    """Return the path of a folder, or the name as it is."""
    path = weights.local_path(name)
    return str(path) if path.is_dir() else name


def processor(found: Found, options: LoadOptions) -> Any:
    """Load what prepares a model's inputs.

    Raises:
        UnsupportedModel: there is none, or it prepares only text.
    """
    from transformers import AutoProcessor, ProcessorMixin

    step = (f"Copy processor_config.json (or preprocessor_config.json), tokenizer.json and chat_template.jinja from "
            f"the model that {found.name} was made from, or save them with processor.save_pretrained.")
    try:
        with reading(found.name, "processor"), quiet():
            made = AutoProcessor.from_pretrained(local(found.name), revision=options.revision or "main",
                                                 trust_remote_code=options.trust_remote_code)
    except UnsupportedModel:
        raise
    except WeightsError as error:
        raise UnsupportedModel(f"{found.name} has no complete processor ({_line(error.__cause__ or error)}). {step}") \
            from error.__cause__
    if not isinstance(made, ProcessorMixin):
        raise UnsupportedModel(f"{found.name} has no processor for pictures, only {type(made).__name__}. {step}")
    return made


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@contextmanager
def memory_for(what: str) -> Iterator[None]:
    """Turn running out of memory into an error that says what to make smaller.

    Raises:
        OutOfMemory: there was not enough.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not lacks_memory(error):
            raise
        raise OutOfMemory(_too_large(what)) from error


def _too_large(what: str) -> str:
    return (f"Out of memory while {what}. Look at less (max_frames=16, max_tokens=4000, size=224), hold the weights "
            "in fewer bits (quantize=\"int8\" or \"int4\", dtype=\"bfloat16\"), spread them (device_map=\"auto\"), or "
            "name a smaller model.")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from drawing progress bars of its own."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def check_positive(**options: float | None) -> None:
    """Raise InvalidInput for a given option that is not above zero."""
    for name, value in options.items():
        if value is not None and not value > 0:
            raise InvalidInput(f"{name} must be above 0, not {value}.")


__all__ = ["DTYPES", "QUANTIZED", "LoadOptions", "check_fit", "check_positive", "load_model", "local", "memory_for",
           "processor", "quiet"]
