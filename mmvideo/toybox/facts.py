"""A scene as numbers: the dense targets that the encoder is trained on, and what the language model is told first.

Facts are held per slot. Slot k is the toy of colour COLORS[k] (colours are unique below level hard; at level hard
the first toy of a colour takes the slot). The clip is cut into NUM_BINS equal spans of time.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mmvideo.nn.facts import Field
from mmvideo.toybox import vocabulary as v
from mmvideo.toybox.captions import spins, told_events
from mmvideo.toybox.physics import hidden_by
from mmvideo.toybox.summary import WEAK_FORCE, Summary, summarize
from mmvideo.toybox.world import SceneEvent, World

NUM_SLOTS = len(v.COLORS)
NUM_BINS = 8
BIN_SECONDS = v.CLIP_SECONDS / NUM_BINS
NEXT_KINDS = ("nothing", "hit", "bounce", "leave", "stop")
HEARD = (*v.MATERIALS, "hum", "beep", *v.OFFSCREEN_SOUNDS)
"""What can sound: an impact of a material, a motor, a beep, something off screen."""
DIRECTIONS = ("still", "left", "right", "up", "down")
AHEAD_SECONDS = (0.25, 0.5, 0.75, 1.0)
"""After the clip's end: where a toy will be by then is a dense target behind "what happens next"."""


_HIT, _BOUNCE, _LEAVE = NEXT_KINDS.index("hit"), NEXT_KINDS.index("bounce"), NEXT_KINDS.index("leave")
_KIND = {kind: i for i, kind in enumerate(v.EVENT_KINDS)}
_PRESENT = ("present", (0,))
_SEEN = ("seen", (0,))

FIELDS: tuple[Field, ...] = (
    Field("present", "slot", "multi", 1),
    Field("shape", "slot", "class", len(v.SHAPES), _PRESENT, 2.0),
    Field("size", "slot", "class", len(v.SIZES), _PRESENT),
    Field("material", "slot", "class", len(v.MATERIALS), _PRESENT, 2.0),
    Field("spins", "slot", "multi", 1, _PRESENT, 4.0),
    Field("hums", "slot", "multi", 1, _PRESENT),
    Field("next", "slot", "class", len(NEXT_KINDS), _PRESENT, 2.0),
    Field("next_partner", "slot", "class", NUM_SLOTS, ("next", (_HIT,))),
    Field("next_side", "slot", "class", len(v.SIDES), ("next", (_BOUNCE, _LEAVE))),
    Field("next_seconds", "slot", "value", 1, ("next", tuple(range(1, len(NEXT_KINDS)))), 2.0, waves=2),
    Field("sets_out", "slot", "class", len(DIRECTIONS), _PRESENT, 2.0),
    Field("ahead", "slot", "value", 2 * len(AHEAD_SECONDS), _PRESENT, 6.0),
    Field("seen", "slot_bin", "multi", 1, _PRESENT),
    Field("place", "slot_bin", "value", 2, _SEEN, 8.0, waves=3),
    Field("velocity", "slot_bin", "value", 2, _SEEN, 8.0),
    Field("event", "slot_bin", "multi", len(v.EVENT_KINDS), _PRESENT, 25.0),
    Field("event_offset", "slot_bin", "value", 1, ("event", tuple(range(len(v.EVENT_KINDS)))), 2.0),
    Field("event_times", "slot_bin", "value", len(v.EVENT_KINDS), ("event", ()), 2.0, waves=2),
    Field("clear", "slot_bin", "multi", len(v.EVENT_KINDS), ("event", ()), 4.0),
    Field("told", "slot_bin", "multi", len(v.EVENT_KINDS), ("event", ()), 4.0),
    Field("leads", "slot_bin", "multi", 1, ("event", (_KIND["hit"],)), 2.0),
    Field("partner", "slot_bin", "class", NUM_SLOTS, ("event", (_KIND["hit"],))),
    Field("side", "slot_bin", "class", len(v.SIDES),
          ("event", (_KIND["bounce"], _KIND["leave"], _KIND["enter"]))),
    Field("beep", "slot_bin", "multi", 1, _PRESENT, 6.0),
    Field("camera", "scene", "class", len(v.CAMERA_MOTIONS), None, 3.0),
    Field("view", "scene", "class", len(v.VIEWS)),
    Field("first_next", "scene", "class", NUM_SLOTS + 1, None, 2.0),
    Field("sound_track", "scene", "multi", 1),
    Field("heard", "bin", "multi", len(HEARD), None, 10.0),
    Field("heard_offset", "bin", "value", len(HEARD), ("heard", ()), 1.0),
)
"""Values are scaled to about [-1, 1]. The last class of first_next is: nothing happens. `clear` events are those that
questions are about, `told` ones those of the caption; `leads`: it is this toy that hits the other."""


