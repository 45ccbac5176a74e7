"""VideoMAE: masks, masked pretraining, and the way from a pretrained network to a classifier."""

from __future__ import annotations

import pytest
import torch

from mmvideo.encoders import zoo
from mmvideo.encoders.masked_autoencoder import DECODERS, MaskedAutoencoder
from mmvideo.encoders.preset import Input
from mmvideo.encoders.videomae import VideoMAE
from mmvideo.errors import InvalidInput, UnknownName, WeightsError
from mmvideo.nn.costs import multiply_adds
from mmvideo.nn.masks import running_cell_mask, tube_mask

GRID = (8, 14, 14)
CLIP = Input(4, 32, 32)
SMALL = {"dim": 24, "depth": 1, "heads": 2, "patch": 8}


def small(**options) -> MaskedAutoencoder:
    return MaskedAutoencoder("videomae-tiny", input=CLIP, depth_decoder=1, dim_decoder=16, heads_decoder=2,
                             **{**SMALL, **options})


def clips(batch: int = 2) -> torch.Tensor:
    return torch.rand(batch, 4, 3, 32, 32)


@pytest.mark.parametrize("ratio", [0.0, 0.5, 0.75, 0.9, 0.95])
def test_a_tube_hides_the_same_places_at_all_times(ratio: float) -> None:
    mask = tube_mask(GRID, ratio, batch=6).view(6, 8, 196)
    assert (mask == mask[:, :1]).all()
    assert (mask[:, 0].sum(1) == int(ratio * 196)).all()
    assert ratio == 0 or len({tuple(row.tolist()) for row in mask[:, 0]}) == 6, "each clip has its own places"


def test_every_place_is_hidden_as_often() -> None:
    share = tube_mask((1, 4, 4), 0.75, batch=4000).float().mean(0)
    assert (share - 0.75).abs().max() < 0.04


def test_masks_depend_on_their_generator_alone() -> None:
    for make, ratio in ((tube_mask, 0.9), (running_cell_mask, 0.5)):
        first, again, other = (make(GRID, ratio, batch=8, generator=torch.Generator().manual_seed(seed))
                               for seed in (1, 1, 2))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)


@pytest.mark.parametrize("ratio", [0.25, 0.5, 0.75])
def test_running_cells_show_every_place_over_time(ratio: float) -> None:
    mask = running_cell_mask(GRID, ratio, batch=16).view(16, 8, 14, 14)
    assert (mask.float().mean((2, 3)) == ratio).all(), "the ratio is exact at every time"
    assert (mask[:, :4].float().mean(1) == ratio).all(), "each place is hidden as often in four steps"
    cells = mask.view(16, 8, 7, 2, 7, 2)
    assert (cells == cells[:, :, :1, :, :1]).all(), "all cells run alike"
    assert (mask[:, 1:] != mask[:, :-1]).any((2, 3)).all(), "they do run"
    assert len({tuple(row.flatten().tolist()) for row in mask[:, 0]}) == 4, "clips begin at different turns"


@pytest.mark.parametrize(("make", "grid", "ratio"), [
    (tube_mask, GRID, 1.0), (tube_mask, GRID, -0.1), (running_cell_mask, GRID, 0.6), (running_cell_mask, GRID, 1.0),
    (running_cell_mask, (2, 3, 4), 0.5)])
def test_masks_that_cannot_be_are_refused(make, grid, ratio: float) -> None:
    with pytest.raises(InvalidInput, match=r"not|tile"):
        make(grid, ratio)


def test_only_visible_tubelets_are_computed() -> None:
    network = small()
    widths = []
    network.encoder.embed.register_forward_hook(lambda module, given, out: widths.append(out.shape[1]))
    network.encoder.layers.layer[0].register_forward_hook(lambda module, given, out: widths.append(given[0].shape[1]))
    mask = tube_mask(network.grid, 0.75, batch=2)
    network(clips(), mask)
    assert widths == [8, 8], "a quarter of 2 x 4 x 4"
    whole = multiply_adds(lambda: network(clips(), mask & False))
    assert multiply_adds(lambda: network.encoder.tokens(network._patches(clips()), ~mask)) < 0.25 * whole


def test_what_is_hidden_cannot_be_seen() -> None:
    network, frames = small().eval(), clips()
    mask = tube_mask(network.grid, 0.75, batch=2)
    other = frames.clone()
    hidden = mask.view(2, 2, 1, 4, 1, 4, 1).expand(2, 2, 2, 4, 8, 4, 8).reshape(2, 4, 1, 32, 32).expand_as(frames)
    other[hidden] = torch.rand(int(hidden.sum()))
    with torch.inference_mode():
        assert torch.equal(network(frames, mask), network(other, mask))
        assert not torch.equal(network.loss(frames, mask), network.loss(other, mask))


