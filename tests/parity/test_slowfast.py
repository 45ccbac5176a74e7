"""SlowFast against pytorchvideo: same weights, same clip; the tables of names of both zoos fit every member."""

from __future__ import annotations

import json
import re

import fabricate
import pytest
import torch

from mmvideo.encoders.slowfast import NON_LOCAL, SlowFast
from mmvideo.nn.checkpoints import renamed_tensors

CLIP = fabricate.clip(1, 3, 16, 64, 64).transpose(1, 2)
MEMBERS = json.loads((fabricate.HERE / "slowfast_members.json").read_text())["members"]


def small() -> SlowFast:
    return SlowFast.create("slowfast-tiny", width=64, lateral_kernel=7, num_classes=400)


def logits(encoder: SlowFast) -> torch.Tensor:
    with torch.inference_mode():
        return encoder.classify(encoder.encode(CLIP))


def as_pyslowfast(name: str) -> str:
    """Spell a name of pytorchvideo as PySlowFast does (slowfast/models/video_model_builder.py at 287ec00)."""
    for pattern, new in (
            (r"^blocks\.0\.multipathway_blocks\.(\d)\.", r"s1.pathway\1_stem."),
            (r"^blocks\.6\.proj\.", "head.projection."), (r"\.branch1_conv\.", ".branch1."),
            (r"\.branch1_norm\.", ".branch1_bn."), (r"\.branch2\.conv_(\w)\.", r".branch2.\1."),
            (r"\.branch2\.norm_(\w)\.", r".branch2.\1_bn."), (r"\.conv_fast_to_slow\.", ".conv_f2s."),
            (r"\.norm\.", ".bn.")):
        name = re.sub(pattern, new, name)
    name = re.sub(r"^blocks\.(\d)\.multipathway_fusion\.", lambda m: f"s{int(m[1]) + 1}_fuse.", name)
    return re.sub(r"^blocks\.(\d)\.multipathway_blocks\.(\d)\.res_blocks\.(\d+)\.",
                  lambda m: f"s{int(m[1]) + 1}.pathway{m[2]}_res{m[3]}.", name)


def test_slowfast_gives_what_pytorchvideo_gives() -> None:
    weights, golden = fabricate.golden("slowfast")
    assert fabricate.difference(logits(small().load_tensors(weights, "pytorchvideo")), golden["logits"]) < 1e-4


def test_checkpoints_of_pyslowfast_give_the_same() -> None:
    weights, golden = fabricate.golden("slowfast")
    other = {as_pyslowfast(name): tensor for name, tensor in weights.items()}
    assert {"s1.pathway0_stem.bn.weight", "s2.pathway1_res0.branch2.a_bn.weight", "s4_fuse.bn.weight"} < set(other)
    assert fabricate.difference(logits(small().load_tensors(other, "pyslowfast")), golden["logits"]) < 1e-4


def test_non_local_blocks_of_pyslowfast_are_found() -> None:
    given = {f"s4.pathway0_nonlocal13.{n}": torch.zeros(1) for n in ("conv_theta.weight", "conv_out.bias", "bn.weight")}
    assert set(renamed_tensors(given, SlowFast.CHECKPOINTS["pyslowfast"])) == {
        f"slow.stages.2.13.non_local.{n}" for n in ("theta.weight", "out.bias", "norm.weight")}


@pytest.mark.parametrize("name", MEMBERS)
def test_every_member_has_the_tensors_of_pytorchvideo(name: str) -> None:
    with torch.device("meta"):
        encoder = SlowFast.create(name)
    assert fabricate.digest(encoder.state_dict()) == MEMBERS[name]


def test_slowfast_with_a_non_local_block_gives_what_pyslowfast_gives() -> None:
    weights, golden = fabricate.golden("slowfast_pyslowfast")
    encoder = SlowFast.create("slowfast-tiny", width=64, lateral_kernel=7, num_classes=400, spread=False,
                              non_local={2: (0,)}, non_local_options=NON_LOCAL["non_local_options"])
    assert fabricate.difference(logits(encoder.load_tensors(weights, "pyslowfast")), golden["logits"]) < 1e-4
