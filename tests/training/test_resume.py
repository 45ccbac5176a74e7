"""A resumed run is compared with what its folder keeps: nothing that the weights mean changes without a word."""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import nn

from mmvideo.camera_motion.training import train as camera_motion
from mmvideo.cli import main
from mmvideo.encoders import zoo
from mmvideo.errors import InvalidInput, MmvideoError, RunChanged, TrainingInterrupted, WeightsError
from mmvideo.media import write_video
from mmvideo.toybox.training import joint as toybox_joint
from mmvideo.toybox.training import language as toybox_language
from mmvideo.toybox.training import parts as toybox_parts
from mmvideo.toybox.training import perception as toybox_perception
from mmvideo.toybox.training import videomae
from mmvideo.training import classifier, composed, probe, recipes, resume
from mmvideo.training.loop import Schedule, TrainingRun
from tests.tiny import make_clip

SMALL = {"width": 0.05, "dim_hidden": 24, "dropout": 0.0}
PLAN: dict[str, Any] = {"steps": 1, "batch_size": 2, "learning_rate": 0.003, "warmup": 2, "log_every": 1,
                        "save_every": 1, "precision": "no"}
TINY = toybox_parts.Sizes(dim=32, depth=1, dim_resampler=24, depth_resampler=1, dim_llm=24, depth_llm=1)


def schedule(**other: Any) -> Schedule:
    return Schedule(**{**PLAN, **other})


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("films")
    for i in range(6):
        write_video(home / f"{i}.mp4", torch.full((4, 3, 16, 16), 40 * i, dtype=torch.uint8), fps=8)
    return home


def listed(home: Path, *labels: str, name: str = "train.csv") -> str:
    """Write a list of as many films as there are labels, and return its path."""
    rows = [f"{i}.mp4,{label}\n" for i, label in enumerate(labels)]
    (home / name).write_text("path,label\n" + "".join(rows))
    return str(home / name)


def learn(out: Path, home: Path, *labels: str, plan: dict | None = None, **options: Any) -> None:
    classifier.train_classifier(out, schedule=schedule(**(plan or {})), **{
        "encoder": "c3d-tiny", "options": SMALL, "manifest": listed(home, *labels), "evaluated": 0, **options})


BEFORE = ("cat", "dog", "cat", "dog", "cat", "dog")
LABELS = {
    "renamed": (("cat", "wolf", "cat", "wolf", "cat", "wolf"), "without ['dog'], with ['wolf']"),
    "renamed so that the order turns": (("rat", "dog", "rat", "dog", "rat", "dog"), "without ['cat'], with ['rat']"),
    "swapped": (("dog", "cat", "dog", "cat", "dog", "cat"), "data.train"),
    "one more": (("cat", "dog", "cat", "dog", "cat", "bear"), "with ['bear']"),
    "one less": (("cat",) * 6, "without ['dog']"),
    "another clip less": (BEFORE[:5], "data.train"),
    "another spelling": (("Cat", "dog", "Cat", "dog", "Cat", "dog"), "with ['Cat']"),
}


@pytest.mark.parametrize("change", LABELS)
def test_a_changed_list_of_labels_is_refused_and_nothing_is_touched(change: str, films: Path, tmp_path: Path) -> None:
    learn(tmp_path / "run", films, *BEFORE)
    before = contents(tmp_path / "run")
    assert json.loads(before["run.json"])["data"]["labels"] == {"label": ["cat", "dog"]}
    labels, says = LABELS[change]
    for plan in ({}, {"steps": 2}):
        with pytest.raises(RunChanged) as caught:
            learn(tmp_path / "run", films, *labels, plan=plan)
        assert says in str(caught.value)
        assert "--out" in str(caught.value)
        assert f"init: {tmp_path / 'run' / 'model'}" in str(caught.value)
        assert "--accept-changes" not in str(caught.value)
    with resume.accepting(True), pytest.raises(RunChanged):
        learn(tmp_path / "run", films, *labels)
    assert contents(tmp_path / "run") == before


