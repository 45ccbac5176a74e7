"""What every preset of every family keeps to: geometry, cost, errors, saving. A new family is tested at once."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest
import torch

from mmvideo import registry
from mmvideo.encoders import zoo
from mmvideo.encoders.base import VideoEncoder, features_of_map, linear_head
from mmvideo.encoders.preset import Input, Preset
from mmvideo.errors import InvalidInput, UnknownName, WeightsError
from mmvideo.nn.costs import multiply_adds, num_params, shapes_only

FAMILIES = {name: registry.find("encoders", name) for name in registry.names("encoders")}
ZOO = {family: cls for family, cls in FAMILIES.items() if issubclass(cls, VideoEncoder)}
PRESETS = [name for cls in ZOO.values() for name in cls.PRESETS]
TINY = [f"{family}-tiny" for family in ZOO]


def clip(name: str, batch: int = 1, device: str = "meta") -> torch.Tensor:
    i = zoo.preset_of(name).input
    return torch.rand(batch, i.num_frames, len(i.mean), i.height, i.width, device=device)


@pytest.mark.parametrize("name", PRESETS)
def test_names_begin_with_the_family_and_say_what_they_are(name: str) -> None:
    family = zoo.family_of(name)
    preset = zoo.preset_of(name)
    assert name == family or name.startswith(f"{family}-")
    assert preset.about
    assert not preset.about.endswith(".")
    assert preset.published is None or preset.published.source
    assert preset.published is None or preset.published.unit in {"multiply-adds", "operations"}


@pytest.mark.parametrize("family", ZOO)
def test_a_family_has_a_tiny_member(family: str) -> None:
    assert f"{family}-tiny" in ZOO[family].PRESETS


@pytest.mark.parametrize("name", PRESETS)
def test_geometry_is_told_without_running_and_cost_is_what_was_published(name: str) -> None:
    with shapes_only():
        encoder = zoo.create(name).eval()
    i, published = encoder.input, zoo.preset_of(name).published
    found: list[Any] = []

    def run() -> None:
        found[:] = [encoder(clip(name))]
        found.append(encoder.classify(found[0]))

    count = multiply_adds(run) / 1e9
    features, logits = found
    assert features.tokens.shape == (1, encoder.num_tokens(i.num_frames, i.height, i.width), encoder.dim)
    assert features.pooled.shape == (1, encoder.dim_pooled)
    assert logits.shape == (1, encoder.num_classes)
    if published is None or (published.params_millions is None and published.gflops is None):
        return
    work = count * (2 if published.unit == "operations" else 1)
    size = num_params(encoder) / 1e6
    within = (published.params_millions is None or abs(size / published.params_millions - 1) <= 0.005) and (
        published.gflops is None or abs(work / published.gflops - 1) <= 0.02)
    told = f"{size:.2f} M and {work:.2f} G beside {published.params_millions} M and {published.gflops} G"
    assert within or published.difference, told
    assert not (within and published.difference), f"nothing to explain: {told}"


@pytest.mark.parametrize("name", TINY)
def test_a_tiny_member_runs_learns_and_is_saved_whole(name: str, tmp_path) -> None:
    encoder = zoo.create(name, labels=("a", "b", "c"))
    frames = clip(name, 2, "cpu")
    loss = torch.nn.functional.cross_entropy(encoder.logits(frames), torch.tensor([0, 2]))
    loss.backward()
    without = [n for n, p in encoder.named_parameters() if p.requires_grad and p.grad is None]
    assert not without
    assert torch.isfinite(loss)
    encoder.eval().save_pretrained(tmp_path)
    again = zoo.load(tmp_path)
    assert again.labels == ("a", "b", "c")
    with torch.inference_mode():
        logits = encoder.logits(frames)
        assert torch.allclose(logits, again.logits(frames), atol=1e-5)
        bytes_ = (frames * 255).round().to(torch.uint8)
        assert torch.allclose(encoder.logits(bytes_), encoder.logits(bytes_ / 255), atol=1e-4)


@pytest.mark.parametrize("name", TINY)
def test_clips_do_not_see_each_other(name: str) -> None:
    encoder, frames = zoo.create(name).eval(), clip(name, 2, "cpu")
    with torch.inference_mode():
        both, second = encoder.logits(frames), encoder.logits(frames[1:])
    assert torch.allclose(both[1:], second, atol=1e-4 * float(second.abs().max().clamp_min(1)))


@pytest.mark.parametrize("name", TINY)
def test_a_short_clip_is_padded_with_its_last_frame(name: str) -> None:
    encoder, frames = zoo.create(name).eval(), clip(name, 1, "cpu")
    short = frames[:, :1]
    length = encoder.min_frames if encoder.any_length else encoder.input.num_frames
    with torch.inference_mode():
        assert torch.equal(encoder.logits(short), encoder.logits(short.expand(-1, length, -1, -1, -1)))


@pytest.mark.parametrize("name", TINY)
def test_what_does_not_fit_is_refused_with_what_does(name: str, tmp_path) -> None:
    encoder, good = zoo.create(name), clip(name, 1, "cpu")
    with pytest.raises(InvalidInput, match=r"\(B, T, C, H, W\)"):
        encoder(good[0])
    with pytest.raises(InvalidInput, match="C = "):
        encoder(torch.cat((good, good), 2))
    with pytest.raises(InvalidInput, match="uint8"):
        encoder(good.long())
    with pytest.raises(InvalidInput, match="a list"):
        encoder([good])
    for nothing in (good[:0], good[:, :0], good[..., :0, :]):
        with pytest.raises(InvalidInput, match="1 or more"):
            encoder(nothing)
    with pytest.raises(UnknownName, match="option of"):
        zoo.create(name, nonsense=3)
    for wrong in (-1, 2.5):
        with pytest.raises(InvalidInput, match="num_classes is 0"):
            zoo.create(name, num_classes=wrong)
    if not encoder.any_size:
        with pytest.raises(InvalidInput, match=f"{encoder.input.height}x{encoder.input.width}"):
            encoder(good[..., :-1])
    if not encoder.any_length:
        with pytest.raises(InvalidInput, match=f"{encoder.input.num_frames} frames"):
            encoder(torch.cat((good, good), 1))
    with pytest.raises(UnknownName, match=name):
        zoo.create(f"{name}y")
    for form in encoder.CHECKPOINTS:
        other = tmp_path / "other.pt"
        torch.save({"state_dict": {"layer.weight": torch.zeros(3)}}, other)
        with pytest.raises(WeightsError, match="missing"):
            encoder.load_checkpoint(other, form)


def test_adding_an_encoder_is_one_file_and_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    class Mine(VideoEncoder):
        PRESETS = {"mine-tiny": Preset("a mean", Input(4, 8, 8), num_classes=2)}  # noqa: RUF012

        def __init__(self, *, input: Input, num_classes: int = 0):
            super().__init__(input=input, num_classes=num_classes)
            self.dim = 3
            self.head = linear_head(3, num_classes)

        def num_tokens(self, num_frames: int, height: int, width: int) -> int:
            return num_frames

        def encode(self, frames: torch.Tensor):
            return features_of_map(frames.transpose(1, 2).mean((3, 4), keepdim=True))

    module = types.ModuleType("my_encoder")
    module.Mine = Mine
    monkeypatch.setitem(sys.modules, "my_encoder", module)
    monkeypatch.setitem(registry.PARTS["encoders"], "mine", "my_encoder:Mine")
    registry._table.cache_clear()
    try:
        assert "mine-tiny" in zoo.presets()
        zoo.create("mine-tiny").save_pretrained(tmp_path)
        assert zoo.load(tmp_path).logits(torch.zeros(1, 4, 3, 8, 8)).shape == (1, 2)
    finally:
        monkeypatch.undo()
        registry._table.cache_clear()
