"""A classifier behind the server: requests for labels, their replies, and what is refused."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmvideo import Pipeline
from mmvideo.cli.serve import _recipe_for
from mmvideo.encoders import zoo
from mmvideo.errors import InvalidInput
from mmvideo.serving.address import Rules
from mmvideo.serving.app import make_app
from tests.serving.conftest import about, call, served

PATH = "/v1/classify"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that trained a small classifier."""
    home = tmp_path_factory.mktemp("runs") / "gestures"
    zoo.create("single-frame-tiny", labels=("clap", "point", "wave")).save_pretrained(home / "model")
    return home


@pytest.fixture(scope="module")
def classifier(run: Path) -> Pipeline:
    return Pipeline("video-classification", str(run), device="cpu")


@pytest.fixture(scope="module")
def port(classifier: Pipeline, clip: Path) -> Iterator[int]:
    with served(classifier, rules=Rules(folders=(clip.parent,))) as found:
        yield found


def test_labels_are_those_of_the_pipeline(port: int, classifier: Pipeline, clip: Path) -> None:
    expected = classifier(str(clip))
    status, reply = call(port, {"video_url": {"url": str(clip)}, "model": "gestures"}, path=PATH)
    assert status == 200
    assert reply["object"] == "list"
    assert reply["model"] == "gestures"
    [found] = reply["data"]
    assert found["label"] == expected.label
    assert [one["label"] for one in found["labels"]] == [one.name for one in expected.labels]
    assert sum(one["confidence"] for one in found["labels"]) == pytest.approx(1, abs=1e-4)
    assert found["labels"][0]["confidence"] == pytest.approx(expected.confidence, abs=1e-6)
    assert reply["mmvideo"]["in_domain"] is None


def test_a_video_may_be_sent_in_the_request(port: int, clip: Path) -> None:
    sent = "data:video/mp4;base64," + base64.b64encode(clip.read_bytes()).decode()
    (status, reply), (_, other) = (call(port, {"video_url": url}, path=PATH) for url in (sent, str(clip)))
    assert status == 200
    assert reply["data"] == other["data"]


@pytest.mark.parametrize(("body", "status", "said"), [
    ([], 400, "must be a JSON object"), ({}, 400, "'video_url' must hold"), ({"video_url": 3}, 400, "'video_url'"),
    ({"video_url": "x.mp4", "top": 3}, 400, "Supported are model, user, video_url"),
    ({"video_url": "x.mp4", "model": 3}, 400, "'model' must be a text"),
    ({"video_url": "/etc/passwd"}, 400, "--allow FOLDER")])
def test_what_cannot_be_labelled_is_said(port: int, body: object, status: int, said: str) -> None:
    found, reply = call(port, body, path=PATH)
    assert found == status
    assert said in reply["error"]["message"]


def test_another_model_or_path_is_not_there(port: int, clip: Path) -> None:
    status, reply = call(port, {"video_url": str(clip), "model": "other"}, path=PATH)
    assert (status, reply["error"]["code"]) == (404, "model_not_found")
    status, reply = call(port, about(clip))
    assert status == 404
    assert f"POST {PATH}" in reply["error"]["message"]


def test_the_recipe_follows_from_the_model(run: Path, tmp_path: Path) -> None:
    assert _recipe_for(str(run)) == _recipe_for(str(run / "model")) == "video-classification"
    assert _recipe_for(None) == _recipe_for("toybox-qa") == _recipe_for("owner/name") == "video-qa"
    assert _recipe_for(str(tmp_path)) == "video-qa"


def test_a_pipeline_that_does_neither_is_refused() -> None:
    with pytest.raises(InvalidInput, match="neither takes questions nor gives a classification"):
        make_app(Pipeline("video-captioning", "toybox-qa", device="cpu"))
