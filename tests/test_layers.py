"""The house rules that a machine can hold: who imports whom, sizes, and what the library never does."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

from mmvideo.recipes import check_value

CHECKOUT = Path(__file__).resolve().parents[1]
PACKAGE = CHECKOUT / "mmvideo"
FILES = sorted(PACKAGE.rglob("*.py"))

BASE = {"version", "types", "errors", "registry", "redaction", "wording", "checks", "deadline", "generation",
        "licences", "settings", "notebook", "subtitles"}
TOOLS = BASE | {"weights", "nn", "recipes"}
VLM = {"vlm", "hub"}
MODELS = {"encoders", "heads", "separation", *VLM}
WORLD = BASE | {"nn", "media", "toybox"}
TRAINERS = TOOLS | MODELS | {"media", "sampling", "faces", "training", "labelled", "evaluation.intervals"}
MAY_IMPORT = {
    "version": set(), "types": BASE, "errors": BASE, "registry": BASE, "redaction": set(), "wording": BASE,
    "checks": BASE, "subtitles": set(),
    "deadline": BASE, "generation": BASE, "licences": BASE, "settings": BASE, "notebook": BASE,
    "weights": BASE, "nn": BASE, "recipes": BASE,
    "media": BASE, "sampling": BASE | {"media"},
    "egocentric": BASE | {"results"},
    "egocentric.training": TRAINERS | {"egocentric"},
    "egocentric.evaluation": TRAINERS | {"egocentric", "egocentric.training", "evaluation"},
    "live": BASE | {"media", "session", "results"},
    "explain": TOOLS | {"hub", "encoders", "flow", "media", "results", "sampling"},
    "flow": TOOLS, "faces": TOOLS | {"media", "sampling"},
    "encoders": TOOLS | {"flow"}, "heads": TOOLS, "vlm": TOOLS | VLM, "hub": TOOLS | VLM,
    "objects": TOOLS | {"media", "sampling"}, "objects.result": BASE | {"objects", "results"},
    "localization": TOOLS | MODELS | {"media", "sampling", "objects", "sounds", "everyday"},
    "localization.result": BASE | {"localization", "results", "subtitles"},
    "localization.action_result": BASE | {"localization", "results"},
    "speech": TOOLS | {"hub", "media", "sounds", "results", "speech.result"},
    "speech.result": BASE | {"results"},
    "sounds": TOOLS | {"media", "sampling", "encoders", "heads"},
    "everyday": TOOLS | MODELS | {"media", "sampling", "objects", "sounds"},
    "everyday.training": TRAINERS | {"evaluation", "everyday", "objects", "sounds", "toybox"},
    "everyday.evaluation": TRAINERS | {"everyday", "objects", "sounds", "evaluation", "pipeline", "everyday.training"},
    "sounds.training": TRAINERS | {"sounds"},
    "sounds.evaluation": TRAINERS | {"sounds", "sounds.training", "evaluation"},
    "toybox": WORLD,
    "toybox.encoder": WORLD | TOOLS | {"encoders"},
    "toybox.tokenizer": WORLD | {"vlm"},
    "localization.training": TRAINERS | {"localization"},
    "localization.evaluation": TRAINERS | {"localization", "localization.training", "objects", "evaluation"},
    "toybox.training": WORLD | TRAINERS | {"toybox.encoder", "toybox.tokenizer", "camera_motion.training",
                                           "localization", "localization.training"},
    "toybox.evaluation": WORLD | TRAINERS | {"toybox.encoder", "toybox.training", "evaluation", "localization",
                                             "localization.training"},
    "camera_motion": TOOLS | {"encoders"},
    "camera_motion.training": TRAINERS | {"camera_motion"},
    "separation": TOOLS | {"encoders"},
    "separation.talkers": BASE,
    "separation.voices": BASE | {"faces", "media", "plots", "results", "subtitles"},
    "separation.training": TRAINERS | {"separation.talkers"},
    "separation.evaluation": TRAINERS | {"separation.talkers", "separation.training", "evaluation", "pipeline"},
    "separation.people_evaluation": TRAINERS | {"separation.evaluation", "separation.training", "evaluation",
                                               "pipeline"},
    "results": BASE | {"plots"}, "plots": BASE | {"media", "results"},
    "stages": TOOLS | MODELS | {"flow", "faces", "objects", "objects.result", "egocentric", "sounds",
                                "separation.voices", "media", "sampling", "results", "localization",
                                "localization.result", "localization.action_result", "speech", "speech.result"},
    "hooks": BASE,
    "session": BASE | {"recipes", "stages", "results", "hooks"},
    "pipeline": TOOLS | VLM | {"stages", "results", "hooks", "session"},
    "training": TRAINERS,
    "evaluation": TOOLS | MODELS | {"pipeline", "training"},
    "evaluation.intervals": set(), "tables": BASE,
    "labelled": BASE | {"tables", "media", "sampling", "evaluation.intervals"},
    "evaluation.labelled_clips": TOOLS | {"labelled", "pipeline", "evaluation.clips_report"},
    "evaluation.clips_report": BASE | {"labelled"},
    "jobs": TOOLS | {"tables", "hub", "media", "sampling", "stages", "results", "hooks", "pipeline",
                     "separation.voices", "objects.result", "localization.result", "localization.action_result",
                     "subtitles", "speech.result"},
    "features": TRAINERS | {"objects", "evaluation"},
    "retrieval": BASE | {"jobs", "pipeline", "everyday"},
    "benchmarks": TOOLS | {"media", "evaluation", "evaluation.intervals", "jobs", "pipeline"},
    "serving": BASE | {"media", "pipeline", "session", "results"},
    "doctor": TOOLS,
    "embedded": set(),
    "cli": {"*"}, "__main__": {"cli"}, "__init__": {"*"},
}
"""Part of the package -> the parts that it may import, besides itself. What serves one world is a part of its own, a
folder or a file of that world's package."""
for _one in ("stages", "pipeline", "jobs"):
    MAY_IMPORT[_one] = MAY_IMPORT[_one] | {"remote"}
