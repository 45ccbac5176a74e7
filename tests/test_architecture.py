"""How the package hangs together: no circle of imports, shared parts that know no world, one meaning for a name."""

from __future__ import annotations

import ast
from pathlib import Path
from types import FrameType

PACKAGE = Path(__file__).resolve().parents[1] / "mmvideo"
MODULES = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
           for path in sorted(PACKAGE.rglob("*.py"))}
MOST_ON_THE_WAY = 43
"""Modules that a question passes through, at most, without those that decode the file."""
TREES = {name: ast.parse(path.read_text()) for name, path in MODULES.items()}


def _imports(name: str) -> set[str]:
    """Return the modules that one imports anywhere: at its top, inside functions and for type checkers."""
    found: set[str] = set()
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert not node.level, f"{name} imports by a relative name"
            found |= {f"{node.module}.{alias.name}" if f"{node.module}.{alias.name}" in MODULES else node.module
                      for alias in node.names}
    return found & MODULES.keys() - {name}


IMPORTS = {name: _imports(name) for name in MODULES}


def _circles(imports: dict[str, set[str]]) -> list[set[str]]:
    """Return the groups of modules that import each other, directly or not (Tarjan 1972)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        stack.append(name)
        for other in sorted(imports[name]):
            if other not in order:
                visit(other)
            if other in stack:
                low[name] = min(low[name], low[other])
        if low[name] == order[name]:
            at = stack.index(name)
            group = set(stack[at:])
            del stack[at:]
            if len(group) > 1:
                found.append(group)

    for name in imports:
        if name not in order:
            visit(name)
    return found


def test_circles_are_found() -> None:
    assert _circles({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set()}) == [{"a", "b", "c"}]
    assert _circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []


def test_no_modules_import_each_other() -> None:
    assert _circles(IMPORTS) == []


def _within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


WORLDS = ("mmvideo.toybox", "mmvideo.separation", "mmvideo.camera_motion")
SHARED = ("mmvideo.training", "mmvideo.evaluation", "mmvideo.encoders", "mmvideo.nn", "mmvideo.vlm", "mmvideo.heads")


def test_what_is_shared_knows_no_world() -> None:
    found = {(name, other) for name in MODULES if _within(name, *SHARED)
             for other in IMPORTS[name] if _within(other, *WORLDS)}
    assert found == set(), "find it through the registry, or move the importing part to the world that it serves"


def _defined_twice(trees: dict[str, ast.Module]) -> dict[str, set[str]]:
    """Return public classes and functions that more than one module defines at its top, by name."""
    homes: dict[str, set[str]] = {}
    for module, tree in trees.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name[0] != "_":
                homes.setdefault(node.name, set()).add(module)
    return {name: modules for name, modules in homes.items() if len(modules) > 1}


def test_names_defined_twice_are_found() -> None:
    trees = {"a": ast.parse("def f(): pass\ndef _g(): pass"), "b": ast.parse("class f: pass\ndef _g(): pass"),
             "c": ast.parse("class A:\n    def f(self): pass")}
    assert _defined_twice(trees) == {"f": {"a", "b"}}



def test_no_public_name_is_defined_twice() -> None:
    found = _defined_twice(TREES)
    assert {name: sorted(found[name]) for name in found} == {}
def _writes_tokens(tree: ast.AST) -> list[str]:
    """Name the functions that choose token after token: a loop that calls a model and picks from its logits."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            words = " ".join(ast.unparse(loop) for loop in ast.walk(node) if isinstance(loop, ast.For | ast.While))
            picks = any(word in words for word in ("argmax", "log_softmax", "multinomial"))
            calls = "step(" in words or "input_ids" in words
            if "logits" in words and picks and calls and "cross_entropy" not in words:  # a loss, teacher-forced
                found.append(node.name)
    return found


def test_there_is_one_generate_loop() -> None:
    """Nothing but `mmvideo.vlm.generate` writes token after token about video; transformers' own loop writes speech
    down, so that the text is that of its pipeline."""
    loops = {name: found for name, tree in TREES.items() if (found := _writes_tokens(tree))}
    assert loops == {"mmvideo.vlm.generate": ["generate"]}
    for name, tree in TREES.items():
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
                 and node.func.attr == "generate"]
        assert not calls or name == "mmvideo.speech.recognizer", f"{name}, line {calls[0].lineno}"


def test_the_way_to_an_answer_is_short() -> None:
    """From `Pipeline("video-qa")(video, question)` to the answer."""
    import sys

    from mmvideo import Pipeline

    passed: set[str] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        path = frame.f_code.co_filename
        if event == "call" and path.startswith(str(PACKAGE)):
            passed.add(str(Path(path).relative_to(PACKAGE).with_suffix("")))

    def ask() -> None:
        pipe = Pipeline("video-qa", device="cpu")
        pipe(PACKAGE / "embedded" / "demo" / "toybox.mp4", "what happens next?")

    ask()  # modules are imported now, so that what is noted was called
    sys.setprofile(note)
    try:
        ask()
    finally:
        sys.setprofile(None)
    way = {name for name in passed if not name.startswith("media/")}
    assert {"pipeline", "session", "stages/encode_video", "stages/answer", "vlm/generate"} <= way
    assert len(way) <= MOST_ON_THE_WAY, sorted(way)


def test_no_two_test_files_have_one_name() -> None:
    """Test files lie in folders that are no packages, so pytest can import only one of a name."""
    loose = [path for path in Path(__file__).parent.rglob("test_*.py") if not (path.parent / "__init__.py").is_file()]
    double = {path.name for path in loose if sum(path.name == other.name for other in loose) > 1}
    assert not double
