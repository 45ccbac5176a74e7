"""Tiny speech models of transformers with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    GenerationConfig,
    MoonshineConfig,
    MoonshineForConditionalGeneration,
    PreTrainedTokenizerFast,
    Wav2Vec2Config,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperTokenizer,
)

from tests.hub.checkpoints import byte_level

LANGUAGES = ("en", "de", "fr")


def whisper(home: Path) -> Path:
    """A multilingual Whisper: two layers, 16 wide, a real tokenizer over bytes."""
    vocabulary, merges = byte_level([])
    marks = ["<|endoftext|>", "<|startoftranscript|>", *(f"<|{one}|>" for one in LANGUAGES), "<|translate|>",
             "<|transcribe|>", "<|startofprev|>", "<|notimestamps|>"]
    tokenizer = WhisperTokenizer(vocab=vocabulary, merges=merges)
    tokenizer.add_special_tokens({"additional_special_tokens": marks})
    number = {mark: tokenizer.convert_tokens_to_ids(mark) for mark in marks}
    end, start = number["<|endoftext|>"], number["<|startoftranscript|>"]
    config = WhisperConfig(
        vocab_size=len(tokenizer), d_model=16, encoder_layers=1, decoder_layers=2, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, num_mel_bins=80, max_target_positions=48,
        decoder_start_token_id=start, eos_token_id=end, bos_token_id=end, pad_token_id=end, init_std=0.5)
    model = WhisperForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        is_multilingual=True, no_timestamps_token_id=number["<|notimestamps|>"], task="transcribe",
        prev_sot_token_id=number["<|startofprev|>"], lang_to_id={f"<|{n}|>": number[f"<|{n}|>"] for n in LANGUAGES},
        task_to_id={"translate": number["<|translate|>"], "transcribe": number["<|transcribe|>"]},
        suppress_tokens=[*number.values()][1:], alignment_heads=[[1, 0], [1, 1]], max_initial_timestamp_index=50,
        decoder_start_token_id=start, eos_token_id=end, bos_token_id=end, pad_token_id=end)
    return _saved(home, model, tokenizer, WhisperFeatureExtractor())


def moonshine(home: Path) -> Path:
    """A Moonshine, which hears the waveform itself."""
    vocabulary, merges = byte_level([])
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", pad_token="</s>",
                                        unk_token="<unk>")
    config = MoonshineConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, encoder_num_hidden_layers=1,
        decoder_num_hidden_layers=2, encoder_num_attention_heads=2, decoder_num_attention_heads=2,
        encoder_num_key_value_heads=2, decoder_num_key_value_heads=2, max_position_embeddings=64,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.bos_token_id, pad_token_id=tokenizer.pad_token_id, initializer_range=0.5)
    return _saved(home, MoonshineForConditionalGeneration(config), tokenizer,
                  Wav2Vec2FeatureExtractor(do_normalize=False, return_attention_mask=True))


def wav2vec(home: Path) -> Path:
    """A wav2vec 2.0 with CTC over letters."""
    import json

    home.mkdir(parents=True, exist_ok=True)
    letters = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ETAONIHSRDLUMWCFGYPBVKJXQZ'"]
    (home / "vocab.json").write_text(json.dumps({letter: n for n, letter in enumerate(letters)}))
    tokenizer = Wav2Vec2CTCTokenizer(str(home / "vocab.json"), word_delimiter_token="|")
    config = Wav2Vec2Config(
        vocab_size=len(letters), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        conv_dim=(8, 8), conv_kernel=(20, 32), conv_stride=(10, 32), num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2, pad_token_id=0, initializer_range=1.0)
    return _saved(home, Wav2Vec2ForCTC(config), tokenizer, Wav2Vec2FeatureExtractor(return_attention_mask=False))


MAKE = {"whisper": whisper, "moonshine": moonshine, "wav2vec": wav2vec}


def _saved(home: Path, model: Any, *parts: Any) -> Path:
    torch.manual_seed(0)
    for part in (model, *parts):
        part.save_pretrained(home)
    return home
