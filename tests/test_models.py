"""Which models there are, which one a pipeline runs, fetching one, and licences that are not allowed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import tiny
from huggingface_hub import scan_cache_dir
from typer.testing import CliRunner

from mmvideo import Pipeline, licences, settings, weights
from mmvideo.cli import app
from mmvideo.errors import InvalidInput, LicenceRefused, ModelNotFound, ModelUnavailable, OutputError, UnknownName
from mmvideo.hub import catalogue
from mmvideo.pipeline import recipe_for
from mmvideo.stages.suggestion import CHAT_MODEL, CLASSIFIER, suggestion

HUB = "some-lab/some-video-model"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings and cache of nobody; no network."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv(licences.ENVIRONMENT, raising=False)
    for pipeline in ("video-qa", "video-captioning", "video-classification"):
        monkeypatch.delenv(settings.model_variable(pipeline), raising=False)
    return tmp_path


def _cached(home: Path, monkeypatch: pytest.MonkeyPatch, name: str = HUB, card: str = "") -> Path:
    """Put a model into the cache, as huggingface_hub lays it out."""
    base = home / "hub" / f"models--{name.replace('/', '--')}"
    snapshot = base / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (base / "refs").mkdir()
    (base / "refs" / "main").write_text("a" * 40)
    (snapshot / "config.json").write_text(json.dumps({"model_type": "smolvlm", "vision_config": {},
                                                      "architectures": ["SmolVLMForConditionalGeneration"]}))
    (snapshot / "model.safetensors").write_bytes(b"0" * 1000)
    if card:
        (snapshot / "README.md").write_text(card)
    monkeypatch.setattr("huggingface_hub.scan_cache_dir", lambda: scan_cache_dir(home / "hub"))
    return snapshot


def _run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["models", *arguments], catch_exceptions=True)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def _weights_of(recipe: str) -> set[str]:
    return {spec.options["weights"] for spec in recipe_for(recipe).stages if "weights" in spec.options}


@pytest.mark.parametrize("name", weights.embedded_names())
def test_every_embedded_model_states_its_licences(name: str) -> None:
    found = licences.licences_of(weights.card(weights.weights_root() / name))
    assert found.weights != licences.UNKNOWN
    assert found.code != licences.UNKNOWN
    assert found.data
    assert licences.UNKNOWN not in found.data.values()
    assert catalogue.first_sentence(weights.card(weights.weights_root() / name))


def test_the_list_has_what_ships_what_is_cached_and_what_is_recommended(home, monkeypatch) -> None:
    _cached(home, monkeypatch, card="---\nlicense: mit\n---\n# It\n\nSees.\n")
    _cached(home, monkeypatch, CHAT_MODEL)
    models = {model.name: model for model in catalogue.known_models()}
    assert set(weights.embedded_names()) < set(models)
    assert models[HUB].where == "cached"
    assert models[HUB].licences.weights == "mit"
    assert models[HUB].pipelines == ("video-qa", "video-captioning")
    assert models[HUB].size_bytes > 1000
    assert models[CHAT_MODEL].where == "cached"
    assert models[CHAT_MODEL].licences.weights == "apache-2.0"
    assert models[CLASSIFIER].where == "recommended"
    assert models["camera-motion"].default_of == ("video-classification",)
    code, out = _run()
    assert code == 0
    assert out.index("embedded:") < out.index("cached:") < out.index("recommended:")
    assert "ImageNet-1k: research-only" in out
    assert f"mmvideo models get {CLASSIFIER} --default" in out
    lines = [json.loads(line) for line in _run("--json")[1].splitlines()]
    assert {line["name"] for line in lines} == set(models)


def test_an_argument_wins_over_the_environment_and_that_over_the_settings(home, monkeypatch) -> None:
    own = _weights_of("video-classification")
    for place in ("settings", "environment", "argument"):
        shutil.copytree(tiny.make_camera(home / "camera"), home / place, dirs_exist_ok=True)
    catalogue.make_default("video-classification", str(home / "settings"))
    assert _weights_of("video-classification") == {str(home / "settings")}
    monkeypatch.setenv("MMVIDEO_MODEL_VIDEO_CLASSIFICATION", str(home / "environment"))
    assert _weights_of("video-classification") == {str(home / "environment")}
    assert Pipeline("video-classification", device="cpu").model == "environment"
    assert Pipeline("video-classification", str(home / "argument"), "cpu").model == "argument"
    monkeypatch.delenv("MMVIDEO_MODEL_VIDEO_CLASSIFICATION")
    assert _run("default", "video-classification", "--reset")[0] == 0
    assert _weights_of("video-classification") == own


def test_a_recipe_file_runs_the_model_that_it_names(home, monkeypatch) -> None:
    monkeypatch.setenv("MMVIDEO_MODEL_MINE", "toybox-qa")
    file = home / "mine.yaml"
    file.write_text("name: mine\nabout: x\ntakes: [video]\ngives: classification\nstages:\n  - read: {}\n"
                    "  - classify: {weights: camera-motion}\n")
    assert _weights_of(str(file)) == {"camera-motion"}


def test_a_default_that_is_gone_says_who_named_it(home, monkeypatch) -> None:
    monkeypatch.setenv("MMVIDEO_MODEL_VIDEO_QA", str(home / "gone"))
    with pytest.raises(ModelNotFound, match=r"no folder.*default model of video-qa by MMVIDEO_MODEL_VIDEO_QA"):
        Pipeline("video-qa", device="cpu")
    monkeypatch.setenv("MMVIDEO_MODEL_VIDEO_QA", HUB)
    with pytest.raises(ModelUnavailable, match=r"HF_HUB_OFFLINE=1.*by MMVIDEO_MODEL_VIDEO_QA"):
        Pipeline("video-qa", device="cpu")


def test_settings_that_cannot_be_read_are_not_guessed_at(home) -> None:
    path = settings.settings_file()
    path.parent.mkdir(parents=True)
    for text in ("{", "[]", '{"models": {"video-qa": 3}}'):
        path.write_text(text)
        with pytest.raises(InvalidInput, match="models default --reset"):
            recipe_for("video-qa")
    assert _run("default", "--reset")[0] == 0
    recipe_for("video-qa")
    path.unlink()
    path.parent.rmdir()
    path.parent.write_text("a file where the folder would be")
    with pytest.raises((OutputError, InvalidInput)):
        settings.set_default_model("video-qa", "toybox-qa")


def test_get_fetches_and_makes_it_the_default(home, monkeypatch) -> None:
    monkeypatch.setattr(catalogue, "resolve", lambda name, revision=None: _Found())
    asked = []

    def download(name: str, **options: object) -> str:
        asked.append((name, options["allow_patterns"]))
        return str(_cached(home, monkeypatch, name, "---\nlicense: apache-2.0\n---\n"))

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    code, out = _run("get", HUB, "--default")
    assert code == 0
    assert "licences: weights apache-2.0" in out
    assert [name for name, _ in asked] == [HUB]
    assert "*.safetensors" in asked[0][1]
    assert not any("bin" in pattern for pattern in asked[0][1])
    assert settings.default_models() == {"video-qa": HUB, "video-captioning": HUB}
    assert _weights_of("video-qa") == {HUB}
    assert f"video-qa: {HUB} ({settings.settings_file()})" in _run("default")[1]


class _Found:
    kind, model_type = "chat", "smolvlm"


def test_without_a_network_get_says_so(home) -> None:
    with pytest.raises(ModelUnavailable, match="HF_HUB_OFFLINE=1 forbids the network"):
        _run("get", HUB, "--default")
    assert settings.default_models() == {}
    with pytest.raises(InvalidInput, match="no model of the Hugging Face hub"):
        _run("get", "toybox-qa")
    with pytest.raises(InvalidInput, match="give --default too"):
        _run("get", HUB, "--for", "video-qa")


def test_a_default_is_a_model_that_is_here(home, monkeypatch) -> None:
    with pytest.raises(InvalidInput, match=f"mmvideo models get {HUB} --default"):
        _run("default", "video-qa", HUB)
    with pytest.raises(UnknownName, match="video-qa"):
        _run("default", "video-qua", "toybox-qa")
    with pytest.raises(UnknownName, match="camera-motion"):
        _run("default", "video-classification", "camera-moton")
    with pytest.raises(ModelNotFound):
        _run("default", "video-classification", "runs/none/model")
    assert _run("default", "video-classification", "lite0")[0] == 0
    assert _weights_of("video-classification") == {"lite0"}


def test_the_suggestion_names_the_line_that_settles_it() -> None:
    for task, model in {"video-qa": CHAT_MODEL, "video-captioning": CHAT_MODEL,
                        "video-classification": CLASSIFIER}.items():
        line = suggestion(task)
        assert line.endswith(f"# or for good: mmvideo models get {model} --default")
        compile(line, "suggestion", "exec")


def test_a_licence_outside_the_list_is_refused_before_weights_are_read(home, monkeypatch) -> None:
    camera = tiny.make_camera(home / "camera")
    (camera / "README.md").write_text("---\nlicense: Apache-2.0\ncode_license: apache-2.0\ndata:\n"
                                      "  UrbanSound8K: CC BY-NC 3.0\n---\n# camera\n")
    (camera / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(LicenceRefused, match=r"camera has .*cc-by-nc-3.0 \(its data UrbanSound8K\).*Allowed are a"):
        Pipeline("video-classification", str(camera), "cpu", allow_licences=["apache-2.0"])
    with pytest.raises(Exception, match="safetensors") as caught:
        Pipeline("video-classification", str(camera), "cpu", allow_licences="apache-2.0, CC-BY-NC-3.0")
    assert not isinstance(caught.value, LicenceRefused)
    monkeypatch.setenv(licences.ENVIRONMENT, "mit")
    with pytest.raises(LicenceRefused, match=r"apache-2.0 \(its weights\)"):
        Pipeline("video-classification", device="cpu")
    Pipeline("video-classification", device="cpu", allow_licences=["apache-2.0", "cc-by-2.0"])
    (camera / "README.md").unlink()
    with pytest.raises(LicenceRefused, match=r"unknown \(its weights\)"):
        Pipeline("video-classification", str(camera), "cpu")
    for wrong in ((), "", [""], [3]):
        with pytest.raises(InvalidInput, match="allow_licences takes names"):
            Pipeline("video-classification", device="cpu", allow_licences=wrong)


def test_a_hub_model_is_refused_by_the_licence_of_its_card(home, monkeypatch) -> None:
    folder = _cached(home, monkeypatch, card="---\nlicense: other\nlicense_name: some-research\n---\n")
    with pytest.raises(LicenceRefused, match=r"some-research \(its weights\)"):
        Pipeline("video-qa", str(folder), "cpu", allow_licences=["apache-2.0"])


def test_the_command_line_takes_a_list(home, monkeypatch) -> None:
    monkeypatch.setenv(licences.ENVIRONMENT, "apache-2.0,cc-by-2.0")
    clip = str(weights.weights_root() / "demo" / "toybox.mp4")
    result = CliRunner().invoke(app, ["classify", clip, "--model", "lite0", "--allow-licences", "apache-2.0"])
    assert isinstance(result.exception, LicenceRefused)
    assert "research-only (its data ImageNet-1k)" in str(result.exception)


@pytest.mark.parametrize("card", ["", "# a card", "---\nlicense: [mit, apache-2.0]\n---\n", "---\n{\n---\n",
                                  "---\n- a\n---\n", "---\nlicense: mit\n"])
def test_a_card_that_states_nothing_readable_is_unknown(card: str) -> None:
    assert licences.licences_of(card).weights == licences.UNKNOWN


@pytest.mark.parametrize(("model", "pipeline", "is_for", "others"), [
    ("everyday", "video-classification", "video-qa, video-captioning, temporal-localization", "camera-motion, lite0"),
    ("camera-motion", "video-qa", "video-classification", "everyday, toybox-qa"),
    ("toybox-localizer", "video-captioning", "temporal-localization", "everyday"),
    ("sounds", "object-tracking", "audio-tagging, video-classification", "objects"),
    ("faces", "video-qa", "source-separation", "everyday"),
])
def test_a_model_of_another_task_is_refused_with_what_it_is_for(home, model, pipeline, is_for, others) -> None:
    with pytest.raises(InvalidInput) as failure:
        Pipeline(pipeline, model)
    assert f"{model} is a model for {is_for}, not for {pipeline}." in str(failure.value)
    assert f"For {pipeline} there are: {others}" in str(failure.value)
    assert "`mmvideo models` says what each is for." in str(failure.value)


@pytest.mark.parametrize(("words", "expected"), [
    (("train", "clipz"), "Unknown config 'clipz'"),
    (("train", "data/clipz"), "data/clipz: no such file or folder. Labelled clips are a folder or a table (.csv"),
    (("train", "notes.txt"), "notes.txt is neither a config (.yaml) nor labelled clips."),
    (("eval", "video-mm"), "Did you mean 'video-mme'"),
    (("eval", "video-mm", "--data", "x", "--model", "everyday"), "Unknown benchmark 'video-mm'"),
])
def test_what_is_neither_config_nor_clips_is_said_to_be(home, monkeypatch, words, expected) -> None:
    monkeypatch.chdir(home)
    (home / "notes.txt").write_text("hello\n", encoding="utf-8")
    result = CliRunner().invoke(app, list(words))
    assert isinstance(result.exception, InvalidInput)
    assert expected in str(result.exception)
