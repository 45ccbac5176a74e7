"""Run the notebooks of this folder from their first cell to their last: `make notebooks`. Outputs are not kept."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

for path in sorted(Path(__file__).parent.glob("*.ipynb")):
    began = time.monotonic()
    NotebookClient(nbformat.read(path, as_version=4), timeout=900, kernel_name="python3").execute()
    sys.stdout.write(f"{path.name}: ran in {time.monotonic() - began:.0f} s\n")
