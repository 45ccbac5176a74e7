"""Two streams: one 2D network on colour, one on stacked optical flow (Simonyan & Zisserman 2014).

https://arxiv.org/abs/1406.2199; with VGG-16 and cross-modality initialisation: Wang et al. 2015,
https://arxiv.org/abs/1507.02159. The streams meet in their class scores alone: by averaging them, or by a linear SVM.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmvideo.encoders.base import VideoEncoder, linear_head
from mmvideo.encoders.preset import IMAGENET_MEAN, IMAGENET_STD, Input, Preset, Published
from mmvideo.errors import InvalidInput, WeightsError
from mmvideo.flow.base import BOUND, FlowMethod, as_bytes
from mmvideo.nn.checkpoints import load_strictly, read_checkpoint
from mmvideo.nn.frame_backbone import TINY_RESNET, FrameBackbone
from mmvideo.registry import find
from mmvideo.types import Features

COLOURS = 3
STREAMS = ("both", "rgb", "flow")
FUSIONS = ("average", "svm-scores", "svm-features")
GIVEN = "given"
FLOW_MEAN, FLOW_STD = 0.5, 0.226
"""Of flow laid out on [0, 1]: no motion, and the mean of ImageNet's deviations."""
TINY = {"backbone": "resnet18", "backbone_options": TINY_RESNET, "bound": 6.0, "subtract_mean": False, "dropout": 0.0}
"""6 pixels of 64 are 20 of 224; the camera's own motion is a class of the toybox, so the mean flow stays."""


