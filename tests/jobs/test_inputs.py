"""Every kind of input gives the same rows, and a bad one an error that names what is wrong."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from places import bucket, website

from mmvideo import Pipeline
from mmvideo.errors import DownloadRefused, InvalidInput, MediaNotFound, MissingExtra, MmvideoError, VideoDecodeError
from mmvideo.jobs import Item, JobOptions, read_inputs, run_job
from mmvideo.jobs.fetch import fetched
from mmvideo.jobs.rows import comparable
from mmvideo.toybox.make import make

NAMES = ("test-easy-000000.mp4", "test-easy-000001.mp4", "test-easy-000002.mp4")
CALLED = ("first", "second", "third")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three clips of one second, one of them deeper, described by every kind of list, manifest and shard."""
    home = tmp_path_factory.mktemp("inputs")
    films = home / "films"
    make(films, num=3, level="easy", size=64, seconds=1.0)
    (films / "deeper" / "still").mkdir(parents=True)
    (films / NAMES[2]).rename(films / "deeper" / "still" / NAMES[2])
    (films / "notes.txt").write_text("no clip is called like this\n")
    paths = _paths("films")
    (home / "list.txt").write_text("\ufeff# three clips\n\n" + "\n".join(paths) + "\n", encoding="utf-8")
    entries = [{"id": f"{{}}-{name}", "path": path} for name, path in zip(CALLED, paths, strict=True)]
    for suffix, mark in (("csv", ","), ("tsv", "\t")):
        with (home / f"list.{suffix}").open("w", newline="") as file:
            writer = csv.DictWriter(file, ["id", "path", "start", "colour"], delimiter=mark)
            writer.writeheader()
            writer.writerows({**one, "id": one["id"].format(suffix), "start": "", "colour": "red"} for one in entries)
    (home / "list.jsonl").write_text("".join(json.dumps({**one, "id": one["id"].format("jsonl")}) + "\n"
                                             for one in entries))
    import pyarrow
    from pyarrow import parquet

    rows = [{**one, "id": one["id"].format("parquet"), "start": float("nan")} for one in entries]
    parquet.write_table(pyarrow.Table.from_pylist(rows), home / "list.parquet")
    with tarfile.open(home / "shard.tar", "w") as tar:
        for name, path in zip(CALLED, paths, strict=True):
            tar.add(home / path, f"./{name}.mp4")
            _add(tar, f"./{name}.json", json.dumps({"id": f"tar-{name}", "colour": "red"}).encode())
            _add(tar, f"./{name}.jpg", b"no picture")
    return home


def _paths(folder: str) -> list[str]:
    return [f"{folder}/{NAMES[0]}", f"{folder}/{NAMES[1]}", f"{folder}/deeper/still/{NAMES[2]}"]


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    about = tarfile.TarInfo(name)
    about.size = len(data)
    tar.addfile(about, io.BytesIO(data))


def _rows(pipeline: Pipeline, inputs: Any, out: Path) -> list[dict[str, Any]]:
    summary = run_job(pipeline, inputs, out, JobOptions(thumbnails=0, batch_size=4))
    assert summary.failures == ()
    return [{key: value for key, value in comparable(row).items() if key not in ("id", "source")}
            for row in summary.rows()]


@pytest.fixture
def web(home: Path) -> Iterator[str]:
    with website(home) as address:
        yield address


