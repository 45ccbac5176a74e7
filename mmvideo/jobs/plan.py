"""The plan of a run: its inputs compared with the ledger, before any work."""

from __future__ import annotations

import builtins
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mmvideo import errors
from mmvideo.errors import MmvideoError, UnknownName
from mmvideo.jobs.fetch import stamp as stamp_of
from mmvideo.jobs.inputs import Item
from mmvideo.jobs.options import JobOptions, row_keys
from mmvideo.redaction import redacted, tag
from mmvideo.wording import plural

DAMAGE = "+damage"
"""End of the mode of an item that was done or failed while damage was allowed."""
FAILED = ("failed", "quarantined")
_CHANGED = {"text": "another question", "prompt": "another prompt", "start_seconds": "another span",
            "end_seconds": "another span"}


@dataclass(frozen=True)
class Known:
    """An item as an earlier run left it."""

    num: int
    spec: str
    state: str
    error: str | None
    content: str | None
    stamp: str | None
    key: str | None
    place: int
    """Position in the inputs; -1 where the last run did not name it."""
    mode: str
    """Configuration under which it was done or failed, with `DAMAGE` where damage was allowed."""


@dataclass(frozen=True)
class Again:
    """An item that is pending again."""

    num: int
    spec: str
    key: str | None
    content: str | None


@dataclass
class JobPlan:
    """What a run will do."""

    total: int = 0
    waiting: int = 0
    """Neither done nor failed yet, from an earlier run."""
    kept: int = 0
    """Done before; nothing is computed."""
    anew: Counter[str] = field(default_factory=Counter)
    """Reason -> clips that were done and are done anew."""
    retried: Counter[str] = field(default_factory=Counter)
    """Class of failure -> clips that are tried again."""
    left: Counter[str] = field(default_factory=Counter)
    """Class of failure -> failed clips that are left as they are."""
    leaving: int = 0
    """Rows of clips that are no longer named."""
    fresh: list[tuple[str, str, int]] = field(default_factory=list, repr=False)
    """(id, spec, place) of clips that are new."""
    moved: list[tuple[int, int]] = field(default_factory=list, repr=False)
    """(place, num) of clips that stand elsewhere in the inputs."""
    again: list[Again] = field(default_factory=list, repr=False)
    tries: list[int] = field(default_factory=list, repr=False)
    """Failed clips that are tried again as they are."""
    gone: list[int] = field(default_factory=list, repr=False)
    respecs: list[tuple[str, int]] = field(default_factory=list, repr=False)
    """(spec, num) of clips of which only other columns of the manifest have changed."""
    doing: set[str] = field(default_factory=set, repr=False)
    """Ids of the clips that will be worked on."""
    dropped: list[int] = field(default_factory=list, repr=False)
    """Clips whose row leaves the results, or is replaced."""
    sources: dict[str, str] = field(default_factory=dict, repr=False)
    """Id -> address with its secrets, which the ledger does not hold."""

    @property
    def to_do(self) -> int:
        """Clips that will be worked on, unless their content turns out to be known."""
        return len(self.fresh) + self.waiting + self.anew.total() + self.retried.total()

    @property
    def changes(self) -> bool:
        """Whether the results will differ from those that are there."""
        return bool(self.to_do or self.moved or self.again or self.dropped or self.respecs)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"clips": self.total, "to_do": self.to_do, "new": len(self.fresh), "waiting": self.waiting,
                "kept": self.kept, "anew": dict(self.anew), "retried": dict(self.retried), "left": dict(self.left),
                "leaving": self.leaving}

    def __str__(self) -> str:
        counts = [(len(self.fresh), "new"), (self.waiting, "begun before"), (self.kept, "done before and kept"),
                  (self.anew.total(), "done anew"), (self.retried.total(), "tried again"),
                  (self.left.total(), "failed before and left alone")]
        said = ", ".join(f"{count} {words}" for count, words in counts if count)
        lines = [f"{plural(self.total, 'clip')}: {said}"]
        lines += [f"  done anew: {count}, {reason}" for reason, count in self.anew.most_common()]
        lines += [f"  tried again: {count}, {name}" for name, count in self.retried.most_common()]
        lines += [f"  left alone: {count}, {name} (--retry-failed or --retry {name} tries again)"
                  for name, count in self.left.most_common()]
        if self.dropped:
            lines.append(f"  rows that leave results.jsonl: {len(self.dropped)}"
                         + (f", {self.leaving} of clips that are no longer named" if self.leaving else "")
                         + "; they are kept in results.XXXXXXXX.jsonl")
        return "\n".join(lines)


def plan_job(known: Mapping[str, Known], items: Iterable[Item], options: JobOptions, config: str, *,
            has: Callable[[str], bool] = lambda key: False, why: str = "") -> JobPlan:
    """Return what is to be done.

    An item whose span, question or file has changed is done anew, as are all under another configuration, unless the
    row of their content is known. With `options.retry`, rows of other configurations stay.

    Args:
        known: what the ledger holds, by id.
        has: says whether a row is there for a key.
        why: how the configuration differs from the last one, in words.
    """
    plan = JobPlan()
    gone = {before.num: before for before in known.values() if before.place >= 0}
    for place, item in enumerate(items):
        plan.total += 1
        spec = spec_of(item)
        if redacted(item.source) != item.source:
            plan.sources[item.id] = item.source
        before = known.get(item.id)
        if before is None:
            plan.fresh.append((item.id, spec, place))
            plan.doing.add(item.id)
            continue
        gone.pop(before.num, None)
        if place != before.place:
            plan.moved.append((place, before.num))
        if _one(plan, before, item, spec, options, config, has, why):
            plan.doing.add(item.id)
    plan.gone = list(gone)
    leaving = [num for num, before in gone.items() if before.state == "done"]
    plan.leaving = len(leaving)
    plan.dropped += leaving
    return plan


