"""Lists and shards name clips; they do not choose files of this machine, nor more memory than is there."""

from __future__ import annotations

import csv
import io
import json
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from places import website

from mmvideo.errors import DownloadRefused, InvalidInput, MediaNotFound, MmvideoError, VideoDecodeError
from mmvideo.jobs import Item, JobOptions, read_inputs
from mmvideo.jobs.fetch import fetched
from mmvideo.jobs.shards import place_of

SECRET = b"a file of this machine"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret" / "private.mp4"
    path.parent.mkdir()
    path.write_bytes(SECRET)
    with tarfile.open(path.with_suffix(".tar"), "w") as tar:
        add(tar, "a.mp4", SECRET)
    return path


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    folder = tmp_path / "site"
    folder.mkdir()
    with website(folder) as address:
        yield folder, address


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    about = tarfile.TarInfo(name)
    about.size = len(data)
    tar.addfile(about, io.BytesIO(data))


def shard(path: Path, about: object, clip: bytes = b"the clip of the shard") -> Path:
    with tarfile.open(path, "w") as tar:
        add(tar, "x.mp4", clip)
        add(tar, "x.json", about if isinstance(about, bytes) else json.dumps(about).encode())
    return path


@pytest.mark.parametrize("key", ["path", "Path", "PATH", " path", " URL ", "url\t", "Source", "VIDEO", "file\n",
                                 "\xa0Url", "ſource", "video "])
def test_what_a_shard_says_does_not_choose_the_clip(key: str, secret: Path, tmp_path: Path) -> None:
    for name in (str(secret), f"file://{secret}", "http://127.0.0.1:9/x.mp4", f"{secret.with_suffix('.tar')}::a.mp4"):
        path = shard(tmp_path / "x.tar", {key: name, "id": "first", "start": 1})
        (item,) = read_inputs(path)
        assert (item.id, item.source, item.start_seconds) == ("first", f"{path}::x.mp4", 1.0)
        with fetched(item, JobOptions()) as clip:
            assert clip.media == b"the clip of the shard"


def write_list(path: Path, name: str) -> None:
    """Write a list that names one clip, in the format of the suffix."""
    if path.suffix == ".txt":
        path.write_text(f"{name}\n")
    elif path.suffix == ".jsonl":
        path.write_text(json.dumps({" Path": name}) + "\n")
    else:
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([["id", "URL "], ["a", name]])


LOCAL = (
    "{secret}", "~/x.mp4", "~root/x.mp4", "//127.0.0.1/x.mp4", "\\\\host\\x.mp4", "C:\\x.mp4", "c:/x.mp4", "file://{secret}",
    "FILE://{secret}", " file://{secret}", "local://{secret}", "ftp://127.0.0.1:9/x.mp4", "sftp://127.0.0.1/x.mp4",
    "smb://127.0.0.1/x", "reference://x::file://{secret}", "simplecache::file://{secret}", "filecache::{secret}",
    "zip://x.mp4::{secret}", "{tar}::a.mp4", "x.tar::a.mp4", "http://127.0.0.1:9/x::{secret}", "data://,x",
    "s3://bucket/x.tar::file://{secret}", "github://a:b@c/x.mp4", "dir://{secret}", "blockcache::{secret}")


@pytest.mark.parametrize("suffix", [".txt", ".jsonl", ".csv"])
@pytest.mark.parametrize("name", [*LOCAL, "memory://films/x.mp4"])
def test_a_list_from_elsewhere_names_nothing_that_is_here(name: str, suffix: str, secret: Path,
                                                          site: tuple[Path, str]) -> None:
    folder, address = site
    write_list(folder / f"list{suffix}", name.format(secret=secret, tar=secret.with_suffix(".tar")))
    with pytest.raises(InvalidInput, match=r"list\.\w+, (line|row) 1 names .* a list from elsewhere may"):
        list(read_inputs(f"{address}/list{suffix}"))


