"""Scores of multiple-choice benchmarks beside those of lmms-eval, on the same fabricated items and replies.

    python benchmarks/lmms_eval_scores.py          # where lmms-eval is installed (pip install --no-deps lmms-eval ...)

Items are written in the published formats of Video-MME and MVBench and read by both; replies are of forms that models
write, half of them right. lmms-eval's own functions (`process_results`, `aggregate_results` of its tasks) score them.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from lmms_eval.tasks.mvbench import utils as mvbench
from lmms_eval.tasks.videomme import utils as videomme

from mmvideo.registry import find

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


def main() -> None:
    chance = random.Random(0)
    made = [items(number, chance) for number in range(480)]
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
