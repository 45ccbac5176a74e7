"""What `mmvideo show` prints: the stages of a recipe with what they really gave and cost on one clip."""

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

    found = recipes.load(name)
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


def encoder(name: str) -> dict[str, Any]:
    """Describe a family of encoders or one of its presets: input, licence, published figures, and what it costs here.

    Raises:
        UnknownName: no such family or preset.
    """
    import torch

    from mmvideo.encoders import zoo
    from mmvideo.nn.costs import multiply_adds, num_params

    if name in zoo.families() and name not in (presets := zoo.find("encoders", name).PRESETS):
        about = (zoo.find("encoders", name).__doc__ or "").strip().split("\n")[0]
        return {"name": name, "about": about, "presets": {key: preset.about for key, preset in presets.items()}}
    preset = zoo.preset_of(name)
    with torch.device("meta"):
        network = zoo.create(name).eval()
        i = preset.input
        clip = torch.zeros(1, i.num_frames, len(i.mean), i.height, i.width, dtype=torch.uint8)
        features = network(clip)
        count = multiply_adds(lambda: network(clip))
    return {"name": name, "about": preset.about, "input": shape_of(clip), "tokens": shape_of(features.tokens),
            "grid": list(features.grid), "pooled": shape_of(features.pooled), "params": num_params(network),
            "gflops": round(count / 1e9, 3), "licence": preset.licence, "weights": preset.weights or "none: train it",
            "presets": {}}


def text(described: dict[str, Any]) -> str:
    """Lay a description out for people."""
    lines = [f"{described['name']}: {described['about']}"]
    if "stages" not in described:
        lines += [f"  {key}: {value}" for key, value in described.items() if key not in ("name", "about", "presets")]
        lines += [f"  {preset}: {about}" for preset, about in described["presets"].items()]
        return "\n".join(lines)
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
