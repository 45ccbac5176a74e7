"""Attention that is caught equals what the network computed; rollout, saliency and receptive fields on known cases."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from mmvideo.encoders import zoo
from mmvideo.encoders.preset import Input
from mmvideo.errors import InvalidInput, UnknownName, UnsupportedModel
from mmvideo.explain import attention_maps, captured_attention, grad_cam, layer_reaches
from mmvideo.media import write_video
from mmvideo.pipeline import Pipeline
from mmvideo.types import Video

ON_GRID = ("timesformer-tiny", "timesformer-tiny-joint", "timesformer-tiny-space", "vivit-tiny", "vivit-tiny-joint",
           "vivit-tiny-self-attention", "vivit-tiny-dot-product", "videomae-tiny", "vjepa2-tiny")
OTHERS = ("mvit-tiny", "video-swin-tiny")
SMALL = {"timesformer": {"dim": 32, "depth": 2}, "vivit": {"dim": 32, "depth": 2}, "videomae": {"dim": 32, "depth": 2},
         "vjepa2": {"dim": 96, "depth": 2}}


def _made(name: str, frames: int = 4, side: int = 32, **options: object) -> tuple[zoo.Encoder, torch.Tensor]:
    """Build a preset smaller than tiny, with weights large enough for attention to be uneven; return it and a clip."""
    torch.manual_seed(0)
    family = zoo.family_of(name)
    size = {} if family not in SMALL else {"input": Input(frames, side, side), **SMALL[family]}
    network = zoo.create(name, **{"num_classes": 3, **size, **options}).eval()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Linear) and module.weight.shape[0] > 3:
                module.weight.mul_(4)
    i = network.input
    return network, torch.randint(0, 255, (1, i.num_frames, 3, i.height, i.width), dtype=torch.uint8)


@pytest.mark.parametrize("name", [*ON_GRID, *OTHERS])
def test_caught_attention_is_what_the_network_computes(name: str) -> None:
    network, clip = _made(name)
    with torch.no_grad():
        fused = network(clip)
    plain, found = captured_attention(network, clip)
    assert torch.allclose(plain.tokens, fused.tokens, atol=1e-5, rtol=1e-5)
    assert torch.allclose(plain.pooled, fused.pooled, atol=1e-5, rtol=1e-5)
    assert len(found) >= 2
    for one in found:
        assert one.name
        assert torch.allclose(one.weights.sum(-1), torch.ones(one.weights.shape[:-1]), atol=1e-5)


@pytest.mark.parametrize("name", ON_GRID)
def test_maps_share_out_all_attention(name: str) -> None:
    network, clip = _made(name)
    maps = attention_maps(network, clip)
    with torch.no_grad():
        t, h, w = network(clip).grid
    assert maps.space.shape == (t, h, w)
    assert maps.time.shape == (t, t)
    assert float(maps.space.sum()) == pytest.approx(1, abs=1e-4)
    assert torch.allclose(maps.time.sum(1), torch.ones(t), atol=1e-4)
    assert torch.allclose(maps.layers.flatten(1).sum(1), torch.ones(len(maps.layers)), atol=1e-4)
    assert len(maps.names) == len(maps.layers) >= 2


def test_rollout_of_joint_attention_is_the_product_of_its_layers() -> None:
    network, clip = _made("timesformer-tiny-joint")
    _, found = captured_attention(network, clip)
    expected = torch.eye(found[0].weights.shape[-1])
    for one in found:
        expected = (0.5 * one.weights[0].mean(0) + 0.5 * torch.eye(len(expected))) @ expected
    row = expected[0, 1:] / expected[0, 1:].sum()
    assert torch.allclose(attention_maps(network, clip).space.flatten(), row, atol=1e-5)


def test_attention_within_frames_sees_no_other_time() -> None:
    network, clip = _made("timesformer-tiny-space")
    assert torch.allclose(attention_maps(network, clip).time, torch.eye(4), atol=1e-5)
    network, clip = _made("timesformer-tiny")
    assert float(attention_maps(network, clip).time.diagonal().max()) < 0.999


def test_equal_scores_count_every_place_alike() -> None:
    network, clip = _made("timesformer-tiny-joint")
    _, found = captured_attention(network, clip)
    with torch.no_grad():  # the first layer looks where the projection on a direction is large
        for layer in network.layers:
            layer.attn.qkv.weight.zero_()
            layer.attn.qkv.bias.zero_()
    maps = attention_maps(network, clip)  # all scores equal: every place counts alike
    assert torch.allclose(maps.space, torch.full_like(maps.space, 1 / maps.space.numel()), atol=1e-5)
    assert found[0].weights.std() > 1e-4


@pytest.mark.parametrize(("name", "words"), [
    ("mvit-tiny", "pools or windows"), ("video-swin-tiny", "pools or windows"), ("movinet-tiny", "no attention")])
def test_what_has_no_map_says_what_has(name: str, words: str) -> None:
    network, clip = _made(name)
    with pytest.raises(UnsupportedModel, match=words):
        attention_maps(network, clip)


@pytest.mark.parametrize("name", ["c3d-tiny", "tsm-tiny", "slowfast-tiny", "movinet-tiny", "videomae-tiny",
                                  "timesformer-tiny"])
def test_saliency_lies_in_0_to_1_on_the_grid(name: str) -> None:
    network, clip = _made(name)
    found = grad_cam(network, clip)
    assert float(found.map.min()) >= 0
    assert float(found.map.max()) == pytest.approx(1) or not found.map.any()  # nothing may speak for it
    over = found.over(*clip.shape[1:2], *clip.shape[3:])
    assert over.shape == (clip.shape[1], *clip.shape[3:])
    assert all(not parameter.grad is not None for parameter in network.parameters())


def test_saliency_finds_what_moves_the_score() -> None:
    network, _ = _made("c3d-tiny")
    first = next(name for name, module in network.named_modules() if isinstance(module, nn.Conv3d))
    i = network.input
    clip = torch.zeros(1, i.num_frames, 3, i.height, i.width, dtype=torch.uint8)
    clip[:, :, :, :i.height // 2, :i.width // 2] = torch.randint(0, 255, (i.height // 2, i.width // 2),
                                                                dtype=torch.uint8)
    found = grad_cam(network, clip, class_index=1, layer=first)
    assert found.layer == first
    assert found.class_index == 1
    heat = found.over(i.num_frames, i.height, i.width).mean(0)
    assert heat[:i.height // 2, :i.width // 2].std() > heat[i.height // 2 + 8:, i.width // 2 + 8:].std()


def test_saliency_refuses_what_it_cannot_do() -> None:
    network, clip = _made("videomae-tiny")
    with pytest.raises(UnknownName, match="layer"):
        grad_cam(network, clip, layer="nowhere")
    with pytest.raises(InvalidInput, match="0 to 2"):
        grad_cam(network, clip, class_index=3)
    with pytest.raises(InvalidInput, match="one clip"):
        grad_cam(network, clip.repeat(2, 1, 1, 1, 1))
    headless, clip = _made("videomae-tiny", num_classes=0)
    with pytest.raises(InvalidInput, match="without a classifier"):
        grad_cam(headless, clip)


def test_receptive_fields_grow_as_convolutions_do() -> None:
    found = layer_reaches("c3d-tiny")
    sizes = [(one.frames, one.pixels) for one in found]
    assert sizes[0] == (3, 3)
    frames = [size for size, _ in sizes if size is not None]
    assert frames == sorted(frames)
    assert sizes[-1] > sizes[0]


def test_receptive_fields_of_the_three_ways_to_see_time() -> None:
    assert all(one.frames == 1 for one in layer_reaches("timesformer-tiny-space", max_layers=2))
    assert layer_reaches("timesformer-tiny-joint", max_layers=1)[-1].frames is None
    shifted = [one.frames for one in layer_reaches("tsm-tiny", max_layers=4)]
    assert shifted[0] == 1
    assert shifted[-1] is None or shifted[-1] > 3


def test_results_draw_attention_and_saliency(tmp_path: Path) -> None:
    network, _ = _made("timesformer-tiny-joint", num_classes=0, labels=["push", "pull"])
    network.save_pretrained(tmp_path / "model")
    pipe = Pipeline("video-classification", tmp_path / "model")
    video = Video(torch.randint(0, 255, (8, 3, 40, 60), dtype=torch.uint8), torch.arange(8, dtype=torch.float64) / 8,
                  duration_seconds=1.0)
    clip = tmp_path / "clip.mp4"
    write_video(clip, video.frames, fps=8)
    result = pipe(clip)
    for kind in ("attention", "saliency"):
        assert result.plot(tmp_path / f"{kind}.png", kind=kind).stat().st_size > 5000
    words = result.plot(kind="saliency").get_suptitle()
    assert "timesformer-tiny-joint" in words
    assert repr(result.label) in words
    with pytest.raises(UnknownName, match="contact-sheet"):
        result.plot(kind="attentoin")
    moving = Pipeline("video-classification")(clip)
    with pytest.raises(UnsupportedModel, match="no encoder of the zoo"):
        moving.plot(kind="attention")
