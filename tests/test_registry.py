"""One table of names; every entry exists, and a new part is one line."""

from __future__ import annotations

import sys
import types

import pytest

from mmvideo import registry
from mmvideo.errors import RecipeError, UnknownName

ENTRIES = [(kind, name) for kind in registry.PARTS for name in registry.names(kind)]


@pytest.mark.parametrize(("kind", "name"), ENTRIES)
def test_every_entry_exists(kind: str, name: str) -> None:
    assert callable(registry.find(kind, name))


def test_an_unknown_name_guesses() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'windows'"):
        registry.find("samplers", "window")
    with pytest.raises(UnknownName, match="Did you mean 'encoders'"):
        registry.names("encoder")


def test_a_new_part_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("a_new_sampler")
    module.every_second = lambda source: source
    monkeypatch.setitem(sys.modules, "a_new_sampler", module)
    monkeypatch.setitem(registry.PARTS["samplers"], "every-second", "a_new_sampler:every_second")
    registry._table.cache_clear()
    try:
        assert "every-second" in registry.names("samplers")
        assert registry.find("samplers", "every-second")(3) == 3
    finally:
        monkeypatch.undo()
        registry._table.cache_clear()


def test_an_entry_that_names_nothing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.PARTS["heads"], "ghost", "mmvideo.heads.linear:Ghost")
    registry._table.cache_clear()
    try:
        with pytest.raises(RecipeError, match="does not exist"):
            registry.find("heads", "ghost")
    finally:
        monkeypatch.undo()
        registry._table.cache_clear()


def test_a_stage_declares_what_its_call_takes() -> None:
    import inspect

    for name in registry.names("stages"):
        stage = registry.find("stages", name)
        parameters = set(inspect.signature(stage.__call__).parameters) - {"self"}
        assert parameters == set(stage.needs), name
        assert stage.gives, name
