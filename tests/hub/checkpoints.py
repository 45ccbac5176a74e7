"""Tiny checkpoints of every family that sees video: real configurations, tokenizers, processors; random weights.

    python -m tests.hub.checkpoints OUT [FAMILY ...]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

Made = tuple[Any, Any]
"""A model and its processor."""
WORDS = ["You are a helpful assistant.", "What happens in this video?",
         "A red ball rolls from left to right and falls.",
         "The dog jumps over the fence at 1.5 seconds, then the man smiles.", "Time 0.0s: 1.0s: 2.0s: <0.5 seconds>",
         "Frame from 00:01 of a 0:00:04 [H:MM:SS] video, frames, following, answer yes or no."] * 4
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% if m['content'] is string %}{{ m['content'] }}"
    "{% else %}{% for c in m['content'] %}{% if c['type'] == 'video' %}VIDEO{% elif c['type'] == 'image' %}IMAGE"
    "{% elif c['type'] == 'audio' %}AUDIO{% else %}{{ c['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")
QWEN_MARKS = ["<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>",
              "<|video_pad|>", "<|audio_pad|>", "<|AUDIO|>", "<|IMAGE|>", "<|VIDEO|>", "<|audio_bos|>", "<|audio_eos|>",
              "<|vision_bos|>", "<|vision_eos|>", "<image>", "<video>", "<img>", "</img>", "<IMG_CONTEXT>"]
TEXT = {"hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": 4096}


def template(video: str, image: str = "", audio: str = "") -> str:
    """Return a chat template in the usual shape with a family's placeholders."""
    return CHATML.replace("VIDEO", video).replace("IMAGE", image or video).replace("AUDIO", audio)


