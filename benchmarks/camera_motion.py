"""Camera motion on procedural and on real frames, beside a classical baseline and a model that sees one frame.

    python benchmarks/camera_motion.py --media ../shared/media [--single-frame runs/camera-single/model.safetensors]

Real frames: a window is moved over clips whose own camera stands still (`STILL_CLIPS`), along a path written here
independently of the training generator, and cut out of the full-size frames; half of the results pass through H.264.
No frame of the media folder is used in training. The baseline follows corners with pyramidal Lucas-Kanade, fits a
similarity by RANSAC, and compares the sums with thresholds that are searched on procedural training clips; it gets the
full-size cut, not 64x64.
"""

from __future__ import annotations

import argparse
import io
import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmvideo.camera_motion.encoder import LABELS, CameraMotion
from mmvideo.camera_motion.training.data import TEST_SEEDS, TRAIN_SEEDS, make_clips
from mmvideo.heads.linear import LinearHead

EMBEDDED = Path(__file__).resolve().parents[1] / "mmvideo" / "embedded" / "camera-motion"

STILL_CLIPS: dict[str, tuple[float, float, str]] = {
    # file: (from second, to second, why it is here); picked by looking at the frames, and by the flow of the walls
    **{f"actions/{name}.mkv": (0.0, 9.0, "a signing person before a wall, camera on a stand") for name in
       ("again", "bird", "book", "eat", "help", "milk", "no", "thanks", "walk", "yes")},
    "actions/carphone_pristine.mp4": (0.0, 9.0, "a talking man fills the picture, camera fixed in the car"),
    "actions/flipping_a_pancake.mkv": (0.0, 8.0, "a moving cook, soft and heavily compressed, camera on a stand"),
    "actions/test.avi": (0.0, 9.0, "a face very near, the hand before it, camera on a stand"),
    "edge/chaplin.mp4": (0.0, 9.0, "two men walk and gesture, black bars at the sides, film grain"),
    "edge/big_buck_bunny_432_433.webm": (0.0, 1.0, "an animated figure turns in a detailed wood"),
    "edge/nasa_13013.mp4": (0.0, 3.0, "nearly black picture with a small bright centre"),
    "edge/trunc_grid.mpg": (0.0, 1.5, "a talking head before a blank wall: little to match"),
    "edge/trunc_cv002.avi": (0.0, 2.4, "two speakers side by side, each before a still camera"),
    "faces/interview.mp4": (0.0, 9.0, "two men, one gesturing with both arms"),
    "faces/noisy_restaurant.mp4": (0.0, 9.0, "a talking man before a fine-textured wall"),
}

MOVING_CLIPS = ("actions/bikes.mp4", "actions/test.mp4", "actions/test_video_structuralize.mp4",
                "actions/v_GGSY1Qvo990.mp4")
"""Clips with a camera of their own; their answers are printed, not counted."""


@dataclass(frozen=True)
class RealClip:
    """A window moved over a real clip."""

    frames: Tensor
    """uint8 (1, 16, 3, H, W)."""
    label: int
    source: str
    amount: float
    """Size of the move: share of the window's side, log of the growth, or degrees."""


