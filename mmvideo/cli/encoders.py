"""Commands `profile` and `import`: what encoders cost, and public checkpoints made into model folders."""

from __future__ import annotations

import json as json_format
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from mmvideo.cli.common import Debug, Json, json_line, note, say
from mmvideo.errors import InvalidInput, MediaNotFound, MmvideoError, UnknownName, WeightsError


def add_encoder_commands(app: typer.Typer) -> None:
    """Register the commands."""
    panel = "Encoders"
    app.command("profile", rich_help_panel=panel)(profile_command)
    app.command("import", rich_help_panel=panel)(import_command)


def profile_command(
    names: Annotated[list[str] | None, typer.Argument(metavar="PRESET...", help="See `mmvideo list encoders`.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every preset.")] = False,
    batch: Annotated[int, typer.Option("--batch", help="Clips at a time.")] = 1,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1.")] = "cpu",
    threads: Annotated[int | None, typer.Option("--threads", help="CPU threads.")] = None,
    repeats: Annotated[int, typer.Option("--repeats", help="Timed runs of each.")] = 5,
    receptive: Annotated[bool, typer.Option("--receptive-field/--no-receptive-field",
                                            help="Find it too; takes a minute for large transformers.")] = True,
    json: Json = False, debug: Debug = False,
) -> None:
    """Measure encoders: parameters, multiply-adds, tokens, time, memory, receptive field, beside what was published."""
    from mmvideo.evaluation import profile as measure
    from mmvideo.hooks import show_status

    if bool(names) == all_:
        raise InvalidInput("Give the names of presets, or --all; see `mmvideo list encoders`.")
    lines = []
    for line in measure.profile_presets(measure.everything() if all_ else names, batch=batch, device=device,
                                        threads=threads, repeats=repeats, receptive=receptive, note=_progress):
        lines.append(line)
        show_status("")
        if json:
            say(json_line(line))
    if not json:
        _print(lines)


def _progress(text: str) -> None:
    """Show which preset is measured: on a terminal in one line that is written over."""
    from mmvideo.hooks import show_status

    if sys.stderr.isatty():
        show_status(text)
    else:
        note(text)