SCHEDULE = {"batch_size": 3, "learning_rate": 0.01, "warmup": 3, "decay": 0.2, "weight_decay": 0.1, "clip": 2.0,
            "seed": 1, "precision": "bf16", "accumulate": 2, "optimizer": "adamw", "layer_decay": 0.5, "ema": 0.5}
HARMLESS = {"steps": 2, "log_every": 5, "save_every": 7, "shard": True, "tensorboard": True}


@pytest.mark.parametrize("key", SCHEDULE)
def test_a_changed_schedule_is_refused_with_old_and_new_value(key: str, tmp_path: Path) -> None:
    run(tmp_path)
    with pytest.raises(RunChanged) as caught:
        run(tmp_path, **{key: SCHEDULE[key]})
    old = getattr(schedule(), key)
    assert f"schedule.{key}: was {old!r}, now {SCHEDULE[key]!r}" in str(caught.value)
    assert caught.value.changes == {f"schedule.{key}": (old, SCHEDULE[key])}
    assert isinstance(caught.value, InvalidInput)
    assert isinstance(caught.value, WeightsError)
    on_purpose = key not in ("optimizer", "layer_decay", "ema")
    assert ("--accept-changes" in str(caught.value)) == on_purpose
    with resume.accepting(True):
        if on_purpose:
            run(tmp_path, steps=2, **{key: SCHEDULE[key]})
            assert json.loads((tmp_path / "run.json").read_text())["schedule"][key] == SCHEDULE[key]
        else:
            with pytest.raises(RunChanged):
                run(tmp_path, **{key: SCHEDULE[key]})


def test_what_is_harmless_goes_on_and_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run(tmp_path)
    with caplog.at_level(logging.INFO, "mmvideo.training"):
        run(tmp_path, **HARMLESS)
    for key, value in HARMLESS.items():
        assert f"schedule.{key} changed: was {getattr(schedule(), key)!r}, now {value!r}" in caplog.text
    assert "resuming" in caplog.text
    assert json.loads((tmp_path / "run.json").read_text())["schedule"]["steps"] == 2
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 2
    with pytest.raises(RunChanged, match="trained for 2 steps, more than the 1"):
        run(tmp_path, steps=1)


def test_several_changes_are_all_named_and_a_new_folder_is_free(tmp_path: Path) -> None:
    run(tmp_path / "one")
    with pytest.raises(RunChanged) as caught:
        run(tmp_path / "one", batch_size=3, seed=4, steps=9)
    assert set(caught.value.changes) == {"schedule.batch_size", "schedule.seed"}
    run(tmp_path / "two", batch_size=3, seed=4)


def run(folder: Path, kept: dict | None = None, width: int = 2, **plan: Any) -> None:
    """Train a small layer for a step."""
    torch.manual_seed(0)
    made = TrainingRun(folder, nn.ModuleDict({"net": network(width)}), schedule(**plan), kept=kept or {})
    layer = made.parts["net"]["layers"][0]
    made.train(lambda _: torch.ones(1, width), lambda batch: (layer(batch).square().mean(), {}))


def network(width: int) -> nn.Module:
    """Return a matrix and a bias within a layer, so that Muon and AdamW share them."""
    return nn.ModuleDict({"layers": nn.ModuleList([nn.Linear(width, 2)])})


@pytest.mark.parametrize(("old", "new", "says"), [
    ("sgd", "adamw", "optimizer: was 'sgd', now 'adamw'"), ("adamw", "sgd", "optimizer"), ("muon", "sgd", "optimizer"),
    ("muon", "adamw", "optimizer"), ("sgd", "muon", "optimizer")])