def byte_level(special: list[str]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Train a byte-level BPE (GPT-2, Qwen); return its vocabulary and merges."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.train_from_iterator(WORDS, trainers.BpeTrainer(
        vocab_size=400, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return _parts(backend)


def pieces(special: list[str]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Train a BPE with byte fallback over text with marked spaces (Llama, Gemma); return vocabulary and merges."""
    from tokenizers import Tokenizer, models, normalizers, trainers

    backend = Tokenizer(models.BPE(unk_token=special[0], byte_fallback=True, fuse_unk=True))
    backend.normalizer = normalizers.Replace(" ", "▁")
    first = [*special, *(f"<0x{byte:02X}>" for byte in range(256))]
    backend.train_from_iterator(WORDS, trainers.BpeTrainer(vocab_size=700, show_progress=False, special_tokens=first))
    return _parts(backend)


def _parts(backend: Any) -> tuple[dict[str, int], list[tuple[str, str]]]:
    import json

    model = json.loads(backend.to_str())["model"]
    return model["vocab"], [tuple(pair) for pair in model["merges"]]


def qwen_tokenizer(**named: str) -> Any:
    """Make the tokenizer of Qwen and its kin; `named` tokens become its attributes."""
    from transformers import Qwen2Tokenizer

    vocabulary, merges = byte_level([])
    made = Qwen2Tokenizer(vocab=vocabulary, merges=merges, extra_special_tokens=dict(named))
    made.add_special_tokens({"additional_special_tokens": [m for m in QWEN_MARKS if m not in named.values()]},
                            replace_extra_special_tokens=False)
    made.eos_token = "<|im_end|>"
    return made


def llama_tokenizer(*marks: str) -> Any:
    """Make Llama's tokenizer with further special tokens."""
    from transformers import LlamaTokenizer

    vocabulary, merges = pieces(["<unk>", "<s>", "</s>"])
    made = LlamaTokenizer(vocab=vocabulary, merges=merges, pad_token="</s>")
    made.add_special_tokens({"additional_special_tokens": list(marks)})
    return made


def ids(tokenizer: Any, **marks: str) -> dict[str, int]:
    return {name: tokenizer.convert_tokens_to_ids(mark) for name, mark in marks.items()}


def clip_vision(size: int = 56, patch: int = 14) -> dict[str, Any]:
    return {"model_type": "clip_vision_model", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3,
            "num_attention_heads": 2, "image_size": size, "patch_size": patch, "projection_dim": 32}


def qwen_vision(**changes: Any) -> dict[str, Any]:
    return {"depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "patch_size": 14,
            "spatial_merge_size": 2, "temporal_patch_size": 2, **changes}


def smolvlm() -> Made:
    from transformers import (
        GPT2Tokenizer,
        SmolVLMConfig,
        SmolVLMForConditionalGeneration,
        SmolVLMImageProcessor,
        SmolVLMProcessor,
        SmolVLMVideoProcessor,
    )

    vocabulary, merges = byte_level([])
    tokenizer = GPT2Tokenizer(vocab=vocabulary, merges=merges, pad_token="<|im_end|>", bos_token="<|im_start|>",
                              eos_token="<end_of_utterance>", unk_token="<|endoftext|>")
    tokenizer.add_special_tokens({"additional_special_tokens": [
        "<fake_token_around_image>", "<image>", "<global-img>", "<end_of_utterance>", "<video>"]})
    size = {"size": {"longest_edge": 64}, "max_image_size": {"longest_edge": 64}}
    video = SmolVLMVideoProcessor(**size, fps=1, num_frames=64)
    image = SmolVLMImageProcessor(**size, do_image_splitting=False)
    chat = ("<|im_start|>{% for m in messages %}{{ m['role'] | capitalize }}: {% for c in m['content'] %}"
            "{% if c['type'] == 'video' %}<video>{% elif c['type'] == 'image' %}<image>{% else %}{{ c['text'] }}"
            "{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
            "{% if add_generation_prompt %}Assistant:{% endif %}")
    processor = SmolVLMProcessor(image, tokenizer, video, image_seq_len=4, chat_template=chat)
    config = SmolVLMConfig(
        vision_config={"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
                       "image_size": 64, "patch_size": 16},
        text_config={"model_type": "llama", **TEXT, "vocab_size": len(tokenizer),
                     "pad_token_id": tokenizer.pad_token_id},
        scale_factor=2, **ids(tokenizer, image_token_id="<image>", pad_token_id="<|im_end|>"))
    return SmolVLMForConditionalGeneration(config), processor


def qwen2_5_vl() -> Made:
    from transformers import (
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
        Qwen2_5_VLProcessor,
        Qwen2VLImageProcessor,
        Qwen2VLVideoProcessor,
    )

    tokenizer = qwen_tokenizer()
    limits = {"min_pixels": 28 * 28, "max_pixels": 84 * 84}
    processor = Qwen2_5_VLProcessor(Qwen2VLImageProcessor(**limits), tokenizer, Qwen2VLVideoProcessor(**limits),
                                    chat_template=template("<|vision_start|><|video_pad|><|vision_end|>"))
    config = Qwen2_5_VLConfig(
        vision_config=qwen_vision(out_hidden_size=48, fullatt_block_indexes=[1], window_size=56, tokens_per_second=2),
        text_config={**TEXT, "vocab_size": len(tokenizer),
                     "rope_parameters": {"rope_type": "default", "mrope_section": [2, 2, 2], "rope_theta": 1e6}},
        **ids(tokenizer, image_token_id="<|image_pad|>", video_token_id="<|video_pad|>",
              vision_start_token_id="<|vision_start|>", vision_end_token_id="<|vision_end|>"))
    return Qwen2_5_VLForConditionalGeneration(config), processor


def _qwen3_processor(tokenizer: Any) -> Any:
    from transformers import Qwen2VLImageProcessor, Qwen3VLProcessor, Qwen3VLVideoProcessor

    image = Qwen2VLImageProcessor(min_pixels=32 * 32, max_pixels=96 * 96, patch_size=16)
    video = Qwen3VLVideoProcessor(size={"shortest_edge": 2 * 32 * 32, "longest_edge": 8 * 96 * 96}, patch_size=16)
    return Qwen3VLProcessor(image, tokenizer, video,
                            chat_template=template("<|vision_start|><|video_pad|><|vision_end|>"))


def _qwen3_ids(tokenizer: Any) -> dict[str, int]:
    return ids(tokenizer, image_token_id="<|image_pad|>", video_token_id="<|video_pad|>",
               vision_start_token_id="<|vision_start|>", vision_end_token_id="<|vision_end|>")


def qwen3_vl() -> Made:
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

    tokenizer = qwen_tokenizer()
    config = Qwen3VLConfig(
        vision_config=qwen_vision(patch_size=16, out_hidden_size=48, deepstack_visual_indexes=[0, 1],
                                  num_position_embeddings=64),
        text_config={**TEXT, "head_dim": 12, "vocab_size": len(tokenizer),
                     "rope_parameters": {"rope_type": "default", "mrope_section": [2, 2, 2], "rope_theta": 1e6,
                                         "mrope_interleaved": True}},
        **_qwen3_ids(tokenizer))
    return Qwen3VLForConditionalGeneration(config), _qwen3_processor(tokenizer)


def qwen3_5() -> Made:
    from transformers import Qwen3_5Config, Qwen3_5ForConditionalGeneration

    tokenizer = qwen_tokenizer()
    config = Qwen3_5Config(
        vision_config=qwen_vision(patch_size=16, out_hidden_size=48, num_position_embeddings=64),
        text_config={**TEXT, "head_dim": 12, "vocab_size": len(tokenizer), "linear_num_key_heads": 2,
                     "linear_num_value_heads": 4, "linear_key_head_dim": 12, "linear_value_head_dim": 12,
                     "layer_types": ["linear_attention", "full_attention"],
                     "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 1], "rope_theta": 1e6,
                                         "mrope_interleaved": True, "partial_rotary_factor": 0.5}},
        **_qwen3_ids(tokenizer))
    return Qwen3_5ForConditionalGeneration(config), _qwen3_processor(tokenizer)


def video_llava() -> Made:
    from transformers import (
        VideoLlavaConfig,
        VideoLlavaForConditionalGeneration,
        VideoLlavaImageProcessor,
        VideoLlavaProcessor,
        VideoLlavaVideoProcessor,
    )

    tokenizer = llama_tokenizer("<image>", "<video>")
    size = {"size": {"height": 56, "width": 56}, "crop_size": {"height": 56, "width": 56}}
    size = {"size": {"shortest_edge": 56}, "crop_size": size["crop_size"]}
    chat = ("{% for m in messages %}{% if m['role'] == 'user' %}USER: {% for c in m['content'] %}"
            "{% if c['type'] == 'video' %}<video>\n{% elif c['type'] == 'text' %}{{ c['text'] }}{% endif %}{% endfor %}"
            "{% else %} ASSISTANT: {{ m['content'][0]['text'] }}</s>{% endif %}{% endfor %}"
            "{% if add_generation_prompt %} ASSISTANT:{% endif %}")
    processor = VideoLlavaProcessor(VideoLlavaImageProcessor(**size), VideoLlavaVideoProcessor(**size), tokenizer,
                                    patch_size=14, vision_feature_select_strategy="default", chat_template=chat)
    config = VideoLlavaConfig(
        vision_config=clip_vision(), text_config={"model_type": "llama", **TEXT, "vocab_size": len(tokenizer)},
        **ids(tokenizer, image_token_index="<image>", video_token_index="<video>"))
    return VideoLlavaForConditionalGeneration(config), processor


def video_llama_3() -> Made:
    from transformers import (
        VideoLlama3Config,
        VideoLlama3ForConditionalGeneration,
        VideoLlama3ImageProcessor,
        VideoLlama3Processor,
        VideoLlama3VideoProcessor,
    )

    tokenizer = qwen_tokenizer()
    limits = {"min_pixels": 28 * 28, "max_pixels": 84 * 84, "patch_size": 14}
    processor = VideoLlama3Processor(
        VideoLlama3ImageProcessor(**limits, merge_size=1), tokenizer,
        VideoLlama3VideoProcessor(**limits, merge_size=2, use_token_compression=True),
        chat_template=template("<|video_pad|>"))
    config = VideoLlama3Config(
        vision_config={"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
                       "patch_size": 14},
        text_config={"model_type": "qwen2", **TEXT, "vocab_size": len(tokenizer)},
        **ids(tokenizer, image_token_id="<|image_pad|>", video_token_id="<|video_pad|>"))
    return VideoLlama3ForConditionalGeneration(config), processor


def llava_next_video() -> Made:
    from transformers import (
        LlavaNextImageProcessor,
        LlavaNextVideoConfig,
        LlavaNextVideoForConditionalGeneration,
        LlavaNextVideoProcessor,
        LlavaNextVideoVideoProcessor,
    )

    tokenizer = llama_tokenizer("<image>", "<video>")
    size = {"size": {"shortest_edge": 56}, "crop_size": {"height": 56, "width": 56}}
    chat = ("{% for m in messages %}{% if m['role'] == 'user' %}USER: {% for c in m['content'] %}"
            "{% if c['type'] == 'video' %}<video>\n{% elif c['type'] == 'text' %}{{ c['text'] }}{% endif %}{% endfor %}"
            "{% else %} ASSISTANT: {{ m['content'][0]['text'] }}{% endif %}{% endfor %}"
            "{% if add_generation_prompt %} ASSISTANT:{% endif %}")
    processor = LlavaNextVideoProcessor(LlavaNextVideoVideoProcessor(**size),
                                        LlavaNextImageProcessor(**size, image_grid_pinpoints=[[56, 56]]), tokenizer,
                                        patch_size=14, vision_feature_select_strategy="default", chat_template=chat,
                                        num_additional_image_tokens=1)
    config = LlavaNextVideoConfig(
        vision_config=clip_vision(), text_config={"model_type": "llama", **TEXT, "vocab_size": len(tokenizer)},
        image_grid_pinpoints=[[56, 56]],
        **ids(tokenizer, image_token_index="<image>", video_token_index="<video>"))
    return LlavaNextVideoForConditionalGeneration(config), processor


def llava_onevision() -> Made:
    from transformers import (
        LlavaOnevisionConfig,
        LlavaOnevisionForConditionalGeneration,
        LlavaOnevisionImageProcessor,
        LlavaOnevisionProcessor,
        LlavaOnevisionVideoProcessor,
    )

    tokenizer = qwen_tokenizer()
    size = {"size": {"height": 56, "width": 56}}
    processor = LlavaOnevisionProcessor(
        LlavaOnevisionImageProcessor(**size, image_grid_pinpoints=[[56, 56]]), tokenizer,
        LlavaOnevisionVideoProcessor(**size), num_image_tokens=16, vision_feature_select_strategy="full",
        chat_template=template("<video>", "<image>"))
    config = LlavaOnevisionConfig(
        vision_config={"model_type": "siglip_vision_model", "hidden_size": 32, "intermediate_size": 64,
                       "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 56, "patch_size": 14,
                       "vision_use_head": False},
        text_config={"model_type": "qwen2", **TEXT, "vocab_size": len(tokenizer)}, image_grid_pinpoints=[[56, 56]],
        **ids(tokenizer, image_token_index="<image>", video_token_index="<video>"))
    return LlavaOnevisionForConditionalGeneration(config), processor


def internvl() -> Made:
    from transformers import (
        GotOcr2ImageProcessor,
        InternVLConfig,
        InternVLForConditionalGeneration,
        InternVLProcessor,
        InternVLVideoProcessor,
    )

    tokenizer = qwen_tokenizer(start_image_token="<img>", end_image_token="</img>", context_image_token="<IMG_CONTEXT>",
                               video_token="<video>")
    size = {"size": {"height": 56, "width": 56}}
    processor = InternVLProcessor(GotOcr2ImageProcessor(**size, crop_to_patches=False), tokenizer,
                                  InternVLVideoProcessor(**size), image_seq_length=4,
                                  chat_template=template("<video>\n", "<IMG_CONTEXT>\n"))
    config = InternVLConfig(
        vision_config={"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
                       "image_size": [56, 56], "patch_size": [14, 14]},
        text_config={"model_type": "qwen2", **TEXT, "vocab_size": len(tokenizer)}, image_seq_length=4,
        **ids(tokenizer, image_token_id="<IMG_CONTEXT>"))
    return InternVLForConditionalGeneration(config), processor


def perception_lm() -> Made:
    from transformers import (
        PerceptionLMConfig,
        PerceptionLMForConditionalGeneration,
        PerceptionLMImageProcessor,
        PerceptionLMProcessor,
        PerceptionLMVideoProcessor,
    )

    tokenizer = qwen_tokenizer(image_token="<image>", video_token="<video>")
    size = {"size": {"height": 56, "width": 56}}
    processor = PerceptionLMProcessor(
        PerceptionLMVideoProcessor(**size), PerceptionLMImageProcessor(tile_size=56, max_num_tiles=1), tokenizer,
        patch_size=14, pooling_ratio=2, chat_template=template("<video>", "<image>"))
    config = PerceptionLMConfig(
        vision_config={"model_type": "timm_wrapper", "architecture": "vit_pe_core_large_patch14_336",
                       "initializer_range": 0.02, "do_pooling": False, "global_pool": "map", "num_classes": 32,
                       "model_args": {"embed_dim": 32, "depth": 2, "num_heads": 2, "img_size": [56, 56],
                                      "global_pool": "", "use_post_transformer_norm": False,
                                      "init_values": 0.1, "ref_feat_shape": [4, 4]}},
        text_config={"model_type": "llama", **TEXT, "vocab_size": len(tokenizer)}, projector_pooling_ratio=2,
        vision_use_cls_token=True, **ids(tokenizer, image_token_id="<image>", video_token_id="<video>"))
    return PerceptionLMForConditionalGeneration(config), processor


def molmo2() -> Made:
    from transformers import (
        Molmo2Config,
        Molmo2ForConditionalGeneration,
        Molmo2ImageProcessor,
        Molmo2Processor,
        Molmo2VideoProcessor,
    )

    marks = ["<im_patch>", "<im_col>", "<im_start>", "<low_res_im_start>", "<frame_start>", "<im_end>", "<frame_end>",
             "<im_low>", "<|image|>", "<|video|>"]
    tokenizer = qwen_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": marks}, replace_extra_special_tokens=False)
    size = {"size": {"height": 56, "width": 56}}
    processor = Molmo2Processor(Molmo2ImageProcessor(**size), Molmo2VideoProcessor(**size), tokenizer,
                                chat_template=template("<|video|>", "<|image|>"))
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 16}
    config = Molmo2Config(
        vision_config={"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "image_size": [56, 56],
                       "patch_size": 14, **heads},
        adapter_config={"vision_feature_layer": [-1, -2], "hidden_size": 32, "intermediate_size": 64,
                        "text_hidden_size": 48, **heads},
        text_config={**TEXT, "head_dim": 12, "vocab_size": len(tokenizer), "additional_vocab_size": 16},
        **ids(tokenizer, image_start_token_id="<im_start>", low_res_image_start_token_id="<low_res_im_start>",
              image_end_token_id="<im_end>", image_patch_id="<im_patch>", frame_start_token_id="<frame_start>",
              frame_end_token_id="<frame_end>"))
    return Molmo2ForConditionalGeneration(config), processor