@pytest.mark.slow
def test_every_input_gives_the_same_rows(captioning: Pipeline, home: Path, web: str, tmp_path: Path,
                                         monkeypatch: pytest.MonkeyPatch) -> None:
    films = home / "films"
    expected = _rows(captioning, [films / path.removeprefix("films/") for path in _paths("films")], tmp_path / "plain")
    assert len({row["content_sha256"] for row in expected}) == len({row["confidence"] for row in expected}) == 3
    with bucket(home, "clips", monkeypatch) as s3:
        order = [1, 2, 0]  # in folders, deeper clips come after those beside them; in buckets, names are sorted
        inputs = {
            "folder": (films, [0, 1, 2]), "glob": (f"{films}/**/*.mp4", [2, 0, 1]),
            "glob of everything": (f"{films}/*", [0, 1]), "list": (home / "list.txt", [0, 1, 2]),
            **{kind: (home / f"list.{kind}", [0, 1, 2]) for kind in ("csv", "tsv", "jsonl", "parquet")},
            "tar": (home / "shard.tar", [0, 1, 2]), "member": (f"{home}/shard.tar::third.mp4", [2]),
            "http": ([f"{web}/{path}" for path in _paths("films")], [0, 1, 2]),
            "http list": (f"{web}/list.txt", [0, 1, 2]), "s3": (f"{s3}/films/{NAMES[1]}", [1]),
            "s3 folder": (f"{s3}/films/", [2, 0, 1]), "s3 glob": (f"{s3}/films/*.mp4", [0, 1]),
            "s3 manifest": (f"{s3}/list.csv", [0, 1, 2]), "s3 tar": (f"{s3}/shard.tar", [0, 1, 2]),
            "s3 member": (f"{s3}/shard.tar::second.mp4", [1])}
        told = {"csv", "tsv", "tar", "s3 manifest", "s3 tar"}  # theirs have a colour beside what a job knows
        items, order, columns = [], [], []
        for kind, (given, numbers) in inputs.items():
            found = list(read_inputs(given))
            assert len(found) == len(numbers), kind
            items += [Item(**{**item.__dict__, "id": f"{kind}/{item.id}"}) for item in found]
            order += numbers
            columns += [{"colour": "red"} if kind in told else {}] * len(numbers)
        rows = _rows(captioning, items, tmp_path / "all")
    assert rows == [{**expected[number], "columns": own} for number, own in zip(order, columns, strict=True)]


def test_ids_and_what_a_manifest_says(home: Path, tmp_path: Path) -> None:
    assert [item.id for item in read_inputs(home / "films")] == [*NAMES[:2], f"deeper/still/{NAMES[2]}"]
    for kind in ("csv", "tsv", "jsonl", "parquet", "tar"):
        name = "shard.tar" if kind == "tar" else f"list.{kind}"
        assert [item.id for item in read_inputs(home / name)] == [f"{kind}-{name}" for name in CALLED]
    table = tmp_path / "asked.csv"
    table.write_text('video,start_seconds,End,questions\na.mp4,0.5,1.5,"[""who?"", ""what, then?""]"\na.mp4,,,why?\n')
    first, second = read_inputs(table)
    assert (first.start_seconds, first.end_seconds, first.text) == (0.5, 1.5, ("who?", "what, then?"))
    assert (first.id, first.source) == ("a.mp4#0.5-1.5", str(tmp_path / "a.mp4"))
    assert (second.start_seconds, second.text, second.id) == (None, ("why?",), "a.mp4")


def test_clips_of_two_places_that_share_a_name(tmp_path: Path) -> None:
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "x.mp4").write_bytes(b"-")
    items = list(read_inputs([tmp_path / "a", tmp_path / "b"]))
    assert [item.id for item in items] == ["x.mp4", str(tmp_path / "b" / "x.mp4")]


def test_a_folder_that_holds_itself_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_bytes(b"-")
    (tmp_path / "again").symlink_to(tmp_path)
    assert [item.id for item in read_inputs(tmp_path)] == ["x.mp4"]


def test_an_address_of_any_filesystem_of_fsspec() -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.pipe({"/films/a.mp4": b"one", "/films/b/c.mp4": b"two", "/films/list.jsonl": b'{"path": "b/c.mp4"}\n'})
    assert [item.source for item in read_inputs("memory://films/")] == ["memory:///films/a.mp4",
                                                                        "memory:///films/b/c.mp4"]
    (item,) = read_inputs("memory://films/list.jsonl")
    assert item.source == "memory://films/b/c.mp4"
    with fetched(item, JobOptions()) as clip:
        assert clip.media.read_bytes() == b"two"
    assert not clip.media.exists(), "what was downloaded is removed"
    with pytest.raises(DownloadRefused, match="over the limit of 2"), fetched(item, JobOptions(max_bytes=2)):
        pass


