"""MoViNet against the PyTorch port of the authors' release: same weights, same clip, whole and a frame at a time."""

from __future__ import annotations

import json

import fabricate
import pytest
import torch

from mmvideo.encoders.movinet import MoViNet

CLIP = fabricate.clip(1, 3, 6, 86, 86).transpose(1, 2)
MEMBERS = json.loads((fabricate.HERE / "movinet_members.json").read_text())["members"]


@pytest.mark.parametrize("kind", ["base", "stream"])
def test_a_clip_gives_what_the_port_of_the_release_gives(kind: str) -> None:
    weights, golden = fabricate.golden(f"movinet_a0_{kind}")
    encoder = MoViNet.create(f"movinet-a0-{kind}").load_tensors(weights)
    with torch.inference_mode():
        assert fabricate.difference(encoder.logits(CLIP), golden["logits"]) < 1e-4


def test_each_frame_of_a_stream_gives_what_the_port_of_the_release_gives() -> None:
    weights, golden = fabricate.golden("movinet_a0_stream")
    encoder = MoViNet.create("movinet-a0-stream").load_tensors(weights)
    stream = encoder.stream()
    with torch.inference_mode():
        after = torch.cat([encoder.classify(stream.step(CLIP[:, i:i + 1])) for i in range(CLIP.shape[1])])
    assert fabricate.difference(after, golden["after"]) < 1e-4


@pytest.mark.parametrize("name", MEMBERS)
def test_every_member_has_the_tensors_of_the_port_under_the_table_of_names(name: str) -> None:
    with torch.device("meta"):
        # The port has no positional encoding, which A3 to A5 have as streams.
        encoder = MoViNet.create(name, encode_time=False)
    assert fabricate.digest(encoder.state_dict()) == MEMBERS[name]