@pytest.mark.parametrize("record", [True, False])
def test_another_optimizer_is_refused_with_and_without_a_record(old: str, new: str, says: str, record: bool,
                                                                tmp_path: Path) -> None:
    run(tmp_path, optimizer=old)
    if not record:
        (tmp_path / "run.json").unlink()
    with pytest.raises(WeightsError, match=says if record else "another optimizer"):
        run(tmp_path, optimizer=new, steps=2)


def test_accepted_settings_are_those_that_are_used(tmp_path: Path) -> None:
    run(tmp_path, optimizer="adamw", weight_decay=0.5)
    with resume.accepting(True):
        torch.manual_seed(0)
        made = TrainingRun(tmp_path, nn.ModuleDict({"net": network(2)}),
                           schedule(steps=2, optimizer="adamw", weight_decay=0.1, learning_rate=0.5))
        made._resume()
    groups = [group for optimizer in made.optimizers for group in optimizer.param_groups]
    assert {group["weight_decay"] for group in groups} == {0.1, 0.0}
    assert {group["rate"] for group in groups} == {0.5}


def test_a_folder_of_before_there_were_records_goes_on_with_a_warning(tmp_path: Path,
                                                                      caplog: pytest.LogCaptureFixture) -> None:
    run(tmp_path)
    (tmp_path / "run.json").unlink()
    with caplog.at_level(logging.WARNING, "mmvideo.training"):
        run(tmp_path, steps=2)
    assert "kept no run.json" in caplog.text
    assert (tmp_path / "run.json").is_file()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schedule": 5}', "\x00", "null"])
def test_a_damaged_record_is_refused(text: str, tmp_path: Path) -> None:
    run(tmp_path)
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(WeightsError, match=r"run\.json"):
        run(tmp_path, steps=2)