def _print(lines: list[Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("preset", no_wrap=True)
    for title in ("M params", "published", "%", "G mult-adds", "published", "%", "tokens", "frames seen", "pixels seen",
                  "ms", "CPU ms", "MiB"):
        table.add_column(title, justify="right")
    for line in lines:
        stated = line.published or {}
        unit = " (x2)" if stated.get("unit") == "operations" else ""
        table.add_row(
            line.name, f"{line.counted.params / 1e6:.2f}", _number(stated.get("params_millions")),
            _percent(line.params_difference), f"{line.counted.gflops:.2f}", _number(stated.get("gflops"), unit),
            _percent(line.gflops_difference), str(line.counted.tokens), str(line.receptive["time"] or "-"),
            str(line.receptive["space"] or "-"), _number(line.milliseconds),
            _number(line.cpu_milliseconds), _number(line.peak_mib))
    Console(width=None if _is_terminal() else 160).print(table)
    for line in lines:
        if line.skipped:
            say(f"{line.name}: not run: {line.skipped}")
        if line.explained:
            say(f"{line.name}: {line.explained}")


def _is_terminal() -> bool:
    return sys.stdout.isatty()


def _number(value: float | None, unit: str = "") -> str:
    return "-" if value is None else f"{value:.4g}{unit}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:+.2f}"


def import_command(
    checkpoint: Annotated[Path, typer.Argument(help="A file as its authors released it.")],
    preset: Annotated[str, typer.Option("--preset", help="What the weights are of: see `mmvideo list encoders`.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write; model= takes it.")],
    labels: Annotated[Path | None, typer.Option(
        "--labels", help="Names of the classes in the order of the logits: one a line, or JSON.")] = None,
    form: Annotated[str | None, typer.Option("--format", help="Whose file it is, where a family has several.")] = None,
    debug: Debug = False,
) -> None:
    """Turn a public checkpoint in its original format into a folder that model= takes."""
    from mmvideo import weights
    from mmvideo.encoders import zoo
    from mmvideo.nn import checkpoints

    found = zoo.preset_of(preset)
    family = zoo.find("encoders", zoo.family_of(preset))
    forms = getattr(family, "CHECKPOINTS", {})
    if not forms:
        raise InvalidInput(f"No public checkpoint is known for {preset}: train it, or see `mmvideo list encoders`.")
    if form is not None and form not in forms:
        raise UnknownName(f"checkpoint format of {preset}", form, forms)
    if form is None and len(forms) > 1:
        known = "; ".join(f"{name}: {each.about}" for name, each in forms.items())
        raise InvalidInput(f"{preset} has checkpoints in {len(forms)} formats, choose one with --format. {known}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InvalidInput(f"{out} is there already; give another folder.")
    names = read_labels(labels) if labels is not None else ()
    encoder = zoo.create(preset, labels=names)
    tensors = checkpoints.read_checkpoint(checkpoint)
    try:
        encoder.load_tensors(tensors, form, where=str(checkpoint))
    except WeightsError as error:
        fitting = _fitting(tensors, family)
        raise WeightsError(f"{error} {_advice(fitting, len(names) or found.num_classes)}") from error
    encoder.save_pretrained(out)
    weights.seal(out)
    note(f"wrote {out}: {preset}, {encoder.num_classes} classes")
    if encoder.num_classes and not names:
        note(f"the classes have no names, so video-classification will not take it: import it again with --labels, a "
             f"file of {encoder.num_classes} lines")


def read_labels(path: Path) -> tuple[str, ...]:
    """Read names of classes: a text of one a line, a JSON list, or a JSON object of names by number or numbers by name.

    Raises:
        MediaNotFound: no such file.
        InvalidInput: not such a file, or names that are empty or not numbered from 0 on.
    """
    if not path.is_file():
        raise MediaNotFound(f"{path}: no such file of labels.")
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".json":
        found: Any = text.strip("\n").split("\n")
    else:
        try:
            found = json_format.loads(text)
        except ValueError as error:
            raise InvalidInput(f"{path} is not JSON: {error}") from error
    if isinstance(found, dict):
        pairs = [(v, k) if isinstance(v, int) else (k, v) for k, v in found.items()]
        by_number = {int(k): v for k, v in pairs if str(k).isdigit()}
        found = [by_number.get(i) for i in range(len(found))]
    if not isinstance(found, list) or not found or not all(isinstance(n, str) and n.strip() for n in found):
        raise InvalidInput(f"{path}: give one name a line, a JSON list of names, or a JSON object that numbers them "
                           "from 0 on.")
    return tuple(name.strip() for name in found)


def _fitting(tensors: dict[str, Any], family: Any) -> list[tuple[str, str, int]]:
    """List the (preset, format, classes) of a family that a checkpoint fits, by names and shapes."""

    from mmvideo.nn import checkpoints
    from mmvideo.nn.costs import shapes_only

    fitting = []
    for form, how in family.CHECKPOINTS.items():
        try:
            renamed = checkpoints.renamed_tensors(tensors, how)
        except (KeyError, IndexError, RuntimeError, ValueError, MmvideoError):
            continue  # a conversion that does not find what it converts
        heads = {t.shape[0] for name, t in renamed.items() if "head" in name and name.endswith("bias") and t.ndim == 1}
        for preset, details in family.PRESETS.items():
            for classes in {details.num_classes, *heads}:
                with shapes_only():
                    own = family.create(preset, num_classes=classes).state_dict()
                if ({n: t.shape for n, t in own.items() if not n.endswith("num_batches_tracked")}
                        == {n: t.shape for n, t in renamed.items() if not n.endswith("num_batches_tracked")}):
                    fitting.append((preset, form, classes))
    return fitting


def _advice(fitting: list[tuple[str, str, int]], classes: int) -> str:
    if not fitting:
        return "It fits no preset of this family, in none of its formats."
    told = [f"--preset {preset} --format {form} with {num} classes" for preset, form, num in fitting]
    wrong = all(num != classes for _, _, num in fitting)
    return f"It fits {' or '.join(told)}{f'; you gave {classes} labels' if wrong and classes else ''}."
