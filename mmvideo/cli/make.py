"""Commands `demo`, `train`, `eval` and `toybox make`: what writes files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from mmvideo.cli.clips import Clip, understood
from mmvideo.cli.common import Debug, Device, Json, Overrides, json_line, note, overrides, say
from mmvideo.cli.dataclass_options import is_given, values_of, with_options
from mmvideo.cli.output import check_folder, each
from mmvideo.cli.own_clips import (
    EVALUATION,
    EVALUATION_PANEL,
    OWN_CLIPS,
    OWN_PANEL,
    evaluate_own,
    own_clips,
    stoppable,
    train_own,
)
from mmvideo.errors import InvalidInput, MediaNotFound, UnknownName
from mmvideo.redaction import one_line
from mmvideo.wording import plural, printable

Out = Annotated[Path, typer.Option("--out", help="Folder to write into; made if absent.")]
Trained = Annotated[str, typer.Argument(metavar="DATA|CONFIG", help="Labelled clips of yours, a config (`mmvideo list "
                                        "configs`) or a .yaml file.")]
Config = Annotated[str, typer.Argument(metavar="CONFIG", help="A config (`mmvideo list configs`) or a .yaml file.")]

NEXT = "what happens next?"


def add_model_commands(app: typer.Typer) -> None:
    """Register the commands."""
    panel = "Make things"
    app.command("demo", rich_help_panel=panel)(demo_command)
    app.command("train", rich_help_panel=panel)(train_command)
    app.command("eval", rich_help_panel=panel)(evaluate_command)
    toys = typer.Typer(no_args_is_help=True, help="The procedural world that the embedded models learn in.")
    toys.command("make")(toybox_make_command)
    app.add_typer(toys, name="toybox", rich_help_panel=panel)


def demo_clip(name: str = "toybox") -> Path:
    """Return a clip that ships with mmvideo: "toybox", or "nasa", which was filmed.

    Raises:
        MediaNotFound: this installation has none.
    """
    from mmvideo.weights import weights_root

    clip = weights_root() / "demo" / f"{name}.mp4"
    if not clip.is_file():
        raise MediaNotFound(f"This installation of mmvideo has no demo clip {clip.name}; install it again, or name a "
                            "clip of yours with --video.")
    return clip


DEMOS = {"voices": "separate_voices", "ask": "ask", "architectures": "architectures"}
"""Demos in a browser -> their files in demos/."""


def demo_command(
    what: Annotated[str | None, typer.Argument(metavar="[voices|ask|architectures]", help="Open a demo in the browser "
                                               "instead: separate the voices of a clip, ask about a video, or see "
                                               "what architectures look at.")] = None,
    out: Out = Path("out"),
    video: Annotated[str | None, typer.Option("--video", help="Another clip than the bundled one.")] = None,
    host: Annotated[str, typer.Option("--host", help="Address of a browser demo; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port of a browser demo.")] = 7860,
    device: Device = None, json: Json = False, debug: Debug = False,
) -> None:
    """Caption, classify and question two bundled clips, a filmed one first; writes pictures and JSON.

    Or open a demo in the browser.
    """
    if what is not None:
        _serve_demo(what, host, port)
        return
    check_folder(out)
    shown = [(video, "demo", None)] if video else [
        (str(demo_clip("nasa")), "demo", None), (str(demo_clip()), "demo-toybox", "toybox-qa")]
    for path, name, model in shown:
        with understood([path], images=False) as clips:
            if len(clips) > 1:
                raise InvalidInput(f"--video {str(video)!r} holds {plural(len(clips), 'clip')}; the demo takes one.")
            shown_clip = partial(_demonstrated, out=out / name, model=model, device=device, json=json)
            each(clips, _without_number(shown_clip), json=json, printed=True)


def _without_number(run: Callable[[Clip], list[Any]]) -> Callable[[Clip, Any], list[Any]]:
    return lambda clip, _: run(clip)


def _demonstrated(clip: Clip, out: Path, model: str | None, device: str | None, json: bool) -> list[Any]:
    """Run the three pipelines on a clip, print what they say, and write a picture and JSON.

    Args:
        out: path of both without its ending.
        model: of captions and answers; None for the default.
    """
    import json as json_format

    from mmvideo.hooks import Progress
    from mmvideo.pipeline import Pipeline
    from mmvideo.plots import contact_sheet

    caption = Pipeline("video-captioning", model, device=device)(clip.path, hook=Progress())
    motion = Pipeline("video-classification", device=device)(clip.path, hook=Progress())
    answer = Pipeline("video-qa", model, device=device)(clip.path, NEXT, hook=Progress())
    results = {title: clip.named(result) for title, result in
               (("caption", caption), ("camera", motion), (NEXT, answer))}
    if not json:
        say(f"{one_line(Path(clip.name).name)}: {motion.duration_seconds:.1f} s")
        _warn(results, clip)
    for title, result in results.items():
        say(json_line(result) if json else f"\n{title}: {_seen(result)}")
    out.parent.mkdir(parents=True, exist_ok=True)
    picture = contact_sheet(list(results.values()), out.with_suffix(".png"))
    text = json_format.dumps([result.to_dict() for result in results.values()], indent=2, ensure_ascii=False)
    out.with_suffix(".json").write_text(printable(text) + "\n", encoding="utf-8")
    note(f"\nwrote {picture} and {out.with_suffix('.json')}")
    return list(results.values())


def _warn(results: dict[str, Any], clip: Clip) -> None:
    """Say first, once, what the models do not know, and what to type instead."""
    from mmvideo.stages.suggestion import shell_line

    outside = [title for title, result in results.items() if result.in_domain.outside]
    for caveat in dict.fromkeys(results[title].caveat for title in outside):
        say(caveat)
    if outside:
        verb, words = ("classify", []) if outside == ["camera"] else ("ask", [NEXT])
        say(f"  a model that may know: {shell_line(verb, [clip.argument, *words])}")


def _seen(result: Any) -> str:
    """Return a result in words, with every frame that was looked at."""
    times = " ".join(f"{seconds:.3f}" for seconds in result.seconds_looked_at)
    return f"{result.body}\n  frames at {times} s"


def _serve_demo(what: str, host: str, port: int) -> None:
    """Run a demo's file, from an installed package or a checkout.

    Raises:
        UnknownName: no such demo.
        MissingExtra: Gradio is not installed.
    """
    import runpy
    from importlib.util import find_spec

    from mmvideo import errors, weights

    if what not in DEMOS:
        raise errors.UnknownName("demo", what, DEMOS)
    if find_spec("gradio") is None:
        raise errors.MissingExtra("gradio", "demo", f"mmvideo demo {what}")
    package = weights.weights_root().parent
    folder = next(f for f in (package / "demos", package.parent / "demos") if f.is_dir())
    note(f"open http://{host}:{port}/ in a browser; Ctrl-C ends it")
    runpy.run_path(str(folder / f"{DEMOS[what]}.py"))["main"](host, port)


@with_options(OWN_CLIPS, before="debug")
def train_command(
    context: typer.Context, config: Trained,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the run; runs/NAME.")] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Another length than the config's.")] = None,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only check the config and the folder; read no data.")] = False,
    accept_changes: Annotated[bool, typer.Option("--accept-changes", help="Go on from a checkpoint although rate, "
                                                 "batch size or the like have changed.")] = False,
    report: Annotated[bool, typer.Option("--report", help="DATA: measure the model at the end, as `mmvideo eval` "
                                         "does, into report.html of the run.", rich_help_panel=OWN_PANEL)] = False,
    debug: Debug = False, **options: Any,
) -> None:
    """Train a model on labelled clips of yours, or as a config says; a run that was stopped goes on where it was.

    DATA is a folder of class folders, a table (.csv, .tsv, .jsonl, .parquet) with a column for the clip and one for the
    label, or a folder of Hugging Face datasets.

    Exit code 6: it was stopped, by Ctrl-C or SIGTERM, and can be continued.
    """
    import logging

    from mmvideo.training import recipes as training

    _limit(threads)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    given = {name: value for name, value in values_of(options).items() if is_given(context, name)}
    if own_clips(config):
        if steps is not None:
            raise InvalidInput("--steps is for configs; the length of a training on your clips is --epochs.")
        say(train_own(config, out, given, check=check, accept_changes=accept_changes, report=report))
        return
    if given or report:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in given) or "--report"
        raise InvalidInput(f"{flags} goes with labelled clips, and {config!r} is neither a folder nor a table "
                           "(.csv, .tsv, .jsonl, .parquet).")
    _check_config(config, "config")
    folder = out or Path("runs") / Path(config).stem
    check_folder(folder)
    if check:
        plan = training.check_training(config, out=folder, steps=steps)
        say(plan)
        for path in plan.absent:
            note(f"not here: {path}")
        return
    with stoppable(folder):
        say(training.run_training(config, out=folder, steps=steps, accept_changes=accept_changes))


@with_options(EVALUATION, before="debug")
def evaluate_command(
    context: typer.Context,
    config: Annotated[str | None, typer.Argument(metavar="[BENCHMARK|CONFIG]", help="A benchmark (`mmvideo list "
                                                 "benchmarks`), a config (`mmvideo list configs`) or a .yaml file; or "
                                                 "give --model and --data.")] = None,
    model: Annotated[list[str] | None, typer.Option("--model", metavar="NAME|FOLDER", rich_help_panel=EVALUATION_PANEL,
                                                    help="A classifier to measure; given again, another to compare "
                                                    "the first with.")] = None,
    data: Annotated[str | None, typer.Option("--data", metavar="TABLE|FOLDER", rich_help_panel=EVALUATION_PANEL,
                                             help="Labelled clips to measure on, as `mmvideo train` takes "
                                             "them.")] = None,
    device: Device = None,
    set_: Overrides = None,
    probe: Annotated[str | None, typer.Option("--probe", metavar="KIND", help="Show the model something else: blind, "
                                              "single-frame, frozen, shuffled, reversed, muted.")] = None,
    answers: Annotated[str, typer.Option("--answers", metavar="parse|likelihood", help="How the option of a reply is "
                                         "found.")] = "parse",
    subtitles: Annotated[bool, typer.Option("--subtitles", help="Put subtitles before the questions.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only so many items, evenly spread.")] = None,
    compare: Annotated[Path | None, typer.Option("--compare", metavar="FOLDER", help="Compare with another run, item "
                                                 "by item.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the report; runs/NAME.")] = None,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only check the config; read no data and no weights.")] = False,
    json: Json = False, debug: Debug = False, **options: Any,
) -> None:
    """Measure a model on a benchmark (`mmvideo list benchmarks`) or classifiers on labelled clips (--model, --data), or
    run what a config's `evaluator:` names."""
    from mmvideo import registry
    from mmvideo.evaluation import recipes

    _limit(threads)
    given = {name: value for name, value in values_of(options).items() if is_given(context, name)}
    asked = {"subtitles": subtitles, "answers": answers, "probe": probe, "limit": limit, "compare": compare}
    if config is not None and config in registry.names("benchmarks"):
        if given or (model and len(model) > 1):
            raise InvalidInput(f"{config} takes one --model, and no options of labelled clips.")
        _benchmark(config, data, model[0] if model else None, out or Path("runs") / config, asked, device, set_,
                   json=json)
        return
    if config is not None and data and "/" not in config and not Path(config).suffix:  # configs are eval/NAME, or files
        raise UnknownName("benchmark", config, registry.names("benchmarks"))
    if wrong := [name for name in (*asked, "set_") if is_given(context, name)]:
        raise InvalidInput(f"--{wrong[0].strip('_')} belongs to a benchmark; see `mmvideo list benchmarks`.")
    if config is None or model or data:
        if config is not None or not (model and data):
            if config is not None:
                _check_config(config, "benchmark or config", registry.names("benchmarks"))
            raise InvalidInput("Give a config, or --model NAME (once or more) with --data TABLE.")
        evaluate_own(model, data, out, given, device=device, check=check, json=json)
        return
    if given or device:
        raise InvalidInput("Options of --data do not go with a config.")
    _check_config(config, "benchmark or config", registry.names("benchmarks"))
    folder = out or Path("runs") / Path(config).stem
    check_folder(folder)
    if check:
        say(recipes.check_evaluation(config, out=folder))
        return
    for report in recipes.run_evaluation(config, out=folder):
        say(json_line(report) if json else "  ".join(_entry(key, value) for key, value in report.items()))


