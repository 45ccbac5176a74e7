"""Weights: a name or a folder -> checked local files. How a part is loaded from them: `mmvideo.nn.pretrained`.

A model folder holds ``config.json``, one or more ``*.safetensors``, a model card ``README.md`` and ``SHA256SUMS``.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

from mmvideo import licences
from mmvideo.errors import ModelNotFound, UnknownName, WeightsError, shown

SUMS = "SHA256SUMS"
_SUM = re.compile(r"\\?([0-9A-Fa-f]{64}) [ *](.+)")
_CHECKED: dict[Path, list[tuple[str, int, int]]] = {}
"""Folder -> the files that were found as they should be."""
_MOST_TOLD = 3
RUN_MODEL = "model"
"""Folder of the model within that of a training run."""
_NOWHERE = Path(os.devnull) / "no folder"
_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*\Z", re.ASCII)
SERVER_SCHEMES = {"openai": "http", "openai+http": "http", "openai+https": "https"}
"""Scheme of the address of a model behind a server -> that of its requests."""


def weights_root() -> Path:
    """Return the folder of the models that ship with mmvideo."""
    return Path(__file__).parent / "embedded"


def embedded_names() -> list[str]:
    """Return the names of the models that ship with mmvideo."""
    return sorted(entry.name for entry in weights_root().iterdir() if _is_model(entry))


def _is_model(home: Path) -> bool:
    return any(home.glob("config.json")) or any(home.glob("*/config.json"))


def folder(name_or_path: str | Path) -> Path:
    """Return the folder of an embedded model (by name) or of one that you trained (by path), checked against its sums.

    Raises:
        UnknownName: neither.
        ModelNotFound: a path at which there is no folder.
        WeightsError: a folder that holds no model, or files that are not as SHA256SUMS says.
        LicenceRefused: its card states a licence that is not allowed (`mmvideo.licences`).
    """
    text = str(name_or_path)
    if text in embedded_names():
        return verified(_licensed(weights_root() / text))
    path = local_path(name_or_path)
    if path.is_dir():
        if _is_model(path / RUN_MODEL):  # the folder of a training run
            path = path / RUN_MODEL
            if (path / "config.json").is_file() and "model_type" in config(path):  # of another library's format
                raise WeightsError(not_a_model(text))
        if not _is_model(path):
            raise WeightsError(not_a_model(text))
        return verified(_licensed(path))
    if is_path(text) or path.is_file():
        raise ModelNotFound(not_a_model(text))
    if is_hub_id(text):
        raise ModelNotFound(f"{not_a_model(text)} No model of the Hugging Face hub runs here.")
    hint = 'Or give a local folder, or a model of the Hugging Face hub as "owner/name".'
    raise UnknownName("model", text, embedded_names(), hint=hint)


def name_of(name_or_path: str | Path) -> str:
    """Return what results call a model: the name that was given, of a run's model the run's folder."""
    path = Path(name_or_path)
    return str(path.parent) if path.name == RUN_MODEL and len(path.parts) > 1 else str(name_or_path)


def _licensed(home: Path) -> Path:
    if licences.allowed() is not None:
        licences.check_licences(home.name, licences.licences_of(card(home)))
    return home


def local_path(name_or_path: str | Path) -> Path:
    """Return a path with the home folder filled in; one that no file system can have leads to a place without files."""
    try:
        path = Path(name_or_path).expanduser()
        path.is_dir()
    except (RuntimeError, OSError, ValueError):  # no such user; too long; a NUL in it
        return _NOWHERE
    return path if str(name_or_path).strip() else _NOWHERE


def is_path(name: str) -> bool:
    """Say whether a name can only be a path: it is no single word, and no "owner/name" of the hub.

    `runs/NAME` is a path, though it has the form of a hub's name: there training writes what it makes.
    """
    return bool(re.search(r"[/\\]", name)) and (name.startswith("runs/") or not is_hub_id(name))


def is_hub_id(name: str) -> bool:
    """Say whether a name has the form of a model of the hub, "owner/name"; a folder may have such a name too."""
    return bool(_HUB_ID.match(name))


def is_server_name(model: object) -> bool:
    """Say whether a model is named by the address of a server, as `openai://localhost:8000/NAME`."""
    return isinstance(model, str) and model.partition("://")[0] in SERVER_SCHEMES and "://" in model


def not_a_model(name: str) -> str:
    """Say in words what is at a path at which a model was looked for, and where it may be instead."""
    path = local_path(name)
    inner = path / RUN_MODEL
    if "://" in name or name.startswith(("hf.co/", "huggingface.co/")):
        return f"{name} is an address; name a model of the Hugging Face hub as \"owner/name\"."
    if path.is_file():
        return f"{name} is a file; give the folder of a model, with its config.json and *.safetensors."
    if path.is_dir() and _is_model(inner):
        return (f"{name} is the folder of a training run; its model is in the folder {inner}: give "
                f"model={str(inner)!r}.")
    if path.is_dir():
        return (f"{name} is a folder without a config.json; give one that mmvideo train or save_pretrained has "
                f"written. If it is a training run, its model will be in {inner}, which is not there yet.")
    return f"There is no folder {name}{_around(name, path)}"


def _around(name: str, path: Path) -> str:
    """Say what is beside a missing folder, and where the model of a training run of that name would be."""
    full = path.absolute()
    looked = "" if str(full) == name or path == _NOWHERE else f" (looked for {full})"
    if path.name == RUN_MODEL and path.parent.is_dir():
        return f"{looked}: the training run {path.parent} has not written its model yet."
    close = difflib.get_close_matches(path.name, _folders_in(path.parent), n=1)
    guess = f" Did you mean {path.parent / close[0]}?" if close else ""
    return f"{looked}.{guess} The model of a training run {name} would be in {name.rstrip('/')}/{RUN_MODEL}."


def _folders_in(above: Path) -> list[str]:
    try:
        return [entry.name for entry in above.iterdir() if entry.is_dir()]
    except (OSError, ValueError):
        return []


def check_released(path: Path, expected: str, origin: str) -> None:
    """Refuse a file that is not the released one.

    Args:
        path: of the file.
        expected: its SHA-256, in hexadecimal.
        origin: where the file comes from, in words.

    Raises:
        WeightsError: it is absent, or has another hash.
    """
    if not path.is_file():
        raise WeightsError(f"{path} is not there; take it from {origin}.")
    if (found := sha256(path)) != expected:
        raise WeightsError(f"{path} has SHA-256 {found}, not {expected}: it is not the released file.")


def part(name_or_path: str | Path, name: str) -> Path:
    """Return the sub-folder of one part of a model ("encoder", "language" ...), or the model's folder if it has none.

    Raises:
        UnknownName: no such model.
        WeightsError: files that are not as SHA256SUMS says.
    """
    home = folder(name_or_path)
    return home / name if (home / name).is_dir() else home


def config(home: Path) -> dict[str, Any]:
    """Read a model's config.json.

    Raises:
        WeightsError: absent, or no JSON object.
    """
    path = home / "config.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsError(f"{path} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise WeightsError(f"{path} holds {shown(found, 60)}, not an object.")
    return found


def is_encoder(home: Path) -> bool:
    """Say whether a folder was written by a video encoder of the zoo (`save_pretrained`): it names a preset and a clip.

    Raises:
        WeightsError: config.json is not JSON.
    """
    given = config(home) if (home / "config.json").is_file() else {}
    clip = given.get("input")
    return isinstance(given.get("preset"), str) and isinstance(clip, dict) and "num_frames" in clip


def is_tagger(home: Path) -> bool:
    """Say whether a folder holds an audio tagger, as `mmvideo train train/sounds` writes it.

    Raises:
        WeightsError: config.json is not JSON.
    """
    return (home / "config.json").is_file() and config(home).get("kind") == "sounds"


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal(home: Path) -> Path:
    """Write SHA256SUMS over every weights and config file of a model folder (the format of `sha256sum -c`)."""
    lines = [f"{sha256(path)}  {path.relative_to(home).as_posix()}" for path in _sealed(home)]
    target = home / SUMS
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return target


def _sealed(home: Path) -> list[Path]:
    return sorted(p for p in home.rglob("*") if p.suffix in {".safetensors", ".json"})


def verified(home: Path) -> Path:
    """Return a model's folder if its files are as its SHA256SUMS says, or if it has none.

    Files are read once for each state that they are in, told by size and time of change.

    Raises:
        WeightsError: a file is missing or damaged, or SHA256SUMS cannot be read.
    """
    if not (home / SUMS).is_file():
        return home
    expected = _sums(home)
    state = [(name, about.st_size, about.st_mtime_ns) for name in (SUMS, *expected)
             if (about := _stat(home / name)) is not None]
    if _CHECKED.get(home.resolve()) != state:
        if wrong := _differences(home, expected):
            embedded = home.parent == weights_root()
            mend = "pip install --force-reinstall mmvideo" if embedded else (
                "fetch or train it again; or, if you changed it yourself, delete its SHA256SUMS or write it anew "
                "(mmvideo.weights.seal)")
            told = "; ".join(wrong[:_MOST_TOLD]) + " ..." * (len(wrong) > _MOST_TOLD)
            raise WeightsError(f"{told}. These are not the files of {home / SUMS}: {mend}.")
        _CHECKED[home.resolve()] = state
    return home


def verify(home: Path) -> list[str]:
    """Compare a model folder with its SHA256SUMS.

    Returns:
        What is wrong, one line a file; empty if every file is as it was sealed.
    """
    if not (home / SUMS).is_file():
        return [f"{home.name}: no {SUMS}"]
    try:
        expected = _sums(home)
    except WeightsError as error:
        return [str(error)]
    present = {path.relative_to(home).as_posix() for path in _sealed(home)}
    return _differences(home, expected) + [f"{home.name}/{name}: not in {SUMS}"
                                           for name in sorted(present - set(expected))]


def _differences(home: Path, expected: dict[str, str]) -> list[str]:
    wrong = [f"{home.name}/{name}: missing" for name in expected if not (home / name).is_file()]
    return wrong + [f"{home.name}/{name}: damaged (SHA-256 differs)" for name, digest in expected.items()
                    if (home / name).is_file() and sha256(home / name) != digest]


def _sums(home: Path) -> dict[str, str]:
    """Read SHA256SUMS: name -> hexadecimal digits; also as `sha256sum -b` writes it."""
    found: dict[str, str] = {}
    path = home / SUMS
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(f"{path} cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        match = _SUM.fullmatch(line)
        if line.strip() and (match is None or ".." in Path(match[2]).parts or Path(match[2]).is_absolute()):
            raise WeightsError(f"{path}, line {number} is no checksum of a file beside it: SHA-256 in hexadecimal "
                               "digits, two spaces and a name.")
        if match is not None:
            found[match[2]] = match[1].lower()
    return found


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def card(home: Path) -> str:
    """Return the text of a model card, or an empty text if the folder has none."""
    path = home / "README.md"
    return path.read_text(encoding="utf-8") if path.is_file() else ""


__all__ = [
    "RUN_MODEL",
    "SERVER_SCHEMES",
    "card",
    "check_released",
    "config",
    "embedded_names",
    "folder",
    "is_encoder",
    "is_hub_id",
    "is_path",
    "is_server_name",
    "is_tagger",
    "local_path",
    "name_of",
    "not_a_model",
    "part",
    "seal",
    "sha256",
    "verified",
    "verify",
    "weights_root",
]