@pytest.mark.parametrize("damage", [lambda x: x[:len(x) // 2], lambda _: b"", lambda _: b"no checkpoint",
                                    lambda x: x[:100] + b"\0" * 200 + x[300:]])
def test_a_damaged_checkpoint_is_refused(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    run(tmp_path)
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(WeightsError, match="damaged"):
        run(tmp_path, steps=2)
    torch.save({"step": 1}, path)
    with pytest.raises(WeightsError, match="lacks the step"):
        run(tmp_path, steps=2)


def test_another_network_and_a_file_as_folder_are_refused(tmp_path: Path) -> None:
    run(tmp_path / "run")
    with pytest.raises(WeightsError, match="another model"):
        run(tmp_path / "run", width=3, steps=2)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InvalidInput, match="is a file"):
        run(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def taken(changes: dict[str, Any]) -> Schedule:
    """Take what belongs to a schedule out of changes."""
    return schedule(**{key: changes.pop(key) for key in list(changes) if key in Schedule.__dataclass_fields__})


def _toybox(trainer: Any, **options: Any) -> Callable[..., None]:
    def train(out: Path, **changes: Any) -> None:
        trainer.TRAINER.train(out, schedule=taken(changes), **{"levels": {"easy": 1.0}, **options, **changes})

    return train


def _trainers(home: Path) -> dict[str, tuple[Callable[..., None], dict[str, dict[str, Any]]]]:
    """Return trainer -> how to train a step, and changes that have to be refused, by the key that is named."""
    scenes = {"options.levels": {"levels": {"standard": 1.0}}, "options.first_scene": {"first_scene": 64},
              "schedule.batch_size": {"batch_size": 3}}
    made = toybox_parts.new_encoder(TINY)
    made.save_pretrained(home / "eyes" / "encoder")
    toybox_parts.new_language(TINY).save_pretrained(home / "language")
    rows = [{"video": f"{i}.mp4", "conversations": [{"from": "human", "value": "what color is the ball?"},
                                                    {"from": "gpt", "value": color}]}
            for i, color in enumerate(("red", "green", "blue"))]
    for row in rows:
        make_clip(home / row["video"], seconds=1)
    (home / "said.jsonl").write_text("\n".join(map(json.dumps, rows)))
    rows[0]["conversations"][1]["value"] = "cyan"
    (home / "other.jsonl").write_text("\n".join(map(json.dumps, rows)))
    listed(home, "a", "b", "a", "b")
    eyes = {"encoder": "videomae-tiny", "task": "speed", "clips": 4, "evaluated": 0}
    return {
        "toybox-language": (_toybox(toybox_language, num_questions=2, sizes=TINY), {
            **scenes, "options.num_questions": {"num_questions": 3}, "options.focus": {"focus": ["color"]},
            "options.sizes": {"sizes": toybox_parts.Sizes(dim_llm=48, depth_llm=1)}}),
        "toybox-perception": (_toybox(toybox_perception, sizes=TINY), {**scenes, "options.deaf": {"deaf": True}}),
        "videomae-pretrain": (_toybox(videomae, depth_decoder=1), {
            **scenes, "options.mask_ratio": {"mask_ratio": 0.5}}),
        "probe": (lambda out, **o: probe.train_probe(out, schedule=taken(o), **{**eyes, **o}),
                  {"options.task": {"task": "order"}, "options.probe": {"probe": "attentive"},
                   "schedule.learning_rate": {"learning_rate": 0.1}, "options.clips": {"clips": 6}}),
        "composed": (lambda out, **o: composed.train_composed(
            out, schedule=taken(o), **{
                "learn": ["projector"], "encoder_weights": str(home / "eyes"), "language": str(home / "language"),
                "data": str(home / "said.jsonl"), "samples": 0, **o}),
            {"data.entries": {"data": str(home / "other.jsonl")}, "options.learn": {"learn": ["projector", "encoder"]},
             "options.slow": {"slow": {"projector": 0.5}}, "schedule.seed": {"seed": 3}}),
    }


@pytest.mark.parametrize("name", ["toybox-language", "toybox-perception", "videomae-pretrain", "probe", "composed"])
def test_every_trainer_keeps_its_config_and_compares(name: str, tmp_path: Path,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(videomae, "EVALUATED", 4)
    monkeypatch.setattr(videomae, "CHUNK", 4)
    monkeypatch.setattr(TrainingRun, "_evaluate", lambda *_: None)
    train, changes = _trainers(tmp_path)[name]
    out = tmp_path / "run"
    train(out)
    kept = json.loads((out / "run.json").read_text())
    assert kept["trainer"] == name
    assert kept["schedule"]["batch_size"] == 2
    before = contents(out)
    for key, change in changes.items():
        with pytest.raises(RunChanged) as caught:
            train(out, **change)
        assert key in caught.value.changes, key
        assert f"{key}: " in str(caught.value)
        assert contents(out) == before, f"{key}: the folder was touched"
    train(out, steps=2)
    assert torch.load(out / "checkpoint.pt", weights_only=True)["step"] == 2


def test_frozen_weights_are_compared_by_what_they_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TrainingRun, "_evaluate", lambda *_: None)
    train, _ = _trainers(tmp_path)["composed"]
    train(tmp_path / "run")
    torch.manual_seed(1)
    toybox_parts.new_encoder(TINY).save_pretrained(tmp_path / "eyes" / "encoder")
    with pytest.raises(RunChanged, match=r"data\.frozen"):
        train(tmp_path / "run", steps=2)


def test_the_joint_trainer_compares_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TrainingRun, "_evaluate", lambda *_: None)
    monkeypatch.setattr(toybox_joint.domain, "fit_domain", lambda *_, **__: None)
    parts = (toybox_parts.new_encoder(TINY), toybox_parts.new_resampler(TINY), toybox_parts.new_language(TINY))
    toybox_parts.save_parts(tmp_path / "whole", *parts)
    train = _toybox(toybox_joint, perception=str(tmp_path / "whole"), language="", num_questions=2)
    train(tmp_path / "run")
    for key, change in {"options.encoder_rate": {"encoder_rate": 0.5}, "options.deaf": {"deaf": True}}.items():
        with pytest.raises(RunChanged) as caught:
            train(tmp_path / "run", **change)
        assert set(caught.value.changes) == {key}


def test_the_words_of_a_language_model_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TrainingRun, "_evaluate", lambda *_: None)
    train = _toybox(toybox_language, num_questions=2, sizes=TINY)
    train(tmp_path)
    words = [*toybox_parts.words.vocabulary(), "aardvark"]
    monkeypatch.setattr(toybox_parts.words, "vocabulary", lambda: words)
    with pytest.raises(RunChanged, match=r"data\.vocabulary"):
        train(tmp_path, steps=2)


