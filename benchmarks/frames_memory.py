"""Memory that a chat model's frames take: decoding and its processor, for 768 frames of 1080p and of 4K.

    python benchmarks/frames_memory.py [--frames 768] [--heights 1080 2160] [--native 41]

A film of as many frames as are asked for goes through the part of a pipeline that chooses, decodes and prepares frames,
with the processors of four models in the sizes of their releases; the language model is not there. Each row is a
process of its own: the largest size that it reached, less what it had before the film was opened. `--native` shows
beside it how much so many frames take that are decoded at the size of the film.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

from mmvideo.evaluation.bench import peak_bytes
from mmvideo.hub.load import LoadOptions
from mmvideo.hub.resolve import resolve
from mmvideo.media import open_source
from mmvideo.stages.readers import ChatReader, ViewOptions
from mmvideo.types import Expected
from mmvideo.vlm.chat import ChatModel, ProcessedPrompt, VideoInput

ROOT = Path(__file__).resolve().parents[1]
FPS = 2
LARGEST_CONTEXT = 1 << 24
MIB = 1 << 20


def _smolvlm2(prepares: Any) -> None:
    prepares.size, prepares.max_image_size = {"longest_edge": 512}, {"longest_edge": 512}


def _qwen2_5_vl(prepares: Any) -> None:
    prepares.size = {"shortest_edge": 128 * 28 * 28, "longest_edge": 768 * 28 * 28}
    prepares.cap_pixels_per_frame = True


def _qwen3_vl(prepares: Any) -> None:
    prepares.size = {"shortest_edge": 4096, "longest_edge": 25165824}


def _llava_onevision(prepares: Any) -> None:
    prepares.size = {"height": 384, "width": 384}


RELEASED: dict[str, tuple[str, Callable[[Any], None]]] = {
    "smolvlm": ("SmolVLM2-500M", _smolvlm2),
    "qwen3_vl": ("Qwen3-VL", _qwen3_vl),
    "llava_onevision": ("LLaVA-OneVision", _llava_onevision),
    "qwen2_5_vl": ("Qwen2.5-VL, frames within its reference's limit for a whole video", _qwen2_5_vl),
}
"""Family -> what it is called, and what gives its video processor the sizes of the release."""


def make_film(path: Path, frames: int, height: int) -> None:
    """Encode a film of frames that all differ: a smooth pattern glides, two frames a second."""
    width = height * 16 // 9 // 2 * 2
    rough = np.random.default_rng(0).uniform(16, 235, (40, 70)).astype(np.float32)
    plane = torch.nn.functional.interpolate(torch.from_numpy(rough)[None, None], size=(height + 256, width + 256),
                                            mode="bicubic")[0, 0].clamp(16, 235).byte().numpy()
    grey = np.full((height // 2, width), 128, np.uint8)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "qp": "35"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(frames):
            left, top = 3 * number % 256, 2 * number % 250
            picture = np.concatenate([plane[top:top + height, left:left + width], grey])
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="yuv420p")))
        out.mux(stream.encode())


def reset_peak() -> None:
    """Let the largest size of this process begin anew (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")


def taken_memory(chat: ChatModel, film: Path, frames: int, size: tuple[int, int] | None) -> dict[str, Any]:
    """Choose, decode and prepare the frames of a film, and measure.

    Args:
        chat: a model, which may be without weights.
        frames: most that are taken, two a second.
        size: the size at which they are decoded; None for what the model's processor needs.

    Returns:
        `frames`, `height` and `width` as decoded, `decoded` and `prepared`: bytes of the frames and of what the
        processor made; `decoding` and `peak`: bytes by which this process grew at most until the frames were decoded,
        and until they were prepared.
    """
    reader = ChatReader(chat, ViewOptions(fps=float(FPS), max_frames=frames, sound=False, size=size))
    prompt, decoding = chat.prompt, [0]

    def noting(question: str, seen: VideoInput, *more: Any) -> ProcessedPrompt:
        decoding[0] = decoding[0] or peak_bytes()
        return prompt(question, seen, *more)

    chat.prompt = noting  # type: ignore[method-assign]
    reset_peak()
    before = peak_bytes()
    try:
        with open_source(film, threads=1) as media:
            taken = reader.take(media, Expected())
    finally:
        del chat.prompt  # type: ignore[method-assign]
    peak = peak_bytes() - before
    seen, tensors = taken.prepared.seen, taken.prepared.first.tensors
    prepared = sum(t.nbytes for t in tensors.values() if isinstance(t, torch.Tensor))
    return {"frames": len(seen.frames), "height": seen.frames.shape[2], "width": seen.frames.shape[3],
            "decoded": seen.frames.nbytes, "prepared": prepared, "decoding": decoding[0] - before, "peak": peak}


def released(family: str, folder: Path) -> Path:
    """Write a folder of a family with the processor of its release, a small tokenizer and no limit of context."""
    sys.path.insert(0, str(ROOT))
    from tests.hub.checkpoints import FAMILIES

    model, processor = FAMILIES[family]()
    RELEASED[family][1](processor.video_processor)
    model.config.get_text_config().max_position_embeddings = LARGEST_CONTEXT
    processor.tokenizer.model_max_length = LARGEST_CONTEXT
    model.config.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _one(folder: Path, film: Path, frames: int, native: int) -> None:
    torch.set_num_threads(1)
    chat = ChatModel.without_weights(resolve(str(folder)), LoadOptions())
    with open_source(film, threads=1) as media:
        size = (media.info.main_video.height, media.info.main_video.width)
    taken_memory(chat, film, 2, None)  # what is loaded or built once
    print(json.dumps(taken_memory(chat, film, frames, size if native else None)))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--frames", type=int, default=768)
    parser.add_argument("--heights", type=int, nargs="+", default=[1080, 2160])
    parser.add_argument("--native", type=int, default=41, help="frames that are also decoded at the film's size")
    parser.add_argument("--families", nargs="+", choices=RELEASED, default=list(RELEASED))
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        _one(Path(given.one[0]), Path(given.one[1]), int(given.one[2]), int(given.one[3]))
        return
    print("| model | film | frames | decoded at | frames, MiB | peak of decoding, MiB | for the model, MiB "
          "| peak with the processor, MiB |\n|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as home:
        folders = {family: released(family, Path(home, family)) for family in given.families}
        for height in given.heights:
            film = Path(home, f"{height}.mp4")
            make_film(film, given.frames, height)
            for family, folder in folders.items():
                for frames, native in ((given.frames, 0), *([(given.native, 1)] if given.native else [])):
                    row = json.loads(subprocess.run(
                        [sys.executable, __file__, "--one", folder, film, str(frames), str(native)], check=True,
                        stdout=subprocess.PIPE).stdout)
                    print(f"| {RELEASED[family][0]} | {height}p | {row['frames']} | {row['width']}x{row['height']} | "
                          f"{row['decoded'] / MIB:.0f} | {row['decoding'] / MIB:.0f} | {row['prepared'] / MIB:.0f} | "
                          f"{row['peak'] / MIB:.0f} |",
                          flush=True)


if __name__ == "__main__":
    main()
