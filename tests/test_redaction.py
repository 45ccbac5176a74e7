"""Addresses without passwords and signatures, names without undecodable bytes."""

from __future__ import annotations

import os

import pytest

from mmvideo.errors import DownloadRefused, MediaNotFound
from mmvideo.media.info import MediaInfo
from mmvideo.redaction import clean, escaped, one_line, redacted, tag, without
from mmvideo.retrieval.index import Duplicates, Match

AWS = ("https://b.s3.amazonaws.com/a.mp4?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAEXAMPLE%2F20260101"
       "&X-Amz-Date=20260101T000000Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature={}")
AZURE = "https://a.blob.core.windows.net/c/a.mp4?sv=2022-11-02&st=2026-01-01&se=2026-01-02&sr=b&sp=r&sig={}"
SECRET = {
    "AWS": AWS.format("s3cr3t"),
    "AWS, in another order": "https://b/a.mp4?X-Amz-Signature=s3cr3t&X-Amz-Security-Token=s3cr3t&X-Amz-Expires=1",
    "AWS, version 2": "https://b/a.mp4?AWSAccessKeyId=s3cr3t&Expires=1767225600&Signature=s3cr3t%3D",
    "Google": "https://storage.googleapis.com/b/a.mp4?X-Goog-Credential=s3cr3t&X-Goog-Signature=s3cr3t",
    "Google, version 2": "https://b/a.mp4?GoogleAccessId=s3cr3t&Expires=1&Signature=s3cr3t",
    "Azure": AZURE.format("s3cr3t%3D"),
    "CloudFront": "https://d.cloudfront.net/a.mp4?Policy=s3cr3t&Signature=s3cr3t&Key-Pair-Id=s3cr3t",
    "Akamai": "https://h/a.mp4?hdnts=exp=1~acl=/*~hmac=s3cr3t",
    "Akamai, in the path": "https://h/hdntl=exp=1~hmac=s3cr3t/a.mp4",
    "user and password": "https://user:s3cr3t@h:8443/a.mp4",
    "a token for a user": "https://s3cr3t@h/a.mp4",
    "a password with odd characters": "ftp://u:s3cr3t/x@s3cr3t@h/a.mp4",
    "a password with a question mark": "https://u:s3cr3t?s3cr3t@h/a.mp4",
    "a key of a bucket": "s3://KEY:s3cr3t@bucket/a.mp4",
    "a chained address": "simplecache::https://u:s3cr3t@h/a.mp4",
    "a token": "https://h/get?id=7&access_token=s3cr3t",
    "upper case": "https://h/get?API_KEY=s3cr3t&Password=s3cr3t",
    "an escaped name": "https://h/get?to%6Ben=s3cr3t",
    "a fragment": "https://h/a.mp4#access_token=s3cr3t&x=1",
    "a parameter of the path": "https://h/a.mp4;jsessionid=s3cr3t",
    "a name that says nothing": "https://h/get?x=s3cr3t7F3kQ9zLw2mB8",
    "no name": "https://h/a.mp4?s3cr3teyJhbGciOiJIUzI1NiJ9",
    "an address in an address": "https://h/get?url=https%3A%2F%2Fu%3As3cr3t%40h%2Fa.mp4",
    "quoted": "Cannot read 'https://h/a.mp4?sig=s3cr3t', give another.",
    "two": "https://u:s3cr3t@a/x and https://u:s3cr3t@b/y?token=s3cr3t.",
    "in JSON": '{"path": "https://h/a.mp4?token=s3cr3t"}',
}


@pytest.mark.parametrize("what", SECRET)
def test_no_secret_is_left(what: str) -> None:
    assert "s3cr3t" in SECRET[what]
    assert "s3cr3t" not in redacted(SECRET[what])
    assert "s3cr3t" not in tag(SECRET[what])
    assert redacted(redacted(SECRET[what])) == redacted(SECRET[what])


