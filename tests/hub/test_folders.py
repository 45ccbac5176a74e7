"""Names of models that lead nowhere, folders whose config.json is no description, and folders that bring code."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import RepositoryNotFoundError

from mmvideo import Pipeline, weights
from mmvideo.errors import InvalidInput, MmvideoError, ModelNotFound, ModelUnavailable, UnsupportedModel, WeightsError
from mmvideo.hub.resolve import resolve
from mmvideo.stages.readers import ChatReader
from mmvideo.stages.spans import SpanReader
from mmvideo.vlm.composed import Composed, load_language
from mmvideo.vlm.language_model import LanguageModel
from tests.hub.checkpoints import TEXT, qwen_tokenizer
from tests.hub.test_classifiers import videomae

RECIPES = ("video-qa", "video-captioning", "video-classification", "source-separation")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a run that has a model, one that has none yet, and a file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "runs" / "going").mkdir(parents=True)
    (tmp_path / "runs" / "done" / "model").mkdir(parents=True)
    (tmp_path / "runs" / "done" / "model" / "config.json").write_text('{"model_type": "qwen3_vl"}')
    (tmp_path / "weights.safetensors").write_text("")
    return tmp_path


@pytest.mark.parametrize("name", ["/no/such/model", "./exp", "../exp", "~/exp", "~nobody-at-all/exp", "runs/x/best",
                                  "exp/", "C:\\models\\exp", ".\\exp", "nul\0/exp", f"./{'x' * 5000}"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_path_without_a_folder(name: str, recipe: str, here: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"^There is no folder ") as caught:
        Pipeline(recipe, model=name, device="cpu")
    assert "hub has no model" not in str(caught.value)
    assert "{}/model".format(name.rstrip("/").replace("\0", "\\x00")) in str(caught.value)
    assert isinstance(caught.value, ModelUnavailable | InvalidInput)
    with pytest.raises(ModelNotFound):
        weights.folder(name)
    with pytest.raises(ModelNotFound):
        resolve(name)
    with pytest.raises(MmvideoError, match="no folder"):
        load_language(name)


def test_where_the_model_of_a_training_run_is(here: Path) -> None:
    for name in ("runs/done", "./runs/done", here / "runs" / "done"):
        with pytest.raises(WeightsError, match=r"training run; its model is in .*give model='.*runs/done/model'"):
            Pipeline("video-qa", model=name, device="cpu")
    with pytest.raises(WeightsError, match=r"runs/going is a folder without.*will be in runs/going/model"):
        Pipeline("video-qa", model="runs/going", device="cpu")
    with pytest.raises(ModelNotFound, match=r"the training run runs/going has not written its model yet"):
        Pipeline("video-qa", model="runs/going/model", device="cpu")
    with pytest.raises(ModelNotFound, match=r"no folder \./runs/dome.*Did you mean runs/done\?"):
        Pipeline("video-qa", model="./runs/dome", device="cpu")
    with pytest.raises(ModelNotFound, match="is a file; give the folder"):
        Pipeline("video-qa", model="weights.safetensors", device="cpu")
    with pytest.raises(ModelNotFound, match='is an address; name a model of the Hugging Face hub as "owner/name"'):
        Pipeline("video-qa", model="https://huggingface.co/owner/name", device="cpu")


def test_a_name_that_may_be_a_folder_or_of_the_hub(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "mine" / "done").mkdir(parents=True)
    both = r"mine/dome.*There is no folder mine/dome \(looked for .*\)\. Did you mean mine/done\?.*mine/dome/model"
    with pytest.raises(ModelUnavailable, match=f"not in the local cache.*{both}"):
        Pipeline("video-qa", model="mine/dome", device="cpu")
    answer = SimpleNamespace(status_code=404, headers={}, request=SimpleNamespace(url="https://hub/mine/dome"))

    def refuse(*arguments: Any, **options: Any) -> None:
        raise RepositoryNotFoundError("the hub's words", response=answer)

    from transformers.utils import hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "hf_hub_download", refuse)
    with pytest.raises(ModelUnavailable, match=f"The hub has no model {both}".replace("mine/dome", "'mine/dome'", 1)):
        Pipeline("video-qa", model="mine/dome", device="cpu")
    with pytest.raises(ModelNotFound, match=r"no folder mine/dome.*No model of the Hugging Face hub runs here"):
        Pipeline("source-separation", model="mine/dome", device="cpu")


@pytest.mark.parametrize("recipe", RECIPES)
def test_what_training_would_write_is_not_looked_for_on_the_hub(recipe: str, here: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"^There is no folder runs/dome \(.*Did you mean runs/done\?") as caught:
        Pipeline(recipe, model="runs/dome", device="cpu")
    assert "hub" not in str(caught.value)


def test_a_folder_wins_over_the_hub(here: Path, checkpoint: Callable[[str], Path]) -> None:
    shutil.copytree(checkpoint("smolvlm"), here / "own" / "model")
    pipe = Pipeline("video-captioning", model="own/model", device="cpu")
    assert isinstance(pipe.stages[1][1].reader, SpanReader)
    assert isinstance(pipe.stages[1][1].reader.inner, ChatReader)


@pytest.mark.parametrize("adapter", ["./lora", "/no/lora", "~/lora"])
def test_an_adapter_without_a_folder(adapter: str, here: Path, checkpoint: Callable[[str], Path]) -> None:
    pytest.importorskip("peft")
    with pytest.raises(ModelUnavailable, match=r"There is no folder .*lora"):
        Pipeline("video-qa", model=checkpoint("llava_onevision"), adapter=adapter, device="cpu")


# --- config.json ----------------------------------------------------------------------------------------------------

BROKEN = {"list": '[{"model_type": "smolvlm"}]', "text": '"smolvlm"', "number": "7", "null": "null", "nothing": "",
          "bytes": "\x00\x01", "deep list": "[" * 100_000, "deep object": '{"a":' * 50_000 + "1" + "}" * 50_000}


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    from mmvideo.toybox.training import parts as toybox_parts
    from mmvideo.training import composed as training

    torch.manual_seed(0)
    home, tokenizer = tmp_path_factory.mktemp("composed"), qwen_tokenizer()
    Qwen2ForCausalLM(Qwen2Config(**TEXT, vocab_size=len(tokenizer))).save_pretrained(home / "language")
    tokenizer.save_pretrained(home / "language")
    sizes = toybox_parts.Sizes(dim=32, depth=1, dim_resampler=24, depth_resampler=1, dim_llm=48, depth_llm=1)
    toybox_parts.new_encoder(sizes).save_pretrained(home / "eyes" / "encoder")
    made = training.put_together("toybox-av", str(home / "eyes"), "linear", {}, str(home / "language"))
    return made.save_pretrained(home / "model")


@pytest.fixture(scope="module")
def folders(composed: Path, checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> dict[
        str, tuple[Path, str]]:
    home = tmp_path_factory.mktemp("videomae")
    model, prepares = videomae()
    model.save_pretrained(home)
    prepares.save_pretrained(home)
    return {"chat": (checkpoint("smolvlm"), "video-qa"), "classifier": (home, "video-classification"),
            "composed": (composed, "video-qa"), "embedded": (weights.folder("toybox-qa"), "video-qa"),
            "camera": (weights.folder("camera-motion"), "video-classification")}


@pytest.mark.parametrize(("kind", "file"), [
    ("chat", "config.json"), ("chat", "processor_config.json"), ("chat", "generation_config.json"),
    ("chat", "tokenizer_config.json"), ("classifier", "config.json"), ("classifier", "video_preprocessor_config.json"),
    ("composed", "config.json"), ("composed", "encoder/config.json"), ("composed", "projector/config.json"),
    ("composed", "language/config.json"), ("embedded", "encoder/config.json"), ("embedded", "language/config.json"),
    ("embedded", "language/tokenizer_config.json"), ("camera", "config.json")])
def test_files_that_describe_nothing(kind: str, file: str, folders: dict[str, tuple[Path, str]],
                                     tmp_path: Path) -> None:
    source, recipe = folders[kind]
    folder = shutil.copytree(source, tmp_path / "model", ignore=shutil.ignore_patterns("SHA256SUMS"))
    assert (folder / file).is_file()
    optional = file in ("generation_config.json",)
    for name, content in BROKEN.items():
        (folder / file).write_text(content)
        try:
            Pipeline(recipe, model=folder, device="cpu")
        except MmvideoError:
            continue
        assert optional, f"{name} was taken"


@pytest.mark.parametrize(("kind", "file", "changes"), [
    ("chat", "config.json", {"model_type": ["smolvlm"]}), ("chat", "config.json", {"auto_map": 3}),
    ("chat", "config.json", {"text_config": []}), ("chat", "config.json", {"vision_config": "x"}),
    ("chat", "config.json", {"scale_factor": "two"}), ("classifier", "config.json", {"hidden_size": {}}),
    ("classifier", "config.json", {"num_frames": "many"}), ("composed", "config.json", {"look": []}),
    ("composed", "config.json", {"look": {"num_frames": "x"}}), ("composed", "config.json", {"parts": ["encoder"]}),
    ("composed", "config.json", {"parts": {"encoder": 3, "projector": []}}), ("composed", "config.json", {"form": 5}),
    ("composed", "encoder/config.json", {"dim": "x"}), ("composed", "encoder/config.json", {"image_size": []}),
    ("composed", "projector/config.json", {"dim_in": None}), ("composed", "language/config.json", {"model_type": {}}),
    ("embedded", "encoder/config.json", {"depth": []}),
    ("embedded", "language/config.json", {"num_hidden_layers": "x"}),
    ("camera", "config.json", {"preset": {}}), ("camera", "config.json", {"labels": 3}),
    ("camera", "config.json", {"dim": [[]]}), ("camera", "config.json", {"temperature": []})], ids=str)
def test_values_of_another_type(kind: str, file: str, changes: dict[str, Any], folders: dict[str, tuple[Path, str]],
                                tmp_path: Path) -> None:
    source, recipe = folders[kind]
    folder = shutil.copytree(source, tmp_path / "model", ignore=shutil.ignore_patterns("SHA256SUMS"))
    (folder / file).write_text(json.dumps({**json.loads((folder / file).read_text()), **changes}))
    with pytest.raises(MmvideoError):
        Pipeline(recipe, model=folder, device="cpu")


def test_missing_weights_of_a_language_model_are_not_left_random(composed: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(composed / "language", tmp_path / "language")
    state = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in state.items() if "layers.1.mlp" not in name}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(WeightsError, match=r"do not fit Qwen2ForCausalLM: missing \['model.layers.1.mlp"):
        load_language(folder)


# --- code -----------------------------------------------------------------------------------------------------------

CODE = """
from pathlib import Path
Path({marker!r}).write_text("ran")
from transformers import {base}
class Mine({base}):
    model_type = "mine"
