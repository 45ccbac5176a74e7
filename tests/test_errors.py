"""Errors quote what was given in few words, and travel between processes."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch

from mmvideo import errors
from mmvideo.errors import MAX_MESSAGE, InvalidInput, MediaNotFound, MissingExtra, UnknownName, shown

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.MmvideoError)]


def _nested(depth: int) -> list:
    inner: list = ["x" * 1000] * 1000
    for _ in range(depth):
        inner = [inner] * 1000
    return inner


@pytest.mark.parametrize("value", [
    "x" * 10**6, _nested(5), {str(i): i for i in range(10**5)}, {"a": _nested(3)}, 10**5000, [10**5000],
    set(range(999)), b"x" * 10**6, torch.zeros(1000, 1000), range(10**9),
], ids=lambda value: type(value).__name__)
def test_what_is_shown_is_short(value: object) -> None:
    assert 0 < len(shown(value)) < 200


def test_short_values_are_shown_as_they_are() -> None:
    for value in ("a name", 5, [1, 2.5, None], {"a": True}, "it's"):
        assert shown(value) == repr(value)


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_can_be_pickled_and_copied(kind: type[errors.MmvideoError]) -> None:
    takes_more = {UnknownName: ("encoder", "c3", ["c3d"]), errors.UnknownKey: ("key", "c3", ["c3d"]),
                  MissingExtra: ("peft", "hub", "lora"),
                  errors.PluginError: ("encoder 'mine'", "boom", "pip install mine")}
    error = kind(*takes_more.get(kind, ("what happened",)))
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is kind
        assert str(again) == str(error) != ""
        assert again.args == error.args
        assert vars(again) == vars(error)


def test_a_long_message_loses_its_middle() -> None:
    for kind in (InvalidInput, MediaNotFound):
        said = str(kind("begin " + "x" * 10**6 + " end"))
        assert len(said) < MAX_MESSAGE + 100
        assert said.startswith("begin ")
        assert said.endswith(" end")
        assert "984,010 characters left out" in said


@pytest.mark.parametrize("name", ["c3dd" * 10**6, 5, None, ["c3d"], {"c3d": 1}])
def test_any_value_may_be_an_unknown_name(name: object) -> None:
    said = str(UnknownName("encoder", name, ["c3d", "r2plus1d"]))
    assert len(said) < 500
    assert "Known: c3d, r2plus1d." in said