def test_targets_have_no_mean_and_unit_deviation() -> None:
    network = small()
    targets = network.targets(network._patches(clips())).unflatten(-1, (-1, 3))
    assert targets.mean(-2).abs().max() < 1e-4
    assert (targets.std(-2) - 1).abs().max() < 1e-3
    flat = network.targets(network._patches(torch.full((1, 4, 3, 32, 32), 0.3)))
    assert torch.isfinite(flat).all(), "a tubelet of one colour"


def test_dual_masking_counts_what_is_predicted_and_was_hidden() -> None:
    network, frames = small().eval(), clips()
    mask, cells = tube_mask(network.grid, 0.75, batch=2), running_cell_mask(network.grid, 0.5, batch=2)
    with torch.inference_mode():
        told = network(frames, mask, cells)
        assert told.shape == (2, 16, 2 * 8 * 8 * 3)
        error = (told - network.targets(network._patches(frames))[~cells].view(told.shape)).square().mean(-1)
        by_hand = error[mask[~cells].view(2, -1)].mean()
        assert torch.allclose(network.loss(frames, mask, cells), by_hand, rtol=1e-5)
        assert torch.allclose(network.loss(frames, mask, ~mask), network.loss(frames, mask), rtol=1e-5), "V1 is a case"


def test_without_a_mask_it_is_an_autoencoder() -> None:
    network, frames = small(), clips()
    none = tube_mask(network.grid, 0.0, batch=2)
    assert network(frames, none).shape == (2, 32, 384)
    network.loss(frames, none).backward()
    without = [n for n, p in network.named_parameters() if p.grad is None]
    assert without == ["mask_token"] or not without


def test_every_weight_learns() -> None:
    network = small()
    network.loss(clips(), tube_mask(network.grid, 0.75, batch=2), running_cell_mask(network.grid, batch=2)).backward()
    assert not [n for n, p in network.named_parameters() if p.grad is None]


def test_masks_that_do_not_fit_are_refused() -> None:
    network, frames = small(), clips()
    good = tube_mask(network.grid, 0.75, batch=2)
    uneven = good.clone()
    uneven[0, int(good[0].float().argmax())] = False
    for wrong in (good.float(), good[:, :-1], uneven, good | True):
        with pytest.raises(InvalidInput, match=r"mask must (be bool|hide as many)"):
            network.loss(frames, wrong)
        with pytest.raises(InvalidInput, match="decoder_mask"):
            network.loss(frames, good, wrong)
    with pytest.raises(InvalidInput, match="3 clips"):
        network.loss(frames, tube_mask(network.grid, 0.75, batch=3))
    with pytest.raises(InvalidInput, match="32x32"):
        network.loss(frames[..., :-1], good)
    with pytest.raises(UnknownName, match="videomae-b"):
        MaskedAutoencoder("videomae-base")


def test_it_is_saved_and_its_encoder_is_one_of_the_zoo(tmp_path) -> None:
    network, frames = small().eval(), clips()
    mask = tube_mask(network.grid, 0.75, batch=2)
    network.save_pretrained(tmp_path / "whole")
    network.encoder.save_pretrained(tmp_path / "encoder")
    with torch.inference_mode():
        again = MaskedAutoencoder.from_pretrained(tmp_path / "whole")
        assert torch.equal(again.loss(frames, mask), network.loss(frames, mask))
        encoder = zoo.load(tmp_path / "encoder")
        assert torch.equal(encoder(frames).tokens, network.encoder(frames).tokens)
    classifier = encoder.for_finetuning(labels=("a", "b", "c"))
    assert classifier.logits(frames).shape == (2, 3)
    assert not classifier.norm_first
    assert torch.equal(classifier.layers.layer[0].intermediate.dense.weight,
                       network.encoder.layers.layer[0].intermediate.dense.weight)
    classifier.save_pretrained(tmp_path / "classifier")
    assert zoo.load(tmp_path / "classifier").labels == ("a", "b", "c")


def test_a_pretrained_file_does_not_pass_for_a_classifier(tmp_path) -> None:
    torch.save({"model": small().state_dict()}, tmp_path / "checkpoint.pth")
    with pytest.raises(WeightsError, match="missing"):
        VideoMAE.create("videomae-tiny").load_checkpoint(tmp_path / "checkpoint.pth", "videomae")
    with pytest.raises(WeightsError, match="missing"):
        small(depth=2).load_checkpoint(tmp_path / "checkpoint.pth")
    with pytest.raises(UnknownName, match="transformers"):
        small().load_checkpoint(tmp_path / "checkpoint.pth", "transformer")


def test_every_preset_has_a_decoder() -> None:
    assert set(DECODERS) == set(VideoMAE.PRESETS)
    for name, (width, heads) in DECODERS.items():
        assert width % heads == 0, name


def test_tubelets_must_tile_the_clip() -> None:
    with pytest.raises(InvalidInput, match="do not tile"):
        VideoMAE.create("videomae-tiny", input=Input(16, 60, 64))
    with pytest.raises(InvalidInput, match="do not tile"):
        VideoMAE.create("videomae-tiny", input=Input(15, 64, 64))