def _benchmark(name: str, data: str | None, model: str | None, out: Path, asked: dict[str, Any], device: str | None,
               changes: list[str] | None, *, json: bool) -> None:
    from mmvideo.benchmarks.run import BenchmarkOptions, run_benchmark
    from mmvideo.jobs import JobOptions

    if data is None:
        raise InvalidInput(f"{name} needs its annotations and videos: --data FOLDER.")
    check_folder(out)
    report = run_benchmark(name, Path(data), model, out, BenchmarkOptions(**asked), device=device,
                           job=JobOptions(progress=True), changes=overrides(changes))
    if json:
        say(json_line(report))
        return
    say("\n".join(_entry(key, value) for key, value in report.items() if key != "by"))
    for tag, kinds in report["by"].items():
        say(f"by {tag}: " + ", ".join(f"{kind} {one['score']:.3f} ({one['items']})" for kind, one in kinds.items()))
    note(f"wrote {out}/report.json and receipts.jsonl")


def _check_config(text: str, what: str, others: Iterable[str] = ()) -> None:
    """Refuse what is neither a config by name nor a YAML file, in words that also fit a mistyped folder or table."""
    from mmvideo.recipes import recipe_names

    if text.endswith((".yaml", ".yml")) or text in (known := [*others, *recipe_names("configs")]):
        return
    clips = "Labelled clips are a folder or a table (.csv, .tsv, .jsonl, .parquet)"
    if Path(text).is_file():
        raise InvalidInput(f"{text} is neither a config (.yaml) nor labelled clips. {clips}.")
    if len(Path(text).parts) > 1 and text.split("/")[0] not in {name.split("/")[0] for name in known}:
        raise InvalidInput(f"{text}: no such file or folder. {clips}.")
    raise UnknownName(what, text, known, hint=f"{clips}, and there is none of that name; a config of your own ends in "
                                              ".yaml.")


