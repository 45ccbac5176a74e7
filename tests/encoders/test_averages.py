"""What is averaged over the views of a video, as each release's own test script does; heads without dropout."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mmvideo.encoders import zoo

AVERAGES = {
    # PySlowFast (heads end in a softmax in testing): slowfast/models/head_helper.py, slowfast/utils/meters.py.
    "slowfast-tiny": "probabilities", "x3d-tiny": "probabilities", "mvit-tiny": "probabilities",
    # VideoMAE: `merge` of engine_for_finetuning.py; Video Swin: average_clips='prob' in its configs.
    "videomae-tiny": "probabilities", "video-swin-tiny": "probabilities",
    "single-frame-tiny": "probabilities", "two-stream-tiny": "probabilities",
    # The release of I3D adds logits of its streams; TSM's test script averages logits unless told otherwise.
    "i3d-inception-tiny": "logits", "tsm-tiny": "logits", "timesformer-tiny": "logits",
}


@pytest.mark.parametrize("name", AVERAGES)
def test_views_are_averaged_as_the_release_does(name: str) -> None:
    assert zoo.create(name).averages == AVERAGES[name]


def test_presets_of_one_family_may_differ() -> None:
    presets = zoo.presets()
    assert {presets[n].averages for n in ("i3d-r50-8x8", "i3d-r50-nl", "i3d-c2d-r50")} == {"probabilities"}
    assert presets["i3d-inception"].averages == ""


def test_a_released_head_fits_an_encoder_without_dropout() -> None:
    source = zoo.create("x3d-tiny").eval()
    weights = {name: tensor for name, tensor in source.state_dict().items()}
    names = {"head.1.weight": "blocks.5.proj.weight", "head.1.bias": "blocks.5.proj.bias"}
    bare = zoo.create("x3d-tiny", dropout=0.0)
    assert isinstance(bare.head, nn.Linear)
    bare.load_tensors({names.get(n, n): t for n, t in weights.items()}, "pytorchvideo")
    torch.testing.assert_close(bare.head.weight, source.head[1].weight)
