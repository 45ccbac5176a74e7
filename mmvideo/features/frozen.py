"""Encoders whose features are kept: a preset of the zoo, with its embedded weights where it has any, or a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from mmvideo import weights
from mmvideo.encoders import zoo
from mmvideo.encoders.base import VideoEncoder
from mmvideo.encoders.preset import LITE0_INPUT, Input
from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.evaluation.profile import count_preset
from mmvideo.features.views import WHOLE, View
from mmvideo.nn.frame_backbone import LITE0
from mmvideo.registry import find
from mmvideo.training.finetune.pretrained import fill_imagenet, takes_imagenet

EMBEDDED = {"lite0": ("lite0", ""), "camera-motion": ("camera-motion", ""), "toybox-av": ("toybox-qa", "encoder")}
"""Preset -> embedded model and the part of it with the preset's weights."""
CONCATENATED = "two-stream-lite0"
"""EfficientNet-Lite0 with ImageNet's weights on colour and, averaged over colours, on optical flow; the features of
both streams set side by side, as Simonyan & Zisserman 2014 do with their scores before the SVM."""
RANDOM, AUTO, IMAGENET = "none", "auto", "imagenet"
PRETRAINED = (AUTO, IMAGENET, RANDOM)
SEED = 0
"""Of the weights of presets without any."""
COLOURS = 3


@dataclass(frozen=True)
class FrozenEncoder:
    """An encoder that does not learn, and all that decides its features."""

    name: str
    network: VideoEncoder
    weights: str
    """Where its weights come from, in words."""
    view: View
    normalise: Callable[[Any], Tensor] | None = None
    """Features -> (B, D), in place of the pooled ones."""

    @property
    def about(self) -> dict[str, Any]:
        """Plain values that decide the features, with a digest of every weight."""
        return {"encoder": self.name, "weights": self.weights, "digest": _digest(self.network),
                "view": self.view.record(), "format": 1}

    @torch.inference_mode()
    def features(self, clips: Sequence[Tensor]) -> Tensor:
        """Encode clips of the view, each uint8 (T, 3, H, W), into float32 (B, D)."""
        device = next(self.network.parameters()).device
        seen = self.network(torch.stack(list(clips)).to(device))
        found = seen.pooled if self.normalise is None else self.normalise(seen)
        return found.float().cpu()


def _digest(network: nn.Module) -> str:
    found = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        found.update(name.encode())
        found.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()[:24]


def frozen_encoder(name: str, *, pretrained: str = AUTO, crop: str = WHOLE, device: torch.device | str = "cpu"
                   ) -> FrozenEncoder:
    """Return an encoder by the name of a preset, or by the folder of a run or of `save_pretrained`.

    Args:
        pretrained: for presets: auto (the weights that ship, else ImageNet's where the preset can hold them, else
            random ones), imagenet, or none (random ones, always the same).
        crop: see `View`.

    Raises:
        UnknownName: no such preset or folder.
        InvalidInput: it does not see three colours, or does not take ImageNet's weights.
        WeightsError: a folder that holds no encoder.
    """
    if pretrained not in PRETRAINED:
        raise UnknownName("pretrained", pretrained, PRETRAINED)
    home = weights.local_path(name)
    if ("/" in name or home.is_dir()) and name not in EMBEDDED:
        inner = home / weights.RUN_MODEL
        place = weights.folder(inner if weights.is_encoder(inner) else home)
        return _frozen(place.parent.name if place.name == weights.RUN_MODEL else place.name,
                       cast("VideoEncoder", zoo.load(_encoder_in(place))), f"folder {place.name}", crop, device)
    if name == CONCATENATED:
        return _frozen(name, _concatenated(), "ImageNet (Lite0, embedded), both streams", crop, device)
    preset = zoo.preset_of(name)
    if not isinstance(preset.input, Input) or len(preset.input.mean) != COLOURS:
        raise InvalidInput(f"{name} takes clips with optical flow beside or in place of the colours, which `features` "
                           "does not compute; use a two-stream preset.")
    network, origin = _with_weights(name, pretrained)
    return _frozen(name, network, origin, crop, device)


def _encoder_in(place: Path) -> Path:
    return place / "encoder" if not weights.is_encoder(place) and (place / "encoder").is_dir() else place


def _with_weights(name: str, pretrained: str) -> tuple[VideoEncoder, str]:
    """Build a preset and say where its weights come from."""
    if pretrained == AUTO and name in EMBEDDED:
        model, part = EMBEDDED[name]
        home = weights.folder(model) / part
        return find("encoders", zoo.family_of(name)).from_pretrained(home), f"embedded ({model})"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network = cast("VideoEncoder", zoo.create(name, num_classes=0))
    if pretrained != RANDOM and (pretrained == IMAGENET or takes_imagenet(name)):
        fill_imagenet(network)
        return network, "ImageNet (Lite0, embedded)"
    return network, "random"


def _concatenated() -> VideoEncoder:
    network = zoo.create("two-stream-resnet50", num_classes=0, backbone=LITE0, dropout=0.0, fusion="svm-features",
                         input=replace(LITE0_INPUT, num_frames=11))
    fill_imagenet(network)
    return cast("Any", network).start_flow_from_rgb()


def _frozen(name: str, network: VideoEncoder, origin: str, crop: str, device: torch.device | str) -> FrozenEncoder:
    network = network.to(device).eval().requires_grad_(False)
    seen = getattr(network, "input", None) or zoo.preset_of(name).input  # of this package's own worlds, the preset's
    assert isinstance(seen, Input)
    concatenated = getattr(network, "fusion", "") == "svm-features"
    normalise = cast("Any", network).svm_inputs if concatenated else None
    return FrozenEncoder(name, network, origin, View.of(seen, crop), normalise)


def affordable_presets(most_gflops: float, on_progress: Callable[[int, int], None] | None = None
                       ) -> tuple[list[str], dict[str, str]]:
    """Return the presets that cost at most so many 10^9 multiply-adds a clip, cheapest first, and why others are not.

    The concatenated streams come last. Families that cannot be imported are left out.

    Args:
        on_progress: called with the number of presets that are counted, and of all.
    """
    costs: dict[str, float] = {}
    left_out: dict[str, str] = {}
    presets = zoo.presets()
    for done, (name, preset) in enumerate(presets.items()):
        if on_progress is not None:
            on_progress(done, len(presets))
        if not isinstance(preset.input, Input) or len(preset.input.mean) != COLOURS:
            left_out[name] = "takes optical flow, not colours alone"
            continue
        cost = count_preset(name).gflops
        if cost > most_gflops:
            left_out[name] = f"{cost:.0f} G multiply-adds a clip, over {most_gflops:g}"
        else:
            costs[name] = cost
    if on_progress is not None:
        on_progress(len(presets), len(presets))
    return [*sorted(costs, key=lambda name: (costs[name], name)), CONCATENATED], left_out


__all__ = ["AUTO", "CONCATENATED", "EMBEDDED", "IMAGENET", "PRETRAINED", "RANDOM", "FrozenEncoder",
           "affordable_presets", "frozen_encoder"]
