"""Options of a job, and the hash of everything that decides its rows."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from mmvideo import weights
from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.hub.resolve import is_hub_name
from mmvideo.recipes import Recipe
from mmvideo.remote.address import server_address
from mmvideo.version import __version__

ENGINES = ("local", "accelerate", "ray")
SIDECARS = ("txt", "json", "srt", "vtt", "chapters")


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """How a job runs. None changes what a row says but `strict`, of clips that are damaged.

    Raises:
        InvalidInput: a value of the wrong type or out of range.
        UnknownName: an engine, sidecar or class of failures that does not exist.
    """

    engine: str = "local"
    """Who computes: local, accelerate (GPUs and nodes) or ray (clusters)."""
    workers: int | None = None
    """Decode processes of each rank; by default one a core, less one for the model."""
    batch_size: int = 8
    """Clips (rows of a network) in one forward pass."""
    concurrency: int | None = None
    """Models behind a server: requests at once; by default as many as it answers without becoming slow."""
    requests_per_minute: float | None = None
    """Models behind a server: most requests that begin in a minute."""
    processes: int = 2
    """Ranks that the engine accelerate starts on this machine, or computing actors of Ray."""
    address: str | None = None
    """Address of a running Ray cluster; by default one is started on this machine."""
    retry_failed: bool = False
    """Try failed and quarantined clips again."""
    retry: tuple[str, ...] = ()
    """Try only clips again that failed by these classes, such as VideoDecodeError; rows that are there stay, whatever
    the configuration."""
    dry_run: bool = False
    """Only say how many clips would be done, kept and done anew, and why.

    `run_job` then returns a `JobPlan` and writes nothing."""
    estimate: bool = False
    """As dry_run, and say how long the job will take and how large its results will be, from ten of its clips.

    `run_job` then returns a `JobEstimate`; what the ten gave is not kept."""
    allow_reduce: bool = False
    """Where one clip alone does not fit the device's memory, look at fewer frames, and say so in its row."""
    long_first: bool = True
    """Begin with the largest files, so that no device waits for a long clip at the end."""
    stop_after: int = 20
    """Stop when this many clips in a row, and none before them, fail by an error that is not about the clip."""

    timeout_seconds: float = 300.0
    """Longest time for one clip, in seconds: fetching, decoding and the networks, but not waiting for them.

    A batch may take what is left to its clips together; where that is over, they are computed one by one, each in what
    is left to itself."""
    strict: bool = True
    """Fail damaged clips; else what can be read of them is used, with warnings in the row."""
    need_audio: bool = False
    """Fail clips without a sound track."""
    min_frames: int = 1
    """Fail clips of which fewer frames were seen."""
    crashes: int = 3
    """Quarantine a clip that has ended its worker this many times."""
    max_bytes: int = 2 * 1024**3
    """Largest download of one address, in bytes."""
    max_seconds: float = 300.0
    """Longest download of one address, in seconds."""
    max_redirects: int = 5
    """Redirects of one address that are followed."""

    parquet: bool = False
    """Also write results.parquet (needs pyarrow)."""
    sidecars: tuple[str, ...] = ()
    """Write a file for each clip: txt, json, srt, vtt or chapters."""
    beside: bool = False
    """Write sidecars beside the clips, not below the job's folder."""
    overwrite: bool = False
    """Replace files that the job has not written where its own would go."""
    thumbnails: int = 60
    """Clips whose frames are shown in the report."""

    progress: bool = False
    """Show the progress on stderr; the command always does."""
    progress_json: bool = False
    """Write the progress to stderr as lines of JSON, for other programs."""
    metrics: str | None = None
    """Serve the progress while the job runs, for Prometheus: PORT, or HOST:PORT (http://HOST:PORT/metrics)."""
    files: str | None = None
    """Folder for results that are files, as separated voices are; a job sets it within its own."""

    def __post_init__(self) -> None:
        for name in ("sidecars", "retry"):
            value = getattr(self, name)
            given = (value,) if isinstance(value, str) else value
            if not isinstance(given, list | tuple | set | frozenset) or not all(isinstance(one, str) for one in given):
                raise InvalidInput(f"{name} must be a list of names, not {value!r}.")
            object.__setattr__(self, name, tuple(dict.fromkeys(given)))
        if self.engine not in ENGINES:
            raise UnknownName("engine", str(self.engine), ENGINES)
        for kind in self.sidecars:
            if kind not in SIDECARS:
                raise UnknownName("sidecar", kind, SIDECARS)
        for name, least in _WHOLE.items():
            value = getattr(self, name)
            whole = isinstance(value, int) and not isinstance(value, bool) and value >= least
            if not whole and not (value is None and name in ("workers", "concurrency")):
                raise InvalidInput(f"{name} must be a whole number of {least} or more, not {value!r}.")
        for name in ("timeout_seconds", "max_seconds", "requests_per_minute"):
            value = getattr(self, name)
            if value is None and name == "requests_per_minute":
                continue
            if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < float("inf"):
                raise InvalidInput(f"{name} must be a positive number{' of seconds' * name.endswith('seconds')}, not "
                                   f"{value!r}.")
        for option in fields(self):
            if option.type == "bool" and not isinstance(getattr(self, option.name), bool):
                raise InvalidInput(f"{option.name} must be True or False, not {getattr(self, option.name)!r}.")
        if self.beside and not self.sidecars:
            raise InvalidInput(f"beside says where sidecars go, but none is asked for: choose some of "
                               f"{', '.join(SIDECARS)} (--sidecar).")
        if self.retry and self.retry_failed:
            raise InvalidInput("Give either retry_failed (all failed clips) or retry (those of some classes).")

    @property
    def num_workers(self) -> int:
        """Decode processes."""
        return self.workers or max(1, cores() - 1)