def schema() -> dict[str, Any]:
    """Return what a network that reads these facts is built for, as plain values: slots, spans of time and fields."""
    return {"num_slots": NUM_SLOTS, "num_bins": NUM_BINS, "fields": [field.to_dict() for field in FIELDS]}


def world_facts(world: World, *, sound_track: Tensor | None = None) -> dict[str, Tensor]:
    """Return every field of a batch of scenes, and the masks of their gates.

    Args:
        world: B simulated scenes.
        sound_track: bool (B,), whether the clip is given with its sound; all by default.

    Returns:
        Per name in FIELDS: float32 (..., size) for multi and value fields, int64 (...) for class fields, where ... is
        the field's scope: (B, NUM_SLOTS), (B, NUM_SLOTS, NUM_BINS), (B,) or (B, NUM_BINS).
    """
    b = len(world)
    device = world.position.device
    slots = _slots(world)
    has = torch.ones(b, device=device) if sound_track is None else sound_track.float().to(device)
    out = _empty(b, device)
    _fill_toys(world, slots, out)
    _fill_tracks(world, slots, out)
    for scene in range(b):
        toy_slot = {toy: slot for slot, toy in enumerate(slots[scene].tolist()) if toy >= 0}
        summary = summarize(world.scene(scene))
        for toy, slot in toy_slot.items():
            out["sets_out"][scene, slot] = DIRECTIONS.index(summary.caption_direction[toy])
            out["spins"][scene, slot, 0] = float(spins(summary, toy))
        _fill_events(world, scene, toy_slot, summary, out)
    out["camera"] = torch.tensor([v.CAMERA_MOTIONS.index(s.camera_motion) for s in world.specs], device=device)
    out["view"] = torch.tensor([v.VIEWS.index(s.view) for s in world.specs], device=device)
    out["sound_track"] = has[:, None]
    out["heard"] *= has[:, None, None]
    out["hums"] *= has[:, None, None]
    return out


def _empty(b: int, device) -> dict[str, Tensor]:
    shapes = {"slot": (b, NUM_SLOTS), "slot_bin": (b, NUM_SLOTS, NUM_BINS), "scene": (b,), "bin": (b, NUM_BINS)}
    out = {}
    for f in FIELDS:
        shape = shapes[f.scope]
        out[f.name] = (torch.zeros(shape, dtype=torch.long, device=device) if f.kind == "class"
                       else torch.zeros(*shape, f.size, device=device))
    return out


def _slots(world: World) -> Tensor:
    """Return the toy in each slot, int64 (B, K), -1 where none."""
    slots = torch.full((len(world), NUM_SLOTS), -1, dtype=torch.long)
    for b, spec in enumerate(world.specs):
        for i, toy in reversed(list(enumerate(spec.toys))):
            slots[b, v.COLORS.index(toy.color)] = i
    return slots


def _fill_toys(world: World, slots: Tensor, out: dict[str, Tensor]) -> None:
    for b, spec in enumerate(world.specs):
        for slot, i in enumerate(slots[b].tolist()):
            if i < 0:
                continue
            toy = spec.toys[i]
            out["shape"][b, slot] = v.SHAPES.index(toy.shape)
            out["size"][b, slot] = v.SIZES.index(toy.size)
            out["material"][b, slot] = v.MATERIALS.index(toy.material)


def _fill_tracks(world: World, slots: Tensor, out: dict[str, Tensor]) -> None:
    """Where each toy is, how fast it goes and whether it can be seen, in the middle of each bin."""
    centre = [(bin_ + 0.5) * BIN_SECONDS for bin_ in range(NUM_BINS)]
    steps = [round(t * v.STEPS_PER_SECOND) for t in centre]
    screen, velocity = world.screen(steps), world.velocity[:, steps]
    reach = 0.5 * world.radius[:, None]
    inside = ((screen > -reach[..., None]) & (screen < 1 + reach[..., None])).all(-1) & (world.radius > 0)[:, None]
    for b, spec in enumerate(world.specs):
        if spec.occluder is not None:
            inside[b] &= ~hidden_by(spec.occluder, world.position[b, steps], world.radius[b])
    chosen = slots.clamp_min(0).to(screen.device)
    exists = (slots >= 0).to(screen.device)

    def per_slot(values: Tensor) -> Tensor:  # (B, bins, N, ...) -> (B, K, bins, ...)
        values = values.transpose(1, 2)
        index = chosen.reshape(*chosen.shape, *(1,) * (values.ndim - 2)).expand(-1, -1, *values.shape[2:])
        return values.gather(1, index)

    seen = per_slot(inside) & exists[..., None]
    out["seen"][..., 0] = seen.float()
    out["present"][..., 0] = seen.any(-1).float()
    out["place"].copy_((per_slot(screen) - 0.5).clamp(-0.8, 0.8) * 2)
    out["velocity"].copy_(per_slot(velocity).clamp(-1.5, 1.5) * 1.5)
    last = round(v.CLIP_SECONDS * v.STEPS_PER_SECOND)
    later = [last + round(t * v.STEPS_PER_SECOND) for t in AHEAD_SECONDS]
    later = [min(step, world.position.shape[1] - 1) for step in later]
    gone = per_slot(world.position[:, later] - world.position[:, last, None]) * exists[..., None, None]
    out["ahead"].copy_(gone.clamp(-1, 1).flatten(2) * 1.5)


