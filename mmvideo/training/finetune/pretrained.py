"""Weights that a training begins with: ImageNet's, which ship, those of a run, or a release's checkpoint.

The shipped EfficientNet-Lite0 has its normalisation folded into the convolutions. For networks of timm that still have
it, it is unfolded: each normalisation gets the statistics of clips to learn from, and the scale and shift that undo
them. The network computes the same, and may go on learning with either frozen or new statistics.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmvideo import registry, weights
from mmvideo.encoders import zoo
from mmvideo.encoders.base import VideoEncoder
from mmvideo.encoders.lite0 import STAGES, Lite0
from mmvideo.encoders.preset import Input
from mmvideo.errors import InvalidInput, ModelNotFound, UnknownName, WeightsError
from mmvideo.hub.resolve import reading
from mmvideo.nn.checkpoints import load_strictly
from mmvideo.nn.costs import shapes_only

IMAGENET, NONE, AUTO = "imagenet", "none", "auto"
_MARK = "conv_stem"
"""timm's name of the first convolution of an EfficientNet."""


def training_input(preset: str, *, frames: int, size: int, fps: float, focus: str = "none",
                   channels: str = "colour") -> Input:
    """Return the clip that a preset is trained on: its own, with what is given changed.

    Raises:
        UnknownName: no such preset.
        InvalidInput: it hears, and sees nothing.
    """
    own = zoo.preset_of(preset).input
    if not isinstance(own, Input):
        raise InvalidInput(f"{preset} does not see video.")
    return replace(own, num_frames=frames or own.num_frames, height=size or own.height, width=size or own.width,
                   fps=fps or None, focus="" if focus == "none" else focus,
                   channels="" if channels == "colour" else channels)


def build_pretrained(preset: str, names: Sequence[str], seen: Input, *, pretrained: str = NONE, form: str = "",
          clips: Tensor | None = None) -> tuple[VideoEncoder, set[str], str]:
    """Build an encoder with a classifier and fill it.

    Args:
        preset: a name of the zoo.
        names: classes, in the order of the logits.
        seen: the clip that it takes.
        pretrained: imagenet, none, auto, a run's or model's folder, an embedded model, a checkpoint file, or a model of
            the Hugging Face hub (owner/name) in a format that the family reads.
        form: format of a checkpoint file.
        clips: some that it will learn from, uint8 (B, T, C, H, W); for the statistics of ImageNet's weights.

    Returns:
        The encoder, the names of the parameters that were filled, and where from, in words.

    Raises:
        InvalidInput: the encoder does not take ImageNet's weights.
        UnknownName: no such model or format.
        WeightsError: weights of another architecture.
    """
    if pretrained == AUTO:
        pretrained = IMAGENET if takes_imagenet(preset) else NONE
    if pretrained in ("lite0", IMAGENET) and not takes_imagenet(preset):
        raise InvalidInput(f"{preset} takes no weights of ImageNet; these do: {', '.join(imagenet_presets())}. Or add "
                           "--pretrained none.")
    folded: dict[str, Any] = {}
    if pretrained in ("lite0", IMAGENET) and zoo.family_of(preset) == "lite0":
        folded["folded"] = True
    encoder = zoo.create(preset, labels=tuple(names), input=seen, **folded)
    if pretrained in ("", NONE):
        return cast("VideoEncoder", encoder), set(), "random weights"
    if pretrained in ("lite0", IMAGENET):
        filled = fill_imagenet(encoder, clips)
        return cast("VideoEncoder", encoder), filled, "ImageNet (EfficientNet-Lite0, embedded as lite0)"
    filled, source = _fill_from(encoder, preset, pretrained, form)
    return cast("VideoEncoder", encoder), filled, source


def takes_imagenet(preset: str) -> bool:
    """Say whether a preset holds EfficientNet-Lite0 at its published width."""
    about = zoo.preset_of(preset)
    if zoo.family_of(preset) == "lite0":
        return about.options.get("width", 1.0) == 1.0
    return "tf_efficientnet_lite0" in (about.options.get("backbone"), about.options.get("model"))