_WHOLE = {"batch_size": 1, "crashes": 1, "min_frames": 1, "max_bytes": 1, "stop_after": 1, "processes": 1, "workers": 1,
          "concurrency": 1,          "thumbnails": 0, "max_redirects": 0}
"""Option -> its least value."""


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def weights_hash(recipe: Recipe) -> str:
    """Return one SHA-256 over the weights, configuration and tokenizer files of every stage, adapters included.

    The files themselves are read; what a SHA256SUMS beside them says does not count. Of a model behind a server only
    its name counts, so that a job goes on when the server has moved; what a server loads under a name is not seen.
    """
    homes: dict[Path, str] = {}
    digest = hashlib.sha256()
    for spec in recipe.stages:
        for option in ("weights", "adapter"):
            if weights.is_server_name(name := spec.options.get(option)):
                digest.update(f"{spec.name} {option} server {server_address(str(name)).name}\n".encode())
            elif name:
                home = _home(str(name), spec.options.get("revision") if option == "weights" else None)
                homes[home] = homes.get(home) or _folder_hash(home)
                digest.update(f"{spec.name} {option} {homes[home]}\n".encode())
    return digest.hexdigest()


def _folder_hash(home: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(p for p in home.rglob("*") if p.is_file()):
        name = path.relative_to(home)
        if not _is_prose(name):
            digest.update(f"{weights.sha256(path)}  {name.as_posix()}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _is_prose(name: Path) -> bool:
    """Say whether a file of a model's folder decides nothing: its card, its licence, its sums, hidden files."""
    return (name.name.startswith(("README", "LICENSE", "NOTICE")) or name.name == weights.SUMS
            or any(part.startswith(".") for part in name.parts))


def _home(name: str, revision: str | None) -> Path:
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if name not in weights.embedded_names() and is_hub_name(name):
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(name, revision=revision, local_files_only=True))
    return weights.folder(name)


def configuration(recipe: Recipe, weights_sha256: str) -> dict[str, Any]:
    """Return what decides the rows, beside each clip's content, what is asked of it and whether damage is allowed."""
    stages = []
    for spec in recipe.stages:
        rest = {key: value for key, value in spec.options.items() if key not in ("weights", "adapter")}
        stages.append({spec.name: rest})
    return {"recipe": recipe.name, "gives": recipe.gives, "stages": stages, "weights_sha256": weights_sha256}


def hash_of(value: Mapping[str, Any]) -> str:
    """Return the SHA-256 of plain values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def row_keys(content: str, config: str, asked: Mapping[str, Any], *, strict: bool) -> tuple[str, ...]:
    """Return the keys under which a result can be known: content of the clip, configuration, and what is asked.

    A row that was made without damage stands also where damage is allowed, so that there are two keys then; the last is
    the one under which a new row is kept.
    """
    about = {"content": content, "config": config, "asked": asked}
    whole = hash_of(about)
    return (whole,) if strict else (whole, hash_of({**about, "damage": "allowed"}))


def versions() -> dict[str, str]:
    """Return the versions of the libraries that a row depends on."""
    found = {"mmvideo": __version__}
    for name in ("torch", "transformers", "av"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = __import__(name).__version__
    return found


__all__ = ["ENGINES", "SIDECARS", "JobOptions", "configuration", "cores", "hash_of", "row_keys", "versions",
           "weights_hash"]
