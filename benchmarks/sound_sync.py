"""Is sound that is 400 ms early or late found? Stretches of a clip, whose sound is shifted against its mouths.

    python benchmarks/sound_sync.py CLIP [CLIP ...] [--seconds 10 5 3]

Found: the offset is right to 80 ms. Corrected: found, and the pipeline would be sure enough to shift the mouths.
Wrongly: it would shift them by something else. Stretches begin every second, so they overlap.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

from mmvideo.faces import FaceFinder
from mmvideo.media import open_source
from mmvideo.separation.sync import MAX_ROWS, SyncCurve
from mmvideo.stages.separate_sync import SURE, clip_samples, load_sync

OFFSETS = (-10, 0, 10)


def main() -> None:
    """Print a line a clip and length."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", metavar="CLIP")
    parser.add_argument("--seconds", type=float, nargs="+", default=[10, 5, 3])
    options = parser.parse_args()
    net, edge = load_sync("off"), MAX_ROWS + max(OFFSETS)
    for clip in options.clips:
        with open_source(clip) as source:
            faces = FaceFinder()(source)
            sound = torch.cat(list(clip_samples(source, source.start_seconds))).numpy()
        total = min(faces.num_rows, len(sound) // 640)
        for rows in (round(seconds * 25) for seconds in options.seconds):
            found = []
            for first in range(edge, total - edge - rows + 1, 25):
                mouths = [faces.cues(first, first + rows, [track]) for track in faces.tracks]
                for offset in OFFSETS:
                    curve, low = SyncCurve(), first - offset - MAX_ROWS
                    heard = sound[low * 640:(low + rows + 2 * MAX_ROWS) * 640]
                    for cues in mouths:
                        curve.add(net.curve(cues.mouths[0, 0].numpy(), cues.valid[0, 0].numpy(), heard),
                                  int(cues.valid.sum()))
                    made = curve.estimate()
                    found.append((abs(made.offset_ms / 40 - offset) <= 2, made.confidence >= SURE))
            right, sure = np.array(found, bool).reshape(-1, 2).T
            if len(right):
                print(f"{clip}: {rows / 25:g} s, {len(right)} trials: found {right.mean():.2f}, corrected "
                      f"{(right & sure).mean():.2f}, wrongly {(~right & sure).mean():.2f}", flush=True)


main()
