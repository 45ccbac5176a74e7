"""python tests/parity/make_c3d.py FOLDER_OF_c3d-pytorch: keep what the reference gives on fabricated weights.

Reference: https://github.com/DavideA/c3d-pytorch at 1111ccf (MIT), run with its last line's softmax taken off.
"""

from __future__ import annotations

import sys

import fabricate
import torch

sys.path.insert(0, sys.argv[1])
from C3D_model import C3D

network = C3D()
network.softmax = torch.nn.Identity()
shapes = fabricate.fill(network)
with torch.no_grad():
    logits = network(fabricate.clip(1, 3, 16, 112, 112))
fabricate.keep("c3d", reference="github.com/DavideA/c3d-pytorch at 1111ccf", shapes=shapes, outputs={"logits": logits})
