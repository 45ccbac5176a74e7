"""A second question in a session against the first, with a SmolVLM2-256M-sized checkpoint of random weights.

    python benchmarks/hub_session.py [--frames 16] [--tokens 8]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT))

from mmvideo import Pipeline  # noqa: E402
from mmvideo.cli.make import demo_clip  # noqa: E402
from tests.hub import checkpoints  # noqa: E402


def checkpoint(folder: Path) -> Path:
    """Write the 256M model's sizes (SigLIP-base at 512 pixels, SmolLM2-135M) with random weights."""
    from transformers import SmolVLMConfig, SmolVLMForConditionalGeneration

    torch.manual_seed(0)
    _, processor = checkpoints.smolvlm()
    for part in (processor.video_processor, processor.image_processor):
        part.size, part.max_image_size = {"longest_edge": 512}, {"longest_edge": 512}
    processor.image_seq_len = 64
    tokenizer = processor.tokenizer
    config = SmolVLMConfig(
        vision_config={"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
                       "num_attention_heads": 12, "image_size": 512, "patch_size": 16},
        text_config={"model_type": "llama", "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
                     "num_attention_heads": 9, "num_key_value_heads": 3, "vocab_size": 49280,
                     "max_position_embeddings": 8192, "pad_token_id": tokenizer.pad_token_id},
        scale_factor=4, **checkpoints.ids(tokenizer, image_token_id="<image>", pad_token_id="<|im_end|>"))
    model = SmolVLMForConditionalGeneration(config)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def timed(call: Any) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=8, help="length of each reply")
    options = parser.parse_args()
    clip = str(demo_clip())
    with tempfile.TemporaryDirectory() as folder:
        pipe = Pipeline("video-qa", model=checkpoint(Path(folder) / "smolvlm"), device="cpu", dtype="float32",
                        num_frames=options.frames, max_new_tokens=options.tokens)
        parameters = sum(pipe.num_params().values())
        opened: dict[str, Any] = {}

        def first() -> None:
            opened["session"] = pipe.open(clip)
            opened["session"].ask("what happens first?")

        one = timed(first)
        with opened["session"] as session:
            more = [timed(lambda i=i: session.ask(f"what happens at second {i}?")) for i in range(9)]
            tokens = session._fields["conversation"].prefix.shape[1]
    ten = one + sum(more)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, float32; {parameters / 1e6:.0f} M "
          f"parameters, {options.frames} frames, {tokens} tokens read, replies of {options.tokens} tokens\n")
    print(f"| first question | second | second / first | ten questions | ten / one |\n|---|---|---|---|---|\n"
          f"| {one:.2f} s | {more[0]:.2f} s | {more[0] / one:.0%} | {ten:.2f} s | {ten / one:.2f} x |")


if __name__ == "__main__":
    main()
