"""Audio-visual fusion: what each kind adds, what absence means, and the equations of the bottleneck."""

from __future__ import annotations

import pytest
import torch

from mmvideo.encoders import zoo
from mmvideo.encoders.audio_visual import AudioVisual
from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.nn.costs import multiply_adds
from mmvideo.nn.cross_modal import BottleneckFusion, Joint

TINY = [name for name in AudioVisual.PRESETS if "tiny" in name]


def frames(batch: int = 2) -> torch.Tensor:
    return torch.rand(batch, 16, 3, 64, 64)


def sound(batch: int = 2) -> torch.Tensor:
    return torch.rand(batch, 32_000) - 0.5


@pytest.mark.parametrize("name", TINY)
def test_both_kinds_count_and_absent_sound_does_not(name: str) -> None:
    encoder, seen, heard = zoo.create(name).eval(), frames(), sound()
    with torch.inference_mode():
        both, deaf = encoder.logits(seen, heard), encoder.logits(seen)
        assert (both - deaf).abs().max() > 1e-3, "sound counts"
        assert (both - encoder.logits(frames(), heard)).abs().max() > 1e-3, "so does the picture"
        mixed = encoder.logits(seen, heard, torch.tensor([True, False]))
        assert torch.allclose(mixed[0], both[0], atol=1e-5)
        assert torch.allclose(mixed[1], deaf[1], atol=1e-5), "as if there were no sound"
        heard[1] = float("nan")
        assert torch.allclose(encoder.logits(seen, heard, torch.tensor([True, False])), mixed, atol=1e-6)
        silence = encoder.logits(seen, torch.zeros_like(heard))
        assert (silence - deaf).abs().max() > 1e-3, "silence is not absence"


@pytest.mark.parametrize("name", TINY)
def test_tokens_of_both_are_told_apart(name: str) -> None:
    encoder = zoo.create(name).eval()
    with torch.inference_mode():
        features = encoder(frames(), sound(), torch.tensor([True, False]))
    t, h, w = features.grid
    assert (t, h, w) == (8, 4, 4)
    assert features.num_extra == (0 if name.endswith("late") else encoder.audio.num_tokens)
    if features.num_extra:
        assert features.tokens[1, t * h * w:].abs().max() == 0
        assert features.tokens[0, t * h * w:].abs().max() > 0


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("with_sound", [False, True])
def test_every_weight_has_a_gradient(name: str, with_sound: bool) -> None:
    encoder = zoo.create(name)
    loss = torch.nn.functional.cross_entropy(encoder.logits(frames(), sound() if with_sound else None),
                                             torch.tensor([0, 3]))
    loss.backward()
    assert not [n for n, p in encoder.named_parameters() if p.grad is None]
    reached = encoder.audio.net.embeddings.patch_embeddings.projection.weight.grad.abs().max()
    assert (reached > 0) == with_sound


def test_late_fusion_is_the_mean_of_two_classifiers() -> None:
    encoder, seen, heard = zoo.create("audio-visual-tiny-late").eval(), frames(), sound()
    with torch.inference_mode():
        mean = (encoder.video.logits(seen) + encoder.audio.logits(heard)) / 2
        assert torch.allclose(encoder.logits(seen, heard), mean, atol=1e-5)
        assert torch.allclose(encoder.logits(seen), encoder.video.logits(seen), atol=1e-5)


def test_early_fusion_has_no_layers_before_the_joint_ones() -> None:
    encoder = zoo.create("audio-visual-tiny-early")
    assert len(encoder.video.layers.layer) == len(encoder.audio.net.layers) == 0
    assert len(encoder.joint.layers) == 5


def test_kinds_meet_in_the_bottleneck_alone() -> None:
    fusion = BottleneckFusion(16, 2, 1, 3)
    video, audio, heard = torch.rand(1, 5, 16), torch.rand(1, 4, 16), torch.tensor([True])
    with torch.inference_mode():
        first, other = (fusion(video, sound, heard)[0] for sound in (audio, torch.rand(1, 4, 16)))
        assert torch.equal(first, other), "one layer: the video has not seen what the sound wrote"
        deeper = BottleneckFusion(16, 2, 2, 3)
        first, other = (deeper(video, sound, heard)[0] for sound in (audio, torch.rand(1, 4, 16)))
        assert not torch.allclose(first, other)
        # Equations 8 and 9 by hand, for one layer.
        see, hear = deeper.video[0], deeper.audio[0]
        x, y = see(torch.cat((video, deeper.bottleneck), 1)), hear(torch.cat((audio, deeper.bottleneck), 1))
        shared = (x[:, 5:] + y[:, 4:]) / 2
        last = deeper.video[1](torch.cat((x[:, :5], shared), 1))[:, :5]
        assert torch.allclose(deeper(video, audio, heard)[0], last, atol=1e-5)


def test_a_bottleneck_is_cheaper_than_full_attention() -> None:
    video, audio = torch.rand(1, 400, 16, device="meta"), torch.rand(1, 400, 16, device="meta")
    heard = torch.ones(1, dtype=torch.bool, device="meta")
    with torch.device("meta"):
        narrow, full = BottleneckFusion(16, 2, 2, 4), Joint(16, 2, 2)
    work = multiply_adds(lambda: narrow(video, audio, heard))
    assert work < 0.8 * multiply_adds(lambda: full(video, audio, heard))


def test_any_two_encoders_fuse_mid_and_late(tmp_path) -> None:
    for fusion in ("mid", "late"):
        encoder = zoo.create("audio-visual-tiny", video_encoder="c3d-tiny", audio_encoder="logmel-cnn-tiny",
                             fusion=fusion).eval()
        with torch.inference_mode():
            logits = encoder.logits(frames(), sound())
        encoder.save_pretrained(tmp_path / fusion)
        with torch.inference_mode():
            assert logits.shape == (2, 10)
            assert zoo.load(tmp_path / fusion).logits(frames()).shape == (2, 10)


def test_what_cannot_be_fused_is_refused() -> None:
    with pytest.raises(InvalidInput, match="c3d-tiny cannot be left out"):
        zoo.create("audio-visual-tiny-early", video_encoder="c3d-tiny")
    with pytest.raises(UnknownName, match="early"):
        zoo.create("audio-visual-tiny", fusion="erly")
    with pytest.raises(UnknownName, match="ast-tiny"):
        zoo.create("audio-visual-tiny", audio_encoder="ast-tny")
    encoder = zoo.create("audio-visual-tiny")
    with pytest.raises(InvalidInput, match="2 clips need"):
        encoder(frames(), sound(3))
    with pytest.raises(InvalidInput, match="has_audio"):
        encoder(frames(), sound(), torch.ones(2))
    with pytest.raises(InvalidInput, match="cut the sound"):
        encoder(frames(), torch.zeros(2, 160_000))
