"""One table of names; every entry exists, and a new part is one line."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mmvideo import doctor, recipes, registry
from mmvideo.cli import main
from mmvideo.encoders import zoo
from mmvideo.errors import PluginError, RecipeError, UnknownName
from mmvideo.stages.build import build

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
        assert parameters == {*stage.needs, *stage.optional}, name
        assert stage.gives, name


FAULTS = {
    "an exception of its own": ("class Odd(Exception): pass\nraise Odd('boom')", "raises Odd: boom"),
    "a value error": ("raise ValueError('boom')", "raises ValueError: boom"),
    "a syntax error": ("def broken(:", "raises SyntaxError: invalid syntax"),
    "an import error": ("from json import nothing_of_the_kind", "raises ImportError: cannot import name"),
    "a missing module": ("import a_package_that_is_nowhere", "raises ModuleNotFoundError"),
    "a missing library": ("raise OSError('libfoo.so: cannot open shared object file')", "libfoo.so"),
    "an attribute error": ("import json\njson.nothing_of_the_kind", "raises AttributeError"),
    "a missing name": ("Other = 3", "which does not exist"),
    "a number instead of a class": ("Part = 3", "is no class and no function but a int"),
    "an exit": ("import sys\nsys.exit(3)", "raises SystemExit"),
    "an endless recursion": ("def f(): f()\nf()", "raises RecursionError"),
    "an assertion": ("assert False", "raises AssertionError"),
    "no presets": ("class Part: pass", "has no PRESETS"),
    "presets that are a list": ("class Part:\n    PRESETS = ['mine']", "has no PRESETS"),
}


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Install packages that register parts, each with a module of its own."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(package: str, code: str, points: str) -> Path:
        (tmp_path / f"{package}_parts.py").write_text(code + "\n")
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(points)
        registry._table.cache_clear()
        return info

    yield install
    for name in [name for name in sys.modules if name.endswith("_parts") and name in {
            path.stem for path in tmp_path.glob("*_parts.py")}]:
        del sys.modules[name]
    monkeypatch.undo()
    registry._table.cache_clear()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_plugin_breaks_nothing_but_itself(fault: str, plugin, capsys: pytest.CaptureFixture) -> None:
    code, says = FAULTS[fault]
    plugin("badpack", code, "[mmvideo.encoders]\nmine = badpack_parts:Part\n")
    with pytest.raises(PluginError) as caught:
        zoo.members("mine")
    assert says in str(caught.value)
    assert "pip uninstall badpack" in str(caught.value)
    main_ok("list", "encoders")
    listed = capsys.readouterr().out.splitlines()
    (line,) = [line for line in listed if line.startswith("mine: ")]
    assert line.startswith("mine: BROKEN: encoder 'mine' of the package badpack cannot be used")
    assert says in line
    assert any(line.startswith("  c3d-tiny ") for line in listed)
    main_ok("list", "encoders", "--json")
    families = json.loads(capsys.readouterr().out)["encoders"]
    assert says in families["mine"]["broken"]
    assert "c3d-tiny" in families["c3d"]["presets"]
    with pytest.raises(UnknownName, match="Did you mean 'c3d-tiny'"):
        zoo.preset_of("c3d-tinny")
    with pytest.raises(PluginError):
        zoo.preset_of("mine-small")
    assert zoo.family_of("c3d-tiny") == "c3d"
    broken = [finding for finding in doctor._parts() if finding.broken]
    assert [finding.name for finding in broken] == ["mine"]
    assert says in broken[0].state
    assert broken[0].mend == ("pip install a_package_that_is_nowhere" if "missing module" in fault
                              else "pip install --upgrade --force-reinstall badpack")


def main_ok(*arguments: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert not ended.value.code


def test_a_broken_plugin_of_any_kind_is_listed_as_such(plugin, capsys: pytest.CaptureFixture) -> None:
    plugin("badpack", "raise ValueError('boom')",
           "".join(f"[mmvideo.{kind}]\nmine = badpack_parts:Part\n" for kind in registry.PARTS))
    main_ok("list", "--json")
    listed = json.loads(capsys.readouterr().out)
    for kind in registry.PARTS:
        assert "ValueError: boom" in listed[kind]["mine"], kind
        with pytest.raises(PluginError, match="boom"):
            registry.find(kind, "mine")
    assert sum(finding.broken for finding in doctor._parts()) == len(registry.PARTS)
    recipe = recipes.Recipe("t", "", ("video",), "media", (recipes.StageSpec("read"), recipes.StageSpec("mine")))
    with pytest.raises(PluginError, match="badpack"):
        build(recipe)


def test_a_broken_plugin_does_not_hide_a_family_whose_name_begins_its_own(plugin) -> None:
    plugin("badpack", "raise ValueError('boom')", "[mmvideo.encoders]\nc3d-tiny = badpack_parts:Part\n")
    assert zoo.family_of("c3d-tiny") == "c3d"
    assert zoo.create("c3d-tiny", width=0.05, dim_hidden=8).preset == "c3d-tiny"


def test_a_sound_plugin_works_beside_a_broken_one(plugin, capsys: pytest.CaptureFixture) -> None:
    plugin("badpack", "raise ValueError('boom')", "[mmvideo.samplers]\nbad = badpack_parts:Part\n")
    plugin("goodpack", "class Outer:\n    @staticmethod\n    def every(source): return source",
           "[mmvideo.samplers]\ngood = goodpack_parts:Outer.every [extra]\nuniform = goodpack_parts:Outer.every\n")
    assert registry.find("samplers", "good")(3) == 3
    assert registry.find("samplers", "uniform").__module__ == "mmvideo.sampling.uniform"
    main_ok("list", "samplers")
    listed = capsys.readouterr().out
    assert "\ngood           from the package goodpack" in listed
    assert "\nbad            BROKEN: sampler 'bad' of the package badpack" in listed
    found = {(finding.name, finding.broken): finding for finding in doctor._parts()}
    assert found["good", False].state == "sampler of the package goodpack"
    assert "never used: mmvideo has a part of that name" in found["uniform", True].state


@pytest.mark.parametrize("points", [
    b"[mmvideo.encoders]\nmine\n", b"\xff[mmvideo.encoders]\nmine = a:b\n",
    b"[mmvideo.encodrs]\nmine = a:b\n",
])
def test_a_damaged_list_of_parts_breaks_no_other_and_is_reported(plugin, points: bytes) -> None:
    plugin("goodpack", "def every(source): return source", "[mmvideo.samplers]\ngood = goodpack_parts:every\n")
    (plugin("badpack", "", "") / "entry_points.txt").write_bytes(points)
    assert registry.find("samplers", "good")(3) == 3
    assert "c3d-tiny" in zoo.presets()
    (broken,) = [finding for finding in doctor._parts() if finding.broken]
    assert broken.name == "badpack"
    assert broken.mend == "pip install --upgrade --force-reinstall badpack"


@pytest.mark.parametrize("value", ["a b c", "", "badpack_parts", "badpack_parts:", "badpack_parts:Part.inner",
                                   "no_module_of_this_name:Part"])
def test_an_entry_point_that_names_nothing_is_a_broken_part(plugin, value: str) -> None:
    plugin("badpack", "class Part: pass", f"[mmvideo.encoders]\nmine = {value}\n")
    with pytest.raises(PluginError, match="badpack"):
        registry.find("encoders", "mine")


def test_a_part_of_mmvideo_that_is_broken_is_reported_too(monkeypatch: pytest.MonkeyPatch, plugin) -> None:
    plugin("own", "raise OSError('libcuda.so: no such file')", "")
    monkeypatch.setitem(registry.PARTS["encoders"], "mine", "own_parts:Part")
    registry._table.cache_clear()
    with pytest.raises(PluginError, match=r"libcuda\.so"):
        registry.find("encoders", "mine")
    assert [finding.name for finding in doctor._parts() if finding.broken] == ["mine"]


def test_names_that_are_no_text_are_unknown() -> None:
    for name in (5, None, ["c3d"], {"a": 1}):
        with pytest.raises(UnknownName):
            registry.find("encoders", name)
        with pytest.raises(UnknownName):
            zoo.preset_of(name)


def test_names_of_a_listing_stand_apart_from_what_is_said_of_them(capsys: pytest.CaptureFixture) -> None:
    main_ok("list", "configs")
    said = {line.split("  ")[0]: line for line in capsys.readouterr().out.splitlines()}
    for name in recipes.recipe_names("configs"):
        about = recipes.read_yaml("configs", name)[0].get("about", "")
        assert name in said
        assert said[name].removeprefix(name).strip() == about
