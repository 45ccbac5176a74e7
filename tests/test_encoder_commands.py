"""`list encoders`, `show PRESET`, `profile` and `import`: the zoo from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny
import torch
from test_cli import _run

from mmvideo import Pipeline
from mmvideo.cli.encoders import read_labels
from mmvideo.encoders import zoo
from mmvideo.encoders.c3d import NAMES
from mmvideo.encoders.preset import Input, Preset, Published
from mmvideo.errors import InvalidInput, MediaNotFound
from mmvideo.evaluation import profile

LABELS = tuple(f"sport {i}" for i in range(7))


def release(path: Path, *, classes: int = 7) -> zoo.Encoder:
    """Write a small C3D under the names of its release; return the same network."""
    torch.manual_seed(0)
    encoder = zoo.create("c3d-tiny", num_classes=classes).eval()
    theirs = {}
    for name, tensor in encoder.state_dict().items():
        part, *rest = name.split(".")
        new = [NAMES[int(rest[0])], *rest[1:]] if part == "convs" else ["fc8", *rest[1:]] if part == "head" else [
            part, *rest]
        theirs[".".join(new)] = tensor
    torch.save({"state_dict": theirs}, path)
    return encoder


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.txt"
    path.write_text("\n".join(LABELS) + "\n")
    return path


def test_a_public_checkpoint_becomes_a_folder_that_classifies(tmp_path: Path, labels: Path) -> None:
    theirs, out = release(tmp_path / "c3d.pth"), tmp_path / "model"
    code, _, err = _run("import", str(tmp_path / "c3d.pth"), "--preset", "c3d-tiny", "--labels", str(labels), "--out",
                        str(out))
    assert code == 0, err
    assert "7 classes" in err
    ours, clip = zoo.load(out), torch.rand(1, 16, 3, 64, 64)
    assert ours.labels == LABELS
    assert torch.equal(ours.logits(clip), theirs.logits(clip))
    assert (out / "SHA256SUMS").is_file()
    video = tiny.make_clip(tmp_path / "clip.mp4")
    code, text, _ = _run("classify", str(video), "--model", str(out), "--set", "classify.num_clips=2", "--json")
    assert code == 0
    said = json.loads(text)
    views = {"num_clips": 2}
    assert said["labels"][0]["name"] == said["label"]
    assert said["label"] == Pipeline("video-classification", out, classify=views)(video).label
    assert _run("classify", str(video), "--model", str(out))[1].startswith(said["label"])
    assert _run("import", str(tmp_path / "c3d.pth"), "--preset", "c3d-tiny", "--out", str(out))[0] == 2


def test_without_labels_it_is_said_that_none_are_there(tmp_path: Path) -> None:
    release(tmp_path / "c3d.pt", classes=10)
    code, _, err = _run("import", str(tmp_path / "c3d.pt"), "--preset", "c3d-tiny", "--out", str(tmp_path / "model"))
    assert code == 0
    assert "a file of 10 lines" in err


def test_wrong_files_are_refused_with_what_fits(tmp_path: Path, labels: Path) -> None:
    release(tmp_path / "c3d.pth")
    where = ["--out", str(tmp_path / "model"), "--labels", str(labels)]
    for given, code, says in [
        (["c3d.pth", "--preset", "c3d-ucf101"], 5, "It fits --preset c3d-tiny --format c3d-pytorch with 7 classes"),
        (["c3d.pth", "--preset", "c3d-tinny"], 2, "Did you mean 'c3d-tiny'"),
        (["c3d.pth", "--preset", "c3d-tiny", "--format", "c3d-pytroch"], 2, "Did you mean 'c3d-pytorch'"),
        (["c3d.pth", "--preset", "videomae-tiny"], 2, "choose one with --format"),
        (["c3d.pth", "--preset", "camera-motion"], 2, "No public checkpoint is known"),
        (["none.pth", "--preset", "c3d-tiny"], 5, "is not a file"),
    ]:
        found, _, err = _run("import", str(tmp_path / given[0]), *given[1:], *where)
        assert (found, says in err) == (code, True), err
    two = tmp_path / "two.txt"
    two.write_text("a\nb\n")
    code, _, err = _run("import", str(tmp_path / "c3d.pth"), "--preset", "c3d-tiny", *where[:2], "--labels", str(two))
    assert code == 5
    assert "with 7 classes; you gave 2 labels" in err
    other = tmp_path / "other.pt"
    torch.save({"layer.weight": torch.zeros(3)}, other)
    code, _, err = _run("import", str(other), "--preset", "c3d-tiny", *where)
    assert code == 5
    assert "fits no preset of this family" in err
    code_in_it = tmp_path / "code.pt"
    torch.save({"model": Path("/")}, code_in_it)
    assert _run("import", str(code_in_it), "--preset", "c3d-tiny", *where)[0] == 5
    assert not (tmp_path / "model").exists()


def test_labels_are_read_from_text_and_json(tmp_path: Path) -> None:
    for text in ('["a", "b c"]', '{"1": "b c", "0": "a"}', '{"a": 0, "b c": 1}'):
        (tmp_path / "names.json").write_text(text)
        assert read_labels(tmp_path / "names.json") == ("a", "b c")
    for text in ("[1]", "[]", '{"a": 1, "b": 2}', "not json"):
        (tmp_path / "names.json").write_text(text)
        with pytest.raises(InvalidInput):
            read_labels(tmp_path / "names.json")
    (tmp_path / "names.txt").write_text("a\n\nb\n")
    with pytest.raises(InvalidInput, match="one name a line"):
        read_labels(tmp_path / "names.txt")
    with pytest.raises(MediaNotFound):
        read_labels(tmp_path / "nowhere.txt")


def test_list_encoders_names_every_preset() -> None:
    code, out, _ = _run("list", "encoders")
    assert code == 0
    first = [line.split()[0] for line in out.splitlines()]
    assert set(zoo.presets()) <= set(first)
    listed = json.loads(_run("list", "audio-encoders", "--json")[1])["audio-encoders"]
    assert {name for family in listed.values() for name in family["presets"]} == set(zoo.presets("audio-encoders"))


def test_show_tells_what_is_published_and_what_we_count() -> None:
    code, out, _ = _run("show", "c3d-ucf101")
    assert code == 0
    stated, views = zoo.preset_of("c3d-ucf101").published, zoo.preset_of("c3d-ucf101").views
    for words in (f"{stated.params_millions:g} M parameters; ours differs by", stated.source,
                  f"{stated.gflops:g} x 10^9 multiply-adds; ours differs by", "params: 78409573",
                  "input: 1x16x3x112x112", "checkpoint c3d-pytorch", f"{views[0]} clips x {views[1]} crops"):
        assert words in out
    shown = json.loads(_run("show", "logmel-cnn-tiny", "--json")[1])
    assert shown["family"] == "logmel-cnn"
    assert "c3d-tiny: small enough" in _run("show", "c3d")[1]
    assert "4043744" in _run("show", "toybox-av")[1]
    for name, guess in (("c3d-tinny", "c3d-tiny"), ("logmel-cnn-tinny", "logmel-cnn-tiny"), ("slowfst", "slowfast"),
                        ("video-qq", "video-qa")):
        code, _, err = _run("show", name)
        assert code == 2
        assert f"Did you mean '{guess}'" in err


def test_profile_measures_beside_what_is_published() -> None:
    code, out, _ = _run("profile", "c3d-tiny", "logmel-cnn-tiny", "--json", "--threads", "1", "--repeats", "3")
    assert code == 0
    seen, heard = [json.loads(line) for line in out.splitlines()]
    assert seen["counted"]["params"] == 649066
    assert seen["receptive"] == {"time": 68, "space": 134}
    assert heard["receptive"] == {"time": None, "space": None}
    for line in (seen, heard):
        assert len(line["repeats"]) == 3
        assert min(line["repeats"]) <= line["milliseconds"] <= max(line["repeats"])
        assert line["peak_mib"] > 4 * line["counted"]["params"] / 2**20 * 0.9


def test_differences_are_in_per_cent_of_what_is_published_in_its_unit() -> None:
    counted = profile.Counted((1, 16, 3, 8, 8), 1, (1, 1, 1), 1, 1, 12_000_000, 5.0)

    def preset(unit: str) -> Preset:
        return Preset("", Input(16, 8, 8), published=Published("a paper", 10.0, 8.0, unit=unit))

    assert profile.differences(counted, preset("multiply-adds")) == pytest.approx((20.0, -37.5))
    assert profile.differences(counted, preset("operations")) == pytest.approx((20.0, 25.0))
    assert profile.differences(counted, Preset("", Input(16, 8, 8))) == (None, None)


def test_what_does_not_fit_in_memory_is_skipped_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile, "_free_bytes", lambda: profile.RESERVE_BYTES + 2**20)
    code, out, _ = _run("profile", "c3d-tiny", "--no-receptive-field")
    assert code == 0
    assert "c3d-tiny: not run: its weights need 0.0 GiB and 1.0 GiB are free" in out


@pytest.mark.parametrize(("given", "says"), [
    ([], "--all"), (["c3d-tiny", "--all"], "--all"), (["c3d-tinny"], "Did you mean 'c3d-tiny'"),
    (["c3d-tiny", "--batch", "0"], "batch must be 1 or more"),
    (["c3d-tiny", "--repeats", "0"], "repeats must be 1 or more"),
    (["c3d-tiny", "--device", "gpu9"], "Unknown device"),
])
def test_profile_refuses_what_it_cannot_measure(given: list[str], says: str) -> None:
    code, out, err = _run("profile", *given)
    assert (code, out) == (2, "")
    assert says in err


def test_separators_are_listed_and_shown() -> None:
    code, out, _ = _run("list", "separators")
    assert code == 0
    assert {"visualvoice", "rtfs-net-4", "mouth-mask-s-causal"} <= {line.split()[0] for line in out.splitlines()}
    code, out, _ = _run("show", "rtfs-net-4", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["params"] == sum(found["parts"].values())
    assert found["published"]["params_millions"] == 0.74
    assert abs(found["published"]["params_difference_percent"]) < 0.5
    assert abs(found["published"]["gflops_difference_percent"]) < 2
    assert found["licence"].startswith("MIT")
    assert "no weights of the separator are public" in found["weights"]
    code, out, _ = _run("show", "mouth-mask-s-deaf-to-faces")
    assert code == 0
    assert "sound alone" in out
    assert "2 voices in no order" in out
    code, _, err = _run("show", "mouth-mask-q")
    assert code == 2
    assert "mouth-mask-m" in err
