"""Results that are files, such as separated voices: the worker writes them, and only their names travel."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmvideo.jobs.inputs import Item
from mmvideo.jobs.options import JobOptions, hash_of
from mmvideo.redaction import clean
from mmvideo.results import Result
from mmvideo.separation.voices import SeparatedVoices
from mmvideo.types import Segment


@dataclass(frozen=True, kw_only=True)
class SavedResult(Result):
    """What is left of a result when its sounds lie in files."""

    text: str
    files: tuple[str, ...]
    """Relative to the job's folder."""

    @property
    def headline(self) -> str:
        """What was found, in a few words."""
        return self.text


def save_artifacts(result: Any, item: Item, content: str, about: Mapping[str, Any], options: JobOptions) -> Any:
    """Write the files of a result that has some, whole or not at all, and return what a row says of it.

    The files lie in a folder that is named by the clip's content and what was asked of it, so that a clip that is
    done again writes over its own files and those of no other.

    Args:
        content: SHA-256 of the clip.
        about: what is known about the clip, with its duration.
    """
    if not isinstance(result, SeparatedVoices):
        return result
    assert options.files is not None, "run_job sets it"
    home = Path(options.files)
    folder = home / hash_of({"content": content, "asked": item.asked()})[:16]
    part = folder.with_name(f".{folder.name}.{os.getpid()}")
    named = dataclasses.replace(result, source=clean(item.source), duration_seconds=about.get("duration_seconds"))
    try:
        named.save(part, videos=False)
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    names = sorted(path.relative_to(home.parent.parent).as_posix() for path in folder.iterdir())
    who = "person" if result.by == "faces" else "voice"
    spans = tuple(Segment(start, end, f"{who} {voice.number}", voice.confidence)
                  for voice in result.tracks for start, end in voice.spans)
    return SavedResult(text=result.headline.partition("\n")[0], files=tuple(names), segments=spans,
                confidence=result.confidence, seconds_looked_at=result.seconds_looked_at, in_domain=result.in_domain,
                rule=result.rule, warnings=result.warnings)


__all__ = ["SavedResult", "save_artifacts"]
