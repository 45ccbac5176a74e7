"""What encoders cost, measured here and beside what their papers state: `mmvideo profile`.

- parameters, multiply-adds, tokens and the receptive field are counted on shapes alone;
- time and memory are measured with random weights, each preset in a process of its own (`mmvideo.evaluation.bench`);
  a few processes take turns, one run each, so that what else the machine does falls on all of them alike.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from mmvideo.encoders import zoo
from mmvideo.encoders.preset import AudioInput, Preset
from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.nn.costs import multiply_adds, num_params, shapes_only
from mmvideo.nn.receptive_field import reach
from mmvideo.pipeline import choose_device
from mmvideo.types import Features

KINDS = ("encoders", "audio-encoders")
TOGETHER, TOGETHER_BYTES = 4, 2 << 30
"""Processes that take turns, each with a network, and what their weights may take; a larger one is measured alone."""
SLOW_SECONDS = 60.0
"""A first run that takes longer is the only one: what a first run does besides is little beside it."""
RESERVE_BYTES = 1 << 30
"""What is left to the rest of the machine."""


@dataclass(frozen=True)
class Counted:
    """What a preset is on one clip, without running it."""

    input: tuple[int, ...]
    """(1, T, C, H, W) of a clip, (1, S) of sound."""
    tokens: int
    grid: tuple[int, int, int]
    dim: int
    dim_pooled: int
    params: int
    gflops: float
    """10^9 multiply-adds of matrix products and convolutions, the classifier among them."""


@dataclass
class Profile:
    """One line of the table."""

    name: str
    counted: Counted
    published: dict[str, Any] | None
    params_difference: float | None
    """Per cent of the published figure."""
    gflops_difference: float | None
    explained: str
    receptive: dict[str, Any]
    """time and space: positions that the centre token depends on, "all", or None where not defined."""
    batch: int
    device: str
    threads: int | None
    milliseconds: float | None = None
    """Median over the repeats, a batch."""
    cpu_milliseconds: float | None = None
    """The same in processor time, all threads together; what else the machine does counts less in it."""
    repeats: tuple[float, ...] = ()
    peak_mib: float | None = None
    """Weights and all else: the largest size of the process above that before the network was built; on a GPU, the
    largest memory that torch held."""
    skipped: str = ""
    """Why time and memory were not measured."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def kind_of(name: str) -> str:
    """Return the kind of a preset.

    Raises:
        UnknownName: no such preset; guesses among all.
    """
    try:
        zoo.family_of(name)
    except UnknownName:
        if name in zoo.presets("audio-encoders"):
            return "audio-encoders"
        raise UnknownName("encoder preset", name, everything()) from None
    return "encoders"


def everything() -> list[str]:
    """Return the names of all presets of all kinds."""
    return [name for kind in KINDS for name in zoo.presets(kind)]


def input_of(preset: Preset, *, batch: int = 1, device: str = "meta") -> Tensor:
    """Return an input of a preset: uint8 zeros (B, T, C, H, W), or float zeros (B, S)."""
    i = preset.input
    if isinstance(i, AudioInput):
        return torch.zeros(batch, round(i.seconds * i.sample_rate), device=device)
    return torch.zeros(batch, i.num_frames, len(i.mean), i.height, i.width, dtype=torch.uint8, device=device)


@cache
def count_preset(name: str) -> Counted:
    """Count a preset on shapes alone.

    Raises:
        UnknownName: no such preset.
    """
    network, given = _shapes(name)
    features = network(given)
    scores = getattr(network, "num_classes", 0) and hasattr(network, "logits")
    work = multiply_adds(lambda: network.logits(given) if scores else network(given))
    return Counted(tuple(given.shape), features.tokens.shape[1], tuple(features.grid), features.tokens.shape[2],
                   features.pooled.shape[1], num_params(network), work / 1e9)


def _shapes(name: str) -> tuple[Any, Tensor]:
    kind = kind_of(name)
    with shapes_only():
        network = zoo.create(name, kind).eval()
    return network, input_of(zoo.preset_of(name, kind))


def receptive_field(name: str) -> dict[str, Any]:
    """Return how many frames ("time") and pixels of height ("space") the centre token depends on.

    "all": every token sees all of the clip (attention, or a mean over everything); None: not defined.

    Raises:
        UnknownName: no such preset.
    """
    if kind_of(name) != "encoders":
        return {"time": None, "space": None}
    network, given = _shapes(name)

    def run(clip: Tensor) -> Tensor:
        features: Features = network(clip)
        return features.tokens

    grid, found = count_preset(name).grid, {}
    for key, axis, along in (("time", 1, 0), ("space", 3, 1)):
        seen = reach(run, given, axis, grid, along)
        found[key] = None if seen is None else "all" if seen.everything else seen.size
    return found


def differences(counted: Counted, preset: Preset) -> tuple[float | None, float | None]:
    """Return by how many per cent parameters and operations differ from the published figures; None if not stated."""
    stated = preset.published
    if stated is None:
        return None, None
    work = counted.gflops * (2 if stated.unit == "operations" else 1)
    params, operations = (None if not theirs else 100 * (ours / theirs - 1) for ours, theirs in (
        (counted.params / 1e6, stated.params_millions), (work, stated.gflops)))
    return params, operations


