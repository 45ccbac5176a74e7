"""I3D, C2D and the non-local block against three references: same weights, same clip."""

from __future__ import annotations

import json

import fabricate
import pytest
import torch

from mmvideo.encoders.i3d import I3D
from mmvideo.encoders.preset import Input
from mmvideo.errors import WeightsError
from mmvideo.nn.costs import num_params
from mmvideo.nn.non_local import NonLocal3d

SHALLOW = {"depths": (1, 2, 2, 2)}


def _logits(encoder: I3D, clip: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return encoder.classify(encoder.encode(clip.transpose(1, 2)))


def test_the_inception_gives_what_the_port_of_the_release_gives() -> None:
    weights, golden = fabricate.golden("i3d_inception")
    encoder = I3D.create("i3d-inception-flow", input=Input(20, 224, 224, (0.5,) * 2, (0.5,) * 2))
    logits = _logits(encoder.load_tensors(weights, "pytorch-i3d"), fabricate.clip(1, 2, 20, 224, 224))
    assert fabricate.difference(logits, golden["logits"]) < 1e-4


@pytest.mark.parametrize(("preset", "case", "form", "options"), [
    ("i3d-r50-8x8", "i3d_r50_pytorchvideo", "pytorchvideo", {}),
    ("i3d-c2d-r50", "c2d_r50_pytorchvideo", "pytorchvideo", {}),
    ("i3d-r50-nl", "i3d_r50_nl_pyslowfast", "pyslowfast", {"non_local": {"1": (1,), "2": (1,)}}),
])
def test_residual_networks_give_what_their_references_give(preset: str, case: str, form: str, options: dict) -> None:
    weights, golden = fabricate.golden(case)
    encoder = I3D.create(preset, num_classes=40, **SHALLOW, **options).load_tensors(weights, form)
    assert fabricate.difference(_logits(encoder, fabricate.clip(1, 3, 8, 64, 64)), golden["logits"]) < 1e-4


@pytest.mark.parametrize(("preset", "form"), [("i3d-r50-8x8", "pytorchvideo"), ("i3d-r50-nl", "pyslowfast")])
def test_the_released_depths_fit_name_by_name(preset: str, form: str) -> None:
    table = json.loads((fabricate.HERE / "i3d_names.json").read_text())[form]
    with torch.device("meta"):
        encoder = I3D.create(preset, num_classes=40)
        tensors = {name: torch.empty(shape) for name, shape in table.items()}
        encoder.load_tensors(tensors, form)
        assert num_params(encoder) == sum(t.numel() for n, t in tensors.items() if "running" not in n)
        with pytest.raises(WeightsError, match="does not fit"):
            I3D.create("i3d-c2d-r50", num_classes=40).load_tensors(tensors, form)


@pytest.mark.parametrize(("kind", "theirs"), [("embedded-gaussian", "softmax"), ("dot-product", "dot_product")])
def test_the_non_local_block_gives_what_pyslowfast_gives(kind: str, theirs: str) -> None:
    weights, golden = fabricate.golden("non_local")
    block = NonLocal3d(16, kind=kind).eval()
    names = {name.replace("conv_", "").replace("bn.", "norm."): tensor for name, tensor in weights.items()}
    block.load_state_dict(names, strict=True)
    with torch.inference_mode():
        assert fabricate.difference(block(fabricate.clip(2, 16, 3, 6, 6)), golden[theirs]) < 1e-5
