"""AST against the authors' release (golden tensors) and against transformers (live): same weights, same sound."""

from __future__ import annotations

import fabricate
import pytest
import torch

from mmvideo.encoders.ast import AST
from mmvideo.encoders.preset import AudioInput
from mmvideo.nn.fbank import Fbank

INPUT = AudioInput(16_000, 1.28)


def sound(samples: int = 16_000) -> torch.Tensor:
    return fabricate.clip(2, samples, name="sound") - 0.5


@torch.inference_mode()
def test_the_release_gives_the_same_from_the_sound_on() -> None:
    weights, golden = fabricate.golden("ast")
    assert all(name.startswith("module.") for name in weights)
    weights = {name.removeprefix("module."): tensor for name, tensor in weights.items()}
    encoder = AST.create("ast-audioset", input=INPUT, num_classes=7, dim=192, depth=2, heads=3)
    encoder.load_tensors(weights, "ast")
    seen = encoder.spectrogram(encoder.prepare(sound()))
    assert fabricate.difference(seen[:, ::4, ::4], golden["spectrogram"]) < 1e-4
    assert fabricate.difference(encoder.logits(sound()), golden["logits"]) < 1e-4


@torch.inference_mode()
@pytest.mark.parametrize("hub_names", [False, True])
def test_transformers_gives_the_same_from_the_sound_on(hub_names: bool, tmp_path) -> None:
    from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification

    theirs = ASTForAudioClassification(ASTConfig(
        hidden_size=48, num_hidden_layers=2, num_attention_heads=3, intermediate_size=192, max_length=128,
        layer_norm_eps=1e-6, num_labels=7))
    fabricate.fill(theirs)
    prepared = ASTFeatureExtractor(max_length=128)(list(sound(18_000).numpy()), sampling_rate=16_000,
                                                   return_tensors="pt").input_values
    ours = AST.create("ast-audioset", input=INPUT, num_classes=7, dim=48, depth=2, heads=3)
    if hub_names:
        theirs.save_pretrained(tmp_path)
        ours.load_checkpoint(tmp_path / "model.safetensors", "transformers")
    else:
        ours.load_tensors(theirs.state_dict(), "transformers")
    assert fabricate.difference(ours.spectrogram(sound(18_000)), prepared) < 1e-4
    assert fabricate.difference(ours.logits(sound(18_000)), theirs(prepared).logits) < 1e-4
    features, whole = ours(sound(18_000)), theirs.audio_spectrogram_transformer(prepared)
    assert fabricate.difference(features.pooled, whole.pooler_output) < 1e-4
    t, _, f = features.grid
    by_band = features.tokens[:, : t * f].view(2, t, f, 48).transpose(1, 2).flatten(1, 2)
    assert fabricate.difference(by_band, whole.last_hidden_state[:, 2:]) < 1e-4


@pytest.mark.parametrize(("num_mels", "sample_rate"), [(128, 16_000), (64, 16_000), (80, 22_050), (40, 8_000)])
def test_the_front_end_is_kaldis(num_mels: int, sample_rate: int) -> None:
    from torchaudio.compliance.kaldi import fbank

    audio = sound(12_345)
    theirs = torch.stack([fbank(x[None], sample_frequency=sample_rate, window_type="hanning", num_mel_bins=num_mels)
                          for x in audio])
    front = Fbank(num_mels, sample_rate)
    assert front.num_frames(12_345) == theirs.shape[1]
    assert fabricate.difference(front(audio), theirs) < 1e-4
    assert fabricate.difference(front(audio * 0), fbank(
        audio[:1] * 0, sample_frequency=sample_rate, window_type="hanning", num_mel_bins=num_mels).expand_as(
            theirs)) < 1e-6, "silence"
