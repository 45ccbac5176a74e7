"""Many people in training and evaluation: who is mixed with whom, lips taught by drawn mouths, pairs of strangers."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mmvideo.errors import InvalidInput, MediaNotFound, RecipeError
from mmvideo.nn.pretrained import Pretrained
from mmvideo.separation import people_evaluation
from mmvideo.separation.mouth_mask import MouthMask
from mmvideo.separation.training import lips, people
from mmvideo.separation.training.alike import nearest, speaker_prints
from mmvideo.separation.training.bank import FRAME, SIDE, Utterance
from mmvideo.separation.training.mixes import MixRule, SpeechMixer
from mmvideo.separation.training.store import Stretches


def voice(hertz: float, frames: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    clock = np.arange(frames * FRAME) / 16000
    beat = 0.6 + 0.4 * np.sin(2 * np.pi * 3 * clock + seed)
    wave = sum(np.sin(2 * np.pi * hertz * k * clock + random.uniform(0, 6)) / k for k in range(1, 9)) * beat
    return (wave * 3000 + random.normal(0, 20, len(clock))).astype(np.int16)


def table(folder: Path, rows: list[tuple[str, str, str, str]]) -> None:
    lines = ["clip\tgroup\tperson\tsplit\tseconds", *("\t".join((*row, "1.2")) for row in rows)]
    (folder / "clips.tsv").write_text("\n".join(lines) + "\n")


ROWS = [(f"clips/{g}{p}{n}.mp4", f"g{g}", f"g{g}_{p}", "test" if g == 3 else "train")
        for g in (1, 2, 3, 4) for p in "ab" for n in range(3)]


@pytest.fixture
def bank(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Utterance]:
    """Return speech of three groups, whose mouths are noise."""
    table(tmp_path, ROWS)

    def cut(paths: list[Path], _: str) -> list[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
        random = np.random.default_rng(0)
        return [(p.stem, voice(90 + 45 * int(p.stem[0]), 30, int(p.stem[0])),
                 random.integers(0, 255, (30, SIDE, SIDE)).astype(np.uint8), np.ones(30, bool)) for p in paths]

    monkeypatch.setattr(people, "cut_clips", cut)
    return people.talkers_bank(people.people_clips(tmp_path, "train"), "unused")


def test_clips_follow_the_table(tmp_path: Path) -> None:
    with pytest.raises(MediaNotFound, match=r"no clips\.tsv"):
        people.people_clips(tmp_path, "train")
    table(tmp_path, ROWS)
    assert {c.group for c in people.people_clips(tmp_path, "train", without=["g2"])} == {"g1", "g4"}
    assert [c.group for c in people.people_clips(tmp_path, "test")] == ["g3"] * 6
    with pytest.raises(MediaNotFound, match="g9"):
        people.people_clips(tmp_path, "train", groups=["g9"])
    with pytest.raises(MediaNotFound, match="'train' in group 'g3', 'g9'"):
        people.people_clips(tmp_path, "train", groups=["g1", "g9"], without=["g3"])


def test_the_clips_of_one_person_are_joined(bank: list[Utterance]) -> None:
    assert len(bank) == 3 * 2 * 2
    assert {u.speaker for u in bank} == {"g1", "g2", "g4"}
    assert all(len(u.mouths) == 90 and len(u.sound) == 90 * FRAME and u.joined for u in bank)
    assert not np.array_equal(bank[0].mouths, bank[1].mouths)  # another order


def test_voices_that_sound_alike_are_near() -> None:
    sounds = [voice(hertz, 50, seed) for seed, hertz in enumerate((110, 115, 210, 220))]
    prints = speaker_prints(sounds, np.arange(4))
    assert nearest(prints, np.arange(4), 1)[:, 0].tolist() == [1, 0, 3, 2]
    assert set(nearest(prints, np.array([1, 3]), 5)[0]) <= {1, 3}


@pytest.mark.parametrize("rule", [{"same_voice": 1.0}, {"alike_voice": 1.0}, {"three_faces": 1.0, "alike_voice": 0.5}])
def test_two_clips_of_one_group_are_never_mixed(bank: list[Utterance], rule: dict[str, float]) -> None:
    mixer = SpeechMixer([], bank, MixRule(**{"real_face": 1.0, "silent_face": 0.0, "same_voice": 0.0, **rule}))
    rng, faces = np.random.default_rng(0), 3 if "three_faces" in rule else 2
    persons, same = mixer._persons(rng, 20, faces)
    speaker = mixer.store.speaker[persons.voice].reshape(20, faces)
    assert not same.any()
    assert all(len(set(row)) == faces for row in speaker.tolist())
    batch = mixer.batch(0, 4)
    assert batch.real.all()


def test_short_mixtures_begin_where_clips_begin(bank: list[Utterance]) -> None:
    assert bank[0].joins == (30, 60)
    mixer = SpeechMixer([], bank, MixRule(real_face=1.0, shot=1.0, silent_face=0.0, three_faces=0.0))
    rng = np.random.default_rng(0)
    persons, _ = mixer._persons(rng, 20, 2)
    assert set(mixer.store.begins(persons).tolist()) <= {0, 30, 60}
    batch = mixer.batch(0, 6)
    frames = batch.cues.num_frames
    assert 24 <= frames <= 30
    assert batch.cues.mouths.shape == (12, 2, frames, SIDE, SIDE)
    assert batch.targets.shape == (12, 2, frames * FRAME)
    assert batch.mixture.shape == (12, frames * FRAME)


def test_shut_mouths_before_two_voices(bank: list[Utterance]) -> None:
    batch = SpeechMixer([], bank, MixRule(real_face=1.0, shut=1.0, three_faces=0.0, noise=0.0)).batch(0, 6)
    assert not batch.targets.any()
    assert (batch.mixture.square().mean(-1) > 1e-5).all()


def test_a_silent_face_is_made_of_the_quietest_frames() -> None:
    random, sound = np.random.default_rng(0), voice(110, 90, 1)
    sound[40 * FRAME:54 * FRAME] = 0
    mouths = np.zeros((90, SIDE, SIDE), np.uint8) + np.arange(90, dtype=np.uint8)[:, None, None]
    other = Utterance("b", "b", voice(220, 90, 2), random.integers(0, 255, mouths.shape).astype(np.uint8))
    store = SpeechMixer([], [Utterance("a", "a", sound, mouths), other], MixRule(real_face=1.0)).store
    some = Stretches(*(np.array([x]) for x in (0, 5, 1.0)), np.zeros((1, 6)), np.array([0]), np.array([True]))
    shown = (store.films(some)[0, :, 0, 0] * 255).round()
    assert 40 <= shown.min() <= shown.max() < 54


def test_lips_learn_what_drawn_mouths_would_say(bank: list[Utterance]) -> None:
    torch.manual_seed(0)
    mixer = SpeechMixer([], bank, MixRule(real_face=1.0, jitter=0))
    model = MouthMask.create("mouth-mask-xs")
    teacher = lips.LipTeacher(model.lips, mixer)
    some, mouths = mixer.faces(0, 4)
    assert mouths.shape == (4, 64, SIDE, SIDE)
    assert mouths.dtype == torch.uint8
    target = teacher(some)
    assert target.shape == (4, 64, 48)
    assert torch.isfinite(target).all()
    optimizer = torch.optim.AdamW(model.lips.parameters(), lr=3e-3)
    values = []
    for _ in range(3):
        value = lips.lip_loss(model.lips, teacher, mouths, some)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < values[0]
    assert 0 <= lips.matched(model.lips, teacher, mouths, some, mixer.store.speaker[some.voice]) <= 1


def test_what_cannot_be_trained_is_said() -> None:
    with pytest.raises(InvalidInput, match="init"):
        lips.check_lips("voices", "", 1, 1, None)
    with pytest.raises(InvalidInput, match="faces_every"):
        lips.check_lips("voices", "init", 1, 0, None)


def test_large_weights_are_stored_as_int8(tmp_path: Path) -> None:
    class Small(Pretrained):
        def __init__(self) -> None:
            super().__init__()
            self.config = {}
            self.large, self.little = torch.nn.Linear(128, 64), torch.nn.Linear(4, 4)

    model = Small()
    model.save_pretrained(tmp_path / "whole")
    model.save_pretrained(tmp_path / "int8", int8=True)
    size = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("whole", "int8")]
    assert size[1] < 0.35 * size[0]
    again = Small.from_pretrained(tmp_path / "int8")
    assert again.large.weight.dtype == torch.float32
    torch.testing.assert_close(again.large.weight, model.large.weight, atol=4e-4, rtol=0)
    torch.testing.assert_close(again.little.weight, model.little.weight, atol=4e-4, rtol=0)


def test_pairs_are_fixed_and_of_two_groups(tmp_path: Path) -> None:
    table(tmp_path, ROWS)
    clips = people.people_clips(tmp_path, "train")
    listed = people_evaluation.pairs_of_people(clips, 30, 2)
    assert listed == people_evaluation.pairs_of_people(clips, 30, 2)
    assert all(a != b for a, b in (pair.groups for pair in listed))
    for pair in listed:
        for group, names in zip(pair.groups, pair.clips, strict=True):
            assert len(set(names)) == 2
            assert len({Path(n).stem[:2] for n in names}) == 1  # one person
            assert Path(names[0]).stem[0] == group[1]
    with pytest.raises(RecipeError, match="4 clips"):
        people_evaluation.pairs_of_people(clips, 30, 4)


def test_a_person_in_two_tracks_has_one_voice() -> None:
    def track(value: float, middle: float, span: tuple[float, float]) -> SimpleNamespace:
        whole = torch.full((16000,), value)
        return SimpleNamespace(has_face=True, boxes=np.array([[middle - 5, 0, middle + 5, 10]]), spans=(span,),
                               sound=SimpleNamespace(read=lambda a, b: whole[a:b]))

    mixed = torch.full((16000,), 9.0)
    voices = [track(1.0, 50, (0.0, 0.5)), track(2.0, 50, (0.5, 0.8)), track(3.0, 150, (0.0, 1.0))]
    left = people_evaluation.voice_of_side(voices, 0, 200, mixed, 0, 0.0)
    assert left[[1000, 7000, 9000, 12000, 15000]].tolist() == [1, 1, 2, 2, 9]
    assert (people_evaluation.voice_of_side(voices, 1, 200, mixed, 0, 0.0) == 3).all()
    assert (people_evaluation.voice_of_side([], 1, 200, mixed, 0, 0.0) == 9).all()


def test_a_lag_shows_faces_that_are_later_than_they_are_early() -> None:
    random = np.random.default_rng(0)
    mouths = np.zeros((90, SIDE, SIDE), np.uint8) + np.arange(90, dtype=np.uint8)[:, None, None]
    bank = [Utterance(name, name, voice(pitch, 90, 1), mouths.copy()) for name, pitch in (("a", 110), ("b", 220))]
    mixer = SpeechMixer([], bank, MixRule(real_face=1.0, jitter=1, lag=2))
    shifts = mixer._draw(random, 200).shift
    assert set(shifts.tolist()) == {-3, -2, -1, 0, 1}
    some = Stretches(*(np.array([x]) for x in (0, 10, 1.0)), np.zeros((1, 6)), np.array([-3]), np.array([False]))
    assert (mixer.store.films(some)[0, :, 0, 0] * 255).round()[:3].tolist() == [7, 8, 9]
    with pytest.raises(InvalidInput, match="lag"):
        MixRule(lag=-1)