@pytest.mark.parametrize("name", LOCAL)
def test_a_list_in_a_bucket_is_from_elsewhere_too(name: str, secret: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    line = name.format(secret=secret, tar=secret.with_suffix(".tar"))
    fsspec.filesystem("memory").pipe({"/lists/a.txt": f"{line}\n".encode()})
    with pytest.raises(InvalidInput, match="a list from elsewhere may"):
        list(read_inputs("memory://lists/a.txt"))


def test_a_list_from_elsewhere_names_what_is_elsewhere(site: tuple[Path, str]) -> None:
    folder, address = site
    names = ["clip.mp4", "deeper/b.mp4", "12:30:05.mp4", "http://films.example/a.mp4", "HTTPS://films.example/b.mp4",
             "s3://bucket/c.mp4", "gs://bucket/d.mp4"]
    (folder / "list.txt").write_text("\n".join(names))
    found = [item.source for item in read_inputs(f"{address}/list.txt?signature=a/b.csv#part")]
    assert found == [*(f"{address}/{name}" for name in names[:3]), *names[3:]]


@pytest.mark.parametrize("name", ["file://{secret}", "local://{secret}", "reference://x::file://{secret}",
                                  "simplecache::file://{secret}", "s3://bucket/x::file://{secret}", "dir://{secret}",
                                  "http://127.0.0.1:9/x::{secret}", "zip://x::{secret}", "ftp://127.0.0.1:9/x.mp4",
                                  "memory://x::{secret}"])
def test_no_address_is_read_through_another(name: str, secret: Path, tmp_path: Path) -> None:
    name = name.format(secret=secret)
    (tmp_path / "list.txt").write_text(f"{name}\n")
    (item,) = read_inputs(tmp_path / "list.txt")
    for given in (item, Item("x", name)):
        with pytest.raises((DownloadRefused, MediaNotFound)), fetched(given, JobOptions(max_seconds=5.0)) as clip:
            pytest.fail(str(clip))


def test_names_of_files_that_look_like_something_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["a.tar::b.mp4", "~nobody.mp4", "12:30:05.mp4", "[x]*.mp4", "http:x.mp4", "s3:.mp4"]
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
    monkeypatch.chdir(tmp_path)
    for items in (list(read_inputs(tmp_path)), list(read_inputs(names))):
        assert sorted(item.id for item in items) == sorted(names)
        for item in items:
            with fetched(item, JobOptions()) as clip:
                assert Path(clip.media).read_bytes() == item.id.encode()
    for name in ("x" * 5000, "a\0b.mp4", "a\0*.mp4", "~nobody/x.mp4"):
        with pytest.raises(MediaNotFound):
            list(read_inputs(name))


# --- shards that claim more than they are


def header(name: bytes, size: bytes, kind: bytes = b"0") -> bytes:
    """A header of a tar with a size field of our own (twelve bytes)."""
    made = bytearray(tarfile.TarInfo("x").tobuf(tarfile.USTAR_FORMAT))
    made[:100] = name.ljust(100, b"\0")
    made[124:136], made[156:157] = size, kind
    made[148:156] = b"        "
    made[148:156] = b"%06o\0 " % sum(made)
    return bytes(made)


def binary(number: int) -> bytes:
    """A size in base 256, as for files of 8 GiB and more."""
    return number.to_bytes(12, "big", signed=True) if number < 0 else b"\x80" + number.to_bytes(11, "big")


CLAIMS = {
    "a file of 2^50": header(b"x.mp4", binary(2**50)), "a file of 2^70": header(b"x.mp4", binary(2**70)),
    "a file of 2^87": header(b"x.mp4", binary(2**87)), "less than nothing": header(b"x.mp4", binary(-512)),
    "far less than nothing": header(b"x.mp4", binary(-2**60)), "8 GiB in octal": header(b"x.mp4", b"77777777777\0"),
    "a description of 2^50": header(b"x.json", binary(2**50)), "a long name of 2^33": header(b"x", binary(2**33), b"L"),
    "a long name of 2^50": header(b"x", binary(2**50), b"L"), "a long name of 2^70": header(b"x", binary(2**70), b"L"),
    "global headers of 2^40": header(b"x", binary(2**40), b"g"), "no header": b"x" * 512,
    "further headers of 2^50": header(b"x", binary(2**50), b"x"), "letters": header(b"x.mp4", b"manybytes!!\0"),
    "a size in further headers": header(b"x", b"%011o\0" % 30, b"x")
                                 + b"30 size=112589990684262400000\n".ljust(512, b"\0")
                                 + header(b"x.mp4", b"%011o\0" % 512),
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_shard_that_claims_more_than_is_there_is_refused(claim: str, tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(shard(tmp_path / "good.tar", {}).read_bytes()[:1024] + CLAIMS[claim] + bytes(2048))
    begun = time.monotonic()
    with pytest.raises(InvalidInput, match=r"x\.tar"):
        list(read_inputs(path))
    with pytest.raises(MmvideoError), path.open("rb") as file:
        place_of(file, "x.tar", "other.mp4")
    with pytest.raises(MmvideoError), fetched(Item("x", f"{path}::other.mp4"), JobOptions()):
        pass
    for offset, num_bytes in ((0, 2**50), (2**40, 5), (0, 2**70)):
        with pytest.raises((VideoDecodeError, DownloadRefused)), \
                fetched(Item("x", f"{path}::x.mp4", offset=offset, num_bytes=num_bytes), JobOptions()):
            pass
    assert time.monotonic() - begun < 5


def test_max_bytes_holds_for_members_of_shards(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    path = shard(tmp_path / "x.tar", {}, clip=bytes(5000))
    fsspec.filesystem("memory").pipe({"/shards/x.tar": path.read_bytes()})
    for given in (path, f"{path}::x.mp4", "memory://shards/x.tar", "memory://shards/x.tar::x.mp4"):
        (item,) = read_inputs(given)
        with fetched(item, JobOptions(max_bytes=5000)) as clip:
            assert len(clip.media) == 5000
        with pytest.raises(DownloadRefused, match=r"over the limit of 4999 \(max_bytes\)"), \
                fetched(item, JobOptions(max_bytes=4999)):
            pass


@pytest.mark.parametrize(("about", "words"), [
    (b'{"id": "' + b"x" * 2**20 + b'"}', r"x\.json has 1048\d+ bytes, more than the 1048576"),
    (b"[" * 200_000 + b"]" * 200_000, r"x\.json cannot be read"), (b"{", r"x\.json cannot be read"),
    (b'{"id": "\xff"}', r"x\.json cannot be read")])
def test_a_description_that_cannot_be_read_is_told(about: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=words):
        list(read_inputs(shard(tmp_path / "x.tar", about)))


def test_a_description_of_just_one_mebibyte_is_read(tmp_path: Path) -> None:
    about = json.dumps({"id": "first", "rest": ""}).encode()
    (item,) = read_inputs(shard(tmp_path / "x.tar", about.replace(b'""', b'"' + b"x" * (2**20 - len(about)) + b'"')))
    assert item.id == "first"


@pytest.mark.parametrize("kind", ["deep list", "deep row"])
def test_json_that_is_too_deep_is_told(kind: str, tmp_path: Path) -> None:
    deep = "[" * 100_000 + "]" * 100_000
    (tmp_path / "x.jsonl").write_text(f'{{"path": "a.mp4", "x": {deep}}}\n' if kind == "deep row" else
                                      json.dumps({"path": "a.mp4", "question": deep}) + "\n")
    with pytest.raises(InvalidInput):
        list(read_inputs(tmp_path / "x.jsonl"))


def test_links_and_devices_of_a_shard_are_left_out(secret: Path, tmp_path: Path) -> None:
    path = shard(tmp_path / "x.tar", {})
    with tarfile.open(path, "a") as tar:
        for name, kind in (("l.mp4", tarfile.SYMTYPE), ("h.mp4", tarfile.LNKTYPE), ("d.mp4", tarfile.CHRTYPE),
                           ("p.mp4", tarfile.FIFOTYPE)):
            about = tarfile.TarInfo(name)
            about.type, about.linkname = kind, str(secret)
            tar.addfile(about)
    assert [item.source for item in read_inputs(path)] == [f"{path}::x.mp4"]
    for name in ("l.mp4", "h.mp4", "d.mp4", "p.mp4", "../secret/private.mp4", str(secret)):
        with pytest.raises(MediaNotFound), fetched(Item("x", f"{path}::{name}"), JobOptions()):
            pass