def gemma4() -> Made:
    from transformers import (
        Gemma4AudioFeatureExtractor,
        Gemma4Config,
        Gemma4ForConditionalGeneration,
        Gemma4ImageProcessor,
        Gemma4Processor,
        Gemma4VideoProcessor,
        GemmaTokenizer,
    )

    vocabulary, merges = pieces(["<pad>", "<eos>", "<bos>", "<unk>"])
    named = {"boi_token": "<|image>", "eoi_token": "<image|>", "image_token": "<|image|>", "boa_token": "<|audio>",
             "eoa_token": "<audio|>", "audio_token": "<|audio|>"}
    tokenizer = GemmaTokenizer(vocab=vocabulary, merges=merges, extra_special_tokens=named)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|turn>", "<turn|>", "<|video|>"]},
                                 replace_extra_special_tokens=False)
    soft = {"max_soft_tokens": 70, "patch_size": 16, "pooling_kernel_size": 3}
    chat = ("{{ bos_token }}{% for m in messages %}<|turn>{{ m['role'] }}\n{% for c in m['content'] %}"
            "{% if c['type'] == 'video' %}<|video|>{% elif c['type'] == 'audio' %}<|audio|>{% else %}{{ c['text'] }}"
            "{% endif %}{% endfor %}<turn|>\n{% endfor %}{% if add_generation_prompt %}<|turn>model\n{% endif %}")
    processor = Gemma4Processor(Gemma4AudioFeatureExtractor(), Gemma4ImageProcessor(**soft), tokenizer,
                                Gemma4VideoProcessor(**soft), chat_template=chat)
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 16, "intermediate_size": 64,
             "num_hidden_layers": 2}
    config = Gemma4Config(
        vision_config={"hidden_size": 32, "patch_size": 16, "pooling_kernel_size": 3, "position_embedding_size": 256,
                       **heads},
        audio_config={"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "output_proj_dims": 32,
                      "subsampling_conv_channels": [128, 4]},
        text_config={"hidden_size": 48, "vocab_size": len(tokenizer), "vocab_size_per_layer_input": len(tokenizer),
                     "hidden_size_per_layer_input": 8, "sliding_window": 64, "global_head_dim": 16,
                     "layer_types": ["sliding_attention", "full_attention"], "use_bidirectional_attention": "vision",
                     **heads},
        **ids(tokenizer, boi_token_id="<|image>", eoi_token_id="<image|>", image_token_id="<|image|>",
              video_token_id="<|video|>", boa_token_id="<|audio>", eoa_token_index="<audio|>",
              audio_token_id="<|audio|>"))
    return Gemma4ForConditionalGeneration(config), processor


