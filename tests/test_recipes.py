"""Recipes: found, read, checked whole, and every mistake named with a guess."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from mmvideo import recipes
from mmvideo.errors import MediaNotFound, RecipeError, UnknownName
from mmvideo.recipes import Recipe, StageSpec, checked
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


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_that_ships_fits_together(name: str) -> None:
    recipe = recipes.load(name)
    stages = build(recipe)
    assert recipe.name == name
    assert [stage for stage, _ in stages] == [spec.name for spec in recipe.stages]
    assert recipe.gives in {given for _, stage in stages for given in stage.gives}


def test_the_three_pipelines_are_there() -> None:
    assert {"video-qa", "video-captioning", "video-classification"} <= set(recipes.names())


def test_a_recipe_survives_writing_and_reading(tmp_path: Path) -> None:
    recipe = recipes.load("video-qa")
    again = recipes.load(recipe.save(tmp_path / "copy.yaml"))
    assert again.stages == recipe.stages
    for name in ("name", "about", "takes", "gives"):
        assert getattr(again, name) == getattr(recipe, name)


def test_a_recipe_object_a_path_and_a_name_are_the_same(tmp_path: Path) -> None:
    path = _written(tmp_path, GOOD)
    by_path = recipes.load(path)
    assert recipes.load(by_path) is by_path
    assert recipes.load(str(path)).stages == by_path.stages == (
        StageSpec("read", {}), StageSpec("sample", {"sampler": "uniform", "size": 32, "num_frames": 4}))


def test_overrides_replace_options_of_one_stage() -> None:
    recipe = recipes.load("video-qa").with_options({"sample": {"num_frames": 8}})
    options = {spec.name: spec.options for spec in recipe.stages}
    assert options["sample"]["num_frames"] == 8
    assert options["sample"]["sampler"] == "windows"
    assert recipes.load("video-qa").stages[1].options["num_frames"] == 16


def test_an_override_of_no_stage_guesses() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'sample'"):
        recipes.load("video-qa").with_options({"sampel": {"num_frames": 8}})
    with pytest.raises(RecipeError, match="as a dict"):
        recipes.load("video-qa").with_options({"sample": 8})


def test_an_unknown_recipe_guesses() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'video-qa'"):
        recipes.load("video-q")
    with pytest.raises(MediaNotFound, match=r"nowhere\.yaml"):
        recipes.load("nowhere.yaml")
    with pytest.raises(UnknownName, match="kind of recipe"):
        recipes.root("pipeline")


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
        build(recipes.load(path))
    assert says in str(caught.value)
    assert "mine.yaml" in str(caught.value)


def test_a_field_is_filled_once_and_before_it_is_needed() -> None:
    twice = Recipe(name="t", about="", takes=("video",), gives="clips", stages=(
        StageSpec("read"), StageSpec("shots"), StageSpec("sample", {"sampler": "uniform", "size": 8}),
        StageSpec("sample-shots", {"sampler": "uniform", "size": 8})))
    with pytest.raises(RecipeError, match="gives 'clips', already given by stage 'sample'"):
        build(twice)
    late = Recipe(name="t", about="", takes=("video",), gives="shots", stages=(StageSpec("shots"), StageSpec("read")))
    with pytest.raises(RecipeError, match="Stage 'read' gives it: move it before 'shots'"):
        build(late)
    deaf = recipes.load("video-qa")
    with pytest.raises(RecipeError, match=r"Add it to takes: \[video, text\]"):
        build(Recipe(name="t", about="", takes=("video",), gives="answers", stages=deaf.stages))


def test_checked_builds_a_dataclass_and_guesses() -> None:
    @dataclass
    class Options:
        steps: int
        rate: float = 0.1

    assert checked(Options, {"steps": 3}, "x.yaml") == Options(3)
    with pytest.raises(RecipeError, match=r"x\.yaml: Unknown key 'step'\. Did you mean 'steps'"):
        checked(Options, {"step": 3}, "x.yaml")
    with pytest.raises(RecipeError, match=r"x\.yaml: missing steps"):
        checked(Options, {}, "x.yaml")
