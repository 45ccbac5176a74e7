"""A stream gives what the whole recording gives, however it is cut, in memory that does not grow."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
import torch
from torch import Tensor

from mmvideo.errors import InvalidInput
from mmvideo.separation.mouth_mask import MouthMask
from mmvideo.separation.stream import SeparatorStream
from mmvideo.types import Cues

SMALL = {"dim": 48, "hidden": 96, "lips": 24, "dilations": [1, 4, 16, 2], "shared": 2, "causal": True}


@pytest.fixture(scope="module")
def net() -> MouthMask:
    torch.manual_seed(0)
    net = MouthMask(**SMALL, exchange=[1])
    torch.nn.init.normal_(net.exchange["1"].out.weight, std=0.1)
    for name, value in net.named_buffers():  # as if it had been trained
        if "running" in name:
            value.uniform_(0.5, 1.5)
    return net.eval()


def scene(samples: int, faces: int = 2) -> tuple[Tensor, Cues]:
    """Sound that grows louder, and mouths that are not always seen."""
    frames = -(-samples // 640)
    sound = torch.randn(samples) * torch.linspace(0.01, 0.3, samples)
    mouths = torch.randint(0, 256, (1, faces, frames, 96, 96), dtype=torch.uint8)
    valid = torch.rand(1, faces, frames) > 0.2
    return sound, Cues(mouths * valid[..., None, None].byte(), valid)


def pieces(length: int, longest: int, rng: random.Random) -> list[slice]:
    """Cut a length anywhere; some pieces are empty."""
    cuts = [0]
    while cuts[-1] < length:
        cuts.append(min(length, cuts[-1] + rng.choice([0, 1, rng.randint(1, longest)])))
    return [slice(a, b) for a, b in itertools.pairwise(cuts)]


def streamed(stream: SeparatorStream, sound: Tensor, cues: Cues, seed: int) -> Tensor:
    """Push sound and mouths in pieces of random lengths, in random order."""
    rng = random.Random(seed)
    sounds, mouths = pieces(len(sound), 5000, rng), pieces(cues.num_frames, 9, rng)
    out = []
    while sounds or mouths:
        if sounds and (not mouths or rng.random() < 0.5):
            out.append(stream.push(sound[sounds.pop(0)]))
        else:
            at = mouths.pop(0)
            out.append(stream.push(sound[:0], cues.mouths[0, :, at], cues.valid[0, :, at]))
    return torch.cat([*out, stream.finish()], 1)


@pytest.mark.parametrize(("samples", "faces"), [
    (1, 1), (319, 2), (320, 1), (640, 2), (641, 2), (960, 1), (12_345, 3), (64_000, 2), (64_320, 2), (80_001, 1)])
def test_a_stream_gives_what_the_whole_gives(net: MouthMask, samples: int, faces: int) -> None:
    sound, cues = scene(samples, faces)
    with torch.no_grad():
        whole = net(sound[None], cues)[0]
    for seed in range(3):
        out = streamed(net.stream(faces), sound, cues, seed)
        assert out.shape == whole.shape
        assert (out - whole).abs().max() <= 1e-5 * whole.abs().max()


def test_the_full_preset_in_pieces_of_one_picture() -> None:
    torch.manual_seed(1)
    net = MouthMask.create("mouth-mask-s-causal").eval()
    sound, cues = scene(32_000)
    stream = net.stream(num_faces=2)
    out = [stream.push(sound[k * 640:(k + 1) * 640].numpy(), cues.mouths[0, :, k:k + 1].numpy(),
                       cues.valid[0, :, k:k + 1].numpy()) for k in range(50)]
    assert [o.shape[1] for o in out] == [320] + 49 * [640], "one window of 40 ms is held back, no more"
    assert stream.latency_seconds == 0.04
    assert stream.num_samples - sum(o.shape[1] for o in out) == 320 <= stream.latency_seconds * 16_000
    with torch.no_grad():
        whole = net(sound[None], cues)[0]
    assert (torch.cat([*out, stream.finish()], 1) - whole).abs().max() <= 1e-5 * whole.abs().max()


def test_what_is_missing_or_too_much_at_the_end_is_as_in_a_whole(net: MouthMask) -> None:
    sound, cues = scene(20_480)
    with torch.no_grad():
        fewer = net(sound[None], cues.between(0, 20))[0]
        whole = net(sound[None], cues)[0]
    stream = net.stream(2)
    out = torch.cat([stream.push(sound, cues.mouths[0, :, :20], cues.valid[0, :, :20]), stream.finish()], 1)
    assert (out - fewer).abs().max() <= 1e-5 * fewer.abs().max()
    assert (fewer - whole).abs().max() > 1e-3 * whole.abs().max(), "the mouths left out do matter"
    stream, more = net.stream(2), cues.between(0, 40)
    out = torch.cat([stream.push(sound, more.mouths[0], more.valid[0]), stream.finish()], 1)
    assert (out - whole).abs().max() <= 1e-5 * whole.abs().max()


def test_without_eyes() -> None:
    net = MouthMask(**SMALL, outputs=2).eval()
    sound = torch.randn(30_000)
    with torch.no_grad():
        whole = net(sound[None])[0]
    stream = net.stream()
    out = torch.cat([*(stream.push(sound[at:at + 1000]) for at in range(0, 30_000, 1000)), stream.finish()], 1)
    assert (out - whole).abs().max() <= 1e-5 * whole.abs().max()


def held(stream: SeparatorStream) -> int:
    """Bytes of every tensor that the stream keeps, with what lies behind a view."""
    own = [x for x in vars(stream).values() if isinstance(x, Tensor)]
    return stream._past.num_bytes + sum(x.untyped_storage().nbytes() for x in own)


def test_memory_does_not_grow_and_sums_stay_exact(net: MouthMask) -> None:
    stream = net.stream(2)
    sound, cues = scene(6400)
    seen = []
    for _ in range(75):  # half a minute
        stream.push(sound, cues.mouths[0], cues.valid[0])
        seen.append(held(stream))
    assert len(set(seen[1:])) == 1, seen
    assert seen[0] < 1_000_000
    assert stream.num_samples == 480_000


def test_wrong_input_is_refused_and_changes_nothing(net: MouthMask) -> None:
    sound, cues = scene(12_800)
    with torch.no_grad():
        whole = net(sound[None], cues)[0]
    stream, mouths, valid = net.stream(2), cues.mouths[0], cues.valid[0]
    bad = {
        "float": [(sound[None], mouths), ((sound * 32767).short(), mouths)],
        "not finite": [(torch.full((10,), torch.nan), mouths), (sound[:10], torch.full((2, 1, 8, 8), torch.inf))],
        r"\(2, T, H, W\)": [(sound, mouths[:1]), (sound, mouths[0])],
        "uint8": [(sound, mouths.int())],
        "bool": [(sound, mouths, valid.float()), (sound, mouths, valid[:, :3])],
        "valid comes with": [(sound, None, valid)],
        "sound is 10.1 s ahead": [(torch.zeros(161_600),)],
        "mouths are 10.0 s ahead": [(sound[:0], torch.zeros(2, 251, 4, 4))],
    }
    for message, calls in bad.items():
        for call in calls:
            with pytest.raises(InvalidInput, match=message):
                stream.push(*call)
    out = torch.cat([stream.push(sound, mouths, valid), stream.finish()], 1)
    assert (out - whole).abs().max() <= 1e-5 * whole.abs().max()
    with pytest.raises(InvalidInput, match="is finished"):
        stream.push(sound, mouths)
    with pytest.raises(InvalidInput, match="finished already"):
        stream.finish()
    assert net.stream(3).finish().shape == (3, 0)


def test_networks_that_cannot(net: MouthMask) -> None:
    with pytest.raises(InvalidInput, match=r"looks ahead.*mouth-mask-deep-causal"):
        MouthMask.create("mouth-mask-xs").eval().stream(2)
    with pytest.raises(InvalidInput, match=r"call \.eval"):
        MouthMask(**SMALL).stream(2)
    with pytest.raises(InvalidInput, match="how many faces"):
        net.stream()
    deaf = MouthMask(**SMALL, outputs=2).eval()
    with pytest.raises(InvalidInput, match="no eyes"):
        deaf.stream(2)
    with pytest.raises(InvalidInput, match="no eyes"):
        deaf.stream().push(np.zeros(3, np.float32), np.zeros((2, 1, 96, 96), np.uint8))