MAY_IMPORT["remote"] = TOOLS | {"vlm"}


def _part_of(dotted: str) -> str:
    """Return the most special part of the table that a module, without `mmvideo.`, lies in; else its first name."""
    names = dotted.split(".")
    whole = (".".join(names[:count]) for count in range(len(names), 0, -1))
    return next((part for part in whole if part in MAY_IMPORT), names[0])


def _part(path: Path) -> str:
    return _part_of(".".join(path.relative_to(PACKAGE).with_suffix("").parts))


def _imported(tree: ast.AST) -> set[str]:
    """Name the parts of mmvideo that a file imports when it runs, wherever in the file."""
    found = set()
    for_types = {inner for node in ast.walk(tree) if isinstance(node, ast.If)
                 and ast.unparse(node.test) == "TYPE_CHECKING" for part in node.body for inner in ast.walk(part)}
    for node in ast.walk(tree):
        if node in for_types:
            continue
        if isinstance(node, ast.ImportFrom) and node.module == "mmvideo":
            found |= {_part_of(alias.name) if not alias.name.startswith("_") else "__init__" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mmvideo."):
            found |= {_part_of(f"{node.module}.{alias.name}".removeprefix("mmvideo.")) for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {_part_of(alias.name.removeprefix("mmvideo.")) for alias in node.names
                      if alias.name.startswith("mmvideo.")}
            found |= {"__init__" for alias in node.names if alias.name == "mmvideo"}
    return found


def _ids(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", FILES, ids=_ids)
def test_a_file_imports_only_lower_layers(path: Path) -> None:
    part = _part(path)
    assert part in MAY_IMPORT, f"give {part!r} a layer in tests/test_layers.py and docs/design.md"
    allowed = MAY_IMPORT[part] | {part}
    if "*" not in allowed:
        assert _imported(ast.parse(path.read_text())) <= allowed


@pytest.mark.parametrize("path", FILES, ids=_ids)
def test_files_and_functions_are_small_and_documented(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert text.count("\n") <= 500
    assert not text.strip() or ast.get_docstring(tree), "a file begins with what it is for"
    long = [f"{node.name}: {node.end_lineno - node.lineno + 1} lines" for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno + 1 > 80]
    assert not long


def _calls(tree: ast.AST) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


@pytest.mark.parametrize("path", FILES, ids=_ids)
def test_the_library_never_prints_unpickles_guesses_or_swallows(path: Path) -> None:
    tree = ast.parse(path.read_text())
    for call in _calls(tree):
        name = ast.unparse(call.func)
        keywords = {k.arg: ast.unparse(k.value) for k in call.keywords}
        assert name not in {"print", "pickle.load", "pickle.loads", "eval", "exec", "yaml.load"}, name
        assert name != "torch.load" or keywords.get("weights_only") == "True"
        if name.endswith("load_state_dict"):
            assert keywords.get("strict", "True") == "True"
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            caught = "everything" if node.type is None else ast.unparse(node.type)
            reraises = any(isinstance(inner, ast.Raise) and inner.exc is None for inner in ast.walk(node))
            assert caught not in {"everything", "Exception", "BaseException"} or reraises, f"line {node.lineno}"


def test_models_know_neither_files_nor_sampling_nor_prompts() -> None:
    for path in FILES:
        if _part(path) in {"encoders", "heads", "separation", "toybox.encoder"} or path.parent.name == "projectors":
            found = _imported(ast.parse(path.read_text()))
            assert not found & {"media", "sampling", "stages"}, path.name
            assert "vlm" not in found or path.parent.name == "projectors", path.name


@pytest.mark.parametrize("path", sorted((CHECKOUT / "pipelines").rglob("*.yaml")), ids=lambda path: path.stem)
def test_recipes_hold_names_only(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"!\w|<<:|&\w+ |\$\{", text), "tags, merges, anchors and interpolation are not for recipes"
    for stage in yaml.safe_load(text)["stages"]:
        for name, options in stage.items():
            for key, value in options.items():
                check_value(value, f"{path.name}: {name}.{key}")


def test_no_folder_of_yaml_becomes_a_package() -> None:
    assert not list((CHECKOUT / "pipelines").rglob("__init__.py"))
    assert not list((CHECKOUT / "configs").rglob("__init__.py"))
