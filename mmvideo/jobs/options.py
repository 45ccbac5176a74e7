"""What a job may be told, and the hash of all that decides its rows."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmvideo import weights
from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.hub.find import is_hub_name
from mmvideo.recipes import Recipe

ENGINES = ("local", "accelerate", "ray")
SIDECARS = ("txt", "json", "srt", "vtt", "chapters")


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """How a job runs. Only `strict` changes what the rows say; the rest may differ from one resume to the next."""

    engine: str = "local"
    workers: int | None = None
    """Decode processes (for each rank); None takes one a core, less one for the model."""
    batch_size: int = 8
    """Clips (rows of a network) in one forward pass."""
    timeout_seconds: float = 120.0
    """Wall-clock seconds that fetching and decoding one clip may take."""
    crashes: int = 3
    """A clip that has ended its worker this many times is quarantined."""
    strict: bool = True
    """A damaged clip fails; False captions what can be read of it, with warnings."""
    need_audio: bool = False
    """A clip without a sound track fails."""
    min_frames: int = 1
    """A clip of which fewer frames were seen fails."""
    max_bytes: int = 2 * 1024**3
    """Largest download of one address."""
    max_seconds: float = 300.0
    """Seconds that the download of one address may take."""
    max_redirects: int = 5
    retry_failed: bool = False
    """Try failed and quarantined clips again."""
    allow_reduce: bool = False
    """Where one clip alone does not fit the device's memory, look at fewer frames, and say so in its row."""
    sidecars: tuple[str, ...] = ()
    """Files written for each clip: txt, json, srt, vtt, chapters."""
    beside: bool = False
    """Write sidecars beside the clips; False writes them below the job's folder."""
    thumbnails: int = 60
    """Clips whose frames are shown in the report."""
    parquet: bool = False
    """Also write results.parquet (needs pyarrow)."""
    progress: bool = False
    """Show the progress on stderr."""
    stop_after: int = 20
    """Stop when this many items in a row, and none before them, fail by an error that is not about the clip."""
    processes: int = 2
    """Ranks that the engine accelerate starts on this machine, or computing actors of Ray."""
    address: str | None = None
    """Address of a Ray cluster; None starts one on this machine."""

    files: str | None = None
    """Folder for results that are files, as separated voices are; a job sets it within its own."""

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise UnknownName("engine", self.engine, ENGINES)
        for kind in self.sidecars:
            if kind not in SIDECARS:
                raise UnknownName("sidecar", kind, SIDECARS)
        for name in ("batch_size", "crashes", "min_frames", "max_bytes", "stop_after", "processes"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise InvalidInput(f"{name} must be a whole number of 1 or more, not {getattr(self, name)!r}.")
        for name in ("timeout_seconds", "max_seconds"):
            if not getattr(self, name) > 0:
                raise InvalidInput(f"{name} must be positive, not {getattr(self, name)!r}.")
        if self.workers is not None and self.workers < 1:
            raise InvalidInput(f"workers must be 1 or more, not {self.workers}.")

    @property
    def num_workers(self) -> int:
        """Decode processes."""
        return self.workers or max(1, cores() - 1)


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def weights_hash(recipe: Recipe) -> str:
    """Return one SHA-256 over the weights, configuration and tokenizer files of every model in a recipe."""
    homes = sorted({str(spec.options["weights"]) for spec in recipe.stages if spec.options.get("weights")})
    digest = hashlib.sha256()
    for home in map(_home, homes):
        sums = home / weights.SUMS
        if sums.is_file():
            digest.update(sums.read_bytes())
            continue
        for path in sorted(p for p in home.rglob("*") if p.is_file() and not p.name.startswith(".")):
            digest.update(f"{weights.sha256(path)}  {path.relative_to(home).as_posix()}\n".encode())
    return digest.hexdigest()


def _home(name: str) -> Path:
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if name not in weights.names() and is_hub_name(name):
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(name, local_files_only=True))
    return weights.folder(name)


def configuration(recipe: Recipe, options: JobOptions, weights_sha256: str) -> dict[str, Any]:
    """Return what decides the rows, beside each clip's content and what is asked of it."""
    stages = []
    for spec in recipe.stages:
        rest = {key: value for key, value in spec.options.items() if key != "weights"}
        stages.append({spec.name: rest})
    return {"recipe": recipe.name, "gives": recipe.gives, "stages": stages, "weights_sha256": weights_sha256,
            "strict": options.strict}


def hash_of(value: Mapping[str, Any]) -> str:
    """Return the SHA-256 of plain values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def row_key(content: str, config: str, asked: Mapping[str, Any]) -> str:
    """Return the key of a result: content of the clip, configuration, and what is asked of the clip."""
    return hash_of({"content": content, "config": config, "asked": asked})


def versions() -> dict[str, str]:
    """Return the versions of the libraries that a row depends on."""
    found = {}
    for name in ("mmvideo", "torch", "transformers", "av"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = __import__(name).__version__
    return found


__all__ = ["ENGINES", "SIDECARS", "JobOptions", "configuration", "cores", "hash_of", "row_key", "versions",
           "weights_hash"]
