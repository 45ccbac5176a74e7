"""Features of frozen encoders: kept by content and configuration, computed once, and probed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from mmvideo.cli import main
from mmvideo.encoders import zoo
from mmvideo.errors import InvalidInput, OutputError, UnknownName
from mmvideo.features import extract as extracting
from mmvideo.features import frozen
from mmvideo.features.compare import ProbeOptions, compare_frozen
from mmvideo.features.frozen import CONCATENATED, frozen_encoder
from mmvideo.features.probes import Probing, knn_probe, linear_probe, prototype_probe, run_probes, svm_probe
from mmvideo.features.store import FeatureStore, key_of
from mmvideo.features.views import EVERYTHING, View
from mmvideo.labelled.rows import DataOptions
from mmvideo.media import write_video
from mmvideo.sampling.moving import cut_square
from mmvideo.types import Size

READING = DataOptions(test_share=0.4, validation_share=0.0)
QUICK = ProbeOptions(probes=("knn",), shots=())


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of three classes that differ in colour."""
    folder = tmp_path_factory.mktemp("clips")
    random = np.random.default_rng(0)
    for label, colour in (("red", 0), ("green", 1), ("blue", 2)):
        (folder / label).mkdir()
        for number in range(5):
            frames = torch.from_numpy(random.integers(0, 60, (6, 3, 64, 64), dtype=np.uint8))
            frames[:, colour, 8:40, 8 + number:40] = 220
            write_video(folder / label / f"{number}.mp4", frames, fps=6)
    return folder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a random encoder that is cheap."""
    folder = tmp_path_factory.mktemp("encoder") / "mine"
    torch.manual_seed(0)
    zoo.create("lite0-tiny", num_classes=0).save_pretrained(folder)
    return str(folder)


def _blobs(seed: int, each: int, width: int, spread: float) -> tuple[torch.Tensor, torch.Tensor]:
    means = torch.randn(3, width, generator=torch.Generator().manual_seed(7))
    noise = torch.randn(3 * each, width, generator=torch.Generator().manual_seed(seed))
    labels = torch.arange(3).repeat_interleave(each)
    return means[labels] + spread * noise, labels


@pytest.mark.parametrize("width", [4, 300])
def test_probes_find_what_is_there_and_nothing_where_nothing_is(width: int) -> None:
    data = Probing(*_blobs(1, 12, width, 0.3), *_blobs(2, 20, width, 0.3))
    for score in (linear_probe(data), svm_probe(data), knn_probe(data), prototype_probe(data, 4)):
        assert score.accuracy > 0.9, score
        assert score.low < score.accuracy <= score.high + 1e-9
    noise = torch.randn(36, width, generator=torch.Generator().manual_seed(3))
    blind = Probing(noise, data.train_labels, torch.randn(60, width, generator=torch.Generator().manual_seed(4)),
                    data.test_labels)
    for score in (linear_probe(blind), svm_probe(blind), knn_probe(blind), prototype_probe(blind, 1)):
        assert score.low < 1 / 3 < score.high + 0.1, score


def test_more_shots_help_and_a_linear_probe_does_not_see_the_scale() -> None:
    data = Probing(*_blobs(1, 16, 8, 1.2), *_blobs(2, 40, 8, 1.2))
    assert prototype_probe(data, 16).accuracy > prototype_probe(data, 1).accuracy
    scaled = Probing(data.train * 1000 + 5, data.train_labels, data.test * 1000 + 5, data.test_labels)
    assert linear_probe(scaled).accuracy == pytest.approx(linear_probe(data).accuracy, abs=0.03)
    with pytest.raises(UnknownName, match="Known: knn, linear, svm"):
        run_probes(data, ("liner",), ())
    with pytest.raises(InvalidInput, match="two or more classes"):
        Probing(data.train, data.train_labels * 0, data.test, data.test_labels)


def test_the_store_keeps_by_configuration_and_survives_being_closed(tmp_path: Path) -> None:
    with FeatureStore(tmp_path) as store:
        one, other = store.configure({"a": 1}), store.configure({"a": 2})
        store.add(one, {"clip": np.array([1.5, 2.0], np.float32)})
        assert one == key_of({"a": 1}) != other
    with FeatureStore(tmp_path) as again:
        assert again.get(one, ["clip", "absent"])["clip"].tolist() == [1.5, 2.0]
        assert again.known(other) == set()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "features.sqlite").write_bytes(b"this is no data base" * 100)
    with pytest.raises(OutputError, match="give another folder"):
        FeatureStore(tmp_path / "damaged")


def test_nothing_is_computed_twice_and_a_stopped_run_goes_on(clips: Path, encoder: str, tmp_path: Path,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Path] = []
    take = View.take

    def counted(self: View, path: Path, *rest: Any) -> torch.Tensor:
        calls.append(path)
        if len(calls) == 10:
            raise KeyboardInterrupt
        return take(self, path, *rest)

    monkeypatch.setattr(View, "take", counted)
    with pytest.raises(KeyboardInterrupt):
        compare_frozen(clips, [encoder], tmp_path, reading=READING, options=QUICK)
    monkeypatch.setattr(View, "take", lambda self, path, *rest: calls.append(path) or take(self, path, *rest))
    first = compare_frozen(clips, [encoder], tmp_path, reading=READING, options=QUICK).lines[0]
    assert 0 < first.computed < 15  # what was written before the interruption stands
    before = len(calls)
    moved = tmp_path / "moved"
    clips.rename(moved)
    try:
        second = compare_frozen(moved, [encoder], tmp_path, reading=READING, options=QUICK)
    finally:
        moved.rename(clips)
    assert len(calls) == before  # known by content, wherever they lie
    assert second.lines[0].computed == 0
    assert second.lines[0].scores == first.scores
    assert json.loads((tmp_path / "report.json").read_text())["encoders"][0]["clips"] == 15


def test_a_comparison_is_a_table_best_first(clips: Path, encoder: str, tmp_path: Path) -> None:
    found = compare_frozen(clips, [encoder, "no-such-net"], tmp_path, reading=READING,
                             options=ProbeOptions(shots=(1, 2)))
    assert [line.encoder for line in found.lines] == ["mine", "no-such-net"]
    assert found.lines[1].error.startswith("UnknownName")
    assert found.probes == ["linear", "svm", "knn", "1-shot", "2-shot"]
    assert found.chance == pytest.approx(1 / 3)
    assert found.train + found.test == 15
    frame = found.to_pandas()
    assert frame["encoder"].tolist() == ["mine", "no-such-net"]
    assert "mine" in found._repr_html_()
    few = compare_frozen(clips, [encoder], tmp_path, reading=READING, options=ProbeOptions(per_class=1, shots=()))
    assert (few.train, few.test) == (3, 3)
    with pytest.raises(UnknownName):
        compare_frozen(clips, ["no-such-net"], tmp_path, reading=READING)


def test_unreadable_clips_are_listed_and_the_rest_is_probed(encoder: str, clips: Path, tmp_path: Path) -> None:
    table = tmp_path / "clips.tsv"
    rows = [(path, path.parent.name) for path in sorted(clips.rglob("*.mp4"))]
    (tmp_path / "broken.mp4").write_bytes(b"no video" * 99)
    rows += [(tmp_path / "broken.mp4", "red"), (tmp_path / "gone.mp4", "red")]
    split = ["test" if number % 2 else "train" for number in range(len(rows))]
    table.write_text("clip\tlabel\tsplit\n" + "".join(f"{p}\t{label}\t{s}\n" for (p, label), s in zip(rows, split,
                                                                                                  strict=True)))
    line = compare_frozen(table, [encoder], tmp_path / "out", options=QUICK).lines[0]
    assert line.clips == 15
    assert {Path(name).name for name in line.failed} == {"broken.mp4", "gone.mp4"}


def test_people_are_cut_out_with_a_margin_inside_the_picture() -> None:
    frames = torch.zeros(1, 3, 100, 200, dtype=torch.uint8)
    frames[..., 40:60, 20:40] = 255
    cut = cut_square(frames, (0.1, 0.4, 0.2, 0.6), Size(24, 24), margin=0.1)
    assert cut.shape == (1, 3, 24, 24)
    assert cut.float().mean() > 150  # 20 of 24 pixels a side
    assert cut_square(frames, EVERYTHING, Size(10, 10)).shape == (1, 3, 10, 10)


def test_the_crop_is_part_of_what_features_are_kept_by(clips: Path, encoder: str, tmp_path: Path,
                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(extracting.PeopleFinder, "box",
                        lambda self, path, *rest: asked.append(path) or (0.1, 0.1, 0.6, 0.7))
    options = ProbeOptions(crop="person", probes=("knn",), shots=(), per_class=2)
    line = compare_frozen(clips, [encoder], tmp_path, reading=READING, options=options).lines[0]
    assert line.computed == len(asked) == 12
    whole = frozen_encoder(encoder).about
    assert key_of(whole) != key_of(frozen_encoder(encoder, crop="person").about)
    with pytest.raises(InvalidInput, match="none or person or moving"):
        ProbeOptions(crop="people")


def test_concatenated_streams_are_two_vectors_of_length_one() -> None:
    streams = frozen_encoder(CONCATENATED)
    clip = torch.randint(0, 256, (11, 3, 64, 64), dtype=torch.uint8)
    vector = streams.features([clip])[0]
    assert vector.shape == (2560,)
    assert vector[:1280].norm() == pytest.approx(1.0, abs=1e-4)
    assert vector[1280:].norm() == pytest.approx(1.0, abs=1e-4)
    assert "ImageNet" in streams.weights


def test_random_weights_are_always_the_same_and_flow_is_refused() -> None:
    assert frozen_encoder("lite0-tiny").about == frozen_encoder("lite0-tiny").about
    assert frozen_encoder("lite0-tiny").weights == "random"
    with pytest.raises(InvalidInput, match="optical flow"):
        frozen_encoder("i3d-inception-flow")
    with pytest.raises(UnknownName):
        frozen_encoder("lite0-tiny", pretrained="imagnet")


def test_the_command_prints_a_table(capsys: pytest.CaptureFixture, clips: Path, encoder: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["features", str(clips), "--encoder", encoder, "--test-share", "0.4",
              "--probe", "knn", "--out", str(tmp_path / "out")])
    said = capsys.readouterr()
    assert not ended.value.code, said.err
    assert "3 classes" in said.out
    assert "mine" in said.out
    assert "report.json" in said.err
    for arguments in ((), ("--all", "--encoder", "x")):
        with pytest.raises(SystemExit) as ended:
            main(["features", str(clips), *arguments])
        assert ended.value.code == 2


def test_all_presets_are_announced_before_they_are_counted(
        capsys: pytest.CaptureFixture, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []

    def few(most: float, on_progress: Callable[[int, int], None]) -> tuple[list[str], dict[str, str]]:
        assert "counting what a clip costs" in capsys.readouterr().err
        counted.append(1)
        on_progress(1, 2)
        raise InvalidInput("enough")

    monkeypatch.setattr(frozen, "affordable_presets", few)
    with pytest.raises(SystemExit):
        main(["features", str(clips), "--all", "--out", str(tmp_path / "out")])
    assert counted


def test_counting_presets_tells_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    presets = dict(list(zoo.presets().items())[:3])
    monkeypatch.setattr(zoo, "presets", lambda: presets)
    monkeypatch.setattr(frozen, "count_preset", lambda name: SimpleNamespace(gflops=1.0))
    told: list[tuple[int, int]] = []
    frozen.affordable_presets(5.0, lambda done, total: told.append((done, total)))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_encoders_that_see_the_same_share_one_decoding(clips: Path, tmp_path: Path,
                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    before = View.take
    monkeypatch.setattr(View, "take", lambda self, path, *rest: taken.append(path) or before(self, path, *rest))
    options = ProbeOptions(probes=("knn",), shots=(), per_class=2)
    found = compare_frozen(clips, ["lite0-tiny", "single-frame-tiny"], tmp_path, reading=READING, options=options)
    assert [line.computed for line in found.lines] == [12, 12]
    assert len(taken) == 12


@pytest.mark.parametrize("name", ["camera-motion", "toybox-av"])
def test_encoders_of_other_worlds_give_features_from_the_weights_that_ship(name: str) -> None:
    encoder = frozen_encoder(name)
    assert encoder.weights.startswith("embedded")
    clip = torch.randint(0, 256, (encoder.view.num_frames, 3, encoder.view.height, encoder.view.width),
                         dtype=torch.uint8)
    found = encoder.features([clip, clip.flip(0)])
    assert found.isfinite().all()
    assert (found[0] - found[1]).abs().max() > 1e-3


def test_a_penalty_is_chosen_for_groups_that_were_not_learned_from() -> None:
    """A dimension that names the class within each group alone, and another way round in the next group."""
    labels, groups = torch.arange(2).repeat(60), torch.arange(3).repeat_interleave(40)
    noise = torch.randn(120, 6, generator=torch.Generator().manual_seed(0))
    noise[:, 0] += 0.8 * (2 * labels - 1)
    x = torch.cat([noise, 0.1 * noise[:, 1:]], 1)
    for group in range(3):
        x[groups == group, 6 + group] = 4.0 * (2 * labels[groups == group] - 1)
    fresh = Probing(x, labels, noise.new_zeros(1, 11), labels[:1], groups)
    near = Probing(x, labels, noise.new_zeros(1, 11), labels[:1])
    assert knn_probe(near).chosen == "k 1"
    assert knn_probe(fresh).chosen != "k 1"
    assert linear_probe(Probing(x, labels, x, labels, groups * 0)).accuracy == 1.0
