"""Train one VideoMAE on the same clips by `mmvideo train` and by transformers' Trainer; clips per CPU second of each.

    python benchmarks/train_beside_transformers.py TABLE [--epochs 4] [--decoded] [options of the table]

Both begin with random weights of one network (192 wide, 5 layers, 16 frames of 64x64), batches of 8, AdamW at 5e-4,
random crops and flips. The peer is set up as transformers' guide to video classification does: a data set that decodes
each clip with PyAV when it is asked for, and `VideoMAEImageProcessor`. With `--decoded` it keeps decoded frames in
memory instead.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path

import av
import numpy as np
import torch

from mmvideo.labelled.read import fingerprinted, read_labelled
from mmvideo.labelled.rows import DataOptions
from mmvideo.labelled.splits import split
from mmvideo.training import recipes
from mmvideo.training.finetune.options import FinetuneOptions

FRAMES, SIDE, BATCH, RATE = 16, 64, 8, 5e-4


def decode(path: Path) -> np.ndarray:
    """Return 16 frames spread over a clip, uint8 (T, H, W, 3)."""
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    places = ((np.arange(FRAMES) + 0.5) * len(frames) / FRAMES).astype(int)
    return np.stack([frames[i] for i in places])


class Clips(torch.utils.data.Dataset):
    """The peer's data set."""

    def __init__(self, rows, names, *, learn: bool, decoded: bool):
        from transformers import VideoMAEImageProcessor

        self.rows, self.names, self.learn = rows, names, learn
        self.processor = VideoMAEImageProcessor(size={"shortest_edge": 73}, do_center_crop=False)
        self.kept = {row.path: self._shrunk(decode(row.path)) for row in rows} if decoded else {}

    def _shrunk(self, frames: np.ndarray) -> np.ndarray:
        return self.processor(list(frames), do_rescale=False, do_normalize=False,
                              return_tensors="np")["pixel_values"][0].astype(np.uint8)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> dict[str, torch.Tensor | int]:
        row = self.rows[place]
        if self.kept:
            x = torch.from_numpy(self.kept[row.path]).float() / 255
            x = (x - 0.45) / 0.225
        else:
            x = self.processor(list(decode(row.path)), return_tensors="pt")["pixel_values"][0]
        height, width = x.shape[-2:]
        top, left = ((random.randint(0, height - SIDE), random.randint(0, width - SIDE)) if self.learn
                     else ((height - SIDE) // 2, (width - SIDE) // 2))
        x = x[..., top:top + SIDE, left:left + SIDE]
        if self.learn and random.random() < 0.5:
            x = x.flip(-1)
        return {"pixel_values": x.contiguous(), "labels": self.names.index(row.labels[0])}


def peer(train, test, names, epochs: int, folder: Path, *, decoded: bool) -> tuple[float, float]:
    """Return clips per CPU second, and the accuracy."""
    from transformers import Trainer, TrainingArguments, VideoMAEConfig, VideoMAEForVideoClassification

    began = time.process_time()
    torch.manual_seed(0)
    network = VideoMAEForVideoClassification(VideoMAEConfig(
        image_size=SIDE, num_frames=FRAMES, hidden_size=192, num_hidden_layers=5, num_attention_heads=4,
        intermediate_size=768, num_labels=len(names), attn_implementation="eager"))
    arguments = TrainingArguments(str(folder), num_train_epochs=epochs, per_device_train_batch_size=BATCH,
                                  learning_rate=RATE, report_to=[], save_strategy="no", logging_strategy="no",
                                  use_cpu=True, disable_tqdm=True, lr_scheduler_type="linear", warmup_steps=2)
    trainer = Trainer(network, arguments, train_dataset=Clips(train, names, learn=True, decoded=decoded),
                      eval_dataset=Clips(test, names, learn=False, decoded=decoded))
    trainer.train()
    rate = epochs * len(train) / (time.process_time() - began)
    logits = trainer.predict(trainer.eval_dataset).predictions
    truth = np.array([names.index(row.labels[0]) for row in test])
    return rate, float((logits.argmax(1) == truth).mean())


def ours(data: str, options: dict, num: int, epochs: int, folder: Path) -> tuple[float, float]:
    """Return clips per CPU second, decoding for the first time included, and the accuracy."""
    import json

    began = time.process_time()
    made = FinetuneOptions(data=data, encoder="videomae-tiny", epochs=epochs, batch_size=BATCH, learning_rate=RATE,
                           augment="light", label_smoothing=0.0, workers=1, precision="no",
                           cache=str(folder / "cache"), **options)
    recipes.run_plan(recipes.plan_of("finetune", made, folder / "run", data))
    rate = epochs * num / (time.process_time() - began)
    return rate, json.loads((folder / "run" / "figures.json").read_text())["top1"]


def main() -> None:
    """Print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--decoded", action="store_true")
    for name in ("split-column", "train-split", "test-split", "group-column", "exclude"):
        parser.add_argument(f"--{name}", default="")
    given = parser.parse_args()
    torch.set_num_threads(1)
    options = {name: getattr(given, name) for name in ("split_column", "train_split", "test_split", "group_column")}
    options |= {"validation_share": 0.0, "exclude": tuple(filter(None, given.exclude.split(",")))}
    table = split(fingerprinted(read_labelled(given.data, DataOptions(**options))), DataOptions(**options))
    train, test, names = table.of("train"), table.of("test"), list(table.names)
    with tempfile.TemporaryDirectory() as folder:
        mine = ours(given.data, options, len(train), given.epochs, Path(folder))
        theirs = peer(train, test, names, given.epochs, Path(folder) / "peer", decoded=given.decoded)
    print(f"mmvideo       {mine[0]:.2f} clips per CPU second, accuracy {mine[1]:.3f}")
    print(f"transformers  {theirs[0]:.2f} clips per CPU second, accuracy {theirs[1]:.3f}")
    print(f"ratio         {mine[0] / theirs[0]:.2f} ({len(train)} clips, {given.epochs} epochs, {len(test)} to test)")


if __name__ == "__main__":
    main()