def _limit(threads: int | None) -> None:
    if threads is not None:
        import torch

        torch.set_num_threads(threads)


def _entry(key: str, value: Any) -> str:
    return f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"


def toybox_make_command(
    out: Annotated[Path, typer.Argument(help="Folder to write into; made if absent.")],
    num: Annotated[int, typer.Option("--num", min=1, help="How many clips.")] = 100,
    level: Annotated[str, typer.Option("--level", help="easy, standard or hard.")] = "standard",
    split: Annotated[str, typer.Option("--split", help="train, validation, test or test-pairs.")] = "test",
    start: Annotated[int, typer.Option("--start", min=0, help="Index of the first scene of the split.")] = 0,
    size: Annotated[int, typer.Option("--size", min=16, help="Pixels a side.")] = 320,
    fps: Annotated[float, typer.Option("--fps", help="Frames a second.")] = 25,
    debug: Debug = False,
) -> None:
    """Write clips with sound (mp4) and everything that is true about them (JSON), to test any model with."""
    from mmvideo.toybox.make import make

    check_folder(out, "OUT")
    say(make(out, num=num, level=level, split=split, start=start, size=size, fps=fps, on_progress=_count))


def _count(done: int, total: int) -> None:
    from mmvideo.hooks import show_count

    show_count(done, total, "clips")
