"""Mixtures are functions of their number, and the separator learns from them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mmvideo import weights
from mmvideo.errors import InvalidInput, MediaNotFound, RecipeError, WeightsError
from mmvideo.media import write_audio
from mmvideo.separation.losses import si_sdr
from mmvideo.separation.mouth_mask import MouthMask
from mmvideo.separation.talkers import articulate, draw_mouths, random_looks
from mmvideo.separation.training.bank import Utterance, is_held_out, voices_bank
from mmvideo.separation.training.faces import EigenMouths
from mmvideo.separation.training.mixes import FRAMES, SAMPLES, MixRule, SpeechMixer
from mmvideo.separation.training.net2net import deepened, grown_separator, widened
from mmvideo.separation.training.separator import _begin_with, losses, separation_figures, train_separator
from mmvideo.separation.training.store import Store, Stretches
from mmvideo.training.loop import Schedule
from mmvideo.types import Audio, Cues

RATE = 16000


def speech(seed: int, seconds: float = 8.0) -> np.ndarray:
    """Something like speech: a buzz with moving formants, in syllables and pauses; int16."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    base = rng.uniform(90, 220)
    buzz = sum(np.sin(2 * np.pi * base * k * time + rng.uniform(0, 6)) / k for k in range(1, 20))
    speak = np.convolve(np.repeat(rng.random(int(seconds * 5) + 1) > 0.4, RATE // 5)[:len(time)], np.ones(800) / 800,
                        "same")
    return (buzz * speak * 4000).astype(np.int16)


@pytest.fixture(scope="module")
def voices() -> list[Utterance]:
    return [Utterance(f"v{i}", f"v{i}-0", speech(i)) for i in range(6)]


@pytest.fixture(scope="module")
def faces() -> list[Utterance]:
    out = []
    for i in range(4):
        sound = speech(50 + i, 3.0)
        looks = random_looks(1, torch.Generator().manual_seed(i))
        mouths = draw_mouths(articulate(torch.from_numpy(sound / 32768.0).float())[None], looks)[0]
        out.append(Utterance("f", f"f{i}", sound, (mouths * 255).byte().numpy(), np.ones(len(mouths), bool)))
    return out


def test_a_mouth_opens_when_its_voice_is_loud() -> None:
    sound = torch.from_numpy(speech(1) / 32768.0).float()
    gestures = articulate(sound)
    assert gestures.shape == (len(sound) // 640, 4)
    loud = sound[:len(gestures) * 640].view(-1, 640).square().mean(1).sqrt()
    assert np.corrcoef(loud.numpy(), gestures[:, 0].numpy())[0, 1] > 0.6
    assert articulate(torch.zeros(RATE))[..., 0].max() < 0.05


def test_drawn_mouths_show_their_gestures() -> None:
    looks = random_looks(3, torch.Generator().manual_seed(0))
    gestures = torch.zeros(3, 2, 4)
    gestures[:, 1, 0] = 1.0
    shut, wide = draw_mouths(gestures, looks).unbind(1)
    assert (shut >= 0).all()
    assert (wide[:, 20:30, 20:28].mean() < shut[:, 20:30, 20:28].mean() - 0.1)


def test_a_batch_is_a_function_of_its_number(voices: list[Utterance], faces: list[Utterance]) -> None:
    one, two = (SpeechMixer(voices, faces).batch(3, 4) for _ in range(2))
    assert torch.equal(one.mixture, two.mixture)
    assert torch.equal(one.cues.mouths, two.cues.mouths)
    other = SpeechMixer(voices, faces).batch(4, 4)
    assert not torch.equal(one.mixture[0], other.mixture[0])


def test_mixtures_hold_their_targets(voices: list[Utterance], faces: list[Utterance]) -> None:
    clean = MixRule(off_screen=0, noise=0, silent_face=0, three_faces=0)
    batch = SpeechMixer(voices, faces, clean).batch(0, 6)
    assert batch.mixture.shape == (6, SAMPLES)
    assert batch.cues.mouths.shape == (6, 2, FRAMES, 48, 48)
    torch.testing.assert_close(batch.targets.sum(1), batch.mixture)
    assert batch.mixture.abs().max() <= 1
    hard = SpeechMixer(voices, faces, MixRule(silent_face=0.5, drop_out=1.0, same_voice=1.0)).batch(0, 12)
    assert (hard.targets.square().sum(-1) == 0).any()
    assert not hard.cues.valid.all(-1).any()
    assert hard.same_voice.all()


def test_voices_of_another_speed_and_colour_are_still_in_the_mixture(voices: list[Utterance],
                                                                     faces: list[Utterance]) -> None:
    rule = MixRule(off_screen=0, noise=0, silent_face=0, three_faces=0, speed=0.2, colour_db=4.0, turned_head=1.0)
    batch = SpeechMixer(voices, faces, rule).batch(0, 12)
    torch.testing.assert_close(batch.targets.sum(1), batch.mixture)
    plain = SpeechMixer(voices, faces, replace(rule, speed=0.0, colour_db=0.0)).batch(0, 12)
    changed = (batch.targets - plain.targets).abs().amax(-1) > 1e-3
    assert changed.any()
    assert not changed.all(), "one voice in nine is as it was"


def test_a_faster_voice_is_higher_and_its_mouth_is_as_fast() -> None:
    tone = (np.sin(np.arange(8 * RATE) / RATE * 2 * np.pi * 200) * 9000).astype(np.int16)
    steps = np.arange(200, dtype=np.uint8)[:, None, None].repeat(48, 1).repeat(48, 2)
    store = Store([Utterance("v", "v-0", tone, steps, np.ones(200, bool))], None)
    fast = Stretches(np.zeros(2, int), np.array([10, 10]), np.array([1.0, 1.25]), np.zeros((2, 6)), np.zeros(2, int),
                     np.zeros(2, bool))
    peaks = torch.fft.rfft(store.sound(fast)).abs().argmax(1) * RATE / SAMPLES
    assert peaks.tolist() == pytest.approx([200, 250], abs=1)
    pictures = store.films(fast)[:, :, 0, 0] * 255
    torch.testing.assert_close(pictures, 10 + torch.arange(64.0) * torch.tensor([[1.0], [1.25]]))


def test_one_face_before_loud_noise(voices: list[Utterance], faces: list[Utterance]) -> None:
    rule = MixRule(one_face=1.0, three_faces=0, off_screen=0, silent_face=0)
    batch = SpeechMixer(voices, faces, rule).batch(0, 24)
    assert batch.targets.shape[:2] == (24, 1)
    noise = batch.mixture - batch.targets[:, 0]
    above = 10 * (noise.square().mean(-1) / batch.targets[:, 0].square().mean(-1)).log10()
    assert -10.5 < above.min() < above.max() < 3.5
    assert above.max() > 0


def test_blind_faces_keep_their_targets(voices: list[Utterance], faces: list[Utterance]) -> None:
    rule = MixRule(blind_face=1.0, drop_out=0.0, silent_face=0.0, three_faces=0.0)
    batch = SpeechMixer(voices, faces, rule).batch(0, 12)
    still = (batch.cues.mouths.float().diff(dim=2).abs().amax((2, 3, 4)) == 0)
    assert still.all()
    unseen, flat = ~batch.cues.valid.any(-1), batch.cues.mouths.float().std((2, 3, 4)) == 0
    assert unseen.any()
    assert (flat & ~unseen).any()
    assert not flat.all()
    assert (batch.targets.square().sum(-1) > 0).all()
    seeing = SpeechMixer(voices, faces, replace(rule, blind_face=0.0)).batch(0, 12)
    assert torch.equal(batch.mixture, seeing.mixture)
    assert not torch.equal(batch.cues.mouths, seeing.cues.mouths)


def test_mouths_composed_from_real_pictures_follow_the_sound(faces: list[Utterance]) -> None:
    eigen = EigenMouths.fit(faces, num=6)
    moves = eigen.coefficients(speech(50, 3.0).astype(np.float32) / 32768)[None]
    generator = torch.Generator().manual_seed(0)
    moved, still = (eigen.compose(m, generator).flatten(2).std(1).mean() for m in (moves, moves * 0))
    assert moved > 1.3 * still


@pytest.mark.gpu
def test_batches_are_made_on_a_gpu(voices: list[Utterance], faces: list[Utterance]) -> None:
    clean = MixRule(off_screen=0, noise=0, speed=0.2, colour_db=3.0)
    batch, here = (SpeechMixer(voices, faces, clean, device=device).batch(3, 4) for device in ("cuda", "cpu"))
    assert batch.cues.mouths.is_cuda
    torch.testing.assert_close(batch.mixture.cpu(), here.mixture, atol=1e-4, rtol=1e-3)


def test_what_is_held_out_depends_on_the_name_alone() -> None:
    names = [f"clip{i}" for i in range(900)]
    held = [n for n in names if is_held_out(n + ".mkv")]
    assert 60 < len(held) < 140
    assert held == [n for n in names if is_held_out("elsewhere/" + n + ".mp4")]


def test_a_step_lowers_the_loss_and_permuted_faces_permute_the_voices(voices: list[Utterance],
                                                                      faces: list[Utterance]) -> None:
    torch.manual_seed(0)
    model = MouthMask(dim=32, hidden=64, lips=24, dilations=[1, 2, 4], shared=1)
    batch = SpeechMixer(voices, faces).batch(0, 4)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    seen = []
    for _ in range(12):
        value = losses(model, batch).mean()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        seen.append(float(value))
    assert seen[-1] < seen[0] - 0.5
    model.eval()
    with torch.no_grad():
        straight = model(batch.mixture, batch.cues)
        turned = model(batch.mixture, Cues(batch.cues.mouths.flip(1), batch.cues.valid.flip(1)))
    torch.testing.assert_close(straight.flip(1), turned, atol=1e-5, rtol=1e-4)
    found = separation_figures(model, [batch])
    assert set(found) == {"si_sdri", "si_sdri_same_voice", "si_sdri_filmed", "silent_db", "right"}


def test_the_causal_network_does_not_look_ahead() -> None:
    torch.manual_seed(0)
    model = MouthMask(dim=32, hidden=64, lips=24, dilations=[1, 2, 4], shared=1, causal=True).eval()
    mixture = torch.randn(1, SAMPLES) * 0.1
    later = torch.cat([mixture[:, :30000], 3 * mixture[:, 30000:].flip(1)], 1)
    mouths = torch.randint(0, 255, (1, 2, FRAMES, 48, 48), dtype=torch.uint8)
    other = torch.cat([mouths[:, :, :47], 255 - mouths[:, :, 47:] // 2], 2)
    seen = torch.ones(1, 2, FRAMES).bool()
    with torch.no_grad():
        a, b = model(mixture, Cues(mouths, seen)), model(later, Cues(other, seen))
    torch.testing.assert_close(a[..., :29300], b[..., :29300], atol=1e-5, rtol=1e-3)
    assert (a[..., 30000:] - b[..., 30000:]).abs().max() > 1e-3


def test_the_twin_without_eyes(voices: list[Utterance]) -> None:
    model = MouthMask(dim=32, hidden=64, dilations=[1, 2], shared=1, outputs=2)
    batch = SpeechMixer(voices, [], MixRule(three_faces=0)).batch(0, 3)
    assert model(batch.mixture).shape == (3, 2, SAMPLES)
    assert losses(model, batch).shape == (3,)
    with pytest.raises(InvalidInput):
        MouthMask(dim=32, hidden=64, dilations=[1], shared=1)(batch.mixture)


def test_a_run_is_resumed_and_goes_on_from_what_was_saved(tmp_path: Path) -> None:
    for i in range(14):
        write_audio(tmp_path / f"{i}-0.flac", Audio(torch.from_numpy(speech(i, 6.0) / 32768.0).float()[None], RATE))
    small = {"voices": str(tmp_path), "evaluate_every": 100, "evaluate_on": 1, "preset": "mouth-mask-xs",
             "mixes": {"three_faces": 0.0}}

    def schedule(steps: int) -> Schedule:
        return Schedule(steps=steps, batch_size=2, learning_rate=1e-3, warmup=2, save_every=1, log_every=1, ema=0.5)

    train_separator(tmp_path / "run", schedule=schedule(2), **small)
    train_separator(tmp_path / "run", schedule=schedule(3), **small)
    steps = [json.loads(line)["step"] for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()
             if "loss" in line]
    assert steps == [1, 2, 3]
    saved = MouthMask.from_pretrained(tmp_path / "run" / "separator")
    train_separator(tmp_path / "more", schedule=schedule(1), init=str(tmp_path / "run" / "separator"), first_batch=3,
                    **small)
    more = MouthMask.from_pretrained(tmp_path / "more" / "separator")
    moved = max(float((a - b).abs().max()) for a, b in zip(saved.parameters(), more.parameters(), strict=True))
    assert 0 < moved < 0.05
    causal = {**small, "preset": "mouth-mask-xs", "init": str(tmp_path / "run" / "separator"), "first_batch": 4}
    assert not saved.config["causal"]
    with pytest.raises(WeightsError, match="mouth-mask-s"):
        train_separator(tmp_path / "wider", schedule=schedule(1), **{**causal, "preset": "mouth-mask-s-causal"})


def test_a_separator_is_widened_without_a_change_of_what_it_gives(tmp_path: Path) -> None:
    narrow = MouthMask(dim=24, hidden=32, lips=16, dilations=[1, 4, 2], shared=2)
    wide = widened(narrow, {**narrow.config, "dim": 72})
    mixture = torch.randn(2, 4 * 640, generator=torch.Generator().manual_seed(1))
    cues = Cues(torch.randint(256, (2, 2, 4, 48, 48), dtype=torch.uint8), torch.ones(2, 2, 4, dtype=torch.bool))
    narrow.eval(), wide.eval()
    torch.testing.assert_close(wide(mixture, cues), narrow(mixture, cues), rtol=1e-4, atol=1e-5)
    wide(mixture, cues).square().sum().backward()
    twins = wide.trunk["blocks"][0].out.weight.grad.chunk(3)
    assert not torch.allclose(twins[0], twins[1], rtol=1e-2), "copies of a channel learn different things"
    model = MouthMask(**{**narrow.config, "dim": 48}).eval()
    _begin_with(model, narrow, "narrow", "wide")
    torch.testing.assert_close(model(mixture, cues), narrow(mixture, cues), rtol=1e-4, atol=1e-5)
    for other in ({"dim": 36}, {"dim": 48, "hidden": 64}):
        with pytest.raises(WeightsError, match="nothing but dim"):
            widened(narrow, {**narrow.config, **other})


def test_a_separator_is_deepened_without_a_change_of_what_it_gives() -> None:
    shallow = MouthMask(dim=24, hidden=32, lips=16, dilations=[1, 4], shared=2).eval()
    deep = deepened(shallow, {**shallow.config, "dilations": [1, 4, 2]}).eval()
    mixture = torch.randn(2, 4 * 640, generator=torch.Generator().manual_seed(1))
    cues = Cues(torch.randint(256, (2, 2, 4, 48, 48), dtype=torch.uint8), torch.ones(2, 2, 4, dtype=torch.bool))
    torch.testing.assert_close(deep(mixture, cues), shallow(mixture, cues))
    both = grown_separator(shallow, {**shallow.config, "dim": 48, "dilations": [1, 4, 2, 8]}).eval()
    torch.testing.assert_close(both(mixture, cues), shallow(mixture, cues), rtol=1e-4, atol=1e-5)
    deep(mixture, cues).square().sum().backward()
    assert deep.trunk["blocks"][2].out.weight.grad.abs().max() > 0, "the new block learns from the first step on"
    for other in ({"dilations": [2, 4, 1]}, {"dilations": [1, 4, 2], "hidden": 64}):
        with pytest.raises(WeightsError, match="nothing but dilations"):
            deepened(shallow, {**shallow.config, **other})


def test_faces_hear_of_each_other_once_trained_and_one_face_of_nobody() -> None:
    deaf = MouthMask(dim=24, hidden=32, lips=16, dilations=[1, 4, 2], shared=2).eval()
    talking = grown_separator(deaf, {**deaf.config, "exchange": [1]}).eval()
    mixture = torch.randn(2, 4 * 640, generator=torch.Generator().manual_seed(1))
    cues = Cues(torch.randint(256, (2, 2, 4, 48, 48), dtype=torch.uint8), torch.ones(2, 2, 4, dtype=torch.bool))
    alone = Cues(cues.mouths[:, :1], cues.valid[:, :1])
    torch.testing.assert_close(talking(mixture, cues), deaf(mixture, cues))
    talking(mixture, cues).square().sum().backward()
    assert talking.exchange["1"].out.weight.grad.abs().max() > 0, "it learns from the first step on"
    torch.nn.init.normal_(talking.exchange["1"].out.weight)
    assert not torch.allclose(talking(mixture, cues), deaf(mixture, cues))
    torch.testing.assert_close(talking(mixture, alone), deaf(mixture, alone))
    swapped = talking(mixture, Cues(cues.mouths.flip(1), cues.valid.flip(1)))
    torch.testing.assert_close(swapped.flip(1), talking(mixture, cues), rtol=1e-4, atol=1e-5)


def test_bad_recipes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaNotFound, match="holds no speech"):
        voices_bank(tmp_path)
    with pytest.raises(RecipeError, match="belongs to no separator"):
        train_separator(tmp_path / "run", schedule=Schedule(1, 1, 1e-3), voices=str(tmp_path), preset="mouths")


@pytest.mark.shared
@pytest.mark.parametrize("name", ["separator", "separator-research-only"])
def test_the_embedded_separators_hear_who_speaks_among_unseen_voices(shared: Path, name: str) -> None:
    model = MouthMask.from_pretrained(weights.part(name, "faces"))
    rule = MixRule(off_screen=0, noise=0, silent_face=0, three_faces=0, same_voice=0, drop_out=0)
    speakers = [voices_bank(folder)[0] for folder in sorted((shared / "data" / "librispeech" / "dev").iterdir())]
    batch = SpeechMixer(speakers, [], rule).batch(0, 24)
    with torch.no_grad():
        estimate = model(batch.mixture, batch.cues)
    own = si_sdr(estimate, batch.targets)
    other = si_sdr(estimate.flip(1), batch.targets)
    assert (own > other).float().mean() >= 0.95
    before = si_sdr(batch.mixture[:, None].expand_as(batch.targets), batch.targets)
    assert (own - before).median() > 7.5