class TwoStream(VideoEncoder):
    """Colour at some times, and the motion that follows each; tokens hold both streams side by side.

    A place in time is a frame and the `length` flows that begin at it. A stream's logits are the mean over its places.

    Args:
        backbone: an architecture of timm, for both streams.
        backbone_options: further keyword arguments of it.
        streams: "both", "rgb" or "flow".
        length: L, how many flows are stacked into 2 L channels: dx, dy, dx, dy and so on.
        stride: frames from one place to the next; 0 for `length`.
        flow: a name of the registry's "flows", computed from the clip's colours; "given" where clips come with five
            channels, the last two flow in [0, 1] as `mmvideo.flow.base.as_bytes` lays it out (the flow of frame t leads
            to t + 1; the last frame's is not read).
        flow_options: keyword arguments of the method.
        bound: pixels a frame at which flow is cut before it becomes 8 bits.
        subtract_mean: take each flow's mean from it, which removes much of a moving camera (section 3.1 of the paper).
        fusion: "average" of the class probabilities; "svm-scores" and "svm-features": a linear layer that `set_svm`
            fills, over what `svm_inputs` gives.
        flow_weight: of the flow stream in the average; 1 in Simonyan & Zisserman, 2 in Wang et al. 2015.
        dropout: before the classifiers.

    Raises:
        UnknownName: no such architecture or method of flow.
        InvalidInput: options that do not fit together.
    """

    any_length: ClassVar[bool] = True
    averages: ClassVar[str] = "probabilities"
    PRESETS: ClassVar = {
        "two-stream-vgg16": Preset(
            "VGG-16 twice, a frame and the ten flows that follow it", Input(11, 224, 224),
            {"backbone": "vgg16", "flow_weight": 2.0, "dropout": 0.8, "flow": "dis"}, num_classes=101, views=(25, 3),
            weights="train it, from an ImageNet network of timm with load_imagenet",
            published=Published("Wang et al. 2015, arXiv:1507.02159, abstract (with TV-L1 flow)",
                                top1=91.4, top1_on="UCF-101")),
        "two-stream-resnet50": Preset(
            "ResNet-50 twice, a frame and the ten flows that follow it", Input(11, 224, 224),
            {"backbone": "resnet50", "dropout": 0.5, "flow": "dis"}, num_classes=101, views=(25, 3),
            weights="train it, from an ImageNet network of timm or torchvision with load_imagenet"),
        "two-stream-tiny": Preset("small enough to train in minutes", Input(16, 64, 64), {**TINY, "stride": 1},
                                  num_classes=10, views=(1, 1)),
        "two-stream-tiny-rgb": Preset("the small one's colour stream alone", Input(16, 64, 64),
                                      {**TINY, "stride": 1, "streams": "rgb"}, num_classes=10, views=(1, 1)),
        "two-stream-tiny-flow": Preset("the small one's flow stream alone", Input(16, 64, 64),
                                       {**TINY, "stride": 1, "streams": "flow"}, num_classes=10, views=(1, 1)),
    }

    def __init__(self, *, input: Input, num_classes: int = 0, backbone: str = "vgg16",
                 backbone_options: Mapping[str, Any] | None = None, streams: str = "both", length: int = 10,
                 stride: int = 0, flow: str = "dis", flow_options: Mapping[str, Any] | None = None,
                 bound: float = BOUND, subtract_mean: bool = True, fusion: str = "average", flow_weight: float = 1.0,
                 dropout: float = 0.5):
        super().__init__(input=input, num_classes=num_classes)
        _check_options(input, streams, length, stride, flow, bound, fusion, flow_weight)
        self.length, self.stride, self.streams = length, stride or length, streams
        self.bound, self.subtract_mean, self.fusion, self.flow_weight = bound, subtract_mean, fusion, flow_weight
        self.method: FlowMethod | None = None
        if streams != "rgb" and flow != GIVEN:
            try:
                self.method = find("flows", flow)(**(flow_options or {}))
            except TypeError as error:
                raise InvalidInput(f"flow_options={dict(flow_options or {})} do not fit {flow}: {error}.") from error
        self.min_frames = 1 if streams == "rgb" else length + 1
        made = {"height": input.height, "width": input.width,
                "options": {"drop_rate": dropout, **(backbone_options or {})}}
        self.rgb = FrameBackbone(backbone, channels=COLOURS, **made) if streams != "flow" else None
        self.flow = FrameBackbone(backbone, channels=2 * length, **made) if streams != "rgb" else None
        trunks = [trunk for trunk in (self.rgb, self.flow) if trunk is not None]
        self.dim, self.any_size = sum(t.dim for t in trunks), trunks[0].any_size
        self._dim_pooled = sum(t.dim_pooled for t in trunks)
        self.head_rgb = linear_head(trunks[0].dim_pooled, num_classes) if self.rgb is not None else None
        self.head_flow = linear_head(trunks[-1].dim_pooled, num_classes) if self.flow is not None else None
        self.svm: nn.Linear | None = None
        if num_classes and fusion != "average":
            self.svm = nn.Linear(2 * num_classes if fusion == "svm-scores" else self._dim_pooled, num_classes)

    @property
    def dim_pooled(self) -> int:
        """Width of what the streams' classifiers read, side by side."""
        return self._dim_pooled

    def places(self, num_frames: int) -> list[int]:
        """Return the frames at which a place begins."""
        last = num_frames - 1 if self.flow is None else num_frames - 1 - self.length
        return list(range(0, last + 1, self.stride))

    def num_tokens(self, num_frames: int, height: int, width: int) -> int:
        """Return N: the positions of one stream's last map, for each place."""
        self.check(num_frames, height, width)
        trunk = self.rgb if self.rgb is not None else self.flow
        return len(self.places(num_frames)) * math.prod(trunk.grid(height, width))

    def encode(self, frames: Tensor) -> Features:
        b, places = frames.shape[0], self.places(frames.shape[1])
        maps, pooled = [], []
        for trunk, seen in ((self.rgb, self._colours), (self.flow, self._motion)):
            if trunk is not None:
                raw = trunk.raw(seen(frames, places).flatten(0, 1))
                maps.append(trunk.split(raw)[0])
                pooled.append(trunk.pool(raw).unflatten(0, (b, len(places))).mean(1))
        both = torch.cat(maps, 1)
        tokens = both.flatten(2).transpose(1, 2).reshape(b, -1, self.dim)
        return Features(tokens=tokens, grid=(len(places), *both.shape[2:]), pooled=torch.cat(pooled, 1))

    def stream_logits(self, features: Features) -> dict[str, Tensor]:
        """Return the logits of each stream, float (B, num_classes), under "rgb" and "flow"; to train them apart.

        Raises:
            InvalidInput: the encoder was built without a classifier.
        """
        if not self.num_classes:
            raise InvalidInput("This encoder was built without classifiers; build it with num_classes or labels.")
        if self.rgb is None:
            return {"flow": self.head_flow(features.pooled)}
        rgb, flow = features.pooled.tensor_split((self.rgb.dim_pooled,), 1)
        found = {"rgb": self.head_rgb(rgb)}
        return found if self.flow is None else {**found, "flow": self.head_flow(flow)}

    def classify(self, features: Features) -> Tensor:
        """Return the logarithm of the streams' averaged probabilities, or the SVM's scores, float (B, num_classes)."""
        if self.svm is not None:
            return self.svm(self.svm_inputs(features))
        if not self.num_classes:
            return features.pooled
        logits = self.stream_logits(features)
        if len(logits) == 1:
            return next(iter(logits.values()))
        weights = logits["rgb"].new_tensor((1.0, self.flow_weight))
        each = torch.stack((logits["rgb"].log_softmax(-1), logits["flow"].log_softmax(-1)))
        return (each + (weights / weights.sum()).log().view(2, 1, 1)).logsumexp(0)

    def svm_inputs(self, features: Features) -> Tensor:
        """Return what a linear SVM reads, float (B, D): what `mmvideo.heads.svm.fit_svm` is fitted to.

        With "svm-features" each stream's features, otherwise each stream's class probabilities; every stream is brought
        to length 1 and they are set side by side (section 2 of the paper, which does so with the scores).
        """
        if self.fusion == "svm-features":
            parts = features.pooled.tensor_split((self.rgb.dim_pooled,), 1)
        else:
            parts = [logits.softmax(-1) for logits in self.stream_logits(features).values()]
        return torch.cat([F.normalize(part, dim=1) for part in parts], 1)

    def set_svm(self, fitted: nn.Linear) -> Self:
        """Take over a fitted SVM.

        Raises:
            InvalidInput: the encoder does not fuse by one.
            WeightsError: it was fitted to something else.
        """
        if self.svm is None:
            raise InvalidInput(f"This encoder fuses by {self.fusion!r}; build it with fusion='svm-scores' or "
                               "'svm-features'.")
        load_strictly(self.svm, dict(fitted.state_dict()), where="the fitted SVM")
        return self

    @torch.no_grad()
    def start_flow_from_rgb(self) -> Self:
        """Copy the colour stream's weights to the flow stream (cross-modality, Wang et al. 2015).

        The first convolution's filters are averaged over the three colours and repeated for all 2 L channels.

        Raises:
            InvalidInput: the encoder has one stream.
        """
        if self.rgb is None or self.flow is None:
            raise InvalidInput("Cross-modality initialisation needs both streams; this encoder has one.")
        return self._fill_flow(self.rgb.net.state_dict())

    def load_imagenet(self, path: str | Path) -> Self:
        """Fill both streams with a 2D network of timm (or a ResNet of torchvision); its classifier is left out.

        Raises:
            WeightsError: the file is damaged, or is of another architecture.
        """
        tensors = read_checkpoint(path)
        trunk = self.rgb if self.rgb is not None else self.flow
        wanted = trunk.net.state_dict()
        top = {f"{name}.{part}" for name in _classifiers(trunk.net) for part in ("weight", "bias")} - wanted.keys()
        tensors = {name: tensor for name, tensor in tensors.items() if name not in top}
        if self.rgb is not None:
            load_strictly(self.rgb.net, tensors, where=str(path))
        return self._fill_flow(tensors, where=str(path)) if self.flow is not None else self

    def _fill_flow(self, tensors: Mapping[str, Tensor], *, where: str = "the colour stream") -> Self:
        first = next(f"{name}.weight" for name, m in self.flow.net.named_modules() if isinstance(m, nn.Conv2d))
        if first not in tensors:
            raise WeightsError(f"{where} has no {first}; it is not of this architecture.")
        mean = tensors[first].mean(1, keepdim=True).repeat(1, 2 * self.length, 1, 1)
        load_strictly(self.flow.net, {**tensors, first: mean}, where=where)
        return self

    def _colours(self, frames: Tensor, places: list[int]) -> Tensor:
        """Return normalised colour at the places, (B, P, 3, H, W)."""
        return frames[:, places, :COLOURS]

    @torch.no_grad()
    def _motion(self, frames: Tensor, places: list[int]) -> Tensor:
        """Return stacks of flow, normalised, (B, P, 2 L, H, W)."""
        values = frames * self.std + self.mean
        if self.method is None:
            stored = (values[:, :-1, COLOURS:] * 255).round()
        else:
            colours = (values[:, :, :COLOURS] * 255).round().clamp(0, 255).to(torch.uint8)
            flow = self.method(colours)
            if self.subtract_mean:
                flow = flow - flow.mean((-2, -1), keepdim=True)
            stored = as_bytes(flow, bound=self.bound)
        scaled = (stored.to(frames.dtype) / 255 - FLOW_MEAN) / FLOW_STD
        return torch.stack([scaled[:, p:p + self.length].flatten(1, 2) for p in places], 1)


