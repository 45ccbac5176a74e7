"""MoViNet: the stream gives the clip's result in constant memory, never looks ahead; padding as in the release."""

from __future__ import annotations

import pytest
import torch

from mmvideo.encoders.movinet import MoViNet
from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.nn.costs import multiply_adds
from mmvideo.nn.movinet_blocks import (
    CumulativeMean,
    SqueezeExcite,
    TimeEncoding,
    average_pool_same,
    divisible,
    pad_same,
)


def lively(name: str = "movinet-tiny-stream", **options) -> MoViNet:
    """Build a member whose residual branches and positional encodings are not zero."""
    torch.manual_seed(0)
    encoder = MoViNet.create(name, **options).eval()
    for key, parameter in encoder.named_parameters():
        if parameter.ndim == 0:
            torch.nn.init.constant_(parameter, 0.1 if "time" in key else 0.5)
    return encoder


@pytest.fixture(scope="module")
def causal() -> MoViNet:
    return lively()


@pytest.fixture(scope="module")
def clip() -> torch.Tensor:
    return torch.rand(2, 13, 3, 40, 56, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("steps", [(1,) * 13, (5, 1, 7), (2, 11)])
def test_a_stream_gives_the_clips_result_however_it_is_cut(causal: MoViNet, clip: torch.Tensor, steps) -> None:
    exact = lively().double()
    for encoder, tolerance in ((causal, 1e-5), (exact, 1e-13)):
        stream, tokens = encoder.stream(), []
        with torch.inference_mode():
            whole = encoder(clip.to(encoder.mean.dtype))
            for part in clip.to(encoder.mean.dtype).split(steps, 1):
                seen = stream.step(part)
                tokens.append(seen.tokens)
            for ours, expected in ((torch.cat(tokens, 1), whole.tokens), (seen.pooled, whole.pooled),
                                   (encoder.classify(seen), encoder.classify(whole))):
                assert float((ours - expected).abs().max() / expected.abs().max()) < tolerance
    assert stream.num_frames == 13


def test_every_prefix_of_a_stream_is_a_clip(causal: MoViNet, clip: torch.Tensor) -> None:
    stream = causal.stream()
    with torch.inference_mode():
        for t in range(4):
            seen = stream.step(clip[:, t:t + 1])
            assert torch.allclose(seen.pooled, causal(clip[:, :t + 1]).pooled, atol=1e-5)


def test_what_comes_later_changes_nothing_in_a_stream_and_something_in_a_base(causal: MoViNet,
                                                                             clip: torch.Tensor) -> None:
    other = torch.cat((clip[:, :8], 1 - clip[:, 8:]), 1)
    base = lively("movinet-tiny")
    with torch.inference_mode():
        for encoder, same in ((causal, True), (base, False)):
            before, after = (encoder(x).tokens.unflatten(1, (13, -1))[:, :8] for x in (clip, other))
            assert torch.allclose(before, after, atol=1e-6) is same


def test_memory_of_a_stream_does_not_grow(causal: MoViNet) -> None:
    stream, sizes = causal.stream(), {}
    with torch.inference_mode():
        for t in range(1, 65):
            stream.step(torch.rand(1, 1, 3, 32, 32))
            sizes[t] = stream.memory_bytes()
        stream.step(torch.rand(1, 32, 3, 32, 32))
    assert 0 < sizes[1] == sizes[16] == sizes[64] == stream.memory_bytes()


def test_streams_of_one_encoder_do_not_mix(causal: MoViNet, clip: torch.Tensor) -> None:
    first, second = causal.stream(), causal.stream()
    with torch.inference_mode():
        first.step(clip[:, :3])
        second.step(1 - clip[:, :3])
        assert torch.equal(first.step(clip[:, 3:5]).pooled, _after(causal, clip[:, :3], clip[:, 3:5]))


def _after(encoder: MoViNet, *parts: torch.Tensor) -> torch.Tensor:
    stream = encoder.stream()
    return [stream.step(part).pooled for part in parts][-1]


def test_streaming_mistakes_are_refused(causal: MoViNet) -> None:
    with pytest.raises(InvalidInput, match="ends in -stream"):
        MoViNet.create("movinet-tiny").stream()
    stream = causal.stream()
    with torch.inference_mode():
        stream.step(torch.rand(1, 1, 3, 32, 32))
        with pytest.raises(InvalidInput, match=r"\(1, 3, 32, 32\)"):
            stream.step(torch.rand(2, 1, 3, 32, 32))
        with pytest.raises(InvalidInput, match="another"):
            stream.step(torch.rand(1, 1, 3, 64, 32))
    with pytest.raises(UnknownName, match="a5"):
        MoViNet.create("movinet-tiny", arch="a9")


def test_a_new_network_passes_on_what_comes_in_alone() -> None:
    # Scales of all residual branches begin at zero (section 4.1 and the release).
    encoder = MoViNet.create("movinet-tiny")
    assert all(block.scale.item() == 0 for stage in encoder.stages for block in stage)


@pytest.mark.parametrize("size", [(6, 9), (7, 8), (5, 5), (1, 2)])
@pytest.mark.parametrize("kernel", [3, 5])
def test_padding_puts_the_odd_pixel_behind(size: tuple[int, int], kernel: int) -> None:
    x = torch.ones(1, 1, 1, *size)
    padded = pad_same(x, kernel, 2)
    assert [(n - kernel) // 2 + 1 for n in padded.shape[3:]] == [-(-n // 2) for n in size]
    where = padded[0, 0, 0].nonzero()
    before, after = where.min(0).values, torch.tensor(padded.shape[3:]) - 1 - where.max(0).values
    assert ((after - before >= 0) & (after - before <= 1)).all()


@pytest.mark.parametrize("size", [(6, 9), (7, 8), (1, 2)])
def test_pooling_leaves_what_is_beyond_the_border_out(size: tuple[int, int]) -> None:
    pooled = average_pool_same(torch.full((1, 2, 3, *size), 7.0))
    assert pooled.shape[3:] == tuple(-(-n // 2) for n in size)
    assert torch.allclose(pooled, torch.tensor(7.0))


def test_cumulative_mean_is_the_mean_of_each_prefix() -> None:
    x, mean, memory = torch.rand(2, 4, 9, 1, 1), CumulativeMean(), {}
    expected = torch.cat([x[:, :, :t + 1].mean(2, keepdim=True) for t in range(9)], 2)
    assert torch.allclose(mean(x), expected, atol=1e-6)
    parts = [mean(part, memory) for part in x.split((2, 1, 6), 2)]
    assert torch.equal(torch.cat(parts, 2), mean(x))


def test_time_encoding_counts_on() -> None:
    encode, memory, x = TimeEncoding(6), {}, torch.zeros(1, 6, 5, 1, 1)
    assert torch.equal(encode(x), x)
    torch.nn.init.ones_(encode.weight)
    whole = encode(x)
    assert torch.equal(torch.cat([encode(part, memory) for part in x.split((2, 3), 2)], 2), whole)
    assert torch.allclose(whole[0, :2, 3].flatten(), torch.tensor([0.14112, -0.98999]), atol=1e-4)  # sin 3, cos 3


def test_widths_are_multiples_of_eight_and_never_ten_per_cent_less() -> None:
    assert [divisible(w) for w in (6, 20, 27, 46, 100)] == [8, 24, 32, 48, 104]


@pytest.mark.parametrize(("arch", "mebibytes"),
                         [("a0", 12), ("a1", 18), ("a2", 20), ("a3", 29), ("a4", 44), ("a5", 72)])
def test_the_released_checkpoints_are_as_large_as_our_tensors(arch: str, mebibytes: int) -> None:
    with torch.device("meta"):
        encoder = MoViNet.create(f"movinet-{arch}-base")
    ours = sum(t.nbytes for t in encoder.state_dict().values()) / 2**20
    assert mebibytes - 1 < ours <= mebibytes + 0.5


@pytest.mark.parametrize(("arch", "published"), [("a0", 2.71), ("a1", 6.02), ("a3", 56.9), ("a4", 105), ("a5", 281)])
def test_the_papers_count_is_ours_with_normalisations_and_gates(arch: str, published: float) -> None:
    with torch.device("meta"):
        encoder = MoViNet.create(f"movinet-{arch}-base").eval()
        i, values = encoder.input, []
        for part in encoder.modules():
            if isinstance(part, torch.nn.BatchNorm3d | SqueezeExcite):
                part.register_forward_hook(lambda _, __, output: values.append(output.numel()))
        clip = torch.rand(1, i.num_frames, 3, i.height, i.width)
        work = multiply_adds(lambda: encoder.logits(clip))
    assert (work + sum(values)) / 1e9 == pytest.approx(published, rel=0.005)