OMNI = {"image_token": "<|IMAGE|>", "audio_token": "<|AUDIO|>", "video_token": "<|VIDEO|>",
        "vision_bos_token": "<|vision_bos|>", "vision_eos_token": "<|vision_eos|>",
        "audio_bos_token": "<|audio_bos|>", "audio_eos_token": "<|audio_eos|>"}


def _omni_processor(kind: str, tokenizer: Any, patch: int) -> Any:
    import transformers

    limits = {"min_pixels": 4 * patch * patch, "max_pixels": 36 * patch * patch, "patch_size": patch}
    video = transformers.Qwen2VLVideoProcessor(**limits)
    made = getattr(transformers, kind)(
        transformers.Qwen2VLImageProcessor(**limits), video, transformers.WhisperFeatureExtractor(feature_size=128),
        tokenizer, chat_template=template("<|vision_bos|><|VIDEO|><|vision_eos|>",
                                          audio="<|audio_bos|><|AUDIO|><|audio_eos|>"))
    return made


def _omni_ids(tokenizer: Any, suffix: str) -> dict[str, int]:
    return ids(tokenizer, audio_start_token_id="<|audio_bos|>", audio_end_token_id="<|audio_eos|>",
               vision_start_token_id="<|vision_bos|>", vision_end_token_id="<|vision_eos|>",
               **{f"{kind}_token_{suffix}": f"<|{kind.upper()}|>" for kind in ("audio", "image", "video")})