def test_the_camera_trainer_compares_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mmvideo.camera_motion.training.data import make_clips

    monkeypatch.setattr(camera_motion, "make_clips", lambda seed, num, **_: make_clips(seed, min(num, 16), bank_size=8))
    plan = {"steps": 1, "batch": 4, "round_clips": 16, "uses": 1, "save_every": 1, "log_every": 1, "warmup": 2}
    out = tmp_path / "run"
    list(camera_motion.train(camera_motion.CameraTraining(**plan), out))
    before = contents(out)
    assert json.loads(before["run.json"])["data"]["labels"] == list(camera_motion.LABELS)
    for key, change in {"schedule.batch_size": {"batch": 2}, "schedule.learning_rate": {"learning_rate": 0.1},
                        "options.single_frame": {"single_frame": True}, "options.uses": {"uses": 2}}.items():
        with pytest.raises(RunChanged) as caught:
            list(camera_motion.train(camera_motion.CameraTraining(**{**plan, **change}), out))
        assert set(caught.value.changes) == {key}
    assert contents(out) == before
    reordered = [camera_motion.LABELS[1], camera_motion.LABELS[0], *camera_motion.LABELS[2:]]
    with monkeypatch.context() as patched:
        patched.setattr(camera_motion, "LABELS", tuple(reordered))
        with pytest.raises(RunChanged, match=r"data\.labels.*the order differs from place 0 on"):
            list(camera_motion.train(camera_motion.CameraTraining(**plan), out))
        with pytest.raises(WeightsError, match="other classes"):
            list(camera_motion.train(camera_motion.CameraTraining(**plan, init=str(out)), tmp_path / "on"))
    assert [r["step"] for r in camera_motion.train(camera_motion.CameraTraining(**{**plan, "steps": 2}), out)] == [2]
    (out / "checkpoint.safetensors").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="damaged"):
        list(camera_motion.train(camera_motion.CameraTraining(**plan), out))


def test_another_trainer_in_the_same_folder_is_refused(tmp_path: Path, films: Path) -> None:
    learn(tmp_path, films, *BEFORE)
    with pytest.raises(RunChanged, match="trainer: was 'classifier', now 'probe'"):
        probe.train_probe(tmp_path, schedule=schedule(), encoder="c3d-tiny", options=SMALL,
                          manifest=listed(films, *BEFORE), evaluated=0)


def test_a_list_may_move_and_its_held_out_part_may_change(tmp_path: Path, films: Path) -> None:
    learn(tmp_path / "run", films, *BEFORE)
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for film in films.glob("*.mp4"):
        (moved / film.name).write_bytes(film.read_bytes())
    learn(tmp_path / "run", moved, *BEFORE, plan={"steps": 2}, workers=2,
          validation=listed(moved, "dog", name="held.csv"))
    assert torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["step"] == 2


def test_features_of_a_probe_follow_the_list_and_not_its_name(tmp_path: Path, films: Path) -> None:
    options = {"encoder": "videomae-tiny", "evaluated": 0, "clips": 6}
    probe.train_probe(tmp_path, schedule=schedule(), manifest=listed(films, *BEFORE), **options)
    (tmp_path / "checkpoint.pt").unlink()
    after = ("dog", "cat", "dog", "cat", "dog", "cat")
    probe.train_probe(tmp_path, schedule=schedule(), manifest=listed(films, *after), **options)
    kept = [torch.load(path, weights_only=True)["labels"]["label"] for path in tmp_path.glob("features-train-*.pt")]
    assert len(kept) == 2
    assert torch.equal(kept[0], 1 - kept[1])