def imagenet_presets() -> list[str]:
    """Return the presets that take ImageNet's weights."""
    return sorted(name for name in zoo.presets() if takes_imagenet(name))


def fill_imagenet(encoder: nn.Module, clips: Tensor | None = None) -> set[str]:
    """Fill what is EfficientNet-Lite0 in an encoder; return the names of the parameters that were filled.

    Raises:
        InvalidInput: there is none in it.
    """
    source = cast("Lite0", zoo.load(weights.folder("lite0")))
    if isinstance(encoder, Lite0):
        given = {name: tensor for name, tensor in source.state_dict().items() if not name.startswith("head.")}
        own = encoder.state_dict()
        load_strictly(encoder, {**own, **given}, where="lite0")
        return {name for name, _ in encoder.named_parameters() if name in given}
    own = encoder.state_dict()
    stem = next((name for name in own if re.search(rf"(^|\.){_MARK}\.", name)), None)
    if stem is None:
        raise InvalidInput(f"{type(encoder).__name__} holds no EfficientNet-Lite0 of timm, so ImageNet's weights do "
                           "not fit; add --pretrained none.")
    prefix = stem[:stem.index(_MARK)]
    given = {}
    for name, tensor in _for_timm(source):
        target = next((own_name for own_name in (prefix + name, _inside(prefix + name)) if own_name in own), None)
        if target is not None:
            shape = own[target].shape
            if tensor.ndim == 4 and len(shape) == 5:  # inflated: copies along time, divided by their number
                tensor = tensor.unsqueeze(2).expand(-1, -1, shape[2], -1, -1) / shape[2]
            given[target] = tensor
    missing = [name for name in own if name.startswith(prefix) and name not in given
               and not name.endswith(("num_batches_tracked", ".kernel"))]
    if missing:
        raise WeightsError(f"ImageNet's weights leave {len(missing)} tensors of {prefix} empty ({missing[0]}).")
    load_strictly(encoder, {**own, **given}, where="lite0")
    if clips is not None:
        unfold(encoder, clips)
    return {name for name, _ in encoder.named_parameters() if name in given}


def _inside(name: str) -> str:
    """Return the name of a tensor of a wrapped convolution."""
    first, _, last = name.rpartition(".")
    return f"{first}.net.{last}"


def _for_timm(source: Lite0) -> Iterator[tuple[str, Tensor]]:
    """Yield the folded weights under timm's names; normalisations are the identity and the bias."""
    tensors = source.state_dict()
    eps = 1e-3
    for ours, conv, norm in _pairs():
        weight, bias = tensors[f"{ours}.conv.weight"], tensors[f"{ours}.conv.bias"]
        yield f"{conv}.weight", weight
        ones = torch.ones_like(bias)
        yield f"{norm}.weight", ones * (1 + eps) ** 0.5
        yield f"{norm}.bias", bias
        yield f"{norm}.running_mean", torch.zeros_like(bias)
        yield f"{norm}.running_var", ones


def _pairs() -> Iterator[tuple[str, str, str]]:
    """Yield our name of each unit, and timm's names of its convolution and its normalisation."""
    yield "stem", "conv_stem", "bn1"
    number = 0
    for stage, (num, _, _, _, expansion) in enumerate(STAGES):
        for block in range(num):
            theirs = f"blocks.{stage}.{block}"
            parts = (("depthwise", "conv_dw", "bn1"), ("project", "conv_pw", "bn2")) if expansion == 1 else (
                ("expand", "conv_pw", "bn1"), ("depthwise", "conv_dw", "bn2"), ("project", "conv_pwl", "bn3"))
            for part, conv, norm in parts:
                yield f"blocks.{number}.{part}", f"{theirs}.{conv}", f"{theirs}.{norm}"
            number += 1
    yield "top", "conv_head", "bn2"


