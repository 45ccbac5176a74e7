"""Ask the everyday model what people asked of real clips, and compare with the answers that they wrote.

    python benchmarks/everyday_questions.py --shared ../shared [--model everyday] [--out out.json] [--wrong]

The questions (tests/everyday/questions.json) were written by eye before any model saw the clips; none of the clips
trained anything. `--wrong` prints wrong answers of the clips that are for development alone (every sixth), so that the
others stay unseen.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path

from mmvideo import Pipeline
from mmvideo.evaluation.intervals import wilson
from mmvideo.everyday.evaluation.matching import matches

CHECKOUT = Path(__file__).resolve().parents[1]
EVERY = 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shared", type=Path, default=CHECKOUT.parent / "shared")
    parser.add_argument("--model", default="everyday")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--wrong", action="store_true")
    given = parser.parse_args()
    entries = json.loads((CHECKOUT / "tests/everyday/questions.json").read_text(encoding="utf-8"))["questions"]
    by_clip: dict[str, list[dict]] = defaultdict(list)
    for entry in entries:
        by_clip[entry["file"]].append(entry)
    development = set(sorted(by_clip)[::EVERY])
    pipeline, rows = Pipeline("video-qa", model=given.model), []
    began = time.monotonic()
    for clip, asked in by_clip.items():
        answers = pipeline(given.shared / clip, [entry["question"] for entry in asked])
        for entry, answer in zip(asked, answers, strict=True):
            rows.append({"file": clip, "kind": entry["kind"], "question": entry["question"],
                         "wanted": entry["answers"], "said": answer.text, "right": matches(answer.text, entry),
                         "confidence": answer.confidence, "inside": answer.in_domain.inside,
                         "rule": answer.rule.rpartition("; ")[2], "development": clip in development})
            if given.wrong and clip in development and not rows[-1]["right"]:
                print(f"{clip}: {entry['question']}  wanted {entry['answers'][:3]}  said {answer.text!r}  "
                      f"{answer.confidence:.2f} ({rows[-1]['rule'][:40]})")
    for name, some in (("all", rows), ("development", [r for r in rows if r["development"]]),
                       ("unseen", [r for r in rows if not r["development"]])):
        told(name, some)
    for kind in sorted({r["kind"] for r in rows}):
        told(f"  {kind}", [r for r in rows if r["kind"] == kind and not r["development"]])
    wrong = [r for r in rows if not r["right"] and not r["development"]]
    marked = sum(r["inside"] is False or r["confidence"] < 0.5 for r in wrong)
    print(f"wrong ones that say so (outside, or confidence below .5): {marked} of {len(wrong)}")
    print(f"{len(by_clip)} clips, {len(rows)} questions in {time.monotonic() - began:.0f} s")
    if given.out:
        given.out.write_text(json.dumps(rows, indent=1), encoding="utf-8")


def told(name: str, rows: list[dict]) -> None:
    """Print a share with its interval."""
    right = sum(r["right"] for r in rows)
    low, high = wilson((right, len(rows)))
    print(f"{name:14} {right:4} of {len(rows):4}  {right / max(1, len(rows)):.3f}  ({low:.3f} to {high:.3f})")


if __name__ == "__main__":
    main()
