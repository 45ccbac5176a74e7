"""What is built: the wheel holds recipes, configs and models, and answers where it is installed."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mmvideo import recipes, weights

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel with hatchling itself, as pip would, without the network."""
    out = tmp_path_factory.mktemp("wheel")
    code = f"from hatchling.build import build_wheel; print(build_wheel({str(out)!r}))"
    built = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    return out / built.stdout.strip().splitlines()[-1]


def _tracked(folder: str) -> set[str]:
    """List the files of a folder that git knows, or all of them where there is no git."""
    listed = subprocess.run(["git", "ls-files", folder], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if listed.returncode == 0 and listed.stdout:
        return set(listed.stdout.splitlines())
    return {str(path.relative_to(CHECKOUT)) for path in (CHECKOUT / folder).rglob("*") if path.is_file()}


def test_the_wheel_holds_the_whole_package_and_the_yaml(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    yaml = {f"mmvideo/{name}" for folder in ("pipelines", "configs") for name in _tracked(folder)}
    expected = _tracked("mmvideo") | yaml
    assert expected <= held
    assert "mmvideo/py.typed" in held, "without it type checkers take mmvideo for untyped"
    assert any(name.endswith(".yaml") for name in held)


def test_nothing_but_mmvideo_lands_in_site_packages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        top = {name.split("/")[0] for name in archive.namelist()}
    assert {name for name in top if not name.endswith(".dist-info")} == {"mmvideo"}


def test_the_wheel_is_small_enough_for_the_index(wheel: Path) -> None:
    assert wheel.stat().st_size < 100e6


def test_recipes_and_models_resolve_from_the_wheel(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = ("from mmvideo import recipes, weights\n"
            "print(recipes.__file__, recipes.recipes_root('pipelines'), sep='\\n')\n"
            "print(*recipes.recipe_names(), '|', *recipes.recipe_names('configs'), '|', *weights.embedded_names())")
    found = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True,
                           env={"PYTHONPATH": str(tmp_path), "PATH": ""})
    file, root, names = found.stdout.strip().splitlines()
    assert file == str(tmp_path / "mmvideo" / "recipes.py")
    assert root == str(tmp_path / "mmvideo" / "pipelines")
    assert names.split("|")[0].split() == recipes.recipe_names()
    assert names.split("|")[1].split() == recipes.recipe_names("configs")
    assert names.split("|")[2].split() == weights.embedded_names()


@pytest.mark.slow
def test_the_installed_wheel_answers(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site),
                    str(wheel)], check=True)
    clip = site / "mmvideo" / "embedded" / "demo" / "toybox.mp4"
    answered = subprocess.run(
        [sys.executable, "-m", "mmvideo", "ask", str(clip), "what happens next?", "--json"], cwd=tmp_path,
        capture_output=True, text=True, check=True, env={"PYTHONPATH": str(site), "PATH": "", "HF_HUB_OFFLINE": "1"})
    assert '"type": "Answer"' in answered.stdout
    assert str(site) in answered.stdout
