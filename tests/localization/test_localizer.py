"""Toybox films, features over windows, a small localiser that is trained, saved and run, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import make_qa

from mmvideo import Pipeline, write_video
from mmvideo.errors import InvalidInput, WeightsError
from mmvideo.localization.actionformer import FormerSize
from mmvideo.localization.features import FeatureCache, FeatureSequence, FeatureSpec, WindowEncoder, window_starts
from mmvideo.localization.localizer import Localizer
from mmvideo.localization.roi_head import RoIHead
from mmvideo.localization.spans import LocatedSpan
from mmvideo.localization.training import AnnotatedFilm, draw_crops
from mmvideo.toybox.evaluation import localization as film_evaluation
from mmvideo.toybox.films import FILM_EVENTS, SCENE_SECONDS, film_actions, film_events, toy_film
from mmvideo.toybox.training import actions as toy_actions
from mmvideo.toybox.training import localizer as toy_localizer
from mmvideo.toybox.training.localizer import train_localizer
from mmvideo.training.loop import Schedule
from mmvideo.types import Segment

NETWORK: dict[str, Any] = {"width": 8, "heads": 2, "arch": [1, 1, 2], "window": 5, "hidden": 8,
                           "narrow": [[16, 32, 2], [3, 32, 2]], "finer": 2}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_qa(tmp_path_factory.mktemp("qa") / "tiny-qa")


def test_a_film_is_its_scenes_one_after_the_other() -> None:
    film = toy_film(3, num_scenes=4, size=16)
    assert film.duration_seconds == 4 * SCENE_SECONDS
    assert film.frames.shape == (96, 3, 16, 16)
    assert film.sound.shape == (4 * 48_000,)
    assert film.events == film_events(3, num_scenes=4)
    assert film.events
    assert {one.text for one in film.events} <= set(FILM_EVENTS)
    assert all(0 <= one.start_seconds < one.end_seconds <= 12 for one in film.events)
    assert all(one.start_seconds // 3 == (one.end_seconds - 1e-6) // 3 for one in film.events)  # none crosses a cut
    alone = toy_film(15, num_scenes=1, size=16)
    assert torch.equal(film.frames[-24:], alone.frames)
    with pytest.raises(InvalidInput):
        toy_film(-1)


def test_windows_cover_a_film_and_its_end() -> None:
    assert window_starts(5, 16, 8) == [0]
    assert window_starts(16, 16, 8) == [0]
    assert window_starts(30, 16, 8) == [0, 8, 14]


def test_features_have_the_clock_of_the_film_and_come_from_the_nearest_window(encoder: Path) -> None:
    spec = FeatureSpec(str(encoder))
    made = WindowEncoder(spec)
    frames = torch.randint(0, 255, (40, 3, 64, 64), dtype=torch.uint8)
    sound = torch.randn(5 * 16_000) * 0.1
    found = made.encode(frames, sound, start_seconds=7.0)
    assert found.values.shape == (20, 16 * 32 + 3 * 32)
    assert (found.start_seconds, found.step_seconds, found.end_seconds) == (7.0, 0.25, 12.0)
    alone = made.encode(frames[8:24], sound[16_000:48_000])
    assert torch.equal(found.values[6:10], alone.values[2:6])  # the middle of the second window
    short = made.encode(frames[:4], None)
    assert len(short.values) == 2
    pooled = WindowEncoder(FeatureSpec(str(encoder), dense=False, hop_frames=4)).encode(frames, sound)
    assert pooled.values.shape == (10, 32)
    with pytest.raises(InvalidInput):
        made.encode(frames[:0])


def test_features_are_kept_by_content_and_settings(encoder: Path, tmp_path: Path) -> None:
    cache = FeatureCache(FeatureSpec(str(encoder)), tmp_path)
    key = cache.key("ab")
    assert cache.load(key) is None
    given = FeatureSequence(torch.randn(4, 3).half().float(), 1.5, 0.25, 0.75)
    cache.store(key, given)
    kept = cache.load(key)
    assert kept is not None
    assert torch.equal(kept.values, given.values)
    assert (kept.start_seconds, kept.step_seconds, kept.inside) == (1.5, 0.25, 0.75)
    others = {cache.key("ac"), cache.key("ab", (0.0, 2.0)), FeatureCache(FeatureSpec(str(encoder), hop_frames=4)).key(
        "ab")}
    assert len({key, *others}) == 4
    (tmp_path / f"{key}.npz").write_bytes(b"no archive")
    assert cache.load(key) is None
    (tmp_path / "file").write_text("")
    FeatureCache(FeatureSpec(str(encoder)), tmp_path / "file").store(key, given)  # a folder that cannot be: no error


def test_crops_keep_the_events_of_their_part() -> None:
    values = torch.arange(40.0)[:, None]
    film = AnnotatedFilm(FeatureSequence(values, 0.0, 0.25), (Segment(1.0, 2.0, "hit"), Segment(9.0, 9.5, "stop")))
    batch = draw_crops([film], ["hit", "stop"], size=6, steps=16, finer=2, seed=1)
    for row in range(6):
        first = float(batch.values[row, 0, 0]) * 0.25
        for (start, end), label in zip(batch.segments[row].tolist(), batch.labels[row].tolist(), strict=True):
            real = film.events[label]
            assert start / 8 + first == pytest.approx(max(real.start_seconds, first))
            assert end / 8 + first == pytest.approx(min(real.end_seconds, first + 4.0))
    short = draw_crops([film], ["hit", "stop"], size=1, steps=64, finer=2, seed=1)
    assert short.valid.sum() == 40
    assert len(short.labels[0]) == 2


@pytest.fixture(scope="module")
def model(encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    schedule = Schedule(steps=2, batch_size=2, learning_rate=1e-3, warmup=1, optimizer="adamw", precision="no")
    import mmvideo.toybox.training.localizer as trainer

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(trainer, "VALIDATED", 1)
        patched.setattr(trainer, "toy_film", lambda index, **rest: toy_film(index, num_scenes=2, **rest))
        train_localizer(out, schedule=schedule, levels={"easy": 1.0}, num_films=1, crop_steps=16,
                        features=FeatureSpec(str(encoder)), network=FormerSize(**NETWORK))
    return out / "model"


def test_a_training_begins_with_another_localiser(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toy_localizer, "VALIDATED", 1)
    monkeypatch.setattr(toy_localizer, "toy_film", lambda index, **rest: toy_film(index, num_scenes=2, **rest))
    schedule = Schedule(steps=1, batch_size=2, learning_rate=1e-6, warmup=1, optimizer="adamw", precision="no")
    features = FeatureSpec(**Localizer.from_pretrained(model).config["features"])
    wanted = {"schedule": schedule, "levels": {"easy": 1.0}, "num_films": 1, "crop_steps": 16, "features": features,
              "init": str(model)}
    train_localizer(tmp_path / "on", network=FormerSize(**NETWORK), **wanted)
    before, after = (Localizer.from_pretrained(at).network.state_dict() for at in (model, tmp_path / "on" / "model"))
    assert all(torch.allclose(before[name], after[name], atol=1e-3) for name in before)
    with pytest.raises(InvalidInput, match="other network"):
        train_localizer(tmp_path / "other", network=FormerSize(**{**NETWORK, "hidden": 16}), **wanted)


def test_a_trained_localiser_locates_in_a_file_and_finds_its_features_again(
        model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_video(tmp_path / "a.mp4", torch.randint(0, 255, (24, 3, 48, 64), dtype=torch.uint8), fps=8)
    pipe = Pipeline("temporal-localization", model=model, device="cpu")
    with torch.no_grad():
        pipe.stages[1][1].locator.model.network.cls_head.cls_head.conv.bias.fill_(2.0)  # so that it finds something
    found = pipe(tmp_path / "a.mp4")
    assert found.located
    assert {one.label for one in found.located} <= set(FILM_EVENTS)
    assert all(0 <= one.start_seconds < one.end_seconds <= 3.0 + 1e-6 for one in found.located)
    assert not found.in_domain.judged
    assert len(list((tmp_path / "cache/mmvideo/features").glob("*.npz"))) == 1
    monkeypatch.setattr(WindowEncoder, "encode", None)  # it must not be asked again
    again = pipe(tmp_path / "a.mp4")
    assert again.located == found.located
    assert np.allclose(again.seconds_looked_at, found.seconds_looked_at, atol=0.02)


def test_a_film_shorter_than_a_window_is_located_and_says_so(model: Path) -> None:
    found = Pipeline("temporal-localization", model=model, device="cpu")(
        torch.zeros(3, 3, 32, 32, dtype=torch.uint8), fps=8.0)
    assert any("shorter than a window" in text for text in found.warnings)
    assert all(one.end_seconds <= 0.5 for one in found.located)
    assert "nothing found" in str(found) or found.located


def test_a_smaller_sigma_lowers_what_overlaps_more(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
                                                   ) -> None:
    made = Localizer.from_pretrained(model)
    assert made.sigma == 0.3
    two = [LocatedSpan(0.0, 1.0, "hit", 0.9), LocatedSpan(0.2, 1.2, "hit", 0.8)]
    monkeypatch.setattr(Localizer, "_spans", lambda *_: two)
    seen, scores = FeatureSequence(torch.zeros(40, made.config["network"]["dim"]), 0.0, 0.25), []
    for sigma in (0.1, 5.0):
        Localizer(**{**made.config, "sigma": sigma}).save_pretrained(tmp_path / str(sigma))
        scores.append(Localizer.from_pretrained(tmp_path / str(sigma)).locate(seen, least=0.0)[1].score)
    assert scores == pytest.approx([0.8 * np.exp(-(0.8 / 1.2)**2 / sigma) for sigma in (0.1, 5.0)])


def test_a_localiser_without_labels_or_with_a_wrong_one_is_refused(model: Path) -> None:
    with pytest.raises(InvalidInput, match="one label or more"):
        Localizer(labels=[], features={"encoder": "toybox-qa"}, network={"dim": 4, **NETWORK})
    with pytest.raises(InvalidInput, match="sigma"):
        Localizer(labels=["a"], features={"encoder": "toybox-qa"}, network={"dim": 4, **NETWORK}, sigma=0.0)
    with pytest.raises(InvalidInput, match="hit"):
        Pipeline("temporal-localization", model=model, labels=["kick"])
    with pytest.raises(InvalidInput, match="takes no kinds"):
        Pipeline("temporal-localization", model=model, kinds=["sound"])
    with pytest.raises(WeightsError):
        Localizer.from_config({**Localizer.from_pretrained(model).config, "kind": "other"})


def test_what_toys_do_in_each_second_of_a_film() -> None:
    seconds = film_actions(3, num_scenes=4)
    assert seconds
    assert {name for one in seconds for name in one.actions} <= {*FILM_EVENTS, "spin"}
    for one in seconds:
        left, top, right, bottom = one.box
        assert 0 <= left < right <= 1
        assert 0 <= top < bottom <= 1
        assert one.second // 3 == one.toy[0]
    events = {(int(e.start_seconds + 0.25), e.text) for e in film_events(3, num_scenes=4) if e.text == "hit"}
    told = {(one.second, "hit") for one in seconds if "hit" in one.actions}
    assert events <= told


def test_a_head_for_toys_is_trained_on_kept_features(encoder: Path, tmp_path: Path,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toy_actions, "VALIDATED", 1)
    monkeypatch.setattr(toy_actions, "DIM", 32)
    monkeypatch.setattr(toy_localizer, "toy_film", lambda index, **rest: toy_film(index, num_scenes=2, **rest))
    monkeypatch.setattr(toy_actions, "film_actions", lambda index, **rest: film_actions(index, num_scenes=2, **rest))
    schedule = Schedule(steps=2, batch_size=4, learning_rate=1e-3, warmup=1, optimizer="adamw", precision="no")
    toy_actions.train_actions(tmp_path, schedule=schedule, levels={"easy": 1.0}, num_films=1,
                              features=FeatureSpec(str(encoder)), hidden=8)
    head = RoIHead.from_pretrained(tmp_path / "head")
    width = (4 + 2 * toy_actions.AROUND) * 2 * 32  # steps of a second and around it, seen and heard
    assert head.logits(torch.zeros(1, width)).shape == (1, 6)


def test_the_evaluator_of_films_reports_the_model_beside_random_times(model: Path, tmp_path: Path,
                                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toy_localizer, "toy_film", lambda index, **rest: toy_film(index, num_scenes=2, **rest))
    raw = {"model": str(model), "films": 2}
    reports = list(film_evaluation.EVALUATOR(raw, out=tmp_path, where="here"))
    assert [one["method"] for one in reports] == ["model", "random times"]
    assert all(0 <= one["mAP"] <= 1 and one["films"] == 2 and one["events"] > 0 for one in reports)
    assert (tmp_path / "localization-toybox.json").is_file()
    with pytest.raises(InvalidInput):
        film_evaluation.check_films({**raw, "split": "tset"}, "here")
