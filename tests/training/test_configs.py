"""Each way to spoil a config is found by the check, which reads no data, with a typed error of few words."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mmvideo import recipes
from mmvideo.cli import main
from mmvideo.errors import MediaNotFound, MmvideoError, RecipeError, UnknownName
from mmvideo.evaluation import recipes as evaluation
from mmvideo.training import recipes as training

NAMES = [name for name in recipes.recipe_names("configs") if name.startswith(("train/", "eval/"))]
CHECKS = {"train": training.check_training, "eval": evaluation.check_evaluation}
FROM_DATA = {"groups", "more_faces", "people_held_out"}
"""Lists whose elements are folders, or names in a table of the data: reading those is left to the run."""
WRONG = (None, True, -1, 10**30, float("nan"), "", "no such thing", [], ["x"], {"no such key": 1}, "x" * 10_000)


def _check(name: str, path: Path) -> Any:
    return CHECKS[name.split("/")[0]](path)


def _places(raw: Any, place: tuple = ()) -> Iterator[tuple]:
    """Yield the way to every value of nested mappings and lists."""
    for key, value in raw.items() if isinstance(raw, dict) else enumerate(raw):
        yield (*place, key)
        if isinstance(value, dict | list):
            yield from _places(value, (*place, key))


def _changed(raw: dict, place: tuple, value: Any, *, rename: bool = False, drop: bool = False) -> dict:
    made = copy.deepcopy(raw)
    inside: Any = made
    for key in place[:-1]:
        inside = inside[key]
    if drop or rename:
        old = inside.pop(place[-1])
        if rename and isinstance(inside, dict):
            inside[value] = old
        elif rename:
            inside.insert(place[-1], value)
    else:
        inside[place[-1]] = value
    return made


def _spoiled(raw: dict) -> Iterator[tuple[str, dict, bool]]:
    """Yield what was done, the spoiled config, and whether the check has to refuse it."""
    for place in _places(raw):
        said = ".".join(map(str, place))
        in_list = isinstance(place[-1], int)
        yield f"without {said}", _changed(raw, place, None, drop=True), False
        if not in_list:
            yield f"{said} misspelt", _changed(raw, place, f"{place[-1]}z", rename=True), True
        elif isinstance(_at(raw, place), str):
            yield f"{said} misspelt", _changed(raw, place, f"{_at(raw, place)}z"), place[0] not in FROM_DATA
        for value in WRONG:
            yield f"{said}: {str(value)[:30]}", _changed(raw, place, value), False
    yield "a key more", {**raw, "stepps": 3}, True
    yield "a key that is a number", {**raw, 5: 3}, True
    yield "a key that is null", {**raw, None: 3}, True


def _at(raw: Any, place: tuple) -> Any:
    for key in place:
        raw = raw[key]
    return raw


@pytest.mark.parametrize("name", NAMES)
def test_every_spoiled_config_ends_in_a_typed_error_or_is_fine(name: str, tmp_path: Path,
                                                               monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    raw, _ = recipes.read_yaml("configs", name)
    if name == "eval/encoders":  # each check builds the network of each family
        raw["families"] = ["c3d-tiny", "slow-fusion-tiny"]
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(raw))
    _check(name, path)
    refused = 0
    for said, spoiled, must in _spoiled(raw):
        path.write_text(yaml.safe_dump(spoiled))
        try:
            _check(name, path)
        except MmvideoError as error:
            refused += 0 < len(str(error)) < 17_000 or pytest.fail(f"{said}: {len(str(error))} characters")
        except Exception as error:
            raise AssertionError(f"{said}: {type(error).__name__}: {error}") from error
        else:
            assert not must, f"{said}: not refused"
    assert refused > (50 if len(raw) > 5 else 30), "a short config has fewer ways to be wrong"
    assert list(tmp_path.iterdir()) == [path], "a check writes nothing"


@pytest.mark.parametrize("name", ["train/any", "eval/any"])
@pytest.mark.parametrize("text", [
    "", "# nothing", "just words", "- a: list", "5", "null", "[", "a: [", "trainer: !!python/name:os.system",
    "trainer: !mine classifier", "trainer: classifier\ntrainer: probe", "evaluator: {}", "trainer: []", "trainer: 5",
    "trainer: {classifier: 1}", "evaluator: [toybox]", "evaluator: toyboks", "trainer: clasifier", "\t",
    "trainer: classifier\nabout: [1]", "evaluator: toybox\nabout: 5", "trainer: &a [*a]", "\x00", "a: b: c",
    "trainer: classifier\nschedule: {}", "trainer: classifier\nschedule: [1]", "trainer: classifier\nschedule:",
    "trainer: composed\nschedule: {steps: 1, batch_size: 1, learning_rate: 1}",
])
def test_text_that_is_no_config_is_refused(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(MmvideoError, match="mine"):
        _check(name, path)


@pytest.mark.parametrize(("text", "says"), [
    ("trainer: clasifier", "Did you mean 'classifier'"),
    ("trainer: classifier\nencoder: c3d-tiny\ntask: direction", "missing schedule"),
    ("trainer: classifier\nencoder: c3d-tiny\ntask: direction\nschedule: {stps: 3}", "Did you mean 'steps'"),
    ("trainer: classifier\nencoder: c3d-tiny\ntask: direction\nschedule: {steps: 3}",
     "missing batch_size, learning_rate"),
    ("trainer: classifier\nencoder: c3d-tinny\ntask: direction\n{s}", "Did you mean 'c3d-tiny'"),
    ("trainer: classifier\nencoder: c3d-tiny\ntask: direktion\n{s}", "Did you mean 'direction'"),
    ("trainer: classifier\nencoder: c3d-tiny\n{s}", "not neither"),
    ("trainer: classifier\nencoder: c3d-tiny\ntask: speed\nmanifest: a.csv\n{s}", "not both"),
    ("trainer: classifier\nencoder: c3d-tiny\ntask: speed\nvalidation: a.csv\n{s}", "beside 'manifest'"),
    ("trainer: classifier\nencoder: c3d-tiny\ntask: speed\noptions: {widht: 1}\n{s}", "Did you mean 'width'"),
    ("trainer: classifier\nencoder: c3d-tiny\ntask: speed\noptions: {width: wide}\n{s}", "encoder c3d-tiny cannot be"),
    ("trainer: classifier\nencoder: c3d-tiny\ntask: speed\nform: ours\ninit: x.pt\n{s}", "checkpoint format"),
    ("trainer: classifier\nencoder: c3d-tiny\ntask: speed\nworkers: 0\n{s}", "workers must be 1 or more"),
    ("trainer: classifier\nencoder: [c3d-tiny]\ntask: speed\n{s}", "encoder must be text"),
    ("trainer: probe\nencoder: videomae-tiny\ntask: speed\nprobe: atentive\n{s}", "linear or attentive"),
    ("trainer: probe\nencoder: videomae-tiny\ntask: speed\nprobe: attentive\nheads: 7\n{s}", "7 heads do not divide"),
    ("trainer: separator\nvoices: v\npreset: mouth-mask-z\n{s}", "'mouth-mask-s"),
    ("trainer: separator\nvoices: v\nmixes: {nois: 0.1}\n{s}", "Did you mean 'noise'"),
    ("trainer: separator\nvoices: v\nmixes: {noise: 2}\n{s}", "mixes.noise must be a finite number from 0 to 1"),
    ("trainer: separator\nvoices: v\nmixes: {jitter: 0.5}\n{s}", "jitter must be a whole number"),
    ("trainer: composed\nlearn: [projectr]\nlanguage: x\n{s}", "Did you mean 'projector'"),
    ("trainer: composed\nlearn: []\nlanguage: x\n{s}", "must name a part that learns"),
    ("trainer: composed\nlearn: [projector]\n{s}", "Name the language model"),
    ("trainer: composed\nlearn: [projector]\nlanguage: x\nprojector: mlp2\n{s}", "Did you mean 'mlp2x'"),
    ("trainer: composed\nlearn: [projector]\nlanguage: x\nprojector_options: {dept: 3}\n{s}", "Did you mean 'depth'"),
    ("trainer: composed\nlearn: [projector]\nlanguage: x\nprojector_options: {depth: deep}\n{s}",
     "depth must be a whole number"),
    ("trainer: composed\nlearn: [projector]\nlanguage: x\nprojector: qformer\nprojector_options: {heads: 7}\n{s}",
     "7 heads do not divide"),
    ("trainer: composed\nlearn: [projector]\nlanguage: x\nlook: {num_frame: 3}\n{s}", "Did you mean 'num_frames'"),
    ("trainer: composed\nlearn: [projector]\nlanguage: x\ndata_options: {num_question: 3}\n{s}", "'num_questions'"),
    ("trainer: composed\nlearn: [projector]\nlanguage: x\nslow: {encodr: 3}\n{s}", "Did you mean 'encoder'"),
    ("trainer: videomae-pretrain\nlevels: {eazy: 1.0}\n{s}", "Did you mean 'easy'"),
    ("trainer: videomae-pretrain\nlevels: {easy: 0}\n{s}", "a share over 0"),
    ("trainer: videomae-pretrain\nlevels: {}\n{s}", "a share over 0"),
    ("trainer: toybox-language\nlevels: {easy: 1}\nfocus: [colour]\n{s}", "Did you mean 'color'"),
    ("trainer: toybox-language\nlevels: {easy: 1}\nsizes: {dm: 3}\n{s}", "Did you mean 'dim'"),
    ("trainer: toybox-language\nlevels: {easy: 1}\nsizes: {dim: 30}\n{s}", "the model cannot be built"),
    ("trainer: toybox-perception\nlevels: {easy: 1}\nfirst_scene: 1000000000000\n{s}", "first_scene must be a whole"),
    ("trainer: camera-motion\nstepps: 3", "Did you mean 'steps'"),
    ("trainer: camera-motion\nwarmup: 0", "warmup must be 1 or more"),
    ("trainer: camera-motion\npreset: camera", "Did you mean 'camera-motion'"),
    *(("trainer: classifier\nencoder: c3d-tiny\ntask: speed\n"
       f"schedule: {{steps: 3, batch_size: 1, learning_rate: 1, {option}}}", says) for option, says in (
        ("warmup: 0", "warmup must be"), ("log_every: 0", "log_every must be"), ("optimizer: adam", "adamw"),
        ("precision: fp16", "bf16"), ("ema: 1", "ema"), ("clip: 0", "clip"), ("seed: -1", "seed must be"),
        ("decay: .nan", "decay must be a finite number from 0 to 1"), ("weight_decay: 1e-4", "write 1.0e-4"),
        ("shard: 1", "true or false"))),
])
def test_a_faulty_training_config_is_told_with_what_is_right(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("{s}", "schedule: {steps: 3, batch_size: 1, learning_rate: 0.1}"))
    with pytest.raises(MmvideoError) as caught:
        training.check_training(path)
    assert says in str(caught.value)
    assert "mine.yaml" in str(caught.value)


@pytest.mark.parametrize(("text", "says"), [
    ("evaluator: toyboks", "Did you mean 'toybox'"), ("evaluator: toybox\nlevls: [easy]", "Did you mean 'levels'"),
    ("evaluator: toybox\nviews: [ful]", "Did you mean 'full'"), ("evaluator: toybox\nlevels: [eazy]", "'easy'"),
    ("evaluator: toybox\nlevels: []", "levels must be 1 or more"), ("evaluator: toybox\nnum: many", "a whole number"),
    ("evaluator: toybox\nsplit: tests", "Did you mean 'test'"), ("evaluator: separation", "missing voices"),
    ("evaluator: separation\nvoices: v", "missing faces"),
    ("evaluator: separation\nvoices: v\nrows: [owm]", "Did you mean 'own'"),
    ("evaluator: encoders", "missing families"),
    ("evaluator: encoders\nfamilies: []", "list presets"), ("evaluator: encoders\nfamilies: [c3d-tinny]", "'c3d-tiny'"),
    ("evaluator: encoders\nfamilies: [c3d-tiny]\nexceptions: {c3d-tiny: {rate: 1}}", "Unknown key 'rate'"),
    ("evaluator: encoders\nfamilies: [c3d-tiny]\nexceptions: {c3d-tny: {}}", "Did you mean 'c3d-tiny'"),
    ("evaluator: encoders\nfamilies: [c3d-tiny]\nlearning_rate: 0", "learning_rate"),
])
def test_a_faulty_evaluation_config_is_told_with_what_is_right(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises((RecipeError, UnknownName, MmvideoError)) as caught:
        evaluation.check_evaluation(path)
    assert says in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_the_command_checks_every_config_that_ships(name: str, tmp_path: Path, capsys: pytest.CaptureFixture,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main([name.split("/")[0], name, "--check"])
    assert not ended.value.code
    said = capsys.readouterr()
    assert said.out.startswith(f"configs/{name}.yaml: ")
    assert f"into runs/{name.split('/')[1]}" in said.out
    assert not list(tmp_path.iterdir())
    raw = recipes.read_yaml("configs", name)[0]
    for key in ("init", "perception", "voices"):
        if name.startswith("train/") and key in raw:
            assert f"not here: {key}: {raw[key]}" in said.err


def test_the_command_ends_a_faulty_config_with_one_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "mine.yaml").write_text(json.dumps({"trainer": "classifier", "encoder": "c3d-tiny", "task": "speed"}))
    for options in ([], ["--check"]):
        with pytest.raises(SystemExit) as ended:
            main(["train", str(tmp_path / "mine.yaml"), "--out", str(tmp_path / "run"), *options])
        assert ended.value.code == 2
        assert "missing schedule" in capsys.readouterr().err
    with pytest.raises(MediaNotFound):
        training.check_training(tmp_path / "none.yaml")
    with pytest.raises(UnknownName, match="Did you mean 'train/projector'"):
        training.check_training("train/projecter")
