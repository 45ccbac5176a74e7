"""python tests/parity/make_i3d.py PYTORCH-I3D PYTORCHVIDEO SLOWFAST: keep what three references give.

References: https://github.com/piergiaj/pytorch-i3d at 05783d1 (Apache-2.0),
https://github.com/facebookresearch/pytorchvideo at f3142bb (Apache-2.0) and
https://github.com/facebookresearch/SlowFast at 287ec00 (Apache-2.0). The last two need fvcore, iopath and yacs on the
path. PySlowFast's stem, stages and non-local blocks are its own; they are put in a row here as its `ResNet` does, which
itself needs detectron2. The ResNets have one or two blocks a stage, so that a case is small; the released depths have
the same names, which `i3d_names.json` lists.
"""

from __future__ import annotations

import importlib
import json
import sys
import types

import fabricate
import torch
from torch import nn

sys.path[:0] = sys.argv[1:3]
for name in ("slowfast", "slowfast.models"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [f"{sys.argv[3]}/{name.replace('.', '/')}"]
InceptionI3d = importlib.import_module("pytorch_i3d").InceptionI3d
pv_resnet = importlib.import_module("pytorchvideo.models.resnet")
pv_hub = importlib.import_module("pytorchvideo.models.hub.resnet")
stem_helper = importlib.import_module("slowfast.models.stem_helper")
resnet_helper = importlib.import_module("slowfast.models.resnet_helper")
Nonlocal = importlib.import_module("slowfast.models.nonlocal_helper").Nonlocal

PYTORCH_I3D, PYTORCHVIDEO, SLOWFAST = (
    "github.com/piergiaj/pytorch-i3d at 05783d1", "github.com/facebookresearch/pytorchvideo at f3142bb",
    "github.com/facebookresearch/SlowFast at 287ec00")


def inception() -> None:
    network = InceptionI3d(400, in_channels=2)
    shapes = fabricate.fill(network)
    with torch.no_grad():
        # As its users do, and as the paper's evaluation: the mean over the remaining times.
        logits = network(fabricate.clip(1, 2, 20, 224, 224)).mean(2)
    fabricate.keep("i3d_inception", reference=PYTORCH_I3D, shapes=shapes, outputs={"logits": logits})


def pytorchvideo() -> None:
    pv_resnet._MODEL_STAGE_DEPTH[50] = (1, 2, 2, 2)  # both kinds of bottleneck in each pattern
    for case, build in (("i3d_r50", pv_hub.i3d_r50), ("c2d_r50", pv_hub.c2d_r50)):
        network = build(head_pool_kernel_size=(4, 2, 2), model_num_class=40)
        shapes = fabricate.fill(network)
        with torch.no_grad():
            logits = network(fabricate.clip(1, 3, 8, 64, 64))
        fabricate.keep(f"{case}_pytorchvideo", reference=PYTORCHVIDEO, shapes=shapes, outputs={"logits": logits})
    pv_resnet._MODEL_STAGE_DEPTH[50] = (3, 4, 6, 3)


class SlowFastI3D(nn.Module):
    """The settings of configs/Kinetics/I3D_NLN_8x8_R50.yaml."""

    def __init__(self, depths: tuple[int, ...], non_local: tuple[list[int], ...]):
        super().__init__()
        self.s1 = stem_helper.VideoModelStem(dim_in=[3], dim_out=[64], kernel=[[5, 7, 7]], stride=[[1, 2, 2]],
                                             padding=[[2, 3, 3]], norm_module=nn.BatchNorm3d)
        for i, (depth, places, pattern) in enumerate(zip(depths, non_local, ([3], [3, 1], [3, 1], [1, 3]),
                                                         strict=True)):
            stage = resnet_helper.ResStage(
                dim_in=[64 * 2 ** (i + 1) if i else 64], dim_out=[256 * 2**i], dim_inner=[64 * 2**i],
                temp_kernel_sizes=[pattern], stride=[2 if i else 1], num_blocks=[depth], num_groups=[1],
                num_block_temp_kernel=[depth], nonlocal_inds=[places], nonlocal_group=[1], nonlocal_pool=[[1, 2, 2]],
                dilation=[1], instantiation="softmax", norm_module=nn.BatchNorm3d)
            setattr(self, f"s{i + 2}", stage)
        self.head = nn.Module()
        self.head.projection = nn.Linear(2048, 40)

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        x = self.s2(self.s1([clip]))
        x = self.s5(self.s4(self.s3([nn.functional.max_pool3d(x[0], (2, 1, 1))])))
        return self.head.projection(x[0].mean((2, 3, 4)))


def slowfast() -> None:
    network = SlowFastI3D((1, 2, 2, 2), ([], [1], [1], []))
    shapes = fabricate.fill(network)
    with torch.no_grad():
        logits = network(fabricate.clip(1, 3, 8, 64, 64))
    fabricate.keep("i3d_r50_nl_pyslowfast", reference=SLOWFAST, shapes=shapes, outputs={"logits": logits})
    full = {"pyslowfast": SlowFastI3D((3, 4, 6, 3), ([], [1, 3], [1, 3, 5], [])),
            "pytorchvideo": pv_hub.i3d_r50(model_num_class=40)}
    names = {form: {n: list(t.shape) for n, t in network.state_dict().items() if not n.endswith("num_batches_tracked")}
             for form, network in full.items()}
    (fabricate.HERE / "i3d_names.json").write_text(json.dumps(names, separators=(",", ":")) + "\n")


def blocks() -> None:
    outputs, shapes = {}, {}
    for kind in ("softmax", "dot_product"):
        block = Nonlocal(16, 8, [1, 2, 2], instantiation=kind)
        shapes = fabricate.fill(block)
        with torch.no_grad():
            outputs[kind] = block(fabricate.clip(2, 16, 3, 6, 6))
    fabricate.keep("non_local", reference=SLOWFAST, shapes=shapes, outputs=outputs)


inception()
pytorchvideo()
blocks()
slowfast()