@pytest.mark.parametrize("text", [
    "https://www.example.com/watch?v=dQw4w9WgXcQ&t=30", "https://h:8080/@user/a.mp4", "s3://bucket/year=2026/a.mp4",
    "https://h/my-holiday-2026-part1.mp4?name=my-holiday-2026-part1.mp4&size=20", "/films/a=b@c.mp4", "a: b @ c",
    "https://h/a.mp4?versionId=12#t=10,20", "http://[::1]:8000/a.mp4", "https://h/get?id=550e8400-e29b-41d4-a716"])
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted(text) == text
    assert tag(text) == ""


def test_a_clip_that_is_signed_again_is_the_same_clip() -> None:
    for address in (AWS, AZURE):
        assert redacted(address.format("one")) == redacted(address.format("two"))
        assert tag(address.format("one")) == ""
    assert redacted("https://a:b@h/x.mp4") == redacted("https://c:d@h/x.mp4")
    one, two = "https://h/get?token=one", "https://h/get?token=two"
    assert redacted(one) == redacted(two)
    assert tag(one) != tag(two)


def test_what_still_names_the_clip_stays() -> None:
    assert redacted(AWS.format("x")) == "https://b.s3.amazonaws.com/a.mp4?***"
    assert redacted("https://u:p@h/get?id=7&key=x&t=3") == "https://***@h/get?id=7&key=***&t=3"
    assert redacted("Cannot read 'https://h/a.mp4?sig=x', sorry.") == "Cannot read 'https://h/a.mp4?***', sorry."


def test_names_are_printable_and_stay_different() -> None:
    names = [b"caf\xe9.mp4", b"caf\\xe9.mp4", b"caf\\\\xe9.mp4", b"a\x1b[31m.mp4", b"a\\b.mp4", b"\xff", b"\\xff",
             b"a\nb", "\u0436\u4e2d.mp4".encode(), b"\\u0436"]
    told = [escaped(os.fsdecode(name)) for name in names]
    assert len(set(told)) == len(names)
    assert all(one.isprintable() for one in told)
    assert told[0] == "caf\\xe9.mp4"
    assert told[4] == "a\\b.mp4", "a plain backslash stays"
    assert told[8] == "\u0436\u4e2d.mp4"
    assert clean("two\nlines\x1b[2J \udce9") == "two\nlines\\x1b[2J \\xe9"


def test_errors_hold_no_secret() -> None:
    error = DownloadRefused("https://u:s3cr3t@h/a.mp4?sig=s3cr3t is over the limit.")
    assert str(error) == "https://***@h/a.mp4?*** is over the limit."
    assert "s3cr3t" not in str(MediaNotFound("https://h/x?token=s3cr3t: no such file."))


@pytest.mark.parametrize(("address", "text", "left"), [
    ("s3://KEY:s3cr3t@bucket/x.mp4", 'Invalid bucket name "KEY:s3cr3t@bucket"', 'Invalid bucket name "***@bucket"'),
    ("https://h/get?id=7&token=s3cr3t", "GET /get?id=7&token=s3cr3t", "GET /get?id=7&token=***"),
    ("https://h/x.mp4?se=1&sig=s3%2Bcr3t", "no match for s3+cr3t or s3%2Bcr3t", "no match for *** or ***"),
    ("https://h/get?id=7", "id 7 of h", "id 7 of h")])
def test_what_a_library_says_of_an_address(address: str, text: str, left: str) -> None:
    assert without(text, address) == left


def test_a_name_with_line_breaks_is_one_line() -> None:
    assert one_line("a\nb\tc\x1b[2J\udce9.mp4") == r"a\x0ab\x09c\x1b[2J\xe9.mp4"
    match = Match("two\nlines.mp4", 0.5, "a dog\nruns")
    assert str(match).splitlines() == [r" 0.500  two\x0alines.mp4", "        a dog"]
    info = MediaInfo("two\nlines.mp4", "mp4", 0.0, 1.0)
    assert str(info).splitlines()[0].startswith(r"two\x0alines.mp4: mp4")
    assert len(str(Duplicates(("a\n.mp4", "b.mp4"), 0.99)).splitlines()) == 2
