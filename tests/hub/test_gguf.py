"""Language models of GGUF files: their weights are plain floats, and are saved as such."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from mmvideo.errors import MissingExtra
from mmvideo.hub import gguf
from mmvideo.vlm.composed import load_language
from tests.hub.checkpoints import TEXT, qwen_tokenizer


@pytest.fixture(scope="module")
def language(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    folder, tokenizer = tmp_path_factory.mktemp("language"), qwen_tokenizer()
    Qwen2ForCausalLM(Qwen2Config(**TEXT, vocab_size=len(tokenizer))).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_floats_with_a_configuration_of_a_gguf_file_are_loaded_and_saved(language: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(language, tmp_path / "converted")
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "gguf", "gguf_file": "x.gguf", "dequantize": False}
    (folder / "config.json").write_text(json.dumps(config))
    model, _ = load_language(folder)
    assert getattr(model, "hf_quantizer", None) is None
    model.save_pretrained(tmp_path / "again")
    assert "quantization_config" not in json.loads((tmp_path / "again" / "config.json").read_text())
    load_language(folder)[0].save_pretrained(folder)
    assert "quantization_config" not in json.loads((folder / "config.json").read_text())


def test_a_model_that_transformers_read_from_a_gguf_file_can_be_saved(language: Path, tmp_path: Path) -> None:
    quantizers = pytest.importorskip("transformers.quantizers.quantizer_gguf")
    from transformers.utils.quantization_config import GgufConfig

    model, _ = load_language(language)
    model.config.quantization_config = GgufConfig(dequantize=True)
    model.hf_quantizer = quantizers.GgufHfQuantizer(model.config.quantization_config)
    with pytest.raises(ValueError, match="not serializable"):
        model.save_pretrained(tmp_path)
    gguf.forget(model).save_pretrained(tmp_path)
    assert "quantization_config" not in json.loads((tmp_path / "config.json").read_text())


def test_a_gguf_file_needs_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF")
    monkeypatch.setattr(gguf, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"model.gguf needs gguf: pip install"):
        load_language(file)
    assert gguf.gguf_file(tmp_path / "other.safetensors") is None
    assert gguf.gguf_file("owner/name") is None
