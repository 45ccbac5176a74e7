"""What cannot run says why, in one error, with the next step."""

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
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

from mmvideo import Pipeline
from mmvideo.errors import InvalidInput, ModelUnavailable, OutOfMemory, RecipeError, UnknownName, UnsupportedModel
from mmvideo.errors import WeightsError as Damaged
from mmvideo.hub import load
from mmvideo.stages.suggestion import suggestion
from tests.tiny import make_clip

NAME = "some-lab/some-video-model"


def hub_says(monkeypatch: pytest.MonkeyPatch, kind: type[Exception], status: int) -> None:
    """Let every download end with what huggingface_hub raises for an answer of the hub."""
    answer = SimpleNamespace(status_code=status, headers={}, request=SimpleNamespace(url=f"https://hub/{NAME}"))
    error = kind("the hub's words", response=answer)

    def refuse(*arguments: Any, **options: Any) -> None:
        raise error

    from transformers.utils import hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "hf_hub_download", refuse)


def test_offline_without_the_model() -> None:
    with pytest.raises(ModelUnavailable, match=r"HF_HUB_OFFLINE=1 forbids.*hf download some-lab/some-video-model"):
        Pipeline("video-qa", model=NAME)


def test_unreachable_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers.utils import hub

    def unreachable(*arguments: Any, **options: Any) -> None:
        raise ConnectionError("[Errno -2] Name or service not known")

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "hf_hub_download", unreachable)
    with pytest.raises(ModelUnavailable, match=r"cannot be reached.*hf download"):
        Pipeline("video-qa", model=NAME)


def test_gated_and_unknown_names(monkeypatch: pytest.MonkeyPatch) -> None:
    hub_says(monkeypatch, GatedRepoError, 403)
    with pytest.raises(ModelUnavailable, match=rf"gated: accept its licence at https://huggingface.co/{NAME}.*hf auth"):
        Pipeline("video-qa", model=NAME)
    hub_says(monkeypatch, RepositoryNotFoundError, 404)
    with pytest.raises(ModelUnavailable, match=r"has no model 'some-lab/some-video-model'.*Check the name"):
        Pipeline("video-qa", model=NAME)


def config_of(folder: Path, **values: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(values))
    return folder


def test_architectures_that_cannot_do_it(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModel, match=r"qwen9_vl.*transformers .* does not know.*--upgrade"):
        Pipeline("video-qa", model=config_of(tmp_path / "new", model_type="qwen9_vl"))
    with pytest.raises(UnsupportedModel, match=r"llama\) reads text only.*SmolVLM2.*docs/composed.md"):
        Pipeline("video-qa", model=config_of(tmp_path / "words", model_type="llama"))
    with pytest.raises(UnsupportedModel, match=r"detr\) neither answers"):
        Pipeline("video-qa", model=config_of(tmp_path / "boxes", model_type="detr"))
    with pytest.raises(UnsupportedModel, match=r"does not answer in words.*Pipeline\('video-classification'"):
        Pipeline("video-qa", model=config_of(tmp_path / "classes", model_type="videomae"))
    (tmp_path / "lora").mkdir()
    (tmp_path / "lora" / "adapter_config.json").write_text('{"base_model_name_or_path": "some-lab/base"}')
    with pytest.raises(UnsupportedModel, match=r"is an adapter: give model='some-lab/base', adapter="):
        Pipeline("video-qa", model=tmp_path / "lora")
    with pytest.raises(UnsupportedModel, match=r"own code.*trust_remote_code=True"):
        Pipeline("video-qa", model=config_of(tmp_path / "code", model_type="mine", auto_map={"AutoModel": "m.M"}))


def test_missing_processor_and_weights(tmp_path: Path, checkpoint: Callable[[str], Path]) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("config.json", "model.safetensors", "generation_config.json"):
        shutil.copy(checkpoint("llava_onevision") / name, bare)
    with pytest.raises(UnsupportedModel, match=r"no complete processor.*Copy processor_config.json"):
        Pipeline("video-qa", model=bare)
    empty = shutil.copytree(checkpoint("llava_onevision"), tmp_path / "empty")
    (empty / "model.safetensors").unlink()
    with pytest.raises(ModelUnavailable, match=r"no readable weights"):
        Pipeline("video-qa", model=empty)
    silent = shutil.copytree(checkpoint("llava_onevision"), tmp_path / "silent")
    (silent / "chat_template.jinja").unlink()
    with pytest.raises(UnsupportedModel, match=r"no chat template.*chat_template.jinja"):
        Pipeline("video-qa", model=silent)


def test_weights_of_another_shape(tmp_path: Path, checkpoint: Callable[[str], Path]) -> None:
    folder = shutil.copytree(checkpoint("llava_onevision"), tmp_path / "other")
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["intermediate_size"] = 112
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(Damaged, match=r"do(es)? not fit"):
        Pipeline("video-qa", model=folder)


def test_out_of_memory(checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = Pipeline("video-qa", model=checkpoint("llava_onevision"), device="cpu")
    model = pipe.stages[1][1].reader.chat.model

    def full(*arguments: Any, **options: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 8.00 GiB")

    monkeypatch.setattr(type(model), "forward", full)
    pipe.stages[1][1].reader.chat.takes = {"cache"}
    with pytest.raises(OutOfMemory, match=r"tokens\. Look at less \(max_frames=16.*quantize="):
        pipe(str(make_clip(tmp_path / "clip.mp4")), "what is it?")
    with pytest.raises(OutOfMemory, match="loading"), load.memory_for("loading it"):
        torch.empty(1 << 60)


def test_bad_options_are_named(checkpoint: Callable[[str], Path]) -> None:
    folder = checkpoint("llava_onevision")
    with pytest.raises(RecipeError, match=r"frame_count=3: no stage of video-qa"):
        Pipeline("video-qa", model=folder, frame_count=3)
    with pytest.raises(UnknownName, match=r"quantize 'int2'"):
        Pipeline("video-qa", model=folder, quantize="int2")
    with pytest.raises(InvalidInput, match=r"num_frames must be 1 or more"):
        Pipeline("video-qa", model=folder, num_frames=0)
    with pytest.raises(InvalidInput, match=r"is a chat model, which takes no max_windows; it takes adapter"):
        Pipeline("video-qa", model=folder, max_windows=3)


@pytest.mark.parametrize("task", ["video-qa", "video-captioning", "video-classification"])
def test_the_remedy_is_a_line_that_runs(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import mmvideo

    asked: list[Any] = []

    class Stand:
        def __init__(self, recipe: str, model: str):
            asked.extend((recipe, model))

        def __call__(self, *given: str) -> str:
            asked.append(given)
            return "said"

    monkeypatch.setattr(mmvideo, "Pipeline", Stand)
    exec(suggestion(task, "what's that?"))
    assert asked[0] == task
    assert "/" in asked[1]
    assert asked[2] == (("clip.mp4", "what's that?") if task == "video-qa" else ("clip.mp4",))