def qwen2_5_omni() -> Made:
    from transformers import Qwen2_5OmniConfig, Qwen2_5OmniForConditionalGeneration

    tokenizer = qwen_tokenizer(**OMNI)
    config = Qwen2_5OmniConfig(enable_audio_output=False, thinker_config={
        "audio_config": {"num_mel_bins": 128, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 64,
                         "d_model": 32, "output_dim": 48},
        "vision_config": qwen_vision(out_hidden_size=48, fullatt_block_indexes=[1], window_size=56),
        "text_config": {**TEXT, "vocab_size": len(tokenizer),
                        "rope_parameters": {"rope_type": "default", "mrope_section": [2, 2, 2], "rope_theta": 1e6}},
        **_omni_ids(tokenizer, "index"), **_omni_ids(tokenizer, "id")})
    return Qwen2_5OmniForConditionalGeneration(config), _omni_processor("Qwen2_5OmniProcessor", tokenizer, 14)


def qwen3_omni_moe() -> Made:
    from transformers import Qwen3OmniMoeConfig, Qwen3OmniMoeForConditionalGeneration

    tokenizer = qwen_tokenizer(**OMNI)
    config = Qwen3OmniMoeConfig(enable_audio_output=False, thinker_config={
        "audio_config": {"num_mel_bins": 128, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 64,
                         "d_model": 32, "output_dim": 48, "downsample_hidden_size": 16},
        "vision_config": qwen_vision(patch_size=16, out_hidden_size=48, deepstack_visual_indexes=[0],
                                     num_position_embeddings=64),
        "text_config": {**TEXT, "head_dim": 12, "vocab_size": len(tokenizer), "num_experts": 4,
                        "num_experts_per_tok": 2, "moe_intermediate_size": 32,
                        "rope_parameters": {"rope_type": "default", "mrope_section": [2, 2, 2], "rope_theta": 1e6,
                                            "mrope_interleaved": True}},
        **_omni_ids(tokenizer, "id")})
    return Qwen3OmniMoeForConditionalGeneration(config), _omni_processor("Qwen3OmniMoeProcessor", tokenizer, 16)


