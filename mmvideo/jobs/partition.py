"""Partition of a pipeline: stages that read the clip run in decode workers, networks on the device.

The first half ends with the last stage that needs the opened video. What it gives is packed into arrays and sent on.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from mmvideo import deadline
from mmvideo.errors import NoAudioTrack, TooShort
from mmvideo.jobs.artifacts import save_artifacts
from mmvideo.jobs.inputs import Item
from mmvideo.jobs.options import JobOptions
from mmvideo.stages.base import Stage, expected
from mmvideo.stages.read import VideoRequest
from mmvideo.types import Clips, GenerationOptions
from mmvideo.wording import plural

Stages = Sequence[tuple[str, Stage]]
_OPEN = {"video", "media"}
"""Fields that hold an opened video, which cannot leave its process."""


@dataclass(frozen=True)
class Decoded:
    """What a worker found out about an item."""

    fields: dict[str, Any]
    """Packed fields that the second half needs, or the result itself."""
    about: dict[str, Any]
    """duration, frames seen, warnings, notes and seconds of each stage."""
    thumbnail: bytes | None = field(default=None, repr=False)
    """JPEG of a few of the frames that were seen."""
    bucket: tuple[Any, ...] | None = None
    """What must be equal for clips to go through a costly model together; None where their pictures tell it."""

    @property
    def seconds(self) -> float:
        """What fetching and the first half took."""
        return sum(seconds for _, seconds in self.about["seconds"])


def split_stages(stages: Stages, *, whole: bool = False) -> tuple[list[tuple[str, Stage]], list[tuple[str, Stage]]]:
    """Return the stages that need the opened video, with all before them, and the rest.

    A stage may itself come in two halves, as chat models of the hub do. Where another that needs the opened video has
    a network, all stages are in the first half: each worker then has the model, and clips are not batched. Only loaded
    stages show that, so whoever builds them anew is told by `whole`.
    """
    stages = [(name, part) for name, stage in stages for part in stage.partition() or (stage,)]
    last = max((number for number, (_, stage) in enumerate(stages) if _OPEN & set(stage.needs)), default=-1)
    if whole or any(stage.modules() for _, stage in stages[:last + 1]):
        return list(stages), []
    return list(stages[:last + 1]), list(stages[last + 1:])


def is_costly(stages: Stages) -> bool:
    """Say whether the networks are so large that decoding is a small part."""
    return any(stage.costly for _, stage in stages)


def decode(item: Item, media: Any, head: Stages, needed: set[str], options: JobOptions, *, reduce: int = 0,
           thumbnail: bool = False, content: str = "", tail: Stages = ()) -> Decoded:
    """Run the first half on one clip.

    Args:
        media: what `open_source` takes.
        head: the first half.
        needed: fields that go on.
        reduce: how many times the number of frames is halved.
        thumbnail: also make a small picture of the frames.
        content: SHA-256 of the clip; names the files of a result that has some.
        tail: the second half, which knows what the clip will be asked.

    Raises:
        MediaError: the clip cannot be read, or is not what the job was told to accept.
    """
    given = VideoRequest(media, {"strict": options.strict, "threads": 1}, (item.start_seconds, item.end_seconds))
    plain = GenerationOptions()
    fields: dict[str, Any] = {"video": given, "text": item.text, "prompt": item.prompt, "generation": plain}
    fields["expected"] = expected([*head, *tail], item.text or ((item.prompt,) if item.prompt else ()), plain)
    seconds: list[tuple[str, float]] = []
    notes = []
    with torch.inference_mode(), contextlib.ExitStack() as stack:
        for name, stage in head:
            if reduce and (fewer := stage.with_fewer_frames(reduce)) is not None:
                stage = fewer[0]
                notes.append(fewer[1])
            if item.prompt is not None and "request" in vars(stage):
                stage = dataclasses.replace(cast("Any", stage), request=item.prompt)
            start = time.perf_counter()
            with deadline.stage(name):
                found = stage(**stage.inputs(fields))
            seconds.append((name, time.perf_counter() - start))
            for value in found.values():
                if isinstance(value, contextlib.AbstractContextManager):
                    stack.enter_context(value)
            fields.update(found)
        source = fields.get("media")
        clips = fields.get("clips")
        if options.need_audio and source is not None and not source.has_audio:
            raise NoAudioTrack(f"{item.source} has no sound, and the job was told to take none without.")
        seen = _distinct(clips) if isinstance(clips, Clips) else None
        if seen is not None and seen < options.min_frames:
            raise TooShort(f"{item.source} shows {plural(seen, 'frame')}; the job takes clips of "
                           f"{options.min_frames} or more (--min-frames).")
        notes += clips.notes if isinstance(clips, Clips) else ()
        about = {
            "duration_seconds": source.info.duration_seconds if source is not None else None,
            "frames": seen or 0, "warnings": list(source.warnings) if source is not None else [],
            "notes": notes, "seconds": seconds}
        picture = _thumbnail(clips) if thumbnail and isinstance(clips, Clips) else None
        if clips is not None and any(stage.pictures_done for _, stage in head):
            fields["clips"] = dataclasses.replace(clips, frames=clips.frames[..., :1, :1])
        sent = {name: save_artifacts(fields[name], item, content, about, options) for name in needed if name in fields}
        bucket = next((value.bucket for value in sent.values() if hasattr(value, "bucket")), None)
        return Decoded({name: pack_tensors(value) for name, value in sent.items()}, about, picture, bucket)


def compute(items: Sequence[Mapping[str, Any]], tail: Stages, gives: str, *, size: int) -> tuple[
        list[Any], list[tuple[str, float]]]:
    """Run the second half on several clips together.

    Args:
        items: unpacked fields of each clip.
        gives: the field that is the result.
        size: rows in one forward pass.

    Returns:
        The result of each clip, and the seconds that each stage took for all.

    Raises:
        TimeLimitExceeded: the time limit around the call is over.
    """
    fields = [dict(one) for one in items]
    seconds = []
    with torch.inference_mode():
        for name, stage in tail:
            start = time.perf_counter()
            with deadline.stage(name):
                given = stage.batch([_given(stage, one) for one in fields], size=size)
            for one, found in zip(fields, given, strict=True):
                one.update(found)
            seconds.append((name, time.perf_counter() - start))
    return [one[gives] for one in fields], seconds


def _given(stage: Stage, fields: Mapping[str, Any]) -> dict[str, Any]:
    given = {need: fields[need] for need in stage.needs}
    if fields.get("prompt") is not None and "request" in vars(stage):
        given["request"] = fields["prompt"]
    return given


def needs(tail: Stages, gives: str) -> set[str]:
    """Return the fields that the first half must send on."""
    made = {name for _, stage in tail for name in stage.gives}
    return ({need for _, stage in tail for need in stage.needs} | {gives}) - made


def _distinct(clips: Clips) -> int:
    return len(set(clips.pts_seconds[clips.valid].tolist()))


def _thumbnail(clips: Clips, *, count: int = 4, height: int = 96) -> bytes:
    """Return a JPEG strip of frames spread over all clips."""
    from PIL import Image

    frames = clips.frames.flatten(0, 1)
    aspect = clips.aspect or frames.shape[-1] / frames.shape[-2]
    chosen = frames[torch.linspace(0, len(frames) - 1, min(count, len(frames))).round().long()]
    pictures = [Image.fromarray(frame.permute(1, 2, 0).contiguous().numpy()) for frame in chosen]
    pictures = [one.resize((max(1, round(height * aspect)), height)) for one in pictures]
    strip = Image.new("RGB", (sum(one.width for one in pictures), height))
    at = 0
    for one in pictures:
        strip.paste(one, (at, 0))
        at += one.width
    out = io.BytesIO()
    strip.save(out, "JPEG", quality=80)
    return out.getvalue()


@dataclass(frozen=True)
class Packed:
    """A dataclass on its way between processes, its tensors as arrays."""

    kind: type
    fields: dict[str, Any]


@dataclass(frozen=True)
class Array:
    """A tensor on its way between processes."""

    values: np.ndarray


def pack_tensors(value: Any) -> Any:
    """Replace tensors, also inside dataclasses and sequences, by arrays: they are copied, not shared, on sending."""
    if isinstance(value, Tensor):
        return Array(value.detach().cpu().contiguous().numpy())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return Packed(type(value), {f.name: pack_tensors(getattr(value, f.name)) for f in dataclasses.fields(value)
                                     if f.init})
    if isinstance(value, Mapping):
        return {key: pack_tensors(item) for key, item in value.items()}
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        return type(value)(pack_tensors(item) for item in value)
    return value


def unpack_tensors(value: Any) -> Any:
    """Undo `pack`."""
    if isinstance(value, Array):
        values = value.values
        return torch.from_numpy(values if values.flags.writeable else values.copy())
    if isinstance(value, Packed):
        return value.kind(**{name: unpack_tensors(item) for name, item in value.fields.items()})
    if isinstance(value, Mapping):
        return {key: unpack_tensors(item) for key, item in value.items()}
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        return type(value)(unpack_tensors(item) for item in value)
    return value


__all__ = ["Array", "Decoded", "Packed", "compute", "decode", "is_costly", "needs", "pack_tensors", "split_stages",
           "unpack_tensors"]
