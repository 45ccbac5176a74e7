"""How well objects are found and followed on real clips, and what it costs.

    python benchmarks/objects.py --shared ../shared [--only boxes|interactions|speed] [--fit area --size 320]

Boxes: average precision as COCO counts it on the boxes drawn by hand in tests/everyday/boxes.json, over the labels that
occur there and for people alone, and how reliable confidences are; labels of one or two boxes make the mean over labels
uncertain. Interactions: the clips of set 2 of UT-Interaction at 2 frames a second; two people meet in each and keep
their sides, so there should be two tracks that never change sides; passers-by add tracks. Speed: one thread.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from mmvideo.media import open_source, read_video, write_video
from mmvideo.objects.base import Detection
from mmvideo.objects.calibration import calibrated, fitted, reliability
from mmvideo.objects.follow import follow_many, prepared
from mmvideo.objects.measures import Truth, average_precision, right_at, without_ignored
from mmvideo.objects.nanodet_detector import FITS, NanoDetDetector
from mmvideo.objects.tracks import ObjectTrack
from mmvideo.pipeline import Pipeline
from mmvideo.sampling import at_fps

BOXES = Path(__file__).resolve().parents[1] / "tests" / "everyday" / "boxes.json"
LEAST = 0.1
"""Score of a detection whose confidence is compared with how often it is right."""
FOLDS = 5


def say(text: str) -> None:
    print(text, flush=True)


def checked_frames(shared: Path) -> list[tuple[str, Tensor, Truth, list[tuple[float, float, float, float]]]]:
    """Return file, frame uint8 (1, 3, H, W), boxes and ignored regions of every frame with boxes."""
    found = []
    for entry in json.loads(BOXES.read_text())["frames"]:
        with open_source(shared / entry["file"]) as source:
            frame = source.frames_at([entry["seconds"] + 2e-3]).frames
        truth = [(box["label"], tuple(box["box"])) for box in entry["boxes"]]
        found.append((entry["file"], frame, truth, [tuple(box) for box in entry["ignore"]]))
    return found


def boxes(shared: Path, fit: str, size: int) -> None:
    """Print average precision and calibration."""
    detector = NanoDetDetector(fit=fit, size=size, min_score=0.05)
    rows: list[tuple[Sequence[Detection], Truth]] = []
    scores, right, files = [], [], []
    spent = 0.0
    frames = checked_frames(shared)
    for file, frame, truth, ignored in frames:
        begin = time.process_time()
        objects = detector.detect_many([detector.prepared(frame)], rows=1)[0][0]
        spent += time.process_time() - begin
        kept = without_ignored(objects, truth, ignored)
        rows.append((kept, truth))
        some = sorted((one for one in kept if one.score >= LEAST), key=lambda one: -one.score)
        scores += [one.score for one in some]
        right += right_at(some, truth, 0.5)
        files += [file] * len(some)
    counts = Counter(label for _, truth in rows for label, _ in truth)
    found = average_precision(rows)
    say(f"{fit} {size}: {len(frames)} frames, {sum(counts.values())} boxes of {len(counts)} labels, "
        f"{1e3 * spent / len(frames):.0f} ms of CPU a frame")
    say(f"mean over labels: AP50 {np.mean([ap[0.5] for ap in found.values()]):.3f}, "
        f"AP {np.mean([list(ap.values()) for ap in found.values()]):.3f}")
    for label, count in counts.most_common():
        mean = np.mean(list(found[label].values()))
        say(f"  {label:14} {count:3} boxes  AP50 {found[label][0.5]:.3f}  AP {mean:.3f}")
    _calibration(np.array(scores), np.array(right), files)


def _calibration(scores: np.ndarray, right: np.ndarray, files: list[str]) -> None:
    """Print the line through the logits, and how reliable lines fitted on other files are."""
    names = sorted(set(files))
    np.random.default_rng(0).shuffle(names)
    fold = np.array([names.index(file) % FOLDS for file in files])
    held = np.zeros(len(scores))
    for k in range(FOLDS):
        line = fitted(scores[fold != k], right[fold != k])
        held[fold == k] = [calibrated(score, line) for score in scores[fold == k]]
    bins, error = reliability(held, right)
    sure = held >= 0.3
    say(f"calibration {fitted(scores, right)}; {len(scores)} detections of score {LEAST} or more, {FOLDS} folds by "
        f"file: ECE {error:.4f}; the {sure.sum()} of confidence .3 or more "
        f"{reliability(held[sure], right[sure])[1]:.3f}; raw scores {reliability(scores, right)[1]:.3f}")
    for confidence, share, count in bins:
        say(f"  confidence {confidence:.2f}: right {share:.2f} of {count}")
    for least in (0.3, 0.5, 0.7):
        say(f"  confidence {least} or more: precision {right[held >= least].mean():.2f}")


def sides_changed(tracks: Sequence[ObjectTrack]) -> int:
    """Count how often two tracks that are seen at the same times change sides."""
    count = 0
    for k, one in enumerate(tracks):
        for other in tracks[k + 1:]:
            both = sorted(set(one.seconds) & set(other.seconds))
            off = [sum(one.boxes[one.seconds.index(s)][::2]) - sum(other.boxes[other.seconds.index(s)][::2])
                   for s in both]
            count += sum(a * b < 0 for a, b in pairwise(off))
    return count


def interactions(shared: Path, fit: str, size: int, fps: float) -> None:
    """Print how many people are followed through the clips of two people."""
    detector = NanoDetDetector(fit=fit, size=size)
    home = shared / "data" / "interactions"
    with (home / "clips.tsv").open() as file:
        clips = [row["clip"] for row in csv.DictReader(file, delimiter="\t") if row["set"] == "set2"]
    people: Counter[int] = Counter()
    mains: Counter[int] = Counter()
    changed = []
    for clip in clips:
        with open_source(home / clip) as source:
            taken = at_fps(source, fps=fps)
        valid = taken.valid[0]
        look = prepared(taken.frames[0][valid], taken.pts_seconds[0][valid], detector)
        tracks = [one for one in follow_many([look], detector)[0] if one.label == "person"]
        main = [one for one in tracks if len(one.seconds) > len(look.seconds) / 2]
        people[len(tracks)] += 1
        mains[len(main)] += 1
        if swaps := sides_changed(main):
            changed.append((clip, swaps))
    say(f"interactions, {fps:g} frames a second: {len(clips)} clips of two people; person tracks a clip "
        f"{dict(sorted(people.items()))}; tracks over more than half of it {dict(sorted(mains.items()))}; changes of "
        f"side {sum(swaps for _, swaps in changed)} in {[clip for clip, _ in changed]}")


def speed(shared: Path) -> None:
    """Print milliseconds of one thread for a frame, and seconds for 10 s of 720p."""
    torch.set_num_threads(1)
    for fit, size in (("area", 320), ("area", 416), ("squash", 416)):
        detector = NanoDetDetector(fit=fit, size=size)
        frames = detector.prepared(torch.randint(0, 256, (8, 3, 720, 1280), dtype=torch.uint8))
        taken = []
        for _ in range(6):
            begin = time.process_time()
            detector.detect_many([frames])
            taken.append((time.process_time() - begin) / len(frames))
        say(f"{fit} {size}, {tuple(frames.shape[2:])}: {1e3 * min(taken):.1f} ms of CPU a frame, batches of 8")
    pipe = Pipeline("object-tracking", device="cpu")
    taken = []
    with TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        write_video(clip, read_video(shared / "media/faces/interview.mp4", end_seconds=10.0))
        for _ in range(2):
            begin, busy = time.perf_counter(), time.process_time()
            found = pipe(clip)
            taken.append((time.perf_counter() - begin, time.process_time() - busy))
    say(f"10 s of 720p at 2 frames a second: {min(taken)[0]:.2f} s, {min(busy for _, busy in taken):.2f} s of CPU; "
        f"{dict(found.timings.stages)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--only", choices=("boxes", "interactions", "speed"))
    parser.add_argument("--fit", choices=FITS, default="area")
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("--fps", type=float, default=2.0)
    options = parser.parse_args()
    if options.only in (None, "boxes"):
        boxes(options.shared, options.fit, options.size)
    if options.only in (None, "interactions"):
        interactions(options.shared, options.fit, options.size, options.fps)
    if options.only in (None, "speed"):
        speed(options.shared)


if __name__ == "__main__":
    main()