def read_frames(path: Path, start_seconds: float, end_seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """Decode a span; uint8 (T, H, W, 3) at most 720 pixels wide, and its seconds (T,)."""
    frames, seconds = [], []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        for frame in container.decode(stream):
            time = float(frame.time or 0.0)
            first = seconds[0] if seconds else None
            if first is not None and time - first > end_seconds - start_seconds:
                break
            if time >= start_seconds:
                picture = frame.to_ndarray(format="rgb24")
                shrink = min(1.0, 720 / picture.shape[1])
                if shrink < 1:
                    picture = cv2.resize(picture, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
                frames.append(picture)
                seconds.append(time)
    return np.stack(frames), np.array(seconds)


def _progress(rng: np.random.Generator, times: np.ndarray) -> np.ndarray:
    kind = rng.integers(3)
    start = rng.uniform(0, 0.3) if rng.random() < 0.25 else 0.0
    inner = np.clip((times - start) / (1 - start), 0, 1)
    return (inner, np.sin(inner * math.pi / 2), (1 - np.cos(inner * math.pi)) / 2)[kind]


def _shaky(rng: np.random.Generator, num: int) -> np.ndarray:
    """Smoothed random steps without drift, peak 1; (num,)."""
    noise = np.convolve(rng.standard_normal(num + 8), np.hanning(int(rng.integers(3, 7)) + 2), mode="same")[4:-4]
    line = np.polyval(np.polyfit(np.arange(num), noise, 1), np.arange(num))
    noise = noise - line
    return noise / np.abs(noise).max()


def move_window(frames: np.ndarray, label: int, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Cut a moving window out of 16 real frames.

    Args:
        frames: uint8 (16, H, W, 3).

    Returns:
        uint8 (16, h, w, 3) and the amount of the move.
    """
    num, height, width = frames.shape[:3]
    times = np.linspace(0, 1, num)
    done = _progress(rng, times)
    name = LABELS[label]
    share = rng.uniform(0.45, 0.65)
    w, h = share * width, share * height
    x, y, zoom, angle = np.zeros(num), np.zeros(num), np.ones(num), np.zeros(num)  # window centre relative to middle
    amount = 0.0
    if name.startswith(("pan", "tilt")):
        amount = float(np.exp(rng.uniform(math.log(0.03), math.log((1 - share) / share * 0.95))))
        sign = 1 if name in ("pan right", "tilt down") else -1
        travel = sign * amount * (done - 0.5)
        x, y = (travel * w, y) if name.startswith("pan") else (x, travel * h)
        x, y = x + rng.uniform(-1, 1) * _room(width, w, x), y + rng.uniform(-1, 1) * _room(height, h, y)
    elif name.startswith("zoom"):
        amount = float(np.exp(rng.uniform(math.log(0.05), math.log(0.9))))
        grow = done if name == "zoom in" else 1 - done
        w, h = (0.97 * v for v in (width, height)) if amount > 0.35 else (0.8 * width, 0.8 * height)
        zoom = np.exp(amount * grow)
    elif name.startswith("roll"):
        amount = float(np.exp(rng.uniform(math.log(3.0), math.log(70.0))))
        angle = amount * (1 if name == "roll left" else -1) * (done - 0.5)
        fit = 0.98 / _turned_extent(width, height, max(abs(angle)))
        w, h = fit * width, fit * height
    elif name == "shake":
        amount = float(np.exp(rng.uniform(math.log(0.02), math.log(0.12))))
        x, y = amount * w * _shaky(rng, num), amount * h * _shaky(rng, num)
        angle = amount * 20 * _shaky(rng, num) * (rng.random() < 0.5)
    if label not in (0, 9):  # held in the hand: a little unsteadiness on top
        unsteady = min(0.15 * (amount if amount < 3 else math.radians(amount) / 2), 0.02) * (rng.random() < 0.4)
        x, y = x + unsteady * w * _shaky(rng, num), y + unsteady * h * _shaky(rng, num)
    size = (int(rng.integers(160, 400)), int(rng.integers(120, 300)))
    cuts = [_cut(f, x[i], y[i], w / zoom[i], h / zoom[i], angle[i], size) for i, f in enumerate(frames)]
    return np.stack(cuts), amount


def _room(whole: float, window: float, shift: np.ndarray) -> float:
    return max(0.0, (whole - window) / 2 - float(np.abs(shift).max()))


def _turned_extent(width: float, height: float, degrees: float) -> float:
    a = math.radians(min(degrees, 90))
    return max(math.cos(a) + math.sin(a) * height / width, math.cos(a) + math.sin(a) * width / height)


def _cut(frame: np.ndarray, x: float, y: float, w: float, h: float, degrees: float,
         size: tuple[int, int]) -> np.ndarray:
    """Cut a window whose up axis is turned counter-clockwise by an angle."""
    a = math.radians(degrees)
    middle = np.array([frame.shape[1] / 2 + x, frame.shape[0] / 2 + y])
    right = np.array([math.cos(a), -math.sin(a)]) * w / 2
    down = np.array([math.sin(a), math.cos(a)]) * h / 2
    corners = np.float32([middle - right - down, middle + right - down, middle - right + down])
    target = np.float32([[0, 0], [size[0], 0], [0, size[1]]])
    return cv2.warpAffine(frame, cv2.getAffineTransform(corners, target), size, flags=cv2.INTER_AREA,
                          borderMode=cv2.BORDER_REFLECT)


def through_h264(frames: np.ndarray, crf: int) -> np.ndarray:
    """Encode and decode again."""
    height, width = (v // 2 * 2 for v in frames.shape[1:3])
    memory = io.BytesIO()
    with av.open(memory, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=12, options={"crf": str(crf), "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for picture in frames:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    memory.seek(0)
    with av.open(memory) as container:
        return np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])


def real_clips(media: Path, num_per_source: int, seed: int) -> list[RealClip]:
    """Cut moving windows out of every still clip, classes in turn."""
    rng, clips = np.random.default_rng(seed), []
    for source, (start, end, _) in STILL_CLIPS.items():
        frames, seconds = read_frames(media / source, start, end)
        for k in range(num_per_source):
            span = min(rng.uniform(1.0, 2.0), float(seconds[-1] - seconds[0]))
            begin = rng.uniform(seconds[0], seconds[-1] - span + 1e-6)
            at = np.abs(seconds[None] - np.linspace(begin, begin + span, 16)[:, None]).argmin(1)
            label = k % len(LABELS)
            moved, amount = move_window(frames[at], label, rng)
            if rng.random() < 0.5:
                moved = through_h264(moved, int(rng.integers(23, 36)))
            tensor = torch.from_numpy(moved.copy()).permute(0, 3, 1, 2)[None]
            clips.append(RealClip(tensor, label, source, amount))
    return clips


def similarities(frames: np.ndarray) -> np.ndarray:
    """Fit a similarity between neighbouring luma frames (T, H, W) by LK flow and RANSAC.

    Returns:
        float (T - 1, 4): camera shift in widths and heights, log growth, roll in radians; 0 where the fit failed.
    """
    height, width = frames.shape[1:]
    found = np.zeros((len(frames) - 1, 4))
    for i, (first, second) in enumerate(pairwise(frames)):
        corners = cv2.goodFeaturesToTrack(first, 200, 0.01, 5)
        if corners is None or len(corners) < 6:
            continue
        ends, status, _ = cv2.calcOpticalFlowPyrLK(first, second, corners, None, winSize=(21, 21), maxLevel=3)
        ok = status[:, 0] == 1
        if ok.sum() < 6:
            continue
        matrix, _ = cv2.estimateAffinePartial2D(corners[ok], ends[ok], ransacReprojThreshold=1.5)
        if matrix is None:
            continue
        middle = np.array([width / 2, height / 2])
        shift = matrix[:, :2] @ middle + matrix[:, 2] - middle
        found[i] = (-shift[0] / width, -shift[1] / height, math.log(max(np.hypot(matrix[0, 0], matrix[1, 0]), 1e-3)),
                    math.atan2(matrix[1, 0], matrix[0, 0]))
    return found


def classify_steps(steps: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Name the class from the steps (B, T - 1, 4): largest whole move over its threshold, else shake, else static."""
    whole = steps.sum(1) / thresholds[:4]
    travelled = np.abs(steps[..., :2]).sum((1, 2))
    axis = np.abs(whole).argmax(1)
    value = np.take_along_axis(whole, axis[:, None], 1)[:, 0]
    positive = np.array([2, 4, 5, 7])[axis]
    negative = np.array([1, 3, 6, 8])[axis]
    moved = np.where(value > 0, positive, negative)
    straight = np.abs(whole).max(1) > 1
    net = np.abs(steps[..., :2].sum(1)).max(1)
    shaking = (travelled > thresholds[4]) & (net < thresholds[5] * travelled)
    return np.where(shaking & ~(straight & (axis > 1)), 9, np.where(straight, moved, 0))


def tune_thresholds(steps: np.ndarray, labels: np.ndarray, *, tries: int = 6000) -> np.ndarray:
    """Search thresholds that name most training clips rightly."""
    rng = np.random.default_rng(0)
    low = np.log([0.004, 0.004, 0.006, 0.008, 0.02, 0.03])
    high = np.log([0.06, 0.06, 0.08, 0.12, 0.4, 0.8])
    best, best_score = np.exp((low + high) / 2), 0.0
    for k in range(tries):
        everywhere = k < tries // 2
        guess = np.exp(rng.uniform(low, high)) if everywhere else best * np.exp(rng.normal(0, 0.15, 6))
        score = float((classify_steps(steps, guess) == labels).mean())
        if score > best_score:
            best, best_score = guess, score
    return best


def _luma(frames: Tensor) -> np.ndarray:
    """Luma (T, H, W) of one clip; small frames are enlarged for the corner tracker."""
    clip = frames.permute(0, 2, 3, 1).numpy()
    grey = [f[..., 0] if f.shape[-1] == 1 else cv2.cvtColor(f, cv2.COLOR_RGB2GRAY) for f in clip]
    if grey[0].shape[0] < 128:
        grey = [cv2.resize(g, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC) for g in grey]
    return np.stack(grey)


def predict(encoder: CameraMotion, head: LinearHead, clips: list[Tensor], *, single: bool = False) -> np.ndarray:
    """Probabilities (B, 10) of clips (1, 16, C, H, W) of any size, shrunk as the encoder would and run in batches."""
    small = []
    for clip in clips:
        flat = clip[0].float().div(255)
        if tuple(flat.shape[-2:]) != encoder.input_size:
            flat = F.interpolate(flat, size=encoder.input_size, mode="bilinear", antialias=True)
        if flat.shape[1] == 1:
            flat = flat.expand(-1, 3, -1, -1)
        small.append(flat[8:9].expand(16, -1, -1, -1) if single else flat)
    with torch.inference_mode():
        parts = [head(encoder(torch.stack(small[i:i + 25]))).softmax(1) for i in range(0, len(small), 25)]
    return torch.cat(parts).numpy()


def confusion(truth: np.ndarray, answer: np.ndarray) -> str:
    """Draw the confusion matrix: rows truth, columns answer."""
    short = ["static", "pan<", "pan>", "tilt^", "tiltv", "zoom+", "zoom-", "roll<", "roll>", "shake"]
    lines = ["        " + "".join(f"{s:>7}" for s in short)]
    for row in range(10):
        counts = [int(((truth == row) & (answer == c)).sum()) for c in range(10)]
        lines.append(f"{short[row]:>8}" + "".join(f"{c:>7}" for c in counts))
    return "\n".join(lines)


def _report_sources(clips: list[RealClip], right: np.ndarray, baseline: np.ndarray) -> None:
    print("\n| real source | clips | ours | baseline | why |\n|---|---|---|---|---|")
    for source, (_, _, why) in STILL_CLIPS.items():
        mask = np.array([c.source == source for c in clips])
        print(f"| {source} | {mask.sum()} | {right[mask].mean():.3f} | {baseline[mask].mean():.3f} | {why} |")


def _report_moving(encoder: CameraMotion, head: LinearHead, media: Path) -> None:
    print("\nClips with a camera of their own (not counted), a window of 1.5 s each 1.5 s:")
    for source in MOVING_CLIPS:
        frames, seconds = read_frames(media / source, 0.0, 9.0)
        words = []
        for begin in np.arange(seconds[0], seconds[-1] - 1.5, 1.5):
            at = np.abs(seconds[None] - np.linspace(begin, begin + 1.5, 16)[:, None]).argmin(1)
            p = predict(encoder, head, [torch.from_numpy(frames[at]).permute(0, 3, 1, 2)[None]])[0]
            words.append(f"{begin - seconds[0]:.1f}s {LABELS[p.argmax()]} {p.max():.2f}")
        print(f"  {source}: " + "; ".join(words))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=EMBEDDED)
    parser.add_argument("--media", type=Path, default=Path("../shared/media"))
    parser.add_argument("--single-frame", type=Path, help="folder of the model trained with --single-frame")
    parser.add_argument("--num-procedural", type=int, default=1000)
    parser.add_argument("--num-per-source", type=int, default=50)
    parser.add_argument("--num-tuning", type=int, default=1000)
    arguments = parser.parse_args()
    encoder = CameraMotion.from_pretrained(arguments.weights)
    head = LinearHead.from_pretrained(arguments.weights)
    tuning = make_clips(TRAIN_SEEDS[-1], arguments.num_tuning)
    steps = np.stack([similarities(_luma(f)) for f in tuning.frames])
    thresholds = tune_thresholds(steps, tuning.labels.numpy())
    print("baseline thresholds (shift x, shift y, growth, roll, travelled, net/travelled):", thresholds.round(4))
    test = make_clips(TEST_SEEDS[0], arguments.num_procedural)
    sets = {"procedural test": (list(test.frames[:, None]), test.labels.numpy())}
    reals: list[RealClip] = []
    if arguments.media.is_dir():
        reals = real_clips(arguments.media, arguments.num_per_source, seed=7)
        sets["real frames"] = ([c.frames for c in reals], np.array([c.label for c in reals]))
    print("\n| clips | number | ours | LK + RANSAC | one frame of ours | trained on one frame |")
    print("|---|---|---|---|---|---|")
    matrices = []
    for name, (clips, truth) in sets.items():
        answer = predict(encoder, head, clips).argmax(1)
        base = classify_steps(np.stack([similarities(_luma(c[0])) for c in clips]), thresholds)
        frozen = predict(encoder, head, clips, single=True).argmax(1)
        trained = "-"
        if arguments.single_frame:
            one = (CameraMotion.from_pretrained(arguments.single_frame),
                   LinearHead.from_pretrained(arguments.single_frame))
            trained = f"{(predict(*one, clips, single=True).argmax(1) == truth).mean():.3f}"
        print(f"| {name} | {len(clips)} | {(answer == truth).mean():.3f} | {(base == truth).mean():.3f} | "
              f"{(frozen == truth).mean():.3f} | {trained} |")
        matrices += [f"\n{name}, {who}:\n{confusion(truth, said)}" for who, said in
                     (("ours", answer), ("LK + RANSAC", base))]
        if name == "real frames":
            right, base_right = answer == truth, base == truth
    print("\n".join(matrices))
    if reals:
        _report_sources(reals, right, base_right)
        _report_moving(encoder, head, arguments.media)


if __name__ == "__main__":
    main()