def profile_presets(names: Sequence[str], *, batch: int = 1, device: str = "cpu", threads: int | None = None,
                    repeats: int = 5, receptive: bool = True, note: Callable[[str], None] = lambda text: None,
                    ) -> Iterator[Profile]:
    """Measure presets; see `Profile`.

    Args:
        names: presets of any kind.
        batch: clips at a time.
        device: "cpu", "cuda" ...
        threads: CPU threads of each process; None for torch's own choice.
        repeats: timed runs of each, after one to warm up.
        receptive: whether to find the receptive field too.
        note: told what goes on.

    Raises:
        UnknownName: no such preset; found before anything is measured.
        InvalidInput: a number out of range, or a device that is not there.
    """
    for key, value in (("batch", batch), ("repeats", repeats), ("threads", 1 if threads is None else threads)):
        if value < 1:
            raise InvalidInput(f"{key} must be 1 or more, not {value}.")
    choose_device(device)
    for name in names:
        kind_of(name)
    return _profiles(names, batch, device, threads, repeats, receptive, note)


def _profiles(names: Sequence[str], batch: int, device: str, threads: int | None, repeats: int, receptive: bool,
              note: Callable[[str], None]) -> Iterator[Profile]:
    done = 0
    for together in _groups(names):
        group = []
        for name in together:
            done += 1
            note(f"{done}/{len(names)} {name}")
            preset, counted = zoo.preset_of(name, kind_of(name)), count_preset(name)
            field = receptive_field(name) if receptive else {"time": None, "space": None}
            published = asdict(preset.published) if preset.published else None
            group.append(Profile(name, counted, published, *differences(counted, preset),
                                 preset.published.difference if preset.published else "", field,
                                 batch, device, threads))
        _measure(group, repeats)
        yield from group


def _groups(names: Sequence[str]) -> Iterator[list[str]]:
    """Divide names into those that are measured in turns."""
    group: list[str] = []
    for name in names:
        weigh = sum(4 * count_preset(n).params for n in (*group, name)) if group else 0
        if group and (len(group) == TOGETHER or weigh > TOGETHER_BYTES):
            yield group
            group = []
        group.append(name)
    if group:
        yield group


def _measure(group: list[Profile], repeats: int) -> None:
    """Time a group of presets in turns and write the figures into their profiles."""
    running: list[tuple[Profile, _Bench]] = []
    for line in group:
        wanted, free = 4 * line.counted.params, _free_bytes()
        if line.device == "cpu" and free is not None and wanted + RESERVE_BYTES > free:
            line.skipped = (f"its weights need {wanted / 2**30:.1f} GiB and {free / 2**30:.1f} GiB are free, of which "
                            f"{RESERVE_BYTES / 2**30:.0f} GiB stay so")
            continue
        bench = _Bench(line)
        if bench.reply.get("ready"):
            running.append((line, bench))
        else:
            line.skipped = bench.reason()
    runs: dict[str, list[dict[str, float]]] = {
        line.name: [bench.reply] if bench.reply["seconds"] > SLOW_SECONDS else [] for line, bench in running}
    again = [(line, bench) for line, bench in running if not runs[line.name]]
    for _ in range(repeats):
        for line, bench in again:
            if not line.skipped and "seconds" in bench.ask("run"):
                runs[line.name].append(bench.reply)
            elif not line.skipped:
                line.skipped = bench.reason()
    for line, bench in running:
        if not line.skipped:
            line.peak_mib = round(bench.ask("memory")["bytes"] / 2**20, 1)
            line.repeats = tuple(round(1000 * run["seconds"], 3) for run in runs[line.name])
            line.milliseconds = round(statistics.median(line.repeats), 3)
            line.cpu_milliseconds = round(statistics.median(1000 * run["cpu_seconds"] for run in runs[line.name]), 3)
        bench.close()


class _Bench:
    """A process that holds one preset and answers, line by line."""

    def __init__(self, line: Profile):
        job = {"name": line.name, "batch": line.batch, "device": line.device, "threads": line.threads}
        self._process = subprocess.Popen([sys.executable, "-m", "mmvideo.evaluation.bench", json.dumps(job)],
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                         text=True)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._asked, self._told = self._process.stdin, self._process.stdout
        self.reply: dict[str, Any] = self._read()

    def ask(self, what: str) -> dict[str, Any]:
        try:
            self._asked.write(f"{what}\n")
            self._asked.flush()
        except BrokenPipeError:
            self.reply = {}
            return self.reply
        self.reply = self._read()
        return self.reply

    def _read(self) -> dict[str, Any]:
        text = self._told.readline()
        return json.loads(text) if text.startswith("{") else {}

    def reason(self) -> str:
        if "error" in self.reply:
            self.close()
            return str(self.reply["error"])
        code = self.close()
        return f"its process ended with code {code}" if code != -9 else "not enough memory: the system ended it"

    def close(self) -> int:
        self._asked.close()
        self._told.close()
        return self._process.wait()


def _free_bytes() -> int | None:
    """Return how much memory new processes can have, where the system says so."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            lines: Iterable[str] = [line for line in file if line.startswith("MemAvailable:")]
    except FileNotFoundError:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if "SC_AVPHYS_PAGES" in os.sysconf_names \
            else None
    return int(next(iter(lines)).split()[1]) * 1024


__all__ = ["KINDS", "Counted", "Profile", "count_preset", "differences", "everything", "input_of", "kind_of",
           "profile_presets", "receptive_field"]
