"""Weights: a name or a folder -> checked local files. How a part is loaded from them: `mmvideo.nn.pretrained`.

A model folder holds ``config.json``, one or more ``*.safetensors``, a model card ``README.md`` and ``SHA256SUMS``.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from mmvideo.errors import UnknownName, WeightsError

SUMS = "SHA256SUMS"


def root() -> Path:
    """Return the folder of the models that ship with mmvideo."""
    return Path(__file__).parent / "embedded"


def names() -> list[str]:
    """Return the names of the models that ship with mmvideo."""
    return sorted(entry.name for entry in root().iterdir() if _is_model(entry))


def _is_model(home: Path) -> bool:
    return any(home.glob("config.json")) or any(home.glob("*/config.json"))


def folder(name_or_path: str | Path) -> Path:
    """Return the folder of an embedded model (by name) or of one that you trained (by path).

    Raises:
        UnknownName: neither.
    """
    text = str(name_or_path)
    if text in names():
        return root() / text
    path = Path(name_or_path).expanduser()
    if path.is_dir():
        if not _is_model(path):
            raise WeightsError(f"{text!r} is a folder without a config.json; give one that mmvideo train has written.")
        return path
    hint = 'Or give a local folder, or a model of the Hugging Face hub as "owner/name".'
    raise UnknownName("model", text, names(), hint=hint)


def part(name_or_path: str | Path, name: str) -> Path:
    """Return the sub-folder of one part of a model ("encoder", "language" ...), or the model's folder if it has none.

    Raises:
        UnknownName: no such model.
    """
    home = folder(name_or_path)
    return home / name if (home / name).is_dir() else home


def config(home: Path) -> dict[str, Any]:
    """Read a model's config.json.

    Raises:
        WeightsError: absent or not JSON.
    """
    path = home / "config.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read: {error}") from error


def is_encoder(home: Path) -> bool:
    """Say whether a folder was written by a video encoder of the zoo (`save_pretrained`): it names a preset and a clip.

    Raises:
        WeightsError: config.json is not JSON.
    """
    given = config(home) if (home / "config.json").is_file() else {}
    return isinstance(given.get("preset"), str) and "num_frames" in (given.get("input") or {})


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


def verify(home: Path) -> list[str]:
    """Compare a model folder with its SHA256SUMS.

    Returns:
        What is wrong, one line a file; empty if every file is as it was sealed.
    """
    sums = home / SUMS
    if not sums.is_file():
        return [f"{home.name}: no {SUMS}"]
    expected = dict(reversed(line.split("  ", 1)) for line in sums.read_text(encoding="utf-8").splitlines())
    wrong = [f"{home.name}/{name}: missing" for name in expected if not (home / name).is_file()]
    wrong += [
        f"{home.name}/{name}: damaged (SHA-256 differs)"
        for name, digest in expected.items() if (home / name).is_file() and sha256(home / name) != digest
    ]
    present = {path.relative_to(home).as_posix() for path in _sealed(home)}
    return wrong + [f"{home.name}/{name}: not in {SUMS}" for name in sorted(present - set(expected))]


def card(home: Path) -> str:
    """Return the text of a model card, or an empty text if the folder has none."""
    path = home / "README.md"
    return path.read_text(encoding="utf-8") if path.is_file() else ""


__all__ = ["card", "config", "folder", "is_encoder", "names", "part", "root", "seal", "sha256", "verify"]
