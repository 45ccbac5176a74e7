"""The embedded encoder, its resampler and the visual tokens they make."""

from __future__ import annotations

import pytest
import torch

from mmvideo.errors import InvalidInput, WeightsError
from mmvideo.nn import facts as nf
from mmvideo.toybox.encoder import ToyboxAV
from mmvideo.toybox.facts import FIELDS, NUM_BINS, NUM_SLOTS
from mmvideo.vlm.projectors.resampler import Resampler


@pytest.fixture(scope="module")
def encoder() -> ToyboxAV:
    torch.manual_seed(0)
    return ToyboxAV(dim=64, depth=1, heads=2, stem_width=16).eval()


@pytest.fixture(scope="module")
def resampler() -> Resampler:
    torch.manual_seed(0)
    return Resampler(dim_in=64, dim=48, depth=1, heads=2, num_slots=NUM_SLOTS, num_bins=NUM_BINS,
                     fields=[f.to_dict() for f in FIELDS], dim_out=32).eval()


def clips(num: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return (torch.randint(0, 256, (num, 16, 3, 64, 64), dtype=torch.uint8, generator=generator),
            torch.randn(num, 32000, generator=generator) * 0.1)


@torch.no_grad()
def test_geometry(encoder: ToyboxAV) -> None:
    frames, audio = clips()
    features = encoder(frames, audio)
    assert features.grid == (8, 4, 4)
    assert features.tokens.shape == (2, encoder.num_tokens(16, 64, 64) + 25, encoder.dim)
    assert features.num_extra == 25


@torch.no_grad()
def test_each_clip_is_seen_alone(encoder: ToyboxAV) -> None:
    frames, audio = clips(3)
    together = encoder(frames, audio).tokens[1]
    torch.testing.assert_close(encoder(frames[1:2], audio[1:2]).tokens[0], together, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_silence_and_absence_of_sound_differ(encoder: ToyboxAV) -> None:
    frames, _ = clips(1)
    silent = encoder(frames, torch.zeros(1, 32000)).tokens[:, -25:]
    absent = encoder(frames, None).tokens[:, -25:]
    assert not torch.allclose(silent, absent)
    muted = encoder(frames, torch.randn(1, 32000), has_audio=torch.tensor([False])).tokens[:, -25:]
    torch.testing.assert_close(muted, absent)


def test_other_sizes_are_refused(encoder: ToyboxAV) -> None:
    with pytest.raises(InvalidInput, match=r"16, 3, 64, 64"):
        encoder(torch.zeros(1, 8, 3, 64, 64, dtype=torch.uint8))


def test_log_mel_follows_pitch_and_loudness(encoder: ToyboxAV) -> None:
    t = torch.arange(32000) / 16000
    low, high = (torch.sin(2 * torch.pi * hertz * t)[None] for hertz in (300, 3000))
    bands = [encoder.sound.log_mel(x)[0].mean(0).argmax().item() for x in (low, high)]
    assert bands[0] < bands[1]
    assert encoder.sound.log_mel(0.1 * low).mean() < encoder.sound.log_mel(low).mean()


def test_resampler_reads_every_field_and_learns(encoder: ToyboxAV, resampler: Resampler) -> None:
    frames, audio = clips()
    features = encoder(frames, audio)
    seen = resampler.look(features)
    assert {f.name: seen.logits[f.name].shape[-1] for f in FIELDS} == {f.name: f.size for f in FIELDS}
    tokens = resampler(features)
    assert tokens.shape == (2, (NUM_SLOTS + 1) * (NUM_BINS + 1), 32)
    tokens.square().mean().backward()
    assert encoder.sound.merge.weight.grad.abs().sum() > 0
    assert resampler.slot_query.grad.abs().sum() > 0


@torch.no_grad()
def test_what_is_beside_the_facts_starts_at_nothing(encoder: ToyboxAV, resampler: Resampler) -> None:
    seen = resampler.look(encoder(*clips()))
    probabilities = nf.from_logits(resampler.fields, seen.logits)
    torch.testing.assert_close(resampler.embed(probabilities), resampler.embed(probabilities, seen.hidden))


@torch.no_grad()
def test_saving_and_loading_keeps_the_outputs(encoder: ToyboxAV, tmp_path) -> None:
    encoder.save_pretrained(tmp_path)
    again = ToyboxAV.from_pretrained(tmp_path)
    frames, audio = clips()
    torch.testing.assert_close(again(frames, audio).tokens, encoder(frames, audio).tokens)


def test_weights_of_another_part_are_refused(encoder: ToyboxAV, tmp_path) -> None:
    encoder.save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match="Resampler"):
        Resampler.from_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="ToyboxAV"):
        ToyboxAV.from_pretrained(tmp_path)
    with pytest.raises(WeightsError, match="lacks"):
        ToyboxAV.from_pretrained(tmp_path / "nowhere")
