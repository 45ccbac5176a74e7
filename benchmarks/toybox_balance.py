"""Toybox questions: calibrate the balance of their answers, and report what a blind model can reach.

    python benchmarks/toybox_balance.py --calibrate --num 8000     # writes mmvideo/toybox/balance.json
    python benchmarks/toybox_balance.py --num 20000                # the table, by level and type
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

import mmvideo.toybox
from mmvideo.toybox import balance
from mmvideo.toybox import vocabulary as v


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calibrate", action="store_true")
    parser.add_argument("--num", type=int, default=20_000, help="scenes per level")
    parser.add_argument("--levels", nargs="+", default=list(v.LEVELS))
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.calibrate:
        path = Path(mmvideo.toybox.__file__).parent / "balance.json"
        table = json.loads(path.read_text())
        for level in args.levels:
            table[level] = balance.calibrate_balance(balance.scenes(level, "train", args.num))
        path.write_text(json.dumps(table, indent=1, sort_keys=True) + "\n")
        return
    for level in args.levels:
        print(f"{level:18s} {'asked':>7s} {'answers':>8s} {'by type':>8s} {'by text':>8s}")
        for s in balance.blind_scores(balance.scenes(level, "validation", args.num)):
            print(f"  {s.type:16s} {s.num:7d} {s.num_answers:8.1f} {s.by_type:8.3f} {s.by_text:8.3f}")


if __name__ == "__main__":
    main()
