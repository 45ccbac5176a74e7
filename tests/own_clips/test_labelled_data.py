"""Labelled clips as users keep them: tables, folders, data sets; guesses that are said; splits made from content."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from pyarrow import parquet

from mmvideo.errors import InvalidInput, MediaNotFound, UnknownName
from mmvideo.labelled import augment, splits
from mmvideo.labelled.augment import Augmentation, says_sides
from mmvideo.labelled.clip_cache import ClipCache, FrameSpec
from mmvideo.labelled.read import fingerprinted, name_of_data, read_labelled
from mmvideo.labelled.rows import ClipRow, DataOptions, LabelledTable, content_of
from mmvideo.media import write_video


def text(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def files(home: Path, *names: str) -> Path:
    for name in names:
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return home


def test_columns_are_guessed_and_the_guess_is_said(tmp_path) -> None:
    path = text(tmp_path / "x.csv", "Video,Class,Subject,start,end", "a.mp4,run,ann,0.5,2", "b.mp4,jump,bob,,")
    table = read_labelled(path)
    assert table.task == "classes"
    assert table.names == ("jump", "run")
    assert [row.span for row in table.rows] == ["0.5-2 s", ""]
    assert table.rows[0].path == tmp_path / "a.mp4"
    assert any("'Video'" in note and "--clip-column" in note for note in table.notes)
    assert table.columns == {"clip": "Video", "label": "Class", "group": "Subject", "start": "start", "end": "end"}
    with pytest.raises(InvalidInput, match="--label-column"):
        read_labelled(text(tmp_path / "y.csv", "clip,kind", "a.mp4,b"))
    with pytest.raises(UnknownName, match="Did you mean 'kind'"):
        read_labelled(tmp_path / "y.csv", DataOptions(label_column=("kid",)))


@pytest.mark.parametrize(("name", "lines"), [
    ("x.tsv", ["clip\tlabel", "a.mp4\tone", "b.mp4\ttwo"]),
    ("x.jsonl", ['{"clip": "a.mp4", "label": "one"}', '{"clip": "b.mp4", "label": "two"}'])])
def test_every_kind_of_table_is_read_alike(tmp_path, name, lines) -> None:
    table = read_labelled(text(tmp_path / name, *lines))
    parquet.write_table(pa.table({"clip": ["a.mp4", "b.mp4"], "label": ["one", "two"]}), tmp_path / "x.parquet")
    assert [(row.clip, row.labels) for row in table.rows] == [("a.mp4", ("one",)), ("b.mp4", ("two",))]
    assert [row.labels for row in read_labelled(tmp_path / "x.parquet").rows] == [row.labels for row in table.rows]


def test_splits_of_a_table_are_used_where_they_say_what_they_are(tmp_path) -> None:
    lines = ["clip,label,set", *(f"{i}.mp4,{'ab'[i % 2]},set{1 + i // 4}" for i in range(8))]
    path = text(tmp_path / "x.csv", *lines)
    table = read_labelled(path)
    assert {row.split for row in table.rows} == {""}
    assert any("--train-split" in note for note in table.notes)
    asked = DataOptions(split_column="set", train_split="set1", test_split="set2")
    assert Counter(row.split for row in read_labelled(path, asked).rows) == {"train": 4, "test": 4}
    with pytest.raises(InvalidInput, match="which rows to learn from"):
        read_labelled(path, DataOptions(split_column="set"))
    with pytest.raises(UnknownName, match="set9"):
        read_labelled(path, DataOptions(split_column="set", train_split="set9"))
    text(path, "clip,label,split", "a.mp4,x,Training", "b.mp4,y,Training", "c.mp4,z,test")
    with pytest.raises(InvalidInput, match="that no row to learn from has"):
        read_labelled(path)


def test_tasks_are_guessed_and_can_be_said(tmp_path) -> None:
    path = text(tmp_path / "x.jsonl", *(json.dumps({"clip": f"{i}.mp4", "label": one}) for i, one in
                                        enumerate((["a", "b"], ["b"]))))
    assert read_labelled(path).task == "tags"
    assert read_labelled(path).rows[0].labels == ("a", "b")
    with pytest.raises(InvalidInput, match="several labels"):
        read_labelled(path, DataOptions(task="classes"))
    cells = text(tmp_path / "x.csv", "clip,label", "a.mp4,walk;wave", "b.mp4,walk")
    assert read_labelled(cells, DataOptions(label_separator=";")).names == ("walk", "wave")
    text(cells, "clip,score", "a.mp4,1.5", "b.mp4,2")
    assert read_labelled(cells).task == "numbers"
    assert [row.targets for row in read_labelled(cells).rows] == [(1.5,), (2.0,)]
    assert read_labelled(cells, DataOptions(task="classes")).names == ("1.5", "2")
    text(cells, "clip,label", "a.mp4,10", "b.mp4,9")
    table = read_labelled(cells)
    assert table.names == ("9", "10"), "by value"
    assert any("--task numbers" in note for note in table.notes)
    text(cells, "clip,x,y", "a.mp4,1,2", "b.mp4,3,4")
    assert read_labelled(cells, DataOptions(label_column=("x", "y"))).rows[1].targets == (3.0, 4.0)
    with pytest.raises(InvalidInput, match="no number"):
        read_labelled(text(cells, "clip,label", "a.mp4,fast", "b.mp4,2"), DataOptions(task="numbers"))


def test_rows_without_clip_or_label_are_counted(tmp_path) -> None:
    path = text(tmp_path / "x.csv", "clip,label", "a.mp4,one", "b.mp4,", ",two")
    with pytest.raises(InvalidInput, match="1 row without a clip"):
        read_labelled(path)
    with pytest.raises(InvalidInput, match="one label only"):
        read_labelled(text(path, "clip,label", "a.mp4,one", "b.mp4,one"))
    with pytest.raises(InvalidInput, match="has no rows"):
        read_labelled(text(path, "clip,label"))
    with pytest.raises(MediaNotFound):
        read_labelled(tmp_path / "none.csv")


def test_folders_of_classes_and_of_splits(tmp_path) -> None:
    home = files(tmp_path / "cats", "purr/1.mp4", "purr/deep/2.webm", "hiss/3.mp4", "hiss/notes.txt")
    table = read_labelled(home)
    assert [(row.labels[0], row.clip) for row in table.rows] == [
        ("hiss", "hiss/3.mp4"), ("purr", "purr/1.mp4"), ("purr", "purr/deep/2.webm")]
    assert table.name == "cats"
    split = files(tmp_path / "dogs", *(f"{s}/{c}/1.mp4" for s in ("train", "val") for c in ("bark", "run")))
    assert Counter(row.split for row in read_labelled(split).rows) == {"train": 2, "validation": 2}
    with pytest.raises(InvalidInput, match="no class folders"):
        read_labelled(files(tmp_path / "loose", "1.mp4"))
    with pytest.raises(MediaNotFound, match="no clip"):
        read_labelled(files(tmp_path / "empty", "a/readme.txt"))
    assert name_of_data(tmp_path / "dogs" / "clips.tsv") == "dogs", "a file that says nothing is named by its folder"


def test_data_sets_of_hugging_face(tmp_path) -> None:
    home = files(tmp_path / "meta", "train/a.mp4", "train/b.mp4", "test/c.mp4")
    text(home / "train" / "metadata.csv", "file_name,label", "a.mp4,x", "b.mp4,y")
    text(home / "test" / "metadata.csv", "file_name,label", "c.mp4,x")
    table = read_labelled(home)
    assert [(row.path.exists(), row.split) for row in table.rows] == [(True, "test"), (True, "train"), (True, "train")]
    video = [{"bytes": b"film 1", "path": "a.webm"}, {"bytes": b"film 2", "path": None}]
    features = {"info": {"features": {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}}}}
    rows = pa.table({"video": video, "label": [1, 0]}).replace_schema_metadata(
        {"huggingface": json.dumps(features)})
    hub = tmp_path / "hub"
    (hub / "data").mkdir(parents=True)
    parquet.write_table(rows, hub / "data" / "train-00000-of-00001.parquet")
    table = read_labelled(hub, extract_to=tmp_path / "out")
    assert [row.labels for row in table.rows] == [("yes",), ("no",)]
    assert [row.path.read_bytes() for row in table.rows] == [b"film 1", b"film 2"]
    assert table.rows[0].path.suffix == ".webm"
    saved = tmp_path / "saved"
    (saved / "train").mkdir(parents=True)
    with (saved / "train" / "data-0.arrow").open("wb") as file, pa.ipc.new_stream(file, rows.schema) as stream:
        stream.write_table(rows)
    text(saved / "dataset_dict.json", json.dumps({"splits": ["train"]}))
    text(saved / "train" / "state.json", json.dumps({"_data_files": [{"filename": "data-0.arrow"}]}))
    text(saved / "train" / "dataset_info.json", json.dumps(features["info"]))
    again = read_labelled(saved, extract_to=tmp_path / "out")
    assert [(row.labels, row.split, row.path) for row in again.rows] == [
        (row.labels, "train", row.path) for row in table.rows]
    with pytest.raises(InvalidInput, match="as bytes"):
        read_labelled(saved)


def made(num: int, *, groups: int = 0, classes: int = 4) -> LabelledTable:
    rows = tuple(ClipRow(f"{i}.mp4", Path(f"{i}.mp4"), (f"c{i % classes}",), content=f"content {i}",
                         group=f"g{i % groups}" if groups else "") for i in range(num))
    return LabelledTable("made", "classes", tuple(f"c{i}" for i in range(classes)), rows,
                         columns={"group": "person"} if groups else {})


def test_splits_follow_content_not_names_or_order(tmp_path) -> None:
    home = files(tmp_path / "here", *(f"{c}/{i}.mp4" for c in "ab" for i in range(10)))
    first = splits.split(fingerprinted(read_labelled(home)), DataOptions())
    other = tmp_path / "there"
    for row in first.rows:
        target = other / row.labels[0] / f"z{99 - int(row.path.stem)}.mp4"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(row.path, target)
    second = splits.split(fingerprinted(read_labelled(other)), DataOptions())
    assert {row.content: row.split for row in first.rows} == {row.content: row.split for row in second.rows}
    assert Counter(row.split for row in first.rows) == {"train": 14, "test": 4, "validation": 2}
    path = splits.write_splits(first, tmp_path)
    again = read_labelled(path)
    assert {(row.path, row.split, row.labels) for row in again.rows} == {
        (row.path, row.split, row.labels) for row in first.rows}
    third = splits.split(fingerprinted(read_labelled(home)), DataOptions(split_seed=1))
    assert [row.split for row in third.rows] != [row.split for row in first.rows]


def test_splits_are_stratified_keep_copies_together_and_groups_whole() -> None:
    table = splits.split(made(10_000, classes=5), DataOptions())
    for split, share in (("train", 0.7), ("validation", 0.15), ("test", 0.15)):
        counts = Counter(row.labels[0] for row in table.of(split))
        assert all(abs(count - share * 2000) <= 2 for count in counts.values()), split
    rows = tuple(ClipRow(f"{i}.mp4", Path(f"{i}.mp4"), ("ab"[i % 2],), content=f"{i // 4 * 2 + i % 2}")
                 for i in range(60))
    copies = splits.split(LabelledTable("x", "classes", ("a", "b"), rows), DataOptions())
    where = {}
    for row in copies.rows:
        assert where.setdefault(row.content, row.split) == row.split
    grouped = splits.split(made(300, groups=15), DataOptions())
    assert len({(row.group, row.split) for row in grouped.rows}) == 15
    assert {row.labels[0] for row in grouped.of("train")} == set(grouped.names)
    assert 30 <= len(grouped.of("test")) <= 60
    with pytest.raises(InvalidInput, match="--group-column none"):
        splits.split(made(20, groups=1), DataOptions())


def test_a_class_with_one_clip_stays_to_be_learned() -> None:
    table = made(40)
    one = ClipRow("only.mp4", Path("only.mp4"), ("rare",), content="only")
    table = LabelledTable("x", "classes", (*table.names, "rare"), (*table.rows, one))
    found = splits.split(table, DataOptions())
    assert next(row.split for row in found.rows if row.clip == "only.mp4") == "train"
    assert any("one clip only to learn from: rare" in note for note in found.notes)
    assert any("never measured" in note for note in found.notes)


def test_the_cache_is_bounded_and_drops_what_was_used_longest_ago(tmp_path) -> None:
    rows = []
    for number in range(3):
        path = tmp_path / f"{number}.mp4"
        frames = torch.from_numpy(np.random.default_rng(number).integers(0, 255, (4, 3, 32, 40), np.uint8))
        write_video(path, frames, fps=4)
        rows.append(ClipRow(path.name, path, ("x",), content=content_of(path)))
    spec = FrameSpec(2, 16)
    cache = ClipCache(tmp_path / "c", spec, workers=1)
    assert cache.prepare(rows) == []
    first = cache.frames(rows[0])
    assert first.shape == (4, 16, 20, 3)
    assert isinstance(first, np.memmap)
    decoded = cache.decoded
    cache.prepare(rows)
    assert cache.decoded == decoded, "nothing is decoded twice"
    one = cache.path_of(rows[0]).stat().st_size
    small = ClipCache(tmp_path / "c", FrameSpec(2, 18), max_bytes=2 * one, workers=1)
    small.prepare(rows[:1])
    assert sum(path.stat().st_size for path in (tmp_path / "c").rglob("*.npy")) <= 2 * one + 1000
    full = ClipCache(tmp_path / "d", spec, max_bytes=one + 10, workers=1)
    assert full.prepare(rows) == []
    assert len(list((tmp_path / "d").rglob("*.npy"))) == 1
    assert np.array_equal(full.frames(rows[2]), cache.frames(rows[2])), "what does not fit is decoded"


def test_every_operation_is_the_same_for_all_frames() -> None:
    still = np.repeat(np.random.default_rng(0).integers(0, 255, (1, 40, 48, 3), np.uint8), 6, 0)
    for name, operation in augment.OPERATIONS.items():
        frames = torch.from_numpy(still).permute(0, 3, 1, 2)
        changed = operation(frames, 0.6)
        assert changed.dtype == torch.uint8
        assert changed.shape == frames.shape, name
        assert (changed == changed[:1]).all(), name
        assert name == "identity" or name == "autocontrast" or not torch.equal(changed, frames), name
    for seed in range(20):
        drawn = Augmentation("strong")(still, 4, (24, 24), random.Random(seed))
        assert drawn.shape == (4, 3, 24, 24)
        assert (drawn == drawn[:1]).all()
    moving = np.arange(12, dtype=np.uint8)[:, None, None, None] * np.ones((1, 20, 20, 3), np.uint8)
    for seed in range(20):
        times = Augmentation("light")(moving, 6, (8, 8), random.Random(seed), spread=True)[:, 0].float().mean((1, 2))
        assert (times.diff() >= -1).all(), "in order"
    assert torch.equal(Augmentation("none")(moving, 6, (8, 8), random.Random(0))[:, 0, 0, 0],
                       torch.tensor([1, 3, 5, 7, 9, 11], dtype=torch.uint8))


def test_labels_that_name_sides_are_found() -> None:
    assert says_sides(["wave left hand", "wave"])
    assert says_sides(["turn_right"])
    assert says_sides(["TurnLeft"])
    assert says_sides(["spin clockwise"])
    assert not says_sides(["bright", "cleft", "run"])