@pytest.mark.parametrize(("labels", "taken"), [
    (("cat", "dog"), True), (("dog", "cat"), False), (("cat", "wolf"), False), (("a", "b"), False)])
def test_a_classifier_is_taken_over_only_with_its_names_in_order(labels: tuple[str, str], taken: bool, tmp_path: Path,
                                                                 caplog: pytest.LogCaptureFixture) -> None:
    class Data:
        def __init__(self, names: tuple[str, ...]):
            self.labels = {"label": names}

    source = classifier.build_encoder("c3d-tiny", data=Data(("cat", "dog")), options=SMALL)
    source.save_pretrained(tmp_path)
    with caplog.at_level(logging.INFO, "mmvideo.training"):
        made = classifier.build_encoder("c3d-tiny", data=Data(labels), init=str(tmp_path), options=SMALL)
    (last,) = [name for name, x in source.named_parameters() if x.shape == (2, SMALL["dim_hidden"])]
    assert torch.equal(made.get_parameter(last), source.get_parameter(last)) == taken
    assert torch.equal(made.fc6.weight, source.fc6.weight)
    assert made.labels == labels
    assert ("the classifier begins anew" in caplog.text) != taken


def written(path: Path, **changes: Any) -> Path:
    raw = {"trainer": "classifier", "encoder": "c3d-tiny", "task": "direction", "options": SMALL, "evaluated": 0,
           "schedule": PLAN, **changes}
    path.write_text(yaml.safe_dump(raw))
    return path


def ended(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main([*arguments])
    return caught.value.code or 0


def test_the_command_refuses_checks_and_goes_on_on_purpose(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = str(tmp_path / "run")
    assert ended("train", str(written(tmp_path / "c.yaml")), "--out", out) == 0
    faster = str(written(tmp_path / "c.yaml", schedule={**PLAN, "learning_rate": 0.1, "steps": 2}))
    capsys.readouterr()
    for options in ([], ["--check"]):
        assert ended("train", faster, "--out", out, *options) == 2
        said = capsys.readouterr().err
        assert "schedule.learning_rate: was 0.003, now 0.1" in said
        assert "schedule.steps" not in said
        assert "--accept-changes" in said
    assert ended("train", faster, "--out", out, "--accept-changes") == 0
    assert ended("train", faster, "--out", out) == 0, "what was accepted is the run's from now on"
    other = str(written(tmp_path / "c.yaml", task=["speed"]))
    assert ended("train", other, "--out", out, "--accept-changes") == 2
    assert "options.task: was 'direction', now ['speed']" in capsys.readouterr().err
    assert set(zoo.load(Path(out) / "model").labels) == {"left", "right", "up", "down"}


def test_a_stop_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = written(tmp_path / "c.yaml")
    for error, says in ((KeyboardInterrupt(), "stopped"), (OSError(28, "No space left", "x"), "No space left"),
                        (torch.OutOfMemoryError("CUDA out of memory"), "batch_size smaller")):
        def stop(*_: Any, error: BaseException = error, **__: Any) -> None:
            raise error

        stopped = functools.wraps(classifier.train_classifier)(stop)
        monkeypatch.setattr(classifier, "TRAINER", dataclasses.replace(classifier.TRAINER, train=stopped))
        with pytest.raises(MmvideoError, match=says) as caught:
            recipes.run_training(config, out=tmp_path / "run")
        assert f"the same command begins anew in {tmp_path / 'run'}" in str(caught.value)
    assert issubclass(TrainingInterrupted, MmvideoError)
