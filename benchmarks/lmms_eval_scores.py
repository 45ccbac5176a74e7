"""Scores of multiple-choice benchmarks beside those of lmms-eval, on the same fabricated items and replies.

    python benchmarks/lmms_eval_scores.py          # where lmms-eval is installed (pip install --no-deps lmms-eval ...)

Items are written in the published formats of Video-MME and MVBench and read by both; replies are of forms that models
write, half of them right. lmms-eval's own functions (`process_results`, `aggregate_results` of its tasks) score them.
`--whole` runs all of lmms-eval instead: its evaluator reads its own task of Video-MME, of which only the place of the
data differs, asks a model that gives these replies, and reports; `mmvideo eval` runs beside it over the same file with
the same replies, given by a local server. That takes its other requirements, too (datasets, evaluate, sacrebleu ...).
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from lmms_eval.tasks.mvbench import utils as mvbench
from lmms_eval.tasks.videomme import utils as videomme

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mmvideo.media import write_video
from mmvideo.registry import find
from tests.remote.faulty import Faulty, running

CLEAR = ("{0}", "{0}.", "({0})", "{0})", "{0}. {1}", "({0}) {1}", "The answer is {0}.", "Answer: {0}",
         "The correct answer is ({0}).", "Option {0}", "{0}\nBecause it can be seen.", "**{0}**")
"""Replies that name a letter and nothing else that could be one."""
UNCLEAR = ("", "I cannot tell.", "It is a matter of taste, a red one or a blue one.", "{0} or {2}", "Not {2}, so {0}",
           "Because it rolls.", "a thing that {1}")
WORDS = ("red", "blue", "run", "sit", "car", "dog", "hat", "sun")


def items(number: int, chance: random.Random) -> tuple[dict[str, Any], dict[str, Any], str, bool]:
    """Return an item of Video-MME, the same for MVBench, a reply, and whether the reply is clear."""
    options = [f"{word}{place}" for place, word in enumerate(chance.sample(WORDS, 4))]
    right, told = chance.randrange(4), chance.randrange(4)
    told = right if chance.random() < 0.4 else told
    clear = number % 4 != 3
    form = (CLEAR if clear else UNCLEAR)[chance.randrange(len(CLEAR if clear else UNCLEAR))]
    reply = form.format("ABCD"[told], options[told], "ABCD"[(told + 1) % 4])
    mme = {"question_id": f"{number:04}-1", "videoID": f"v{number}", "question": f"Question {number}?",
           "duration": ("short", "medium", "long")[number % 3], "domain": "Knowledge", "sub_category": "Law",
           "task_type": "Counting Problem", "answer": "ABCD"[right],
           "options": [f"{letter}. {text}" for letter, text in zip("ABCD", options, strict=True)]}
    mvb = {"video": f"{number}.mp4", "question": mme["question"], "candidates": options, "answer": options[right]}
    return mme, mvb, reply, clear


def whole_runs(made: list[Any]) -> None:
    """Let both programs run from file to score; print both scores."""
    from lmms_eval.api.model import lmms
    from lmms_eval.evaluator import simple_evaluate
    from lmms_eval.utils import load_yaml_config

    class Replaying(lmms):
        """A model that gives prepared replies, found by the question in its prompt."""

        def generate_until(self, requests: list[Any]) -> list[str]:
            return [replies[request.args[0].split("correct option.\n")[1].split("\n")[0]] for request in requests]

        def generate_until_multi_round(self, requests: list[Any]) -> list[str]:
            raise NotImplementedError

        def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
            raise NotImplementedError

    replies = {one[0]["question"]: one[2] for one in made}
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        (home / "videos").mkdir()
        (home / "test.jsonl").write_text("\n".join(json.dumps(one[0]) for one in made))
        write_video(home / "videos" / "v0.mp4", torch.zeros(4, 3, 32, 32, dtype=torch.uint8), fps=2)
        for one in made[1:]:
            (home / "videos" / f"{one[0]['videoID']}.mp4").hardlink_to(home / "videos" / "v0.mp4")
        task = load_yaml_config(str(Path(videomme.__file__).with_name("videomme.yaml")))
        task |= {"dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(home / "test.jsonl")}},
                 "doc_to_visual": lambda doc: [str(home / "videos" / f"{doc['videoID']}.mp4")]}
        found = simple_evaluate(Replaying(), tasks=[task], bootstrap_iters=0)
        theirs = {key: value for key, value in found["results"]["videomme"].items() if "score" in key}
        print(f"lmms-eval, {len(made)} items: {theirs}")

        def said(body: dict[str, Any]) -> str:
            words = str(body["messages"])
            return next(reply for question, reply in replies.items() if question in words)

        with running(Faulty(reply=said)) as address:
            subprocess.run([sys.executable, "-m", "mmvideo", "eval", "video-mme", "--data", str(home), "--model",
                            address, "--out", str(home / "run"), "--set", "encode_video.num_frames=1"], check=True)
        report = json.loads((home / "run" / "report.json").read_text())
        print(f"mmvideo eval, {len(made)} items: {100 * report['score']:.2f}, {report['unparsed']} unparsed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--whole", action="store_true", help="run both programs from file to score")
    given = parser.parse_args()
    chance = random.Random(0)
    made = [items(number, chance) for number in range(480)]
    if given.whole:
        whole_runs([one for one in made if one[3]])
        whole_runs(made)
        return
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "json").mkdir()
        (Path(home) / "test.jsonl").write_text("\n".join(json.dumps(one[0]) for one in made))
        (Path(home) / "json" / "action_order.json").write_text(json.dumps([one[1] for one in made]))
        read = {name: (find("benchmarks", name)(), Path(home)) for name in ("video-mme", "mvbench")}
        for name, (benchmark, folder) in read.items():
            ours, theirs = [], []
            for item, (mme, mvb, reply, _) in zip(benchmark.read(folder), made, strict=True):
                parsed = benchmark.parse(item, reply)
                ours.append(0.0 if parsed is None else benchmark.score(item, parsed))
                found = videomme.videomme_process_results(mme, [reply]) if name == "video-mme" else \
                    mvbench.mvbench_process_results(mvb, [reply])
                theirs.append(next(iter(found.values())))
            total = (videomme.videomme_aggregate_results if name == "video-mme" else mvbench.mvbench_aggregate_results)
            clear = [number for number, one in enumerate(made) if one[3]]
            same = sum(ours[n] == theirs[n]["score"] for n in clear)
            print(f"{name}: clear replies {same} of {len(clear)} alike, "
                  f"{100 * sum(ours[n] for n in clear) / len(clear):.2f} and {total([theirs[n] for n in clear]):.2f}; "
                  f"all {len(made)}: {100 * sum(ours) / len(ours):.2f} and {total(theirs):.2f}")
            apart = defaultdict(list)
            for (_, _, reply, _), mine, other in zip(made, ours, theirs, strict=True):
                if mine != other["score"]:
                    apart[other["score"]].append(reply)
            for score, replies in apart.items():
                print(f"  {score:g} by lmms-eval, not by mmvideo: {len(replies)}, as {sorted(set(replies))[:4]}")


if __name__ == "__main__":
    main()
