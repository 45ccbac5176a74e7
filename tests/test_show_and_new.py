"""`mmvideo show` of configs, models and parts; `mmvideo new`; and what is said of names that do not exist."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from mmvideo.cli import main
from mmvideo.encoders import zoo
from mmvideo.errors import UnknownKey, UnknownName
from mmvideo.evaluation.recipes import check_evaluation
from mmvideo.recipes import load_recipe
from mmvideo.stages.build import build
from mmvideo.training.recipes import check_training


def _run(capsys: pytest.CaptureFixture, *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


@pytest.mark.parametrize(("name", "words"), [
    ("resampler", ("resampler (projector)", "num_slots (needed)")),
    ("encode_video", ("encode_video (stage)", "needs: media", "gives: clips, spans, domains, conversation")),
    ("classifier", ("classifier (trainer)", "label_smoothing = 0.0", "encoder (needed)")),
    ("windows", ("windows (sampler)", "window_seconds = 2.0")),
    ("toybox-qa", ("toybox-qa (model)", "params: 7,909,103", "licences: weights apache-2.0", "files are as sealed")),
    ("train/sounds", ("train/sounds (config)", "trainer: sounds", "steps: 450", "mmvideo train train/sounds")),
    ("eval/toybox", ("eval/toybox (config)", "evaluator: toybox", "mmvideo eval eval/toybox")),
])
def test_show_prints_configs_models_and_parts(capsys: pytest.CaptureFixture, name: str, words: tuple[str, ...]) -> None:
    code, out, _ = _run(capsys, "show", name)
    assert code == 0
    for word in words:
        assert word in out


def test_show_says_that_a_name_has_several_meanings(capsys: pytest.CaptureFixture) -> None:
    code, out, err = _run(capsys, "show", "lite0")
    assert (code, "--kind models" in err) == (0, True)
    assert "multiply-adds a clip" in out
    code, out, _ = _run(capsys, "show", "lite0", "--kind", "models", "--json")
    shown = json.loads(out)
    assert shown["kind"] == "model"
    assert shown["params"] > 4_000_000
    code, _, err = _run(capsys, "show", "lite0", "--kind", "stages")
    assert code == 2
    assert "Known: encoders, models" in err


def test_show_takes_a_config_of_ones_own(capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("trainer: classifier\nencoder: c3d-tiny\nschedule: {steps: 3}\n")
    assert "encoder: c3d-tiny" in _run(capsys, "show", str(path))[1]
    path.write_text("trainer: [classifier]\n")
    code, _, err = _run(capsys, "show", str(path))
    assert code == 2
    assert "trainer must be a name" in err


def test_of_many_names_the_nearest_three_are_given(capsys: pytest.CaptureFixture) -> None:
    for name, first in (("c3d-tny", "c3d-tiny"), ("video-q", "video-qa"), ("sounds-fold", "train/sounds-folds")):
        code, _, err = _run(capsys, "show", name)
        assert code == 2
        assert f"Did you mean '{first}'" in err or first in err
        assert err.count("'") == 8  # the name and three others
        assert len(err) < 400
    with pytest.raises(UnknownName) as raised:
        zoo.create("resnet")
    assert len(raised.value.guesses) == 3
    assert "mmvideo list encoders" in str(raised.value)
    assert "c3d-ucf101" not in str(raised.value)


@pytest.mark.parametrize(("key", "known", "meant"), [
    ("num_frame", ["num_frames", "fps", "size"], ["num_frames"]),
    ("data", ["manifest", "task", "encoder"], ["manifest", "task"]),
    ("num_query", ["num_slots", "dim"], ["num_slots"]),
    ("lr", ["learning_rate", "steps"], ["learning_rate"]),
    ("warmup", ["warm_up", "learning_rate"], ["warm_up"]),
    ("zzz", ["learning_rate"], []),
])
def test_keys_are_guessed_by_spelling_and_by_other_names(key: str, known: list[str], meant: list[str]) -> None:
    error = UnknownKey("key", key, known, where="mine.yaml")
    assert error.guesses == meant
    assert f"Known: {', '.join(sorted(known))}." in str(error)


@pytest.mark.parametrize("text", [
    "trainer: classifier\n", "trainer: classifier\nschedule:\n",
    "trainer: classifier\nschedule: 3\nencoder: c3d-tiny\n",
    "trainer: probe\nencoder: c3d-tiny\nschedule: {steps: 1}\n", "trainer: composed\nschedule: {steps: 1}\n",
    "trainer:\n", "evaluator: encoders\n", "evaluator: encoders\nfamilies: 3\n", "evaluator:\n", "evaluator: [a]\n"])
def test_missing_sections_are_errors_that_say_so(capsys: pytest.CaptureFixture, tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    command = "train" if text.startswith("trainer") else "eval"
    code, _, err = _run(capsys, command, str(path), "--check", "--out", str(tmp_path / "run"))
    assert code == 2
    assert "mine.yaml" in err


def _module(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_new_encoder_is_a_package_whose_tests_pass(capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    code, _, err = _run(capsys, "new", "encoder", "my-net", "--to", str(tmp_path))
    assert code == 0, err
    home = tmp_path / "mmvideo-my-net"
    assert 'my-net = "mmvideo_my_net:MyNet"' in (home / "pyproject.toml").read_text()
    assert "`my-net`" in (home / "README.md").read_text()
    _module(home / "mmvideo_my_net" / "__init__.py", "mmvideo_my_net")
    tests = _module(home / "tests" / "test_my_net.py", "test_my_net")
    tests.test_features_have_the_shape_that_was_promised()
    tests.test_a_folder_gives_the_same_encoder(tmp_path / "saved")
    tests.test_gradients_reach_every_weight()
    code, _, err = _run(capsys, "new", "encoder", "my-net", "--to", str(tmp_path))
    assert code == 2
    assert "is there already" in err


def test_new_in_a_checkout_puts_files_where_they_belong(capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    for folder in ("mmvideo", "pipelines", "docs"):
        (tmp_path / folder).mkdir()
    listed = 'PARTS = {\n    "encoders": {\n        "c3d": "x:Y",\n    },\n}\n'
    (tmp_path / "mmvideo" / "registry.py").write_text(listed)
    for page in ("models", "recipes"):
        (tmp_path / "docs" / f"{page}.md").write_text("# Page\n")
    for kind in ("encoder", "recipe", "config"):
        code, _, err = _run(capsys, "new", kind, "my-own", "--to", str(tmp_path))
        assert code == 0, err
    assert '"my-own": "mmvideo.encoders.my_own:MyOwn",' in (tmp_path / "mmvideo" / "registry.py").read_text()
    assert (tmp_path / "docs" / "models.md").read_text().startswith("# Page\n\n- `my-own`")
    for path in ("mmvideo/encoders/my_own.py", "tests/encoders/test_my_own.py", "pipelines/my-own.yaml",
                 "tests/test_recipe_my_own.py", "configs/train/my-own.yaml", "tests/training/test_config_my_own.py"):
        assert (tmp_path / path).is_file()
        if path.endswith(".py"):
            compile((tmp_path / path).read_text(), path, "exec")


@pytest.mark.parametrize("like", ["video-classification", "video-qa", "audio-tagging"])
def test_new_recipe_fits_together_and_lists_its_options(capsys: pytest.CaptureFixture, tmp_path: Path,
                                                        like: str) -> None:
    code, _, err = _run(capsys, "new", "recipe", "mine", "--like", like, "--to", str(tmp_path))
    assert code == 0, err
    recipe = load_recipe(tmp_path / "mine.yaml")
    assert build(recipe)
    assert [stage.name for stage in recipe.stages] == [stage.name for stage in load_recipe(like).stages]
    assert "\n      # " in (tmp_path / "mine.yaml").read_text()
    _module(tmp_path / "test_recipe_mine.py", "test_recipe_mine").test_the_stages_fit_together()
    assert "mmvideo run" in (tmp_path / "mine.md").read_text()


@pytest.mark.parametrize("like", ["train/classifier-toybox", "train/sounds", "eval/toybox"])
def test_new_config_can_be_run(capsys: pytest.CaptureFixture, tmp_path: Path, like: str) -> None:
    code, _, err = _run(capsys, "new", "config", "mine", "--like", like, "--to", str(tmp_path))
    assert code == 0, err
    check = check_training if like.startswith("train") else check_evaluation
    assert check(tmp_path / "mine.yaml", out=tmp_path / "run")
    _module(tmp_path / "test_config_mine.py", "test_config_mine").test_the_config_can_be_run(tmp_path)


@pytest.mark.parametrize(("arguments", "words"), [
    (("encodr", "a"), "Did you mean 'encoder'"), (("encoder", "My Net"), "is no name"), (("encoder", "c3d"), "already"),
    (("recipe", "video-qa"), "already"), (("recipe", "mine", "--like", "video-qq"), "Did you mean 'video-qa'"),
    (("encoder", "mine", "--like", "c3d"), "--like is for")])
def test_new_refuses_what_cannot_be(capsys: pytest.CaptureFixture, tmp_path: Path, arguments: tuple[str, ...],
                                    words: str) -> None:
    code, _, err = _run(capsys, "new", *arguments, "--to", str(tmp_path))
    assert code == 2
    assert words in err
    assert not list(tmp_path.iterdir())
