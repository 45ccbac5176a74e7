"""What single features cost: CPU seconds of one thread for 10 s of 720p with sound, loaded, and of searching an index.

    python benchmarks/feature_costs.py [--speech FOLDER_OF_A_SPEECH_MODEL] [--clip CLIP]

Everything is done once to load, then `--runs` times; the least of these counts. The clip is made from the bundled one.
`--commands` costs commands instead, as they are typed, with their start: a dry run, an estimate, a job of `--clips`
tiny clips and a benchmark of as many items (both answered by a local server, whose work is not counted), and exports.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import torch
from everyday_speed import clip_720p

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mmvideo import Pipeline
from mmvideo.jobs.export import FORMATS
from mmvideo.media import open_source, write_video
from mmvideo.retrieval.index import ABOUT, ClipIndex
from mmvideo.stages.measured import KINDS, Measurer
from tests.remote.faulty import Faulty, running


def told(what: str, call: Callable[[], Any], runs: int) -> None:
    """Print the CPU seconds of a call, or why there are none."""
    call()
    found = []
    for _ in range(runs):
        began = time.process_time()
        call()
        found.append(time.process_time() - began)
    print(f"| {what} | {min(found):.3f} |", flush=True)


def measured(kinds: list[str], clip: Path, **more: Any) -> Callable[[], Any]:
    """Return what measures hints in a clip."""
    measurer = Measurer(kinds, more.get("speech"), more.get("speech_model"))

    def call() -> str:
        with open_source(clip) as media:
            return measurer.words(media)

    return call


def index_of(count: int, folder: Path) -> ClipIndex:
    """Return an index of so many clips with vectors and words that mean nothing."""
    rng = np.random.default_rng(0)
    words = np.array(["dog", "person", "car", "beach", "kicks", "ball", "red", "street", "tree", "boat", "rain", "sky"])
    vectors = rng.standard_normal((count, 1280)).astype(np.float32)
    table = pyarrow.table({"source": [f"{n}.mp4" for n in range(count)],
                           "text": [" ".join(rng.choice(words, 12)) for _ in range(count)],
                           "embedding": pyarrow.array(list(vectors), pyarrow.list_(pyarrow.float32()))})
    folder.mkdir()
    (folder / ABOUT).write_text(json.dumps({"model": "everyday", "embed": {}}))
    pyarrow.parquet.write_table(table, folder / "results.parquet")
    return ClipIndex(folder)


def spent(arguments: list[str]) -> float:
    """Return the CPU seconds of a command of mmvideo and of its workers."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "mmvideo", *arguments], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def commands(home: Path, count: int) -> None:
    """Print what commands about a job and a benchmark cost."""
    clips = home / "data" / "videos"
    clips.mkdir(parents=True)
    for number in range(count):
        write_video(clips / f"v{number}.mp4", torch.full((8, 3, 64, 64), number % 256, dtype=torch.uint8), fps=4)
    letters = [f"{letter}. {word}" for letter, word in zip("ABCD", ("red", "blue", "green", "grey"), strict=True)]
    (clips.parent / "test.jsonl").write_text("\n".join(json.dumps(
        {"question_id": str(n), "videoID": f"v{n}", "question": "Which colour?", "options": letters, "answer": "A"})
        for n in range(count)))
    print(f"| command, {count} clips of 2 s and 64x64 | CPU seconds, start included |\n|---|---|")
    with running(Faulty(reply=lambda _: "A")) as address:
        job = ["caption", str(clips), "--out", str(home / "job"), "--model", address]
        lines = {"a command that does next to nothing (`mmvideo list pipelines`)": ["list", "pipelines"],
                 "`caption CLIPS --out JOB --dry-run`": [*job, "--dry-run"],
                 "`caption CLIPS --out JOB --estimate`, ten clips": [*job, "--estimate"],
                 "`caption CLIPS --out JOB`": job,
                 "the same again, `--dry-run`": [*job, "--dry-run"],
                 "`eval video-mme --data DATA --out RUN`": ["eval", "video-mme", "--data", str(clips.parent), "--model",
                                                            address, "--out", str(home / "run")],
                 **{f"`jobs export JOB --to {to}`": ["jobs", "export", str(home / "job"), "--to", to, "--out",
                                                     str(home / f"export-{to}")] for to in FORMATS}}
        for what, arguments in lines.items():
            try:
                print(f"| {what} | {spent(arguments):.2f} |", flush=True)
            except subprocess.CalledProcessError:
                print(f"| {what} | refused, `mmvideo {' '.join(arguments)}` says why |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", help="folder or name of a speech model of transformers")
    parser.add_argument("--clip", type=Path)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--commands", action="store_true", help="cost commands instead")
    parser.add_argument("--clips", type=int, default=200, help="of the job and the benchmark")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as home:
        if given.commands:
            commands(Path(home), given.clips)
            return
        clip = given.clip or clip_720p(Path(home))
        print("| feature | CPU seconds |\n|---|---|")
        for kind in KINDS:
            told(f"hint `{kind}`" + (", when somebody speaks" if kind == "speech" else ""),
                 measured([kind], clip), given.runs)
        if given.speech:
            told(f"transcription, {Path(given.speech).name}, one beam",
                 partial(Pipeline("transcription", given.speech, num_beams=1), clip), given.runs)
        for recipe in ("video-captioning", "video-embedding", "temporal-localization", "action-detection"):
            told(f"`{recipe}`", partial(Pipeline(recipe), clip), given.runs)
        told("sampler `salient`, 4 of 5 windows: clips for a classifier",
             lambda: _sampled(clip, "salient"), given.runs)
        with running(Faulty()) as address:
            told("a question to a server, 16 frames of at most 768 pixels, without the server's work",
                 partial(Pipeline("video-qa", address, num_frames=16), clip, "what happens?"), given.runs)
        index = index_of(20_000, Path(home) / "index")
        told("search by words in 20,000 clips", lambda: index.by_text("a person kicks a ball"), given.runs)
        told("near-duplicates of 20,000 clips", lambda: index.duplicates(0.98), 1)


def _sampled(clip: Path, sampler: str) -> Any:
    from mmvideo.registry import find

    take: Any = find("samplers", sampler)
    with open_source(clip) as media:
        return take(media, num_clips=4, num_frames=8, clip_seconds=2.0, size=(224, 224))


if __name__ == "__main__":
    main()