def _one(plan: JobPlan, before: Known, item: Item, spec: str, options: JobOptions, config: str,
         has: Callable[[str], bool], why: str) -> bool:
    """Decide about one item that is known; say whether it will be worked on."""
    failed = before.state in FAILED
    if before.spec != spec and _deciding(before.spec) == _deciding(spec):
        plan.respecs.append((spec, before.num))
        before = replace(before, spec=spec)
    asked_for = failed and (options.retry_failed or before.error in options.retry)
    reason = _reason(before, item, spec, options, config, why)
    if reason:
        content = (before.content or None) if before.stamp and stamp_of(item) == before.stamp else None
        keys = row_keys(content, config, item.asked(), strict=options.strict) if content else ()
        key = next((key for key in keys if has(key)), keys[-1] if keys else None)
        plan.again.append(Again(before.num, spec, key, content))
        if before.state == "done" and key != before.key:
            plan.dropped.append(before.num)
        if key is not None and has(key):
            plan.kept += 1
            return False
        if before.state == "done":
            plan.anew[reason] += 1
        elif failed:
            plan.retried[before.error or ""] += 1
        else:
            plan.waiting += 1
    elif asked_for:
        plan.tries.append(before.num)
        plan.retried[before.error or ""] += 1
    elif failed:
        plan.left[before.error or ""] += 1
        return False
    elif before.state == "done":
        plan.kept += 1
        return False
    else:
        plan.waiting += 1
    return True


def _reason(before: Known, item: Item, spec: str, options: JobOptions, config: str, why: str) -> str:
    """Return why what is known of an item does not stand any more; empty where it does."""
    if before.spec != spec:
        old, new = json.loads(before.spec), json.loads(spec)
        return next((words for name, words in _CHANGED.items() if old.get(name) != new.get(name)), "another source")
    if before.state == "done" and before.stamp and stamp_of(item) != before.stamp:
        return "the file has changed"
    if before.state != "done" and before.state not in FAILED:
        return "" if before.mode == mode_of(config, options) else "another configuration"
    if options.retry:
        return ""
    if before.mode.removesuffix(DAMAGE) != config:
        return f"another configuration{why}"
    if before.state == "done" and options.strict and before.mode.endswith(DAMAGE) and before.content:
        damaged = row_keys(before.content, config, item.asked(), strict=False)[-1]
        return "damage is no longer allowed" if before.key == damaged else ""
    if before.state in FAILED and before.error == "VideoDecodeError" and not options.strict \
            and not before.mode.endswith(DAMAGE):
        return "damage is now allowed"
    return ""


def _deciding(spec: str) -> dict[str, Any]:
    """Return what of an item decides its row."""
    return {name: value for name, value in json.loads(spec).items() if name != "columns"}


def mode_of(config: str, options: JobOptions) -> str:
    """Return the configuration, with `DAMAGE` where damage is allowed."""
    return config if options.strict else config + DAMAGE


def check_classes(names: Iterable[str], known: Iterable[Known]) -> None:
    """Refuse a class of failures that nothing can fail by.

    Raises:
        UnknownName: it is so.
    """
    seen = {before.error for before in known if before.error}
    ours = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, MmvideoError)}
    for name in names:
        kind = getattr(builtins, name, None)
        if name not in seen | ours | {"JobCrashed"} and not (isinstance(kind, type) and issubclass(kind, Exception)):
            raise UnknownName("class of failures", name, seen or ours,
                              hint="`mmvideo jobs status FOLDER` counts them.")


def describe_changes(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> str:
    """Say how two configurations differ, as ` (caption.max_new_tokens 6 -> 2)`; empty where that is not known."""
    if not old:
        return ""
    before, after = _flat(old), _flat(new)
    found = []
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            found.append("weights" if name == "weights_sha256" else
                         f"{name} {before.get(name)} -> {after.get(name)}")
    return f" ({', '.join(found[:4])}{' ...' * (len(found) > 4)})" if found else ""


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    stages = {f"{name}.{option}": value for stage in settings.get("stages", ()) for name, options in stage.items()
              for option, value in options.items()}
    return {**{name: value for name, value in settings.items() if name != "stages"}, **stages}


def spec_of(item: Item) -> str:
    """Return an item as the ledger holds it: JSON, its source without secrets but with what tells it from others."""
    values = {key: value for key, value in item.__dict__.items() if value not in (None, ())}
    if hidden := tag(item.source):
        values["tag"] = hidden
    return json.dumps({**values, "source": redacted(item.source)})


def item_of(spec: str) -> Item:
    """Undo `spec_of`, but for secrets."""
    found = json.loads(spec)
    found.pop("tag", None)
    return Item(**{**found, "text": tuple(found.get("text", ()))})


__all__ = [
    "DAMAGE",
    "Again",
    "JobPlan",
    "Known",
    "check_classes",
    "describe_changes",
    "item_of",
    "mode_of",
    "plan_job",
    "spec_of",
]
