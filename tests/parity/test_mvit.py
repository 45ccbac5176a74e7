"""MViT against PySlowFast and pytorchvideo, under their names: same weights, same clip."""

from __future__ import annotations

import json

import fabricate
import pytest
import torch

from mmvideo.encoders.mvit import MViT
from mmvideo.encoders.preset import Input

MEMBERS = json.loads((fabricate.HERE / "mvit_members.json").read_text())["members"]


@pytest.mark.parametrize(("version", "case", "form"), [
    (1, "mvit_v1", "pyslowfast"), (2, "mvit_v2", "pyslowfast"), (1, "mvit_pytorchvideo", "pytorchvideo")])
def test_mvit_gives_what_the_references_give(version: int, case: str, form: str) -> None:
    weights, golden = fabricate.golden(case)
    encoder = MViT.create("mvit-tiny", input=Input(4, 64, 64), version=version, depth=6, widen_at=(1, 3, 4), dim=16,
                          stride_kv=8, dropout=0.5)
    encoder.load_tensors(weights, form)
    with torch.inference_mode():
        logits = encoder.classify(encoder.encode(fabricate.clip(2, 4, 3, 64, 64)))
    assert fabricate.difference(logits, golden["logits"]) < 1e-4


@pytest.mark.parametrize("name", MEMBERS)
def test_every_member_has_the_tensors_of_pytorchvideo(name: str) -> None:
    with torch.device("meta"):
        encoder = MViT.create(name)
    assert fabricate.digest(encoder.state_dict()) == MEMBERS[name]
