"""What `mmvideo show` prints: the stages of a recipe with shapes and costs measured on one clip."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from mmvideo.errors import MmvideoError

QUESTION = "what happens next?"


def recipe(name: str, *, run: bool = True) -> dict[str, Any]:
    """Describe a recipe: its stages, and with `run` the shapes, parameters, GFLOPs and seconds on the demo clip.

    The figures are measured, not computed from formulas: the pipeline runs once to warm up and once counted.

    Raises:
        RecipeError: the recipe does not fit together.
    """
    from mmvideo import recipes
    from mmvideo.stages.build import build

    found = recipes.load_recipe(name)
    stages = [
        {"stage": spec.name, "options": dict(spec.options), "needs": list(stage.needs), "gives": list(stage.gives)}
        for spec, (_, stage) in zip(found.stages, build(found), strict=True)
    ]
    described = {"name": found.name, "about": found.about, "takes": list(found.takes), "gives": found.gives,
                 "stages": stages}
    if run:
        try:
            _measure(name, stages)
        except (MmvideoError, ImportError) as error:
            described["not_measured"] = str(error)
    return described


def _measure(name: str, stages: list[dict[str, Any]]) -> None:
    """Run the pipeline and write what each stage gave and cost into `stages`."""
    from mmvideo.cli.make import demo_clip
    from mmvideo.pipeline import Pipeline

    pipe = Pipeline(name)
    text = QUESTION if "text" in pipe.recipe.takes else None
    clip = str(demo_clip())
    pipe(clip, text)
    cost = _cost_hook()
    pipe(clip, text, hook=cost)
    counts = pipe.num_params()
    for stage in stages:
        own = [number for part, number in counts.items() if part.split(".")[0] == stage["stage"]]
        seen = cost.seen[stage["stage"]]
        stage |= {"gave": seen["shapes"], "params": sum(own), "gflops": seen["gflops"], "seconds": seen["seconds"]}


def _cost_hook() -> Any:
    """Make a hook that counts floating point operations (a multiply-add counts two) and keeps shapes."""
    from torch.utils.flop_counter import FlopCounterMode

    from mmvideo.hooks import Hook

    class Cost(Hook):
        def __init__(self) -> None:
            self.seen: dict[str, dict[str, Any]] = {}
            self._counter: FlopCounterMode | None = None

        def before(self, stage: str) -> None:
            self._counter = FlopCounterMode(display=False)
            self._counter.__enter__()

        def after(self, stage: str, given: Mapping[str, Any], seconds: float) -> None:
            self._counter.__exit__(None, None, None)
            self.seen[stage] = {"shapes": {name: shape_of(value) for name, value in given.items()},
                                "gflops": round(self._counter.get_total_flops() / 1e9, 3), "seconds": round(seconds, 4)}

    return Cost()


def shape_of(value: Any) -> str:
    """Say in a few characters what a field holds."""
    import torch

    if isinstance(value, torch.Tensor):
        return "x".join(str(n) for n in value.shape) or "scalar"
    if isinstance(value, tuple | list):
        return f"{len(value)} x {shape_of(value[0])}" if value else "none"
    if dataclasses.is_dataclass(value):
        tensors = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        shapes = [f"{name} {shape_of(t)}" for name, t in tensors.items() if isinstance(t, torch.Tensor)]
        return ", ".join(shapes[:2]) or type(value).__name__
    return type(value).__name__


def about_family(name: str, kind: str = "encoders") -> str:
    """Return one line about a family of encoders: the first of its module."""
    import sys

    from mmvideo.registry import find

    part = find(kind, name)
    words = getattr(sys.modules.get(getattr(part, "__module__", "")), "__doc__", "") or part.__doc__ or ""
    return words.strip().split("\n")[0].removesuffix(".")


def encoder(name: str) -> dict[str, Any]:
    """Describe a family of encoders or one of its presets: input, licence, published figures, and what it costs here.

    Raises:
        UnknownName: no such family or preset.
    """
    from mmvideo.encoders import zoo
    from mmvideo.evaluation import profile

    for kind in profile.KINDS:
        if name in zoo.families(kind) and name not in (presets := zoo.members(name, kind)):
            forms = getattr(zoo.find(kind, name), "CHECKPOINTS", {})
            return {"name": name, "about": about_family(name, kind),
                    "checkpoints": {key: form.about for key, form in forms.items()},
                    "presets": {key: preset.about for key, preset in presets.items()}}
    kind = profile.kind_of(name)
    preset, counted = zoo.preset_of(name, kind), profile.count_preset(name)
    of_params, of_work = profile.differences(counted, preset)
    stated = preset.published
    described = {
        "name": name, "about": preset.about, "family": zoo.family_of(name, kind),
        "input": "x".join(str(n) for n in counted.input), "fps": getattr(preset.input, "fps", None),
        "options": dict(preset.options), "classes": preset.num_classes,
        "views": f"{preset.views[0]} clips x {preset.views[1]} crops",
        "tokens": f"{counted.tokens} of {counted.dim} values", "grid": list(counted.grid),
        "pooled": counted.dim_pooled, "params": counted.params, "gflops": round(counted.gflops, 3),
        "licence": preset.licence, "weights": preset.weights or "none: train it"}
    if stated is not None:
        described["published"] = {
            "source": stated.source, "params_millions": stated.params_millions,
            "params_difference_percent": of_params, "gflops": stated.gflops, "unit": stated.unit,
            "gflops_difference_percent": of_work, "top1": stated.top1, "top1_on": stated.top1_on,
            "difference": stated.difference}
    forms = getattr(zoo.find(kind, described["family"]), "CHECKPOINTS", {})
    return {**described, "checkpoints": {key: form.about for key, form in forms.items()}, "presets": {}}


def separator(name: str) -> dict[str, Any]:
    """Describe a family of separators or one of its presets: what it sees, licence, published figures, cost here.

    Raises:
        UnknownName: no such family or preset.
    """
    from mmvideo.encoders import zoo
    from mmvideo.registry import find, names
    from mmvideo.separation import costs

    is_family = name in names(costs.KIND) and name not in zoo.members(name, costs.KIND)
    family = name if is_family else zoo.family_of(name, costs.KIND)
    forms = {key: form.about for key, form in find(costs.KIND, family).CHECKPOINTS.items()}
    presets = zoo.members(family, costs.KIND)
    if is_family:
        return {"name": name, "about": about_family(name, costs.KIND), "checkpoints": forms,
                "presets": {key: preset.about for key, preset in presets.items()}}
    preset, counted, net = presets[name], costs.count_separator(name), find(costs.KIND, family).create(name)
    stated, left_out = preset.published, preset.published_without
    sees = "lips and a still face" if net.needs_still else "lips" if net.sees else "nothing: sound alone"
    described = {
        "name": name, "about": preset.about, "family": family, "sees": sees,
        "gives": "a voice a face" if net.sees else f"{net.num_outputs} voices in no order",
        "window_seconds": counted.seconds, "options": dict(preset.options), "params": counted.total_params(),
        "parts": counted.params, "gmacs_per_second": round(counted.per_second(), 3), "licence": preset.licence,
        "weights": preset.weights or "none: train it"}
    if stated is not None:
        ours = (counted.total_params(left_out) / 1e6, counted.per_second(left_out) * preset.published_seconds)
        gaps = [None if was is None else round(100 * (here / was - 1), 2)
                for here, was in zip(ours, (stated.params_millions, stated.gflops), strict=True)]
        without = f", without {' and '.join(left_out)}" if left_out else ""
        described["published"] = {
            "source": stated.source + (f"; {preset.quality}" if preset.quality else ""),
            "params_millions": stated.params_millions, "params_difference_percent": gaps[0], "gflops": stated.gflops,
            "unit": f"{stated.unit} for {preset.published_seconds:g} s of sound{without}",
            "gflops_difference_percent": gaps[1], "top1": None, "top1_on": "", "difference": stated.difference}
    return {**described, "checkpoints": forms, "presets": {}}


def _encoder_text(described: dict[str, Any]) -> list[str]:
    """Lay out what `encoder` found."""
    lines = []
    for key, value in described.items():
        if key in ("name", "about", "presets", "checkpoints", "published") or value in (None, {}):
            continue
        unit = {"gflops": " x 10^9 multiply-adds a clip", "window_seconds": " s",
                "gmacs_per_second": " x 10^9 multiply-adds for a face and a second"}.get(key, "")
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else f"{value}{unit}"
        lines.append(f"  {key}: {shown}")
    if stated := described.get("published"):
        lines.append(f"  published: {stated['source']}")
        for key, unit in (("params_millions", "M parameters"), ("gflops", f"x 10^9 {stated['unit']}")):
            gap = stated[f"{key.split('_')[0]}_difference_percent"]
            if stated[key] is not None:
                lines.append(f"    {stated[key]:g} {unit}; ours differs by {gap:+.2f} %")
        if stated["top1"] is not None:
            lines.append(f"    {stated['top1']:g} % top-1 on {stated['top1_on']}")
        if stated["difference"]:
            lines.append(f"    why: {stated['difference']}")
    lines += [f"  checkpoint {key}: {about}" for key, about in described["checkpoints"].items()]
    return lines + [f"  {preset}: {about}" for preset, about in described["presets"].items()]


def description_text(described: dict[str, Any]) -> str:
    """Lay a description out for people."""
    lines = [f"{described['name']}: {described['about']}"]
    if "stages" not in described:
        return "\n".join(lines + _encoder_text(described))
    lines.append(f"takes {', '.join(described['takes'])}; gives {described['gives']}")
    for stage in described["stages"]:
        options = ", ".join(f"{key} {value}" for key, value in stage["options"].items())
        lines += ["", f"{stage['stage']}" + (f"  ({options})" if options else ""),
                  f"  {', '.join(stage['needs'])} -> {', '.join(stage['gives'])}"]
        if "gave" in stage:
            lines += [f"  {name}: {shape}" for name, shape in stage["gave"].items()]
            size = f"{stage['params'] / 1e6:.2f} M parameters, " if stage["params"] else ""
            work = f"{stage['gflops']:.3f} GFLOPs, " if stage["gflops"] else ""
            lines.append(f"  {size}{work}{1000 * stage['seconds']:.1f} ms")
    if "not_measured" in described:
        lines += ["", f"not measured: {described['not_measured']}"]
    elif described["stages"] and "gave" in described["stages"][0]:
        total = sum(stage["seconds"] for stage in described["stages"])
        lines += ["", f"measured on the demo clip: {1000 * total:.0f} ms in all (operations counted while it ran)"]
    return "\n".join(lines)
