"""What every preset of every family of audio encoders keeps to. A new family is tested at once."""

from __future__ import annotations

from functools import cache

import pytest
import torch

from mmvideo import registry
from mmvideo.encoders import zoo
from mmvideo.encoders.audio_base import AudioEncoder
from mmvideo.encoders.preset import AudioInput
from mmvideo.errors import InvalidInput, UnknownName, WeightsError
from mmvideo.nn.costs import num_params

KIND = "audio-encoders"
FAMILIES = {name: registry.find(KIND, name) for name in registry.names(KIND)}
PRESETS = list(zoo.presets(KIND))
TINY = [f"{family}-tiny" for family in FAMILIES]


@cache
def shape_only(name: str) -> AudioEncoder:
    """Build a preset without memory for its weights."""
    with torch.device("meta"):
        return zoo.create(name, KIND).eval()


def sound(name: str, batch: int = 1, device: str = "cpu") -> torch.Tensor:
    i = zoo.preset_of(name, KIND).input
    return torch.rand(batch, round(i.seconds * i.sample_rate), device=device) - 0.5


@pytest.mark.parametrize("name", PRESETS)
def test_geometry_is_told_without_running(name: str) -> None:
    encoder = shape_only(name)
    with torch.no_grad():
        features = encoder(sound(name, device="meta"))
        logits = encoder.classify(features)
    assert features.tokens.shape == (1, encoder.num_tokens, encoder.dim)
    assert features.grid[1] == 1, "(t, 1, f)"
    assert features.pooled.shape == (1, encoder.dim_pooled)
    assert logits.shape == (1, encoder.num_classes)
    assert name.startswith(zoo.family_of(name, KIND))


@pytest.mark.parametrize("name", PRESETS)
def test_size_is_what_was_published(name: str) -> None:
    published = zoo.preset_of(name, KIND).published
    if published is None or published.params_millions is None:
        pytest.skip("no published size")
    size = num_params(shape_only(name)) / 1e6
    within = abs(size / published.params_millions - 1) <= 0.005
    assert within != bool(published.difference), f"{size:.2f} M beside {published.params_millions} M"


@pytest.mark.parametrize("name", TINY)
def test_a_tiny_member_runs_learns_and_is_saved_whole(name: str, tmp_path) -> None:
    encoder, audio = zoo.create(name, KIND, labels=("a", "b", "c")), sound(name, 2)
    loss = torch.nn.functional.cross_entropy(encoder.logits(audio), torch.tensor([0, 2]))
    loss.backward()
    assert torch.isfinite(loss)
    assert not [n for n, p in encoder.named_parameters() if p.grad is None]
    encoder.eval().save_pretrained(tmp_path)
    again = zoo.load(tmp_path, KIND)
    assert again.labels == ("a", "b", "c")
    with torch.inference_mode():
        assert torch.allclose(encoder.logits(audio), again.logits(audio), atol=1e-5)
        assert torch.allclose(encoder.logits(audio)[1:], encoder.logits(audio[1:]), atol=1e-4), "nor see each other"


@pytest.mark.parametrize("name", TINY)
def test_sound_of_any_length_up_to_its_own_is_heard(name: str) -> None:
    encoder, audio = zoo.create(name, KIND).eval(), sound(name)
    with torch.inference_mode():
        assert torch.isfinite(encoder.logits(audio[:, :100])).all(), "less than a window"
        assert torch.isfinite(encoder.logits(audio * 0)).all(), "silence"
        extra = torch.rand(1, 800)
        assert torch.allclose(encoder.logits(torch.cat((audio, extra), 1)), encoder.logits(torch.cat((
            audio, extra[:, :480]), 1)), atol=1e-5), "50 ms too much are cut"
        assert not torch.allclose(encoder.logits(audio), encoder.logits(audio[:, : audio.shape[1] // 2]), atol=1e-4)


@pytest.mark.parametrize("name", TINY)
def test_it_hears_when_and_how_high(name: str) -> None:
    encoder = zoo.create(name, KIND).eval()
    rate = encoder.sample_rate
    clock = torch.arange(round(encoder.input.seconds * rate)) / rate
    low, high = torch.sin(2 * torch.pi * 200 * clock)[None], torch.sin(2 * torch.pi * 4000 * clock)[None]
    early, late = low * (clock < 0.5), low * (clock >= clock[-1] - 0.5)
    with torch.inference_mode():
        assert (encoder(low).tokens - encoder(high).tokens).abs().max() > 0.05
        assert (encoder(early).tokens - encoder(late).tokens).abs().max() > 0.05
        spectrum = encoder.spectrogram(encoder.prepare(torch.cat((low, high))))
        loudest = spectrum[:, spectrum.shape[1] // 2].argmax(-1)
        assert loudest[0] < loudest[1]


@pytest.mark.parametrize("name", TINY)
def test_what_does_not_fit_is_refused_with_what_does(name: str, tmp_path) -> None:
    encoder, audio = zoo.create(name, KIND), sound(name)
    with pytest.raises(InvalidInput, match=r"\(B, S\)"):
        encoder(audio[0])
    with pytest.raises(InvalidInput, match=r"\(B, S\)"):
        encoder(audio[:, :0])
    with pytest.raises(InvalidInput, match="int16"):
        encoder(audio.to(torch.int16))
    with pytest.raises(InvalidInput, match=r"resample\(audio, 44100, 16000\)"):
        encoder(audio, 44_100)
    with pytest.raises(InvalidInput, match="cut the sound into windows"):
        encoder(torch.cat((audio, audio), 1))
    with pytest.raises(InvalidInput, match="without a classifier"):
        zoo.create(name, KIND, num_classes=0).logits(audio)
    with pytest.raises(UnknownName, match=name):
        zoo.create(f"{name}y", KIND)
    for form in encoder.CHECKPOINTS:
        torch.save({"state_dict": {"layer.weight": torch.zeros(3)}}, tmp_path / "other.pt")
        with pytest.raises(WeightsError, match="missing"):
            encoder.load_checkpoint(tmp_path / "other.pt", form)


def test_options_that_cannot_be_are_refused() -> None:
    with pytest.raises(InvalidInput, match="hold none"):
        zoo.create("ast-tiny", KIND, input=AudioInput(16_000, 0.1))
    with pytest.raises(InvalidInput, match="multiples of 16"):
        zoo.create("logmel-cnn-tiny", KIND, widths=(24,))
