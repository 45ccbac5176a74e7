"""The commands with a chat model of a folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mmvideo.cli import main
from tests.tiny import make_clip


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    try:
        main(list(arguments))
        code = 0
    except SystemExit as stop:
        code = int(stop.code or 0)
    out = capsys.readouterr()
    return code, out.out, out.err


def test_ask_with_a_chat_model(checkpoint: Callable[[str], Path], tmp_path: Path,
                               capsys: pytest.CaptureFixture[str]) -> None:
    clip, model = str(make_clip(tmp_path / "clip.mp4")), str(checkpoint("qwen3_vl"))
    given = ("ask", clip, "what is it?", "--model", model, "--device", "cpu", "--set", "encode_video.num_frames=4",
             "--max-new-tokens", "6")
    code, out, _ = run(capsys, *given, "--json")
    answer = json.loads(out)
    assert code == 0
    assert len(answer["seconds_looked_at"]) == 4
    code, out, _ = run(capsys, *given, "--stream")
    assert code == 0
    assert out.startswith(answer["text"])
    code, out, _ = run(capsys, *given, "--json", "--choice", "yes", "--choice", "no")
    assert json.loads(out)["text"] in ("yes", "no")
    code, _, err = run(capsys, "ask", clip, "what?", "--model", "some-lab/nothing")
    assert code == 5
    assert err.startswith("mmvideo: some-lab/nothing is not in the local cache")
    assert "hf download" in err