def glm46v() -> Made:
    from transformers import (
        Glm46VConfig,
        Glm46VForConditionalGeneration,
        Glm46VImageProcessor,
        Glm46VProcessor,
        Glm46VVideoProcessor,
    )

    tokenizer = qwen_tokenizer(image_token="<|image|>", video_token="<|video|>")
    tokenizer.add_special_tokens({"additional_special_tokens": [
        "<|begin_of_image|>", "<|end_of_image|>", "<|begin_of_video|>", "<|end_of_video|>"]},
        replace_extra_special_tokens=False)
    size = {"size": {"shortest_edge": 28 * 28 * 2, "longest_edge": 8 * 84 * 84}}
    processor = Glm46VProcessor(Glm46VImageProcessor(**size), tokenizer, Glm46VVideoProcessor(**size),
                                chat_template=template("<|begin_of_video|><|video|><|end_of_video|>"))
    config = Glm46VConfig(
        vision_config=qwen_vision(out_hidden_size=48, image_size=84),
        text_config={**TEXT, "head_dim": 12, "vocab_size": len(tokenizer), "pad_token_id": tokenizer.eos_token_id,
                     "rope_parameters": {"rope_type": "default", "mrope_section": [2, 2, 2], "rope_theta": 1e6}},
        **ids(tokenizer, image_token_id="<|image|>", video_token_id="<|video|>",
              image_start_token_id="<|begin_of_image|>", image_end_token_id="<|end_of_image|>",
              video_start_token_id="<|begin_of_video|>", video_end_token_id="<|end_of_video|>"))
    return Glm46VForConditionalGeneration(config), processor