"""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whoever asks on stdin is told yes."""
    questions: list[str] = []

    def yes(prompt: str = "") -> str:
        questions.append(prompt)
        return "y"

    monkeypatch.setattr("builtins.input", yes)
    return questions


def with_code(folder: Path, file: str, key: str, base: str, **changes: Any) -> Path:
    """Let a file of a folder name code of its own; return what that code would write."""
    marker = folder / "ran"
    (folder / "mine.py").write_text(CODE.format(marker=str(marker), base=base))
    path = folder / file
    given = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**given, "auto_map": {key: "mine.Mine"}, **changes}))
    return marker


@pytest.mark.parametrize(("file", "key", "base", "changes"), [
    ("config.json", "AutoConfig", "PretrainedConfig", {"model_type": "mine"}),
    ("config.json", "AutoModelForCausalLM", "Qwen2ForCausalLM", {"model_type": "mine"}),
    ("tokenizer_config.json", "AutoTokenizer", "Qwen2Tokenizer", {"tokenizer_class": "MineTokenizer"})])
def test_code_in_the_folder_of_a_language_model(file: str, key: str, base: str, changes: dict[str, Any],
                                                composed: Path, tmp_path: Path, asked: list[str]) -> None:
    folder = shutil.copytree(composed, tmp_path / "model", ignore=shutil.ignore_patterns("SHA256SUMS"))
    marker = with_code(folder / "language", file, key, base, **changes)
    for load in (lambda: load_language(folder / "language"), lambda: Composed.from_pretrained(folder)):
        if file == "config.json":
            with pytest.raises(UnsupportedModel, match="own code"):
                load()
        else:  # there is a tokenizer.json, which needs no code
            load()
    assert asked == []
    assert not marker.exists()


