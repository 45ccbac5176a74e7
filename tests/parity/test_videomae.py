"""VideoMAE against both official releases (golden tensors) and against transformers (live): same weights, same clip."""

from __future__ import annotations

import fabricate
import pytest
import torch

from mmvideo.encoders.masked_autoencoder import MaskedAutoencoder
from mmvideo.encoders.preset import Input
from mmvideo.encoders.videomae import VideoMAE

PLAIN = Input(16, 64, 64, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
SMALL = {"dim": 48, "depth": 2, "heads": 3, "attention": "sdpa"}
DECODER = {"depth_decoder": 2, "dim_decoder": 32, "heads_decoder": 2}


def small(**options) -> VideoMAE:
    return VideoMAE.create("videomae-tiny", input=PLAIN, **{**SMALL, **options})


def clip() -> torch.Tensor:
    return fabricate.clip(2, 3, 16, 64, 64).transpose(1, 2)


@pytest.mark.parametrize("case", ["videomae", "videomae_v2"])
def test_a_fine_tuned_network_gives_what_the_release_gives(case: str) -> None:
    weights, golden = fabricate.golden(case)
    encoder = small(num_classes=7).load_tensors(weights, "videomae")
    with torch.inference_mode():
        assert fabricate.difference(encoder.logits(clip()), golden["logits"]) < 1e-4


@pytest.mark.parametrize("case", ["videomae", "videomae_v2"])
def test_a_pretrained_network_sees_and_tells_what_the_release_does(case: str) -> None:
    weights, golden = fabricate.golden(f"{case}_pretrain")
    network = MaskedAutoencoder("videomae-tiny", input=PLAIN, **SMALL, **DECODER).load_tensors(weights)
    masks = [golden[name].bool() for name in ("mask", "decoder_mask") if name in golden]
    with torch.inference_mode():
        encoder, patches = network.encoder, network._patches(clip())
        seen = encoder.norm(encoder.tokens(patches, ~masks[0]))
        assert fabricate.difference(seen, golden["encoded"]) < 1e-4
        assert fabricate.difference(network(clip(), *masks)[..., ::16], golden["told"]) < 1e-4
    alone = small(num_classes=0, norm_first=True).load_tensors(weights, "videomae-pretrained")
    for name, tensor in alone.state_dict().items():
        assert torch.equal(tensor, network.encoder.state_dict()[name]), name


def their_config(**other):
    from transformers import VideoMAEConfig

    return VideoMAEConfig(image_size=64, hidden_size=48, num_hidden_layers=2, num_attention_heads=3,
                          intermediate_size=192, layer_norm_eps=1e-6, decoder_hidden_size=32,
                          decoder_num_hidden_layers=2, decoder_num_attention_heads=2, decoder_intermediate_size=128,
                          **other)


@torch.inference_mode()
def test_a_classifier_of_transformers_gives_the_same() -> None:
    from transformers import VideoMAEForVideoClassification

    theirs = VideoMAEForVideoClassification(their_config(num_labels=7))
    fabricate.fill(theirs)
    ours = small(num_classes=7)
    assert fabricate.difference(ours.position, theirs.videomae.embeddings.position_embeddings) < 1e-6
    ours.load_tensors(theirs.state_dict(), "transformers")
    assert fabricate.difference(ours.logits(clip()), theirs(clip()).logits) < 1e-4


@pytest.mark.parametrize("ratio", [0.5, 0.9])
def test_masked_pretraining_of_transformers_loses_the_same(ratio: float) -> None:
    from transformers import VideoMAEForPreTraining

    from mmvideo.nn.masks import tube_mask

    theirs = VideoMAEForPreTraining(their_config(use_mean_pooling=False)).eval()
    fabricate.fill(theirs)
    usual = Input(16, 64, 64)
    ours = MaskedAutoencoder("videomae-tiny", input=usual, **SMALL, **DECODER)
    ours.load_tensors(theirs.state_dict(), "transformers")
    mask = tube_mask(ours.grid, ratio, batch=2)
    result = theirs(ours.encoder.prepare(clip()), bool_masked_pos=mask)
    loss = ours.loss(clip(), mask)
    assert fabricate.difference(ours(clip(), mask), result.logits.detach()) < 1e-4
    assert abs(float(loss.detach()) / float(result.loss.detach()) - 1) < 1e-4
    loss.backward()
    result.loss.backward()
    ours_grad = ours.encoder.layers.layer[0].intermediate.dense.weight.grad
    assert fabricate.difference(ours_grad, theirs.videomae.encoder.layer[0].intermediate.dense.weight.grad) < 1e-3
