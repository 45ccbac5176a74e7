"""Command `features`: frozen encoders compared on labelled clips."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from mmvideo.cli.common import Debug, Device, Json, json_line, note, say
from mmvideo.cli.dataclass_options import options_of, values_of, with_options
from mmvideo.cli.output import check_folder
from mmvideo.errors import InvalidInput
from mmvideo.labelled.rows import DataOptions

_READING = "Reading the clips"


def add_features_command(app: typer.Typer) -> None:
    """Register the command."""
    app.command("features", rich_help_panel="Encoders", epilog="Examples:\n\n"
                "[bold]mmvideo features clips/ --encoder lite0[/bold]\n\n"
                "[bold]mmvideo features clips.tsv --all --per-class 5[/bold]\n\n"
                "[bold]mmvideo features clips.tsv --encoder lite0 --encoder two-stream-lite0 --crop person[/bold]",
                )(features_command)


@with_options(options_of(DataOptions, without=("skip_unreadable",), panel_of=lambda name: _READING), before="json")
def features_command(
    data: Annotated[str, typer.Argument(metavar="DATA", help="A folder of class folders, or a table of clips with "
                                        "labels (.csv, .tsv, .jsonl, .parquet).")],
    encoder: Annotated[list[str] | None, typer.Option("--encoder", metavar="PRESET|FOLDER", help="A preset (`mmvideo "
                       "list encoders`) or a folder that `mmvideo train` wrote; may be given again.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every preset that costs at most --max-gflops.")] = False,
    max_gflops: Annotated[float, typer.Option("--max-gflops", help="10^9 multiply-adds a clip, with --all.")] = 5.0,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the features and the report; run again with the "
                                             "same folder, nothing is computed twice. By default "
                                             "runs/features-NAME.")] = None,
    crop: Annotated[str, typer.Option("--crop", help="none; person: the square around the people of a "
                                      "clip; moving: around what moves, while it moves.")] = "none",
    pretrained: Annotated[str, typer.Option("--pretrained", help="Weights of presets: auto (those that ship, else "
                                            "ImageNet's where they fit, else random), imagenet or none.")] = "auto",
    probe: Annotated[list[str] | None, typer.Option("--probe", help="linear, svm or knn; may be given again. By "
                                                    "default all.")] = None,
    per_class: Annotated[int, typer.Option("--per-class", min=0, help="Most clips of a class in each split; 0 takes "
                                           "all.")] = 0,
    device: Device = None, json: Json = False, debug: Debug = False, **options: Any,
) -> None:
    """Compute features of frozen encoders, keep them, and compare encoders by linear, SVM and kNN probes."""
    from mmvideo.features import compare
    from mmvideo.features.frozen import affordable_presets
    from mmvideo.pipeline import choose_device

    if all_ == bool(encoder):
        raise InvalidInput("Give --encoder NAME, once or more, or --all; see `mmvideo list encoders`.")
    chosen = compare.ProbeOptions(crop=crop, pretrained=pretrained, per_class=per_class,
                                  probes=tuple(probe or compare.PROBES))
    reading = DataOptions(**values_of(options))
    name = Path(data).expanduser().resolve()
    folder = out or Path("runs") / f"features-{name.stem}"
    check_folder(folder)
    left_out: dict[str, str] = {}
    if all_:
        note("counting what a clip costs in every preset")
        encoder, left_out = affordable_presets(max_gflops, partial(_progress, words="presets"))
        note(f"{len(encoder)} presets of at most {max_gflops:g} G multiply-adds a clip; {len(left_out)} left out")
    found = compare.compare_frozen(
        data, encoder or [], folder, options=chosen, reading=reading, device=choose_device(device),
        on_line=_say_line if json else _note_line,
        on_progress=lambda name, done, total: _progress(done, total, f"clips, {name}"))
    for words in found.notes:
        note(words)
    for line in found.lines:
        for clip, reason in list(line.failed.items())[:5]:
            note(f"{line.encoder}: no features of {clip}: {reason}")
    if not json:
        say(found.headline)
        _print(found)
    note(f"wrote {folder / compare.REPORT}")


def _progress(done: int, total: int, words: str) -> None:
    from mmvideo.hooks import show_count

    if sys.stderr.isatty():
        show_count(done, total, words)


def _say_line(line: Any) -> None:
    say(json_line(line.to_dict()))


def _note_line(line: Any) -> None:
    best = max(line.scores, key=lambda score: score.accuracy, default=None)
    told = line.error or (f"{best.probe} {best.accuracy:.1%}" if best is not None else "")
    kept = "" if line.error else f", {line.computed} of {line.clips} clips computed in {line.seconds:.1f} s"
    note(f"{line.encoder}: {told}{kept}")
    for words in line.notes:
        note(f"{line.encoder}: {words}")


def _print(found: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("encoder", no_wrap=True)
    table.add_column("weights", no_wrap=True)
    for title in ("D", *found.probes, "clips/s"):
        table.add_column(title, justify="right")
    for row in found.rows():
        scores = [_share(row[name]) for name in found.probes]
        rate = row["clips_per_second"]
        table.add_row(row["encoder"], row["weights"] or "not run", str(row["dim"] or "-"), *scores,
                      "kept" if rate is None and not row["error"] else "-" if rate is None else f"{rate:.1f}")
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    for line in found.lines:
        if line.error:
            say(f"{line.encoder}: {line.error}")


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"
