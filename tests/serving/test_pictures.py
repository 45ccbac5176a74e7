"""Pictures of a request, each behind its time, as frames; and how many frames of a video are looked at."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmvideo import Pipeline
from mmvideo.errors import InvalidInput
from mmvideo.serving.address import Rules
from mmvideo.serving.options import with_view
from mmvideo.serving.pictures import MOST, Slideshow, time_in
from mmvideo.serving.playlist import Playlist
from mmvideo.serving.problems import Refused
from mmvideo.serving.request import read_request
from tests.serving.conftest import about, call, served
from tests.tiny import make_clip

DATA = "data:video/mp4;base64,AAAA"


def picture(colour: int, size: tuple[int, int] = (32, 24), kind: str = "PNG") -> str:
    out = io.BytesIO()
    Image.new("RGB", size, (colour, 0, 0)).save(out, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(out.getvalue()).decode()}"


def shown(*parts: str, question: str = "who moves?") -> dict[str, Any]:
    content = [{"type": "image_url", "image_url": {"url": part}} if ":" in part and "base64" in part else
               {"type": "text", "text": part} for part in (*parts, question)]
    return {"messages": [{"role": "user", "content": content}]}


def test_pictures_become_frames_with_their_times() -> None:
    body = shown("3 frames:", "0.50 s", picture(10), "1.25 s:", picture(20, (8, 8), "JPEG"), "3 s", picture(30))
    wanted = read_request(body, Rules())
    assert wanted.question == "3 frames:\nwho moves?", "times are no words"
    assert isinstance(wanted.place.source, Slideshow)
    frames, when = wanted.place.source.decoded()
    assert when == {"pts_seconds": [0.5, 1.25, 3.0]}
    assert frames.shape == (3, 3, 24, 32)
    assert frames.dtype == np.uint8
    np.testing.assert_allclose(frames[:, 0].mean((1, 2)), [10, 20, 30], atol=2)
    later = shown("0.50 s", picture(10), "1.25 s:", picture(20, (8, 8), "JPEG"), "4 s", picture(30))
    again = read_request(later, Rules())
    assert again.key != wanted.key, "other times are another video"
    plain = read_request(shown(picture(1), picture(2)), Rules()).place.source
    assert plain.seconds == (0.0, 1.0)
    assert [time_in(words) for words in ("0.50 s", " 7 seconds: ")] == [0.5, 7.0]
    assert [time_in(words) for words in ("s", "1 s later", "-1 s")] == [None] * 3


@pytest.mark.parametrize(("parts", "said"), [
    (("1 s", picture(1), picture(2)), "Either every picture"), (("1 s", picture(1), "1 s", picture(2)), "must ascend"),
    (("data:x;base64,AAAA", "https://example.com/base64/a.png"), "must be a data address"),
    ((picture(1),) * (MOST + 1), f"can hold {MOST} pictures")])
def test_pictures_that_are_refused(parts: tuple[str, ...], said: str) -> None:
    with pytest.raises(Refused, match=said) as caught:
        read_request(shown(*parts), Rules())
    assert caught.value.field == "messages"


def test_pictures_that_cannot_be_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = read_request(shown(picture(1), "data:image/png;base64,AAAA"), Rules()).place.source
    with pytest.raises(Refused, match="Picture 2 cannot be decoded: UnidentifiedImageError"):
        broken.decoded()
    large = read_request(shown(picture(1)), Rules()).place.source
    monkeypatch.setattr("mmvideo.serving.pictures._MOST_PIXELS", 100)
    with pytest.raises(Refused, match="too many pixels"):
        large.decoded()


def _message(*parts: str) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    for part in parts:
        kind = "text" if ":" not in part and part[0] != "/" else "image_url" if "image" in part[:12] else "video_url"
        content.append({"type": kind, kind: part if kind == "text" else {"url": part}})
    return {"messages": [{"role": "user", "content": content}]}


def test_several_videos_and_pictures_are_shown_in_their_order(pipe: Pipeline, clip: Path, tmp_path: Path) -> None:
    other = make_clip(tmp_path / "other.mp4", seconds=1)
    rules = Rules(folders=(clip.parent, tmp_path))
    body = _message(str(clip), "and", picture(90), picture(30), str(other), str(clip), "what happens next?")
    wanted = read_request(body, rules)
    assert isinstance(wanted.place.source, Playlist)
    assert [type(part.source) for part in wanted.place.source.parts] == [str, Slideshow, str], "a clip is shown once"
    assert (wanted.place.addresses, wanted.question) == ((), "and\nwhat happens next?")
    turned = _message(str(other), picture(90), picture(30), str(clip), "what happens next?")
    assert read_request(turned, rules).key != wanted.key
    remote = read_request(_message("https://example.com/a.mp4", str(clip), "https://example.com/a.mp4", "?"), rules)
    assert remote.place.addresses == ("https://example.com/a.mp4",)
    with served(pipe, rules=rules) as port:
        status, found = call(port, body)
        again, same = call(port, body)
    assert (status, again) == (200, 200), found
    assert found["mmvideo"]["rule"].endswith(
        "shown one after the other: video 1 from 0.00 to 2.00 s; pictures 1 from 2.00 to 4.00 s; video 2 from 4.00 to "
        "5.00 s")
    assert 4.0 < found["mmvideo"]["seconds_looked_at"][-1] < 5.0
    assert found["choices"] == same["choices"]
    with wanted.place.source.opened({}) as media:
        assert found["choices"][0]["message"]["content"] == pipe(media, wanted.question).text


def test_several_videos_that_are_refused(clip: Path) -> None:
    rules = Rules(folders=(clip.parent,))
    with pytest.raises(Refused, match="here are none"):
        read_request(_message("who?"), rules)
    with pytest.raises(Refused, match="can hold 16 videos"):
        read_request(_message(*[part for n in range(9) for part in (f"https://example.com/{n}.mp4", picture(n))], "?"),
                     rules)
    with pytest.raises(InvalidInput, match="no file"):
        read_request(_message(str(clip), str(clip.parent / "absent.mp4"), "?"), rules)


def test_an_answer_about_pictures_is_that_about_their_frames(pipe: Pipeline) -> None:
    files = [picture(40 * number, (64, 64)) for number in range(6)]
    parts = [part for number, file in enumerate(files) for part in (f"{number / 4:.2f} s", file)]
    with served(pipe) as port:
        status, found = call(port, shown(*parts, question="what happens next?"))
    assert status == 200, found
    frames, when = read_request(shown(*parts), Rules()).place.source.decoded()
    assert found["choices"][0]["message"]["content"] == pipe(frames, "what happens next?", **when).text
    assert found["mmvideo"]["seconds_looked_at"][-1] <= 1.25


def test_frames_of_a_request(pipe: Pipeline) -> None:
    plain = read_request(about(DATA), Rules())
    one = read_request(about(DATA, num_frames=3), Rules())
    assert one.view == (("num_frames", 3),)
    assert one.key != plain.key
    assert read_request(about(DATA, mm_processor_kwargs={"fps": 2}), Rules()).view == (("fps", 2),)
    with pytest.raises(Refused, match="chooses its frames itself"):
        with_view(pipe, one.view)
    for fields in ({"num_frames": 0}, {"fps": "two"}, {"mm_processor_kwargs": {"size": 3}}):
        with pytest.raises(Refused, match=next(iter(fields))):
            read_request(about(DATA, **fields), Rules())


def test_another_view_shares_the_networks() -> None:
    class Stage:
        reader: Any = type("Reader", (), {"takes": frozenset({"num_frames"})})

        def looking(self, options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
            return "other", options

    class Pipe:
        stages: list[tuple[str, Any]] = [("read", 1), ("encode_video", Stage())]  # noqa: RUF012

    pipe: Any = Pipe()
    other = with_view(pipe, (("num_frames", 3),))
    assert other.stages == [("read", 1), ("encode_video", ("other", {"num_frames": 3}))]
    assert with_view(pipe, ()) is pipe