def _fill_events(world: World, scene: int, toy_slot: dict[int, int], summary: Summary, out: dict[str, Tensor]) -> None:
    spec, first_next = world.specs[scene], None
    told = told_events(summary)
    nexts: dict[int, SceneEvent] = {}
    for event in world.events[scene]:
        if event.kind in ("hit", "bounce") and event.force < WEAK_FORCE:
            continue
        pairs = [(event.toy, event.other)] + ([(event.other, event.toy)] if event.other is not None else [])
        for toy, other in pairs:
            slot = toy_slot.get(toy)
            if slot is None:
                continue
            if event.observed:
                _fill_observed(event, scene, slot, toy_slot.get(other), out)
                kind, bin_ = _KIND[event.kind], _bin(event)
                out["clear"][scene, slot, bin_, kind] += float(event in summary.events)
                out["told"][scene, slot, bin_, kind] += float(event in told)
                out["leads"][scene, slot, bin_, 0] += float(event.kind == "hit" and toy == event.toy)
            elif event.kind in NEXT_KINDS and slot not in nexts:
                nexts[slot] = event
                out["next"][scene, slot] = NEXT_KINDS.index(event.kind)
                out["next_seconds"][scene, slot, 0] = 2 * (event.seconds - v.CLIP_SECONDS) / v.FUTURE_SECONDS - 1
                out["next_partner"][scene, slot] = toy_slot.get(other, 0) if event.kind == "hit" else 0
                out["next_side"][scene, slot] = v.SIDES.index(event.side) if event.side else 0
                first_next = slot if first_next is None else first_next
        if event.observed and event.kind in ("hit", "bounce"):
            for toy in {event.toy, event.other} - {None}:
                _hear(out, scene, spec.toys[toy].material, event.seconds)
    for name in ("clear", "told", "leads"):
        out[name][scene].clamp_(max=1.0)
    out["first_next"][scene] = NUM_SLOTS if first_next is None else first_next
    _fill_voices(world, scene, toy_slot, out)


def _fill_observed(event: SceneEvent, scene: int, slot: int, other: int | None, out: dict[str, Tensor]) -> None:
    bin_, kind = _bin(event), _KIND[event.kind]
    offset = 2 * (event.seconds / BIN_SECONDS - bin_) - 1
    if out["event"][scene, slot, bin_].sum() == 0:
        out["event_offset"][scene, slot, bin_, 0] = offset
    if out["event"][scene, slot, bin_, kind] == 0:
        out["event_times"][scene, slot, bin_, kind] = offset
    out["event"][scene, slot, bin_, kind] = 1.0
    if event.kind == "hit" and other is not None:
        out["partner"][scene, slot, bin_] = other
    if event.side is not None:
        out["side"][scene, slot, bin_] = v.SIDES.index(event.side)


def _bin(event: SceneEvent) -> int:
    return min(int(event.seconds / BIN_SECONDS), NUM_BINS - 1)


def _fill_voices(world: World, scene: int, toy_slot: dict[int, int], out: dict[str, Tensor]) -> None:
    spec = world.specs[scene]
    for i, toy in enumerate(spec.toys):
        slot = toy_slot.get(i)
        for beep in toy.beep_seconds:
            x, y = world.scene(scene).position(i, beep)
            if -toy.radius < x < 1 + toy.radius and -toy.radius < y < 1 + toy.radius:
                _hear(out, scene, "beep", beep)
                if slot is not None:
                    out["beep"][scene, slot, min(int(beep / BIN_SECONDS), NUM_BINS - 1), 0] = 1.0
        if toy.voice == "hum" and slot is not None:
            speed = out["velocity"][scene, slot].norm(dim=-1) / 1.5
            hums = (speed > 0.03) & (out["seen"][scene, slot, :, 0] > 0)
            out["heard"][scene, :, HEARD.index("hum")] += hums.float()
            out["hums"][scene, slot, 0] = float(hums.any())
    for kind, seconds in spec.offscreen:
        _hear(out, scene, kind, seconds)
    out["heard"][scene].clamp_(max=1.0)


def _hear(out: dict[str, Tensor], scene: int, what: str, seconds: float) -> None:
    bin_ = min(int(seconds / BIN_SECONDS), NUM_BINS - 1)
    out["heard"][scene, bin_, HEARD.index(what)] = 1.0
    out["heard_offset"][scene, bin_, HEARD.index(what)] = 2 * (seconds / BIN_SECONDS - bin_) - 1