def _classifiers(network: nn.Module) -> tuple[str, ...]:
    """Return the names of the classifier of a timm model."""
    named = network.default_cfg["classifier"]
    return (named,) if isinstance(named, str) else tuple(named)


def _check_options(input: Input, streams: str, length: int, stride: int, flow: str, bound: float, fusion: str,
                   flow_weight: float) -> None:
    if streams not in STREAMS:
        raise InvalidInput(f"streams is {', '.join(STREAMS)}, not {streams!r}.")
    if fusion not in FUSIONS or (fusion != "average" and streams != "both"):
        raise InvalidInput(f"fusion is {', '.join(FUSIONS)}, the SVMs with streams='both'; not {fusion!r} with "
                           f"streams={streams!r}.")
    if length < 1 or stride < 0 or bound <= 0 or flow_weight <= 0:
        raise InvalidInput("length, bound and flow_weight must be positive and stride 0 or more, not "
                           f"{length}, {bound}, {flow_weight} and {stride}.")
    wanted = COLOURS + 2 if flow == GIVEN and streams != "rgb" else COLOURS
    if len(input.mean) != wanted or len(input.std) != wanted:
        extra = (*IMAGENET_MEAN, 0.5, 0.5), (*IMAGENET_STD, 0.5, 0.5)
        raise InvalidInput(f"flow={flow!r} takes clips of {wanted} channels, but the input has {len(input.mean)} means"
                           + (f"; give Input(..., mean={extra[0]}, std={extra[1]})." if wanted > COLOURS else "."))
