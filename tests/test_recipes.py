"""Recipes: found, read, checked whole, and every mistake named with a guess."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from mmvideo import recipes
from mmvideo.errors import MediaNotFound, RecipeError, UnknownName
from mmvideo.recipes import Recipe, StageSpec, options_from
from mmvideo.stages.build import build

GOOD = """\
name: mine
about: A test.
takes: [video]
gives: clips
stages:
  - read: {}
  - sample: {sampler: uniform, size: 32, num_frames: 4}
"""


def _written(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", recipes.recipe_names())
def test_every_recipe_that_ships_fits_together(name: str) -> None:
    recipe = recipes.load_recipe(name)
    stages = build(recipe)
    assert recipe.name == name
    assert [stage for stage, _ in stages] == [spec.name for spec in recipe.stages]
    assert recipe.gives in {given for _, stage in stages for given in stage.gives}


def test_the_three_pipelines_are_there() -> None:
    assert {"video-qa", "video-captioning", "video-classification"} <= set(recipes.recipe_names())


def test_a_recipe_survives_writing_and_reading(tmp_path: Path) -> None:
    recipe = recipes.load_recipe("video-qa")
    again = recipes.load_recipe(recipe.save(tmp_path / "copy.yaml"))
    assert again.stages == recipe.stages
    for name in ("name", "about", "takes", "gives"):
        assert getattr(again, name) == getattr(recipe, name)


def test_a_recipe_object_a_path_and_a_name_are_the_same(tmp_path: Path) -> None:
    path = _written(tmp_path, GOOD)
    by_path = recipes.load_recipe(path)
    assert recipes.load_recipe(by_path) is by_path
    assert recipes.load_recipe(str(path)).stages == by_path.stages == (
        StageSpec("read", {}), StageSpec("sample", {"sampler": "uniform", "size": 32, "num_frames": 4}))


def test_overrides_replace_options_of_one_stage() -> None:
    recipe = recipes.load_recipe("video-qa").with_options({"encode_video": {"num_frames": 8}})
    options = {spec.name: spec.options for spec in recipe.stages}
    assert options["encode_video"] == {"weights": "everyday", "num_frames": 8}
    assert recipes.load_recipe("video-qa").stages[1].options == {"weights": "everyday"}


def test_an_override_of_no_stage_guesses() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'encode_video'"):
        recipes.load_recipe("video-qa").with_options({"encode_vidoe": {"num_frames": 8}})
    with pytest.raises(RecipeError, match="as a dict"):
        recipes.load_recipe("video-qa").with_options({"encode_video": 8})


def test_an_unknown_recipe_guesses() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'video-qa'"):
        recipes.load_recipe("video-q")
    with pytest.raises(MediaNotFound, match=r"nowhere\.yaml"):
        recipes.load_recipe("nowhere.yaml")
    with pytest.raises(UnknownName, match="kind of recipe"):
        recipes.recipes_root("pipeline")


@pytest.mark.parametrize(("change", "says"), [
    (("about: A test.", "abuot: A test."), "Did you mean 'about'"),
    (("about: A test.\n", ""), "missing about"),
    (("num_frames: 4", "num_frame: 4"), "Did you mean 'num_frames'"),
    (("sampler: uniform", "sampler: unifrom"), "Did you mean 'uniform'"),
    (("- sample:", "- sampel:"), "Did you mean 'sample'"),
    (("- read: {}", "- shots: {}"), "stage 'shots' needs 'media', but so far there is only video"),
    (("gives: clips", "gives: clip"), "Did you mean 'clips'"),
    (("takes: [video]", "takes: [vidoe]"), "Did you mean 'video'"),
    (("takes: [video]", "takes: video"), "takes must be a list"),
    (("size: 32", "size: big"), "size must be a whole number or a list"),
    (("size: 32", "size: {h: 3}"), "scalars or flat lists"),
    (("sampler: uniform", "sampler: /home/me/sampler"), "is not a name"),
    (("sampler: uniform", "sampler: package.module:Class"), "is not a name"),
    (("sampler: uniform", "sampler: https://example.org/x"), "is not a name"),
    (("sampler: uniform", "sampler: '${SAMPLER}'"), "is not a name"),
    (("sampler: uniform", "sampler: !!python/name:os.system"), "is not plain YAML"),
    (("  - read: {}\n", "  - read: {}\n  - read: {}\n"), "'read' is named twice"),
    (("  - read: {}\n", "  - read: {}\n    shots: {}\n"), "each entry of stages is one"),
])
def test_a_bad_recipe_says_what_is_wrong(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    old, new = change
    assert old in GOOD
    path = _written(tmp_path, GOOD.replace(old, new))
    with pytest.raises((RecipeError, UnknownName)) as caught:
        build(recipes.load_recipe(path))
    assert says in str(caught.value)
    assert "mine.yaml" in str(caught.value)


def test_a_field_is_filled_once_and_before_it_is_needed() -> None:
    twice = Recipe(name="t", about="", takes=("video",), gives="clips", stages=(
        StageSpec("read"), StageSpec("shots"), StageSpec("sample", {"sampler": "uniform", "size": 8}),
        StageSpec("classify", {"weights": "camera-motion"})))
    with pytest.raises(RecipeError, match="gives 'clips', already given by stage 'sample'"):
        build(twice)
    late = Recipe(name="t", about="", takes=("video",), gives="shots", stages=(StageSpec("shots"), StageSpec("read")))
    with pytest.raises(RecipeError, match="Stage 'read' gives it: move it before 'shots'"):
        build(late)
    deaf = recipes.load_recipe("video-qa")
    with pytest.raises(RecipeError, match=r"Add it to takes: \[video, text\]"):
        build(Recipe(name="t", about="", takes=("video",), gives="answers", stages=deaf.stages))


def test_checked_builds_a_dataclass_and_guesses() -> None:
    @dataclass
    class Options:
        steps: int
        rate: float = 0.1

    assert options_from(Options, {"steps": 3}, "x.yaml") == Options(3)
    with pytest.raises(RecipeError, match=r"x\.yaml: Unknown key 'step'\. Did you mean 'steps'"):
        options_from(Options, {"step": 3}, "x.yaml")
    with pytest.raises(RecipeError, match=r"x\.yaml: missing steps"):
        options_from(Options, {}, "x.yaml")


HOSTILE = {
    "an alias bomb": "\n".join(["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol]", *(
                               f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)), "stages: *a8"]),
    "a merge bomb": "\n".join(["a0: &a0 {x: 1}", *(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}"
                                                  for i in range(1, 9)), "stages: *a8"]),
    "a repeated long text": f"a: &a {'x' * 50_000}\nstages: [{', '.join(['*a'] * 5000)}]",
    "a list within itself": "stages: &a [*a]",
    "lists in lists": "stages: " + "[" * 5000 + "]" * 5000,
    "mappings in mappings": "stages: " + "{a: " * 400 + "1" + "}" * 400,
    "indented lists": "stages:\n" + "\n".join("  " * i + "-" for i in range(300)),
    "a long file": "about: " + "x " * 200_000,
    "many values": "stages: [" + "1," * 50_000 + "]",
    "a number of 5,000 digits": "stages: " + "9" * 5000,
    "a sexagesimal number": "stages: 1" + ":59" * 50_000,
    "a date that is none": "stages: 2001-99-99",
    "a control character": "stages: \x01",
    "two documents": "stages: [read]\n---\nstages: [read]",
    "an open bracket": "stages: [read",
    "an alias to nothing": "stages: *nothing",
    "a key twice": GOOD + "name: again\n",
    "an option twice": GOOD.replace("num_frames: 4", "num_frames: 4, num_frames: 5"),
    "a key that is a list": "[a, b]: c",
    "a key that is a number": GOOD + "5: 6\n",
    "the key that code sets": GOOD + "where: here\n",
    "nothing": "", "a comment": "# nothing", "a text": "just words", "a list": "- read: {}",
    **{f"the tag {tag}": GOOD.replace("size: 32", f"size: {tag} 32") for tag in (
        "!!python/name:os.system", "!!python/object/apply:os.system", "!!binary", "!!str", "!mine", "!")},
    "a set": "stages: !!set {a, b}",
    "wide values": GOOD.replace("num_frames: 4", "num_frames: [" + ", ".join(["'" + "y" * 90 + "'"] * 200) + "]"),
    "a long name": GOOD.replace("- read:", f"- {'r' * 100_000}:"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_recipes_are_refused_in_few_words_and_little_time(tmp_path: Path, name: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(HOSTILE[name])
    began = time.monotonic()
    with pytest.raises(RecipeError) as caught:
        build(recipes.load_recipe(path))
    assert time.monotonic() - began < 5
    assert len(str(caught.value)) < 2000
    assert "mine.yaml" in str(caught.value)


def test_files_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_bytes(b"about: caf\xe9")
    with pytest.raises(RecipeError, match="byte 10 is 0xe9"):
        recipes.load_recipe(tmp_path / "mine.yaml")
    (tmp_path / "wide.yaml").write_text(GOOD, encoding="utf-16")
    with pytest.raises(RecipeError, match="not UTF-8"):
        recipes.load_recipe(tmp_path / "wide.yaml")
    (tmp_path / "marked.yaml").write_text(GOOD, encoding="utf-8-sig")
    assert recipes.load_recipe(tmp_path / "marked.yaml").name == "mine"
    (tmp_path / "folder.yaml").mkdir()
    for path in (tmp_path / "folder.yaml", tmp_path / f"{'n' * 300}.yaml", "nul\0.yaml"):
        with pytest.raises(MediaNotFound):
            recipes.load_recipe(path)


def test_few_aliases_are_read(tmp_path: Path) -> None:
    text = GOOD.replace("takes: [video]", "takes: &what [video]").replace("num_frames: 4", "num_frames: &n 4")
    assert recipes.load_recipe(_written(tmp_path, text)).takes == ("video",)
    assert recipes.parsed("a: &x [1, 2]\nb: {<<: {c: 3}, d: *x}", "here") == {"a": [1, 2], "b": {"c": 3, "d": [1, 2]}}


def test_values_are_checked_deeply_and_the_number_that_yaml_reads_as_text_is_explained() -> None:
    @dataclass
    class Inner:
        depth: int = 1

    @dataclass
    class Options:
        rate: float = 0.1
        sizes: tuple[int, ...] = ()
        pair: tuple[int, int] = (1, 2)
        shares: dict[str, float] | None = None
        inner: Inner | None = None

    Options.__annotations__ |= {"inner": Inner | None}
    assert options_from(Options, {"sizes": [1, 2], "shares": {"a": 1}, "inner": {"depth": 3}}, "x.yaml") == Options(
        sizes=(1, 2), shares={"a": 1}, inner=Inner(3))
    for raw, says in [({"rate": "1e-3"}, r"write 1\.0e-3"), ({"rate": True}, "rate must be a number, not True"),
                      ({"sizes": [1, "2"]}, "sizes must be a list"), ({"pair": [1]}, r"pair must be a list \(of 2"),
                      ({"shares": {"a": "b"}}, "shares must be 'key: value' lines, each a number"),
                      ({"inner": {"dept": 3}}, r"x\.yaml: inner: Unknown key 'dept'\. Did you mean 'depth'"),
                      ({"inner": 3}, "inner must be 'key: value' lines or null"), ({5: 6}, "Unknown key 5"),
                      ([1], "must hold 'key: value' lines")]:
        with pytest.raises(RecipeError, match=says):
            options_from(Options, raw, "x.yaml")