@torch.no_grad()
def unfold(encoder: nn.Module, clips: Tensor) -> None:
    """Give every batch normalisation the statistics of clips, and what undoes them: the network stays what it is.

    Args:
        encoder: in any mode; left as it was.
        clips: uint8 (B, T, C, H, W).
    """
    norms = [part for part in encoder.modules() if isinstance(part, _BatchNorm)]
    seen: dict[int, tuple[Tensor, Tensor]] = {}

    def look(part: nn.Module, given: tuple[Any, ...]) -> None:
        x = given[0].transpose(0, 1).flatten(1)
        seen[id(part)] = (x.mean(1), x.var(1, unbiased=False))

    hooks = [part.register_forward_pre_hook(look) for part in norms]
    training = encoder.training
    encoder.eval()
    encoder(clips)
    encoder.train(training)
    for hook in hooks:
        hook.remove()
    for part in norms:
        if id(part) not in seen:
            continue
        mean, var = seen[id(part)]
        assert part.running_mean is not None
        assert part.running_var is not None
        scale = part.weight / (part.running_var + part.eps).sqrt()  # y = scale x + shift, now as before
        shift = part.bias - part.running_mean * scale
        part.weight.copy_(scale * (var + part.eps).sqrt())
        part.bias.copy_(shift + mean * scale)
        part.running_mean.copy_(mean)
        part.running_var.copy_(var)


def _hub_file(name: str) -> Path:
    """Return the weights of a model of the hub, fetched or from the local cache.

    Raises:
        ModelUnavailable: there is no such model or no network.
    """
    from huggingface_hub import hf_hub_download

    with reading(name, "model.safetensors"):
        return Path(hf_hub_download(name, "model.safetensors"))


def _fill_from(encoder: nn.Module, preset: str, name: str, form: str) -> tuple[set[str], str]:
    """Fill an encoder from a folder or a checkpoint file; the classifier only where it has the same classes."""
    path = weights.local_path(name)
    if path.is_file() or (weights.is_hub_id(name) and not path.exists()):
        forms = registry.find("encoders", zoo.family_of(preset)).CHECKPOINTS
        of_hub = not path.is_file() and not form and "transformers" in forms
        source = zoo.create(preset).load_checkpoint(path if path.is_file() else _hub_file(name),
                                                    "transformers" if of_hub else form or None)
        where = f"the checkpoint {path.name if path.is_file() else name}"
    else:
        try:
            home = weights.folder(name)
        except UnknownName as error:
            raise UnknownName("start of a training (--pretrained)", name,
                              [IMAGENET, NONE, AUTO, *weights.embedded_names()],
                              hint="Or give a run's folder, a model's folder, or a checkpoint file.") from error
        except ModelNotFound as error:
            raise ModelNotFound(f"--pretrained {name}: {error}") from error
        if not weights.is_encoder(home):
            raise WeightsError(f"{name} is no encoder of the zoo; give a run of `mmvideo train`, or a checkpoint file.")
        source = zoo.load(home)
        where = f"{name} ({source.preset})"
    own, given = encoder.state_dict(), source.state_dict()
    with shapes_only():
        headless = zoo.create(preset, num_classes=0).state_dict()
    same = tuple(getattr(source, "labels", ())) == getattr(encoder, "labels", ())
    classifier = {n for n in own if n not in headless or headless[n].shape != own[n].shape}
    taken = {n: x for n, x in given.items() if (same or n not in classifier) and n in own}
    if wrong := [n for n in own if n not in classifier and (n not in taken or taken[n].shape != own[n].shape)]:
        raise WeightsError(f"{where} does not fit {preset}: {len(wrong)} of its tensors are missing or of another "
                           f"shape, such as {wrong[0]}; give the run of the same encoder and size.")
    load_strictly(encoder, {**own, **{n: x for n, x in taken.items() if x.shape == own[n].shape}}, where=where)
    return {n for n, _ in encoder.named_parameters() if n in taken}, where


__all__ = ["build_pretrained", "fill_imagenet", "imagenet_presets", "takes_imagenet", "training_input", "unfold"]