def llava() -> Made:
    """Sees pictures only: it is given the frames as pictures, each after its time."""
    from transformers import CLIPImageProcessor, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor

    tokenizer = llama_tokenizer("<image>")
    image = CLIPImageProcessor(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56})
    chat = ("{% for m in messages %}{{ m['role'].upper() }}: {% for c in m['content'] %}"
            "{% if c['type'] == 'image' %}<image>\n{% else %}{{ c['text'] }}{% endif %}{% endfor %} {% endfor %}"
            "{% if add_generation_prompt %}ASSISTANT:{% endif %}")
    processor = LlavaProcessor(image, tokenizer, patch_size=14, vision_feature_select_strategy="default",
                               num_additional_image_tokens=1, chat_template=chat)
    config = LlavaConfig(vision_config=clip_vision(), image_seq_length=16,
                         text_config={"model_type": "llama", **TEXT, "vocab_size": len(tokenizer)},
                         **ids(tokenizer, image_token_index="<image>"))
    return LlavaForConditionalGeneration(config), processor


FAMILIES: dict[str, Callable[[], Made]] = {f.__name__: f for f in (
    smolvlm, qwen2_5_vl, qwen3_vl, qwen3_5, video_llava, video_llama_3, llava_next_video, llava_onevision, internvl,
    perception_lm, molmo2, gemma4, qwen2_5_omni, qwen3_omni_moe, glm46v, llava)}


def make(family: str, folder: Path) -> Path:
    """Write a checkpoint of a family into a folder, as `save_pretrained` of transformers does."""
    torch.manual_seed(0)
    model, processor = FAMILIES[family]()
    for p in model.parameters():  # large enough that a wrong frame or time shows in the logits
        if p.ndim > 1:
            torch.nn.init.normal_(p, std=0.15)
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


if __name__ == "__main__":
    for name in sys.argv[2:] or FAMILIES:
        print(make(name, Path(sys.argv[1]) / name))