BAD = {
    "no column for the clip": ("x.csv", "id,pth\na,b.mp4\n", InvalidInput, "row 1 names no clip.* Did you mean 'pth'"),
    "an id twice": ("x.csv", "id,path\na,b.mp4\na,c.mp4\n", InvalidInput, "Two items are called 'a'"),
    "a row twice": ("x.txt", "b.mp4\nb.mp4\n", InvalidInput, "Two items are called 'b.mp4'"),
    "an empty list": ("x.txt", "# nothing\n\n", MediaNotFound, "holds no clip"),
    "an empty table": ("x.tsv", "id\tpath\n", MediaNotFound, "holds no clip"),
    "nothing at all": ("x.jsonl", "", MediaNotFound, "holds no clip"),
    "no time": ("x.csv", "path,start\nb.mp4,soon\n", InvalidInput, "row 1: start_seconds must be a number"),
    "an empty span": ("x.csv", "path,start,end\nb.mp4,2,1\n", InvalidInput, "span 2 to 1 s is empty"),
    "half a list": ("x.csv", 'path,questions\nb.mp4,"[""who?"","\n', InvalidInput, "no list in JSON"),
    "no text": ("x.jsonl", '{"path": "b.mp4", "question": 3}\n', InvalidInput, "questions are text, not 3"),
    "bytes instead of a path": ("x.jsonl", '{"video": {"bytes": "AA"}}\n', InvalidInput, "by its path or address"),
    "no JSON": ("x.jsonl", '{"path": "b.mp4"}\n{path}\n', InvalidInput, "line 2 is not JSON"),
    "no object": ("x.jsonl", '["b.mp4"]\n', InvalidInput, "line 1 must be an object"),
    "no Parquet": ("x.parquet", "id,path\n", InvalidInput, "x.parquet cannot be read"),
    "no tar": ("x.tar", "no tar" * 200, InvalidInput, "cannot be read as a shard"),
    "no UTF-8": ("x.txt", b"caf\xe9.mp4\n", InvalidInput, "not text in UTF-8"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_list_is_refused(what: str, tmp_path: Path) -> None:
    name, content, kind, words = BAD[what]
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(MmvideoError, match=words) as caught:
        list(read_inputs(tmp_path / name))
    assert type(caught.value) is kind


def test_what_is_not_there(home: Path, web: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for given, words in ((tmp_path / "empty", "holds no clip"), (tmp_path / "nowhere", "no such file or folder"),
                         (f"{tmp_path}/*.mp4", "no clip matches"), ([], "holds no clip"),
                         (f"{web}/nowhere.csv", "HTTP Error 404")):
        with pytest.raises(MediaNotFound, match=words):
            list(read_inputs(given))
    for given, words in (("", "is empty"), (3, "not int"), (f"{web}/shard.tar", "download this one first")):
        with pytest.raises(InvalidInput, match=words):
            list(read_inputs(given))


def test_clips_that_cannot_be_fetched_are_named(home: Path, web: str, tmp_path: Path) -> None:
    def refused(source: str, kind: type[MmvideoError], words: str, **options: Any) -> None:
        with pytest.raises(kind, match=words), fetched(Item("x", source), JobOptions(**options)):
            pass

    refused(f"{home}/shard.tar::forth.mp4", MediaNotFound, "holds no file 'forth.mp4'")
    refused(f"{home}/shards.tar::first.mp4", MediaNotFound, "shards.tar::first.mp4|no such file")
    refused(f"{web}/nowhere.mp4", MediaNotFound, "404")
    refused(f"{web}/films/{NAMES[0]}", DownloadRefused, "over the limit of 99", max_bytes=99)
    refused("neverheard://films/x.mp4", MediaNotFound, "neverheard")
    cut = tmp_path / "cut.tar"
    cut.write_bytes((home / "shard.tar").read_bytes()[:1024])
    (item,) = [Item("x", f"{cut}::first.mp4", offset=512, num_bytes=5000)]
    with pytest.raises(VideoDecodeError, match="ends 4488 bytes too early"), fetched(item, JobOptions()):
        pass


def test_a_bucket_that_is_not_there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with bucket(home / "films" / "deeper", "clips", monkeypatch) as s3:
        with pytest.raises(MediaNotFound, match=r"no such file or bucket|nothing is there"):
            list(read_inputs("s3://other-clips/"))
        for source in ("s3://other-clips/x.mp4", f"{s3}/x.mp4"):
            with pytest.raises(MediaNotFound, match="no such file or bucket"), \
                    fetched(Item("x", source), JobOptions()):
                pass


def test_gs_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    pytest.importorskip("fsspec")
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(MissingExtra, match=r"mmvideo\[cloud\]"), fetched(Item("x", "gs://b/x.mp4"), JobOptions()):
        pass