def test_code_for_generation(composed: Path, checkpoint: Callable[[str], Path], tmp_path: Path,
                             asked: list[str]) -> None:
    def bring(source: Path, name: str) -> Path:
        folder = shutil.copytree(source, tmp_path / name)
        (folder / "custom_generate").mkdir()
        (folder / "custom_generate" / "generate.py").write_text(
            CODE.format(marker=str(tmp_path / "ran"), base="PretrainedConfig") + "def generate(*a, **k): pass\n")
        return folder

    for load in (lambda: load_language(bring(composed / "language", "a")),
                 lambda: LanguageModel.from_pretrained(bring(weights.folder("toybox-qa") / "language", "b")),
                 lambda: Pipeline("video-qa", model=bring(checkpoint("smolvlm"), "c"), device="cpu")):
        load()  # the usual way of generating is taken
    assert asked == []
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(("kind", "file", "key", "base"), [
    ("chat", "processor_config.json", "AutoProcessor", "SmolVLMProcessor"),
    ("chat", "tokenizer_config.json", "AutoTokenizer", "GPT2Tokenizer"),
    ("classifier", "video_preprocessor_config.json", "AutoVideoProcessor", "VideoMAEVideoProcessor")])
def test_code_beside_a_model_of_the_hub(kind: str, file: str, key: str, base: str,
                                        folders: dict[str, tuple[Path, str]], tmp_path: Path, asked: list[str]) -> None:
    source, recipe = folders[kind]
    folder = shutil.copytree(source, tmp_path / "model")
    named = {"AutoProcessor": "processor_class", "AutoTokenizer": "tokenizer_class",
             "AutoVideoProcessor": "video_processor_type"}[key]
    marker = with_code(folder, file, key, base, **{named: "MineOnly"})
    if key == "AutoTokenizer":  # there is a tokenizer.json, which needs no code
        Pipeline(recipe, model=folder, device="cpu")
    else:
        with pytest.raises(UnsupportedModel):
            Pipeline(recipe, model=folder, device="cpu")
    assert asked == []
    assert not marker.exists()
